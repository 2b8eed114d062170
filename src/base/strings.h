// Small string helpers that the standard library of our oldest compiler (GCC 12) lacks.
#ifndef MINI_SANDBOX_BASE_STRINGS_H_
#define MINI_SANDBOX_BASE_STRINGS_H_

#include <charconv>
#include <concepts>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace mini {

namespace strings_internal {
inline void Append(std::string& out, std::string_view piece) { out += piece; }
inline void Append(std::string& out, char piece) { out += piece; }
template <std::integral T>
requires(!std::same_as<T, char> && !std::same_as<T, bool>) void Append(std::string& out, T piece) {
  char digits[24];
  auto [end, error] = std::to_chars(digits, digits + sizeof digits, piece);
  out.append(digits, static_cast<size_t>(end - digits));
}
}  // namespace strings_internal

// Joins strings and integers (decimal) into one string.
template <typename... Pieces>
std::string StrCat(const Pieces&... pieces) {
  std::string out;
  (strings_internal::Append(out, pieces), ...);
  return out;
}

// The pieces between separators; "" yields one empty piece.
std::vector<std::string_view> StrSplit(std::string_view text, char separator);

// Without leading and trailing spaces and tabs.
std::string_view StripBlanks(std::string_view text);

// The whole of `text` as a decimal number within [0, max]; no sign, no blanks.
std::optional<uint64_t> ParseDecimal(std::string_view text, uint64_t max);

// ASCII only, independent of the locale: host names and keywords.
std::string AsciiLower(std::string_view text);

// The text with control characters and invalid bytes escaped as \xNN, so that what a rule file or
// the sandbox supplies cannot drive the terminal. At most `max_bytes` of the input, then "...".
std::string EscapeForTerminal(std::string_view text, size_t max_bytes = 200);

// The text as one word for a shell, for commands that the user is told to type: quoted where it has
// to be, and what EscapeForTerminal() would escape as $'\NNN' (octal; bash, zsh, POSIX.1-2024).
std::string ShellWord(std::string_view text);

}  // namespace mini

#endif  // MINI_SANDBOX_BASE_STRINGS_H_
