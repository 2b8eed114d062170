#include "cli/option_values.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "base/paths.h"
#include "base/strings.h"
#include "sys/host_facts.h"

namespace mini {
namespace {

// Some 30 years. Beyond it is a slip of the finger, and far beyond does not fit milliseconds.
constexpr double kMaxSeconds = 1e9;

bool HasDotDot(std::string_view path) {
  const std::vector<std::string_view> components = StrSplit(path, '/');
  return std::find(components.begin(), components.end(), "..") != components.end();
}

Status BadValue(std::string_view option, std::string_view text, std::string_view why) {
  return Mistake(StrCat(option, " ", EscapeForTerminal(text), ": ", why));
}

// The power of two of a size's suffix; 0 when it has none.
int SuffixShift(char last) {
  switch (last) {
    case 'k':
    case 'K':
      return 10;
    case 'm':
    case 'M':
      return 20;
    case 'g':
    case 'G':
      return 30;
    default:
      return 0;
  }
}

}  // namespace

Status Mistake(std::string message) {
  return InvalidArgument(Stage::kArguments, std::move(message));
}

Result<std::string> PathResolver::Existing(std::string_view option, std::string_view path) {
  MINI_ASSIGN_OR_RETURN(std::string absolute, Absolute(option, path));
  if (!HasDotDot(absolute)) return absolute;
  MINI_ASSIGN_OR_RETURN(const PathFact fact, ReadPathFact(absolute));
  // As for a path without "..", which is looked for when the run is planned.
  if (fact.canonical.empty()) {
    return Status(StatusCode::kNotFound, Stage::kPlan,
                  StrCat(option, " ", EscapeForTerminal(path), ": there is no such path"));
  }
  MINI_ASSIGN_OR_RETURN(const std::string symlink, SymlinkBeforeDotDot(absolute));
  if (symlink.empty()) return NormalizePath(absolute);
  return Status(StatusCode::kInvalidArgument, Stage::kPlan,
                StrCat(option, " ", EscapeForTerminal(path), ": \"..\" goes up from ",
                       EscapeForTerminal(symlink), ", a symlink that a command may have made"))
      .WithHint(StrCat("if it is meant: ", option, " ", ShellWord(fact.canonical)));
}

Result<std::string> PathResolver::Absolute(std::string_view option, std::string_view path) {
  if (path.empty()) return Mistake(StrCat(option, ": the path is empty"));
  if (IsAbsolutePath(path)) return std::string(path);
  if (working_directory_.empty()) {
    MINI_ASSIGN_OR_RETURN(working_directory_, ReadWorkingDirectory());
  }
  return JoinPath(working_directory_, path);
}

Result<std::chrono::milliseconds> ParseSeconds(std::string_view option, std::string_view text) {
  double seconds = 0;
  const char* end = text.data() + text.size();
  const auto parsed = std::from_chars(text.data(), end, seconds, std::chars_format::fixed);
  if (parsed.ec != std::errc() || parsed.ptr != end ||
      text.find_first_not_of("0123456789.") != std::string_view::npos) {
    return BadValue(option, text, "not a number of seconds");
  }
  if (seconds > kMaxSeconds) return BadValue(option, text, "that is more than 30 years");
  return std::chrono::milliseconds(static_cast<int64_t>(std::ceil(seconds * 1000)));
}

Result<uint64_t> ParseByteSize(std::string_view option, std::string_view text) {
  const int shift = text.empty() ? 0 : SuffixShift(text.back());
  const std::string_view digits = text.substr(0, text.size() - (shift > 0 ? 1 : 0));
  if (digits.empty() || digits.find_first_not_of("0123456789") != std::string_view::npos) {
    return BadValue(option, text, "not a size: bytes, or with K, M or G behind, as in 512M");
  }
  constexpr uint64_t kMax = std::numeric_limits<uint64_t>::max();
  const std::optional<uint64_t> count = ParseDecimal(digits, kMax >> shift);
  if (!count) return BadValue(option, text, "more bytes than 64 bits can count");
  return *count << shift;
}

Result<std::pair<std::string, std::string>> ParseAssignment(std::string_view option,
                                                            std::string_view text) {
  const size_t equals = text.find('=');
  if (equals == std::string_view::npos) {
    return BadValue(option, text, "it has no value: give NAME=VALUE");
  }
  return std::pair(std::string(text.substr(0, equals)), std::string(text.substr(equals + 1)));
}

}  // namespace mini
