// The host's resolv.conf(5) and hosts(5) while a sandbox runs: a laptop changes networks.
#ifndef MINI_SANDBOX_SYS_RESOLVER_WATCH_H_
#define MINI_SANDBOX_SYS_RESOLVER_WATCH_H_

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace mini {

// Theory of operation. Both paths are looked up anew each time, since they are replaced by renaming
// and are often symlinks into /run that a network's start changes. A file is read when another file
// stands there or its time or size differ from what was read last. One that is missing or closed to
// us for the moment leaves the text that was read before: losing the resolver for a second is worse
// than asking the old one.
class ResolverWatch {
 public:
  // With the texts as they were read at the start, whose age is not known: the first look reads.
  ResolverWatch(std::string resolv_conf, std::string hosts);
  // For tests.
  ResolverWatch(std::string resolv_conf_path, std::string resolv_conf, std::string hosts_path,
                std::string hosts);

  // True when either text is another one than before.
  bool ReadIfChanged();
  const std::string& resolv_conf() const { return resolv_conf_.text; }
  const std::string& hosts() const { return hosts_.text; }

  // What ReadIfChanged() opens, for whoever takes the file system away from this process.
  static std::vector<std::string> Paths();

 private:
  struct Identity {
    dev_t device;
    ino_t inode;
    off_t size;
    int64_t changed;  // nanoseconds
    bool operator==(const Identity&) const = default;
  };
  struct File {
    std::string path;
    size_t max_bytes;
    std::string text;
    std::optional<Identity> identity = {};
  };
  static bool ReadIfChanged(File& file);

  File resolv_conf_;
  File hosts_;
};

}  // namespace mini

#endif  // MINI_SANDBOX_SYS_RESOLVER_WATCH_H_
