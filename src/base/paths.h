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

// The path itself or something below it; both normalized and absolute.
bool IsSameOrBelow(std::string_view path, std::string_view directory);
// Strictly below.
bool IsBelow(std::string_view path, std::string_view directory);

// JoinPath("/", "a") == "/a"; JoinPath("/a", "b/c") == "/a/b/c".
std::string JoinPath(std::string_view directory, std::string_view relative);

}  // namespace mini

#endif  // MINI_SANDBOX_BASE_PATHS_H_
