#include "plan/mount_ops.h"

#include <utility>

#include "base/strings.h"

namespace mini {

MountOp CloneTree(std::string source, int slot, uint64_t attributes) {
  return {.kind = MountOpKind::kCloneTree,
          .source = std::move(source),
          .slot = slot,
          .attributes = attributes};
}

MountOp NewFilesystem(std::string type, const std::string& key, const std::string& value, int slot,
                      uint64_t attributes) {
  return {.kind = MountOpKind::kNewFilesystem,
          .source = key.empty() ? "" : StrCat(key, "=", value),
          .data = std::move(type),
          .slot = slot,
          .attributes = attributes};
}

MountOp Attach(int slot, std::string target) {
  return {.kind = MountOpKind::kAttach, .target = std::move(target), .slot = slot};
}

MountOp DirectoryIn(int slot, std::string name, mode_t mode) {
  return {.kind = MountOpKind::kDirectoryIn, .source = std::move(name), .slot = slot, .mode = mode};
}

MountOp FileIn(int slot, std::string name, std::string text, mode_t mode) {
  return {.kind = MountOpKind::kFileIn,
          .source = std::move(name),
          .data = std::move(text),
          .slot = slot,
          .mode = mode};
}

MountOp MakePoint(std::string target, bool directory) {
  return {.kind = directory ? MountOpKind::kMakeDirectories : MountOpKind::kMakeFile,
          .target = std::move(target)};
}

MountOp MakeSymlink(std::string target, std::string leads_to) {
  return {.kind = MountOpKind::kMakeSymlink,
          .source = std::move(leads_to),
          .target = std::move(target)};
}

}  // namespace mini
