// Lists of ten thousand rules are read at every start. Here each byte of a line is looked at once
// or twice, and nothing is kept for saying what is wrong with it: the parser that can say so
// (rule_parser.cc) is asked about every line that this one does not know. What both know has to
// mean the same to both.
#include "netstack/filter/plain_rule.h"

#include <array>
#include <optional>

#include "netstack/filter/name_limits.h"

namespace mini::netstack {
namespace {

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

// Of each byte that a label may have its lower-case form; 0 for every other.
constexpr std::array<char, 256> kInLabel = [] {
  std::array<char, 256> in_label{};
  for (char c = 'a'; c <= 'z'; ++c) {
    in_label[static_cast<unsigned char>(c)] = c;
    in_label[static_cast<unsigned char>(c - 'a' + 'A')] = c;
  }
  for (char c = '0'; c <= '9'; ++c) in_label[static_cast<unsigned char>(c)] = c;
  for (const char c : {'-', '_'}) in_label[static_cast<unsigned char>(c)] = c;
  return in_label;
}();

// The digits that the text begins with, at most `most_digits`.
std::optional<uint32_t> TakeNumber(std::string_view& text, size_t most_digits) {
  uint32_t number = 0;
  size_t size = 0;
  for (; size < text.size() && IsDigit(text[size]); ++size) {
    if (size == most_digits) return std::nullopt;
    number = number * 10 + static_cast<uint32_t>(text[size] - '0');
  }
  if (size == 0) return std::nullopt;
  text.remove_prefix(size);
  return number;
}

std::optional<uint16_t> TakePort(std::string_view& text) {
  const auto number = TakeNumber(text, 5);
  if (!number || *number < 1 || *number > 65535) return std::nullopt;
  return static_cast<uint16_t>(*number);
}

std::optional<PortRange> ReadPorts(std::string_view text) {
  const auto first = TakePort(text);
  if (!first) return std::nullopt;
  if (text.empty()) return PortRange{*first, *first};
  if (text.front() != '-') return std::nullopt;
  text.remove_prefix(1);
  const auto last = TakePort(text);
  if (!last || *last < *first || !text.empty()) return std::nullopt;
  return PortRange{*first, *last};
}

// As inet_pton(3) has them: no leading zeros.
std::optional<IpAddress> ReadIpv4(std::string_view text) {
  std::array<uint8_t, 4> bytes{};
  for (size_t i = 0; i < bytes.size(); ++i) {
    if (i > 0) {
      if (!text.starts_with('.')) return std::nullopt;
      text.remove_prefix(1);
    }
    if (text.size() > 1 && text.front() == '0' && IsDigit(text[1])) return std::nullopt;
    const auto number = TakeNumber(text, 3);
    if (!number || *number > 255) return std::nullopt;
    bytes[i] = static_cast<uint8_t>(*number);
  }
  if (!text.empty()) return std::nullopt;
  return IpAddress::V4(bytes);
}

bool IsLabel(const char* label, size_t size) {
  return size >= 1 && size <= kMaxLabelBytes && label[0] != '-' && label[size - 1] != '-';
}

// Turns a text into its lower-case form, if it is a name as NormalizeName() has it. Not one whose
// last label is a number, which no name has.
bool NormalizePlainName(std::string& text) {
  if (text.size() > kMaxNameBytes) return false;
  char* const lower = text.data();
  size_t label = 0;  // where it begins
  bool is_number = true;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '.') {
      if (!IsLabel(&lower[label], i - label)) return false;
      label = i + 1;
      is_number = true;
      continue;
    }
    lower[i] = kInLabel[static_cast<unsigned char>(text[i])];
    if (lower[i] == 0) return false;
    is_number = is_number && IsDigit(lower[i]);
  }
  return label < text.size() && !is_number && IsLabel(&lower[label], text.size() - label);
}

}  // namespace

bool ParsePlainRule(std::string_view text, Rule& rule) {
  const bool refuses = text.starts_with('!');
  if (refuses) text.remove_prefix(1);
  std::optional<Protocol> protocol;
  if (text.starts_with("tcp/")) protocol = Protocol::kTcp;
  if (text.starts_with("udp/")) protocol = Protocol::kUdp;
  if (protocol) text.remove_prefix(4);
  const bool is_wildcard = text.starts_with("*.");
  if (is_wildcard) text.remove_prefix(2);

  const size_t colon = text.find(':');
  std::optional<PortRange> ports;
  if (colon != std::string_view::npos) {
    ports = ReadPorts(text.substr(colon + 1));
    if (!ports) return false;
  }
  const std::string_view host = text.substr(0, colon);
  const auto address = is_wildcard ? std::nullopt : ReadIpv4(host);
  if (!address) {
    rule.name = host;
    if (!NormalizePlainName(rule.name)) {
      rule.name.clear();
      return false;
    }
  }

  rule.action = refuses ? RuleAction::kRefuse : RuleAction::kAllow;
  rule.kind = address       ? TargetKind::kAddress
              : is_wildcard ? TargetKind::kWildcard
                            : TargetKind::kName;
  if (address) rule.prefix = {*address, 32};
  rule.protocol = protocol;
  rule.ports = ports;
  return true;
}

}  // namespace mini::netstack
