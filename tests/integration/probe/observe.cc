#include <dirent.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "attempt.h"

namespace mini::probe {

int PrintOpenDescriptors() {
  DIR* directory = opendir("/proc/self/fd");
  if (directory == nullptr) return 1;
  for (const dirent* entry = readdir(directory); entry != nullptr; entry = readdir(directory)) {
    if (entry->d_name[0] == '.' || std::atoi(entry->d_name) == dirfd(directory)) continue;
    char target[4096] = {};
    if (readlinkat(dirfd(directory), entry->d_name, target, sizeof target - 1) == -1) return 1;
    std::printf("%s %s\n", entry->d_name, target);
  }
  closedir(directory);
  return 0;
}

int PrintIds() {
  std::printf("uid: %u euid: %u gid: %u egid: %u\n", getuid(), geteuid(), getgid(), getegid());
  return 0;
}

int ConnectUnix(const char* name) {
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  size_t length = std::strlen(name);
  if (length >= sizeof address.sun_path) return 1;
  std::memcpy(address.sun_path, name, length);
  if (name[0] == '@') address.sun_path[0] = '\0';
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + length);
  int result = connect(fd, static_cast<const sockaddr*>(static_cast<const void*>(&address)), size);
  if (result == -1) {
    std::printf("connect-unix: refused %s\n", strerrorname_np(errno));
  } else {
    std::printf("connect-unix: allowed\n");
  }
  return 0;
}

}  // namespace mini::probe
