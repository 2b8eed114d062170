#include "sys/resolver_files.h"

#include <utility>

#include "sys/read_file.h"

namespace mini {
namespace {

// Far more than any such file needs. Hosts files with hundreds of thousands of blocked names exist.
constexpr size_t kMaxResolverFile = 1 << 20;
constexpr size_t kMaxHostsFile = 64 << 20;

Result<std::string> ReadOptionalFile(const std::string& path, size_t max_bytes) {
  Result<std::string> text = ReadTextFile(path, max_bytes, Stage::kProbe);
  if (text.ok() || text.status().error_number() == 0) return text;
  return std::string();
}

}  // namespace

Result<ResolverFiles> ReadResolverFiles() {
  ResolverFiles files;
  MINI_ASSIGN_OR_RETURN(files.resolv_conf, ReadOptionalFile("/etc/resolv.conf", kMaxResolverFile));
  MINI_ASSIGN_OR_RETURN(files.hosts, ReadOptionalFile("/etc/hosts", kMaxHostsFile));
  return files;
}

}  // namespace mini
