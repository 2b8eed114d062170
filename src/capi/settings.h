// What a program has asked for through the C API, checked call by call.
#ifndef MINI_SANDBOX_CAPI_SETTINGS_H_
#define MINI_SANDBOX_CAPI_SETTINGS_H_

#include <optional>
#include <string>
#include <vector>

#include "capi/error.h"
#include "capi/network_settings.h"
#include "policy/policy.h"

namespace mini::capi {

// A setter that fails changes nothing. Texts may be null.
class Settings {
 public:
  Error SetupDefault() { return SetMode(Mode::kDefault); }
  Error SetupReadOnly() { return SetMode(Mode::kReadOnly); }
  Error SetupCustom(const char* overlay_dir, const char* root);
  Error SetupHermetic(const char* root);

  Error MountBind(const char* path);
  Error MountWrite(const char* path);
  Error MountTmpfs(const char* path);
  Error MountOverlay(const char* path);
  Error MountEmptyOutputFile(const char* path);
  Error MountParentsWrite();
  Error SetWorkingDirectory(const char* path);
  Error ShareNetwork();
  Error EnableLog(const char* path);
  NetworkSettings& network() { return network_; }

  // The same as words of the command line (cli/option_table.h), with the log and without the rules.
  std::vector<std::string> ToOptions() const;
  const std::optional<std::string>& log() const { return log_; }
  // As often as it is wanted.
  Result<Policy> ToPolicy() const;

 private:
  // A path with what it leads to.
  struct Place {
    std::string path;
    std::string canonical;
  };
  struct PlaceOrError;

  Error SetMode(Mode mode);
  Error CheckMode(Mode mode) const;
  // -6, -5, and -3 where it has to be a directory and is none.
  static PlaceOrError Look(const char* path, bool directory);
  Error CheckTmp(const Place& place) const;
  Error AddWritable(const Place& place);

  std::optional<Mode> mode_;
  std::optional<Place> root_;
  std::optional<Place> overlay_directory_;
  std::vector<Place> read_only_;
  std::vector<Place> writable_;
  std::vector<Place> empty_;
  std::vector<Place> overlays_;
  std::optional<Place> working_directory_;
  bool shares_network_ = false;
  NetworkSettings network_;
  std::optional<std::string> log_;
};

}  // namespace mini::capi

#endif  // MINI_SANDBOX_CAPI_SETTINGS_H_
