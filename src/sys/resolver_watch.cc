#include "sys/resolver_watch.h"

#include <sys/stat.h>

#include <utility>

#include "sys/read_file.h"

namespace mini {
namespace {

constexpr const char* kResolvConf = "/etc/resolv.conf";
constexpr const char* kHosts = "/etc/hosts";
constexpr size_t kMaxResolvConf = 1 << 20;
constexpr size_t kMaxHosts = 64 << 20;
constexpr int64_t kNanoseconds = 1'000'000'000;

}  // namespace

ResolverWatch::ResolverWatch(std::string resolv_conf, std::string hosts)
    : ResolverWatch(kResolvConf, std::move(resolv_conf), kHosts, std::move(hosts)) {}

ResolverWatch::ResolverWatch(std::string resolv_conf_path, std::string resolv_conf,
                             std::string hosts_path, std::string hosts)
    : resolv_conf_{std::move(resolv_conf_path), kMaxResolvConf, std::move(resolv_conf)},
      hosts_{std::move(hosts_path), kMaxHosts, std::move(hosts)} {}

std::vector<std::string> ResolverWatch::Paths() { return {kResolvConf, kHosts}; }

bool ResolverWatch::ReadIfChanged() {
  const bool resolv_conf_changed = ReadIfChanged(resolv_conf_);
  return ReadIfChanged(hosts_) || resolv_conf_changed;
}

bool ResolverWatch::ReadIfChanged(File& file) {
  struct stat status;
  if (stat(file.path.c_str(), &status) != 0) return false;
  // The change time: unlike the modification time nobody sets it back.
  const Identity identity{status.st_dev, status.st_ino, status.st_size,
                          status.st_ctim.tv_sec * kNanoseconds + status.st_ctim.tv_nsec};
  if (identity == file.identity) return false;
  Result<std::string> text = ReadTextFile(file.path, file.max_bytes, Stage::kNetwork);
  if (!text.ok()) return false;
  file.identity = identity;
  if (*text == file.text) return false;
  file.text = *std::move(text);
  return true;
}

}  // namespace mini
