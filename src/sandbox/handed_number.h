// Numbers among the arguments of programs that only we start.
#ifndef MINI_SANDBOX_SANDBOX_HANDED_NUMBER_H_
#define MINI_SANDBOX_SANDBOX_HANDED_NUMBER_H_

#include <charconv>
#include <concepts>
#include <string_view>

namespace mini {

// -1, which stands for none, or more.
template <std::signed_integral Number>
bool ParseHandedNumber(std::string_view text, Number& number) {
  const char* end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, number);
  return error == std::errc() && rest == end && number >= -1;
}

}  // namespace mini

#endif  // MINI_SANDBOX_SANDBOX_HANDED_NUMBER_H_
