#include "capi/settings.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "base/paths.h"
#include "base/strings.h"
#include "base/unique_fd.h"
#include "capi/library.h"
#include "plan/host_layout.h"
#include "sys/host_facts.h"

namespace mini::capi {
namespace {

bool IsTmp(const std::string& path, const std::string& canonical) {
  return path == "/tmp" || canonical == "/tmp";
}

std::string_view SetterOf(Mode mode) {
  switch (mode) {
    case Mode::kReadOnly:
      return "mini_sandbox_setup_readonly";
    case Mode::kDefault:
      return kFunctionNames.default_mode;
    case Mode::kCustom:
      return kFunctionNames.custom_mode;
    case Mode::kHermetic:
      return kFunctionNames.hermetic_mode;
  }
  return "";
}

constexpr std::string_view kTmpIsPrivate = "in default mode /tmp is private and empty";

}  // namespace

struct Settings::PlaceOrError {
  Place place = {};
  Error error = {};
};

Settings::PlaceOrError Settings::Look(const char* path, bool directory) {
  if (Error error = CheckAbsolute(path); !error.ok()) return {{}, std::move(error)};
  const std::string text = path;
  Result<PathFact> fact = ReadPathFact(text);
  if (!fact.ok()) return {{}, SystemErrorOf(fact.status())};
  // As on the command line. Before all else: MountEmptyOutputFile() makes what is missing.
  const Result<std::string> symlink = SymlinkBeforeDotDot(text);
  if (!symlink.ok()) return {{}, SystemErrorOf(symlink.status())};
  if (!symlink->empty()) {
    std::string why =
        StrCat("\"..\" goes up from ", Shown(*symlink), ", a symlink that a command may have made");
    if (!fact->canonical.empty()) why += StrCat("; if it is meant: ", Shown(fact->canonical));
    return {{}, Refuse(MINI_SANDBOX_SYSTEM_ERROR, text, why)};
  }
  if (fact->kind == PathKind::kMissing) {
    return {{}, Refuse(MINI_SANDBOX_NO_SUCH_PATH, text, "no such file or directory")};
  }
  if (fact->canonical.empty()) {
    return {{}, Refuse(MINI_SANDBOX_SYSTEM_ERROR, text, "permission denied")};
  }
  if (directory && fact->kind != PathKind::kDirectory) {
    return {{}, Refuse(MINI_SANDBOX_NOT_A_DIRECTORY, text, "not a directory")};
  }
  return {{NormalizePath(text), std::move(fact->canonical)}};
}

Error Settings::CheckMode(Mode mode) const {
  if (!mode_) return Done();
  if (*mode_ != mode) {
    return {MINI_SANDBOX_MORE_THAN_ONE_MODE,
            StrCat("another mode was set up before, by ", SetterOf(*mode_))};
  }
  if (root_) {
    return Refuse(MINI_SANDBOX_ROOT_TWICE, root_->path,
                  "this mode was set up before, with this root");
  }
  return Done();
}

Error Settings::SetMode(Mode mode) {
  if (Error error = CheckMode(mode); !error.ok()) return error;
  if (mode == Mode::kDefault) {
    for (const auto* places : {&read_only_, &writable_, &empty_}) {
      for (const Place& place : *places) {
        if (!IsTmp(place.path, place.canonical)) continue;
        return Refuse(MINI_SANDBOX_TMP_IN_DEFAULT_MODE, place.path, kTmpIsPrivate);
      }
    }
  }
  mode_ = mode;
  return Done();
}

Error Settings::SetupCustom(const char* overlay_dir, const char* root) {
  if (Error error = CheckMode(Mode::kCustom); !error.ok()) return error;
  PlaceOrError found_root = Look(root, /*directory=*/true);
  if (!found_root.error.ok()) return std::move(found_root.error);
  std::optional<Place> overlays;
  if (overlay_dir != nullptr) {
    PlaceOrError found = Look(overlay_dir, /*directory=*/true);
    if (!found.error.ok()) return std::move(found.error);
    overlays = std::move(found.place);
  }
  for (const Place& writable : writable_) {
    if (IsSameOrBelow(found_root.place.canonical, writable.canonical) ||
        (overlays && IsSameOrBelow(overlays->canonical, writable.canonical))) {
      return Refuse(MINI_SANDBOX_OVERLAY_IN_WRITABLE, writable.path,
                    "the overlay directory or the root lies in this writable path");
    }
  }
  mode_ = Mode::kCustom;
  root_ = std::move(found_root.place);
  overlay_directory_ = std::move(overlays);
  return Done();
}

Error Settings::SetupHermetic(const char* root) {
  if (Error error = CheckMode(Mode::kHermetic); !error.ok()) return error;
  PlaceOrError found = Look(root, /*directory=*/true);
  if (!found.error.ok()) return std::move(found.error);
  for (const Place& writable : writable_) {
    if (!IsSameOrBelow(found.place.canonical, writable.canonical)) continue;
    return Refuse(MINI_SANDBOX_OVERLAY_IN_WRITABLE, writable.path,
                  "the root lies in this writable path");
  }
  mode_ = Mode::kHermetic;
  root_ = std::move(found.place);
  return Done();
}

Error Settings::CheckTmp(const Place& place) const {
  if (mode_ != Mode::kDefault || !IsTmp(place.path, place.canonical)) return Done();
  return Refuse(MINI_SANDBOX_TMP_IN_DEFAULT_MODE, place.path, kTmpIsPrivate);
}

Error Settings::MountBind(const char* path) {
  PlaceOrError found = Look(path, /*directory=*/false);
  if (!found.error.ok()) return std::move(found.error);
  if (Error error = CheckTmp(found.place); !error.ok()) return error;
  for (const Place& writable : writable_) {
    if (writable.canonical != found.place.canonical) continue;
    return Refuse(MINI_SANDBOX_READ_AND_WRITE, found.place.path, "it is writable already");
  }
  read_only_.push_back(std::move(found.place));
  return Done();
}

Error Settings::AddWritable(const Place& place) {
  if (Error error = CheckTmp(place); !error.ok()) return error;
  for (const Place& read_only : read_only_) {
    if (read_only.canonical != place.canonical) continue;
    return Refuse(MINI_SANDBOX_READ_AND_WRITE, place.path, "it is read-only already");
  }
  for (const auto* inside : {&root_, &overlay_directory_}) {
    if (!*inside || !IsSameOrBelow((*inside)->canonical, place.canonical)) continue;
    return Refuse(MINI_SANDBOX_OVERLAY_IN_WRITABLE, place.path,
                  StrCat(Shown((*inside)->path), " lies in it"));
  }
  writable_.push_back(place);
  return Done();
}

Error Settings::MountWrite(const char* path) {
  PlaceOrError found = Look(path, /*directory=*/false);
  if (!found.error.ok()) return std::move(found.error);
  return AddWritable(found.place);
}

Error Settings::MountTmpfs(const char* path) {
  PlaceOrError found = Look(path, /*directory=*/true);
  if (!found.error.ok()) return std::move(found.error);
  if (Error error = CheckTmp(found.place); !error.ok()) return error;
  empty_.push_back(std::move(found.place));
  return Done();
}

Error Settings::MountOverlay(const char* path) {
  PlaceOrError found = Look(path, /*directory=*/false);
  if (!found.error.ok()) return std::move(found.error);
  if (mode_ != Mode::kCustom) {
    return Refuse(MINI_SANDBOX_NO_OVERLAYS, found.place.path,
                  "overlays are named in custom mode only");
  }
  overlays_.push_back(std::move(found.place));
  return Done();
}

Error Settings::MountEmptyOutputFile(const char* path) {
  PlaceOrError found = Look(path, /*directory=*/false);
  if (found.error.ok()) return AddWritable(found.place);
  if (found.error.code != MINI_SANDBOX_NO_SUCH_PATH) return std::move(found.error);
  // Not through a symlink that leads nowhere: O_EXCL follows none (open(2)).
  const UniqueFd made(open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOCTTY | O_CLOEXEC, 0666));
  if (!made) {
    if (errno == ENOENT || errno == ENOTDIR) return std::move(found.error);
    return SystemErrorOf(
        mini::SystemError(Stage::kArguments, errno, StrCat("make the file ", Shown(path))));
  }
  found = Look(path, /*directory=*/false);
  Error error = found.error.ok() ? AddWritable(found.place) : std::move(found.error);
  if (!error.ok()) (void)unlink(path);
  return error;
}

Error Settings::MountParentsWrite() {
  Result<std::string> here = ReadWorkingDirectory();
  if (!here.ok()) return SystemErrorOf(here.status());
  Result<HostFacts> facts = ReadHostFacts({}, {.resolver_files = false});
  if (!facts.ok()) return SystemErrorOf(facts.status());
  const auto stays = [&](std::string_view path) {
    const auto private_directories = PrivateDirectories();
    return IsSystemDirectory(path) ||
           std::find(private_directories.begin(), private_directories.end(), path) !=
               private_directories.end() ||
           std::any_of(facts->homes.begin(), facts->homes.end(),
                       [&](const std::string& home) { return IsSameOrBelow(home, path); });
  };
  std::string topmost;
  for (std::string path = *here; path.rfind('/') > 0;) {
    path.resize(path.rfind('/'));
    if (stays(path) || !IsWritableDirectory(path)) break;
    topmost = path;
  }
  return topmost.empty() ? Done() : AddWritable({topmost, topmost});
}

Error Settings::SetWorkingDirectory(const char* path) {
  PlaceOrError found = Look(path, /*directory=*/true);
  if (!found.error.ok()) return std::move(found.error);
  working_directory_ = std::move(found.place);
  return Done();
}

Error Settings::ShareNetwork() {
  shares_network_ = true;
  return Done();
}

Error Settings::EnableLog(const char* path) {
  if (log_) return {MINI_SANDBOX_LOG_TWICE, StrCat("a log was named before: ", Shown(*log_))};
  if (path == nullptr || *path == '\0') return {MINI_SANDBOX_NO_SUCH_PATH, "the log has no name"};
  log_ = path;
  return Done();
}

Result<Policy> Settings::ToPolicy() const {
  PolicyBuilder builder(kFunctionNames);
  switch (mode_.value_or(Mode::kReadOnly)) {
    case Mode::kReadOnly:
      MINI_RETURN_IF_ERROR(builder.SetReadOnlyMode());
      break;
    case Mode::kDefault:
      MINI_RETURN_IF_ERROR(builder.SetDefaultMode());
      break;
    case Mode::kCustom:
      MINI_RETURN_IF_ERROR(builder.SetCustomMode(root_->path));
      break;
    case Mode::kHermetic:
      MINI_RETURN_IF_ERROR(builder.SetHermeticMode(root_->path));
      break;
  }
  if (overlay_directory_)
    MINI_RETURN_IF_ERROR(builder.SetScratchDirectory(overlay_directory_->path));
  for (const Place& place : read_only_) {
    MINI_RETURN_IF_ERROR(builder.AddReadOnly(place.path, std::nullopt));
  }
  for (const Place& place : writable_) MINI_RETURN_IF_ERROR(builder.AddWritable(place.path));
  for (const Place& place : overlays_) MINI_RETURN_IF_ERROR(builder.AddOverlay(place.path));
  for (const Place& place : empty_) MINI_RETURN_IF_ERROR(builder.AddEmptyDirectory(place.path));
  if (working_directory_) {
    MINI_RETURN_IF_ERROR(builder.SetWorkingDirectory(working_directory_->path));
  }
  MINI_RETURN_IF_ERROR(builder.SetNetwork(shares_network_ ? Network::kHost : LibraryNetwork()));
  MINI_RETURN_IF_ERROR(network_.AddTo(builder));
  return builder.Build();
}

std::vector<std::string> Settings::ToOptions() const {
  std::vector<std::string> options;
  const auto add = [&](const char* option, const std::string& value) {
    options.insert(options.end(), {option, value});
  };
  switch (mode_.value_or(Mode::kReadOnly)) {
    case Mode::kReadOnly:
      break;
    case Mode::kDefault:
      options.emplace_back("-x");
      break;
    case Mode::kCustom:
      add("-o", root_->path);
      break;
    case Mode::kHermetic:
      add("-h", root_->path);
      break;
  }
  if (overlay_directory_) add("-d", overlay_directory_->path);
  for (const Place& place : read_only_) add("-M", place.path);
  for (const Place& place : writable_) add("-w", place.path);
  for (const Place& place : overlays_) add("-k", place.path);
  for (const Place& place : empty_) add("-e", place.path);
  if (working_directory_) add("-W", working_directory_->path);
  if (shares_network_) options.emplace_back("-N");
  if (const auto most = network_.max_connections()) add("--max-connections", StrCat(*most));
  if (log_) add("-D", *log_);
  return options;
}

}  // namespace mini::capi
