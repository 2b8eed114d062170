#include "base/strings.h"

#include <algorithm>

namespace mini {

std::vector<std::string_view> StrSplit(std::string_view text, char separator) {
  std::vector<std::string_view> pieces;
  for (;;) {
    const size_t end = text.find(separator);
    pieces.push_back(text.substr(0, end));
    if (end == std::string_view::npos) return pieces;
    text.remove_prefix(end + 1);
  }
}

std::string_view StripBlanks(std::string_view text) {
  while (text.starts_with(' ') || text.starts_with('\t')) text.remove_prefix(1);
  while (text.ends_with(' ') || text.ends_with('\t')) text.remove_suffix(1);
  return text;
}

std::optional<uint64_t> ParseDecimal(std::string_view text, uint64_t max) {
  uint64_t value = 0;
  const char* end = text.data() + text.size();
  const auto parsed = std::from_chars(text.data(), end, value);
  if (text.empty() || parsed.ec != std::errc() || parsed.ptr != end || value > max) {
    return std::nullopt;
  }
  return value;
}

std::string AsciiLower(std::string_view text) {
  std::string lower(text);
  for (char& c : lower) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return lower;
}

namespace {

// The length of the UTF-8 sequence (RFC 3629) that `text` begins with if it is a character that
// shows as such; 0 for anything else, characters that reorder or break a line among it.
size_t PrintableSequence(std::string_view text) {
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
  const size_t length = byte(0) < 0xc2   ? 0
                        : byte(0) < 0xe0 ? 2
                        : byte(0) < 0xf0 ? 3
                        : byte(0) < 0xf5 ? 4
                                         : 0;
  if (length == 0 || length > text.size()) return 0;
  uint32_t character = byte(0) & (0x7fu >> length);
  for (size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xc0) != 0x80) return 0;
    character = character << 6 | (byte(i) & 0x3f);
  }
  static constexpr uint32_t kSmallest[] = {0, 0, 0x80, 0x800, 0x10000};
  const auto within = [&](uint32_t first, uint32_t last) {
    return character >= first && character <= last;
  };
  const bool is_sound =
      character >= kSmallest[length] && character <= 0x10ffff && !within(0xd800, 0xdfff);
  const bool is_control = within(0x80, 0x9f) || character == 0x061c || within(0x200b, 0x200f) ||
                          within(0x2028, 0x202e) || within(0x2060, 0x206f) || character == 0xfeff ||
                          within(0xe0000, 0xe007f);
  return is_sound && !is_control ? length : 0;
}

// The length of what shows as it is at the beginning of `text`; 0: this byte does not.
size_t PrintableLength(std::string_view text) {
  const auto byte = static_cast<unsigned char>(text[0]);
  if (byte < 0x80) return byte >= 0x20 && byte < 0x7f ? 1 : 0;
  return PrintableSequence(text);
}

}  // namespace

std::string EscapeForTerminal(std::string_view text, size_t max_bytes) {
  static constexpr char kHex[] = "0123456789abcdef";
  const std::string_view shown = text.substr(0, max_bytes);
  std::string out;
  for (size_t i = 0; i < shown.size();) {
    if (const size_t length = PrintableLength(shown.substr(i)); length > 0) {
      out += shown.substr(i, length);
      i += length;
      continue;
    }
    const auto byte = static_cast<unsigned char>(shown[i++]);
    out += "\\x";
    out += kHex[byte >> 4];
    out += kHex[byte & 15];
  }
  if (text.size() > max_bytes) out += "...";
  return out;
}

std::string ShellWord(std::string_view text) {
  constexpr std::string_view kPlain =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_@%+=:,./-";
  if (!text.empty() && text.find_first_not_of(kPlain) == std::string_view::npos) {
    return std::string(text);
  }
  std::string quoted;   // as '...'
  std::string escaped;  // as $'...'
  bool is_printable = true;
  for (size_t i = 0; i < text.size();) {
    const size_t length = PrintableLength(text.substr(i));
    const std::string_view piece = text.substr(i, std::max<size_t>(length, 1));
    i += piece.size();
    if (length == 0) {
      is_printable = false;
      const auto byte = static_cast<unsigned char>(piece[0]);
      escaped += '\\';
      for (const int shift : {6, 3, 0}) escaped += static_cast<char>('0' + (byte >> shift & 7));
      continue;
    }
    quoted += piece == "'" ? "'\\''" : piece;
    if (piece == "'" || piece == "\\") escaped += '\\';
    escaped += piece;
  }
  return is_printable ? StrCat("'", quoted, "'") : StrCat("$'", escaped, "'");
}

}  // namespace mini
