// Paths as text: no function here looks at the file system.
#ifndef MINI_SANDBOX_BASE_PATHS_H_
#define MINI_SANDBOX_BASE_PATHS_H_

#include <string>
#include <string_view>

namespace mini {

inline bool IsAbsolutePath(std::string_view path) { return path.starts_with('/'); }

// "/a//b/./c/" -> "/a/b/c"; ".." removes the component before it (lexically: the caller makes sure
// that no symlink is involved, or has resolved them); "/" stays "/".
std::string NormalizePath(std::string_view absolute_path);

// Strictly below; both normalized and absolute. It is asked of every mount of the host, most of
// which lie elsewhere: one byte tells that of nearly all.
inline bool IsBelow(std::string_view path, std::string_view directory) {
  if (directory == "/") return path.size() > 1 && path.starts_with('/');
  return path.size() > directory.size() && path[directory.size()] == '/' &&
         path.starts_with(directory);
}
// The path itself or something below it.
inline bool IsSameOrBelow(std::string_view path, std::string_view directory) {
  return path == directory || IsBelow(path, directory);
}

// JoinPath("/", "a") == "/a"; JoinPath("/a", "b/c") == "/a/b/c".
std::string JoinPath(std::string_view directory, std::string_view relative);

}  // namespace mini

#endif  // MINI_SANDBOX_BASE_PATHS_H_
