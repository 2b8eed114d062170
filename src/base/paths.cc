#include "base/paths.h"

#include <vector>

#include "base/strings.h"

namespace mini {

std::string NormalizePath(std::string_view absolute_path) {
  std::vector<std::string_view> components;
  for (const std::string_view component : StrSplit(absolute_path, '/')) {
    if (component.empty() || component == ".") continue;
    if (component == "..") {
      if (!components.empty()) components.pop_back();
      continue;
    }
    components.push_back(component);
  }
  if (components.empty()) return "/";
  std::string normalized;
  for (const std::string_view component : components) {
    normalized += '/';
    normalized += component;
  }
  return normalized;
}

std::string JoinPath(std::string_view directory, std::string_view relative) {
  std::string joined(directory);
  if (!joined.ends_with('/')) joined += '/';
  joined += relative;
  return joined;
}

}  // namespace mini
