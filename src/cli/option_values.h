// The values of options: text to numbers, sizes, assignments and absolute paths. Each mistake names
// the option and the text.
#ifndef MINI_SANDBOX_CLI_OPTION_VALUES_H_
#define MINI_SANDBOX_CLI_OPTION_VALUES_H_

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "base/status.h"

namespace mini {

// A Status with Stage::kArguments.
Status Mistake(std::string message);

// Paths on the command line count from the working directory, which is read at most once.
class PathResolver {
 public:
  // For what has to exist. An error where ".." goes up from a symlink: the path that is left would
  // hide the symlink from CheckPlantedLinks() (plan/planted_links.h).
  Result<std::string> Existing(std::string_view option, std::string_view path);
  // For a place inside, which the host need not have. ".." removes the component before it.
  Result<std::string> Absolute(std::string_view option, std::string_view path);

 private:
  std::string working_directory_;
};

// Whole or decimal seconds, rounded up to milliseconds; no sign, no exponent, no unit.
Result<std::chrono::milliseconds> ParseSeconds(std::string_view option, std::string_view text);

// Whole bytes, or with K, M or G behind (either case) kibi-, mebi- or gibibytes.
Result<uint64_t> ParseByteSize(std::string_view option, std::string_view text);

// "NAME=VALUE"; the value may be empty and hold further "=".
Result<std::pair<std::string, std::string>> ParseAssignment(std::string_view option,
                                                            std::string_view text);

}  // namespace mini

#endif  // MINI_SANDBOX_CLI_OPTION_VALUES_H_
