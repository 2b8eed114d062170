// The grammar of allow-list lines (rules.h has it), written by hand so that every mistake can say
// what was expected where, and what to write instead.
//
// What else is decided here: a UTF-8 byte order mark in front of the text is skipped; "#" starts a
// comment anywhere in a line (no rule contains one); comments may hold any bytes but NUL, which is
// an error everywhere, since a file with NUL bytes is UTF-16 or no text at all; CR is dropped in
// front of LF and at the end of the text, and an error elsewhere. Lines have no maximum length.
#include "netstack/filter/rule_parser.h"

#include <idn2.h>

#include <algorithm>
#include <memory>

#include "base/strings.h"
#include "netstack/filter/name_limits.h"
#include "netstack/filter/network_of.h"
#include "netstack/filter/plain_rule.h"

namespace mini::netstack {
namespace {

constexpr size_t kExcerptBytes = 40;

bool IsDigit(char c) { return c >= '0' && c <= '9'; }
bool IsAlpha(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
bool IsBlank(char c) { return c == ' ' || c == '\t'; }
bool AllDigits(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), IsDigit);
}

std::string Quoted(std::string_view text) {
  return StrCat("\"", EscapeForTerminal(text, kExcerptBytes), "\"");
}

// The last label is a number: no top-level domain is (RFC 3696, section 2), so an address is meant.
bool LooksLikeIpv4(std::string_view host) {
  if (host.ends_with('.')) host.remove_suffix(1);
  return AllDigits(host.substr(host.rfind('.') + 1));
}

class LineParser {
 public:
  LineParser(std::string_view source, int line_number, std::string_view line)
      : source_(source), line_number_(line_number), line_(line) {}

  // `text` is a part of the line, as is every piece that the functions below take. Fills in all of
  // `rule` but where it comes from.
  Status Parse(std::string_view text, Rule& rule);

  // The piece's first byte is the offending one.
  Status Error(std::string_view piece, std::string_view expected) const;

 private:
  Status CheckBytes(std::string_view text) const;
  Status CheckUrl(std::string_view text) const;
  Status ParseProtocol(std::string_view& rest, Rule& rule) const;
  Status ParseTarget(std::string_view target, Rule& rule) const;
  Status ParseBracketed(std::string_view target, Rule& rule) const;
  Status ParseAddress(std::string_view text, Rule& rule) const;
  Status ParsePrefixLength(std::string_view text, IpPrefix& prefix) const;
  Status ParseHost(std::string_view host, Rule& rule) const;
  Status ParseName(std::string_view name, Rule& rule) const;
  Status CheckLabel(std::string_view label) const;
  // The label as DNS has it: itself, or the A-label of what is not ASCII (RFC 5890, UTS 46).
  Result<std::string> LabelInDns(std::string_view label) const;
  Status ParsePorts(std::string_view ports, Rule& rule) const;
  Status ParsePort(std::string_view text, uint16_t& port) const;

  std::string_view source_;
  int line_number_;
  std::string_view line_;
};

Status LineParser::Error(std::string_view piece, std::string_view expected) const {
  // In characters: bytes that continue one (UTF-8) do not count.
  const std::string_view before(line_.data(), static_cast<size_t>(piece.data() - line_.data()));
  const auto column =
      std::count_if(before.begin(), before.end(),
                    [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; }) +
      1;
  const std::string found = piece.empty() ? "the end of the rule" : Quoted(piece);
  return InvalidArgument(Stage::kRules, StrCat(EscapeForTerminal(source_), ":", line_number_, ":",
                                               column, ": ", expected, ", found ", found));
}

Status LineParser::Parse(std::string_view text, Rule& rule) {
  MINI_RETURN_IF_ERROR(CheckBytes(text));
  const auto blank = std::find_if(text.begin(), text.end(), IsBlank);
  std::string_view rest = text;
  if (rest.starts_with('!')) {
    rule.action = RuleAction::kRefuse;
    rest.remove_prefix(1);
    if (rest.starts_with('!')) return Error(rest, "expected a single \"!\" before the rule");
  }
  if (blank != text.end()) {
    return Error(text.substr(static_cast<size_t>(blank - text.begin())),
                 "expected one rule a line without blanks inside it");
  }
  MINI_RETURN_IF_ERROR(CheckUrl(rest));
  MINI_RETURN_IF_ERROR(ParseProtocol(rest, rule));
  return ParseTarget(rest, rule);
}

// Control characters are told apart from other mistakes, because they can't be seen in most
// editors.
Status LineParser::CheckBytes(std::string_view text) const {
  for (size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    if ((byte < 0x20 && byte != '\t') || byte == 0x7f) {
      return Error(text.substr(i), "expected printable characters");
    }
  }
  return OkStatus();
}

Status LineParser::CheckUrl(std::string_view text) const {
  const size_t scheme_end = text.find("://");
  if (scheme_end == std::string_view::npos) return OkStatus();
  std::string_view host = text.substr(scheme_end + 3);
  host = host.substr(0, host.find_first_of("/?"));
  host = host.substr(host.rfind('@') + 1);
  Status error = Error(text, "expected a host name or an address, not a URL");
  if (host.empty()) return error;
  return std::move(error).WithHint(StrCat("write the host name only: ", Quoted(host)));
}

Status LineParser::ParseProtocol(std::string_view& rest, Rule& rule) const {
  const size_t slash = rest.find('/');
  if (slash == std::string_view::npos) return OkStatus();
  const std::string_view word = rest.substr(0, slash);
  const std::string lower = AsciiLower(word);
  for (const Protocol protocol : {Protocol::kTcp, Protocol::kUdp, Protocol::kIcmp}) {
    if (lower != ProtocolName(protocol)) continue;
    rule.protocol = protocol;
    rest.remove_prefix(slash + 1);
    return OkStatus();
  }
  // "sctp/name" is a protocol that does not exist; "localhost/24" and "localhost/" are other
  // errors.
  const std::string_view after = rest.substr(slash + 1);
  const bool word_of_letters = !word.empty() && std::all_of(word.begin(), word.end(), IsAlpha);
  if (word.empty() || (word_of_letters && !after.empty() && !AllDigits(after))) {
    return Error(rest, "expected \"tcp/\", \"udp/\" or \"icmp/\" before the target");
  }
  return OkStatus();
}

Status LineParser::ParseTarget(std::string_view target, Rule& rule) const {
  if (target.empty()) return Error(target, "expected a name or an address");
  if (target.starts_with('!')) return Error(target, "expected \"!\" in front of the whole rule");
  if (target.starts_with('[')) return ParseBracketed(target, rule);
  const size_t colon = target.find(':');
  const bool two_colons =
      colon != std::string_view::npos && target.find(':', colon + 1) != std::string_view::npos;
  if (two_colons) return ParseAddress(target, rule);
  if (colon == 0) return Error(target, "expected a name or an address before \":\"");
  MINI_RETURN_IF_ERROR(ParseHost(target.substr(0, colon), rule));
  if (colon == std::string_view::npos) return OkStatus();
  return ParsePorts(target.substr(colon + 1), rule);
}

Status LineParser::ParseBracketed(std::string_view target, Rule& rule) const {
  const size_t close = target.find(']');
  if (close == std::string_view::npos) {
    return Error(target.substr(target.size()), "expected \"]\" after the IPv6 address");
  }
  const std::string_view inside = target.substr(1, close - 1);
  if (inside.find(':') == std::string_view::npos) {
    return Error(inside.empty() ? target.substr(close) : inside,
                 "expected an IPv6 address inside the brackets");
  }
  MINI_RETURN_IF_ERROR(ParseAddress(inside, rule));
  const std::string_view after = target.substr(close + 1);
  if (after.empty()) return OkStatus();
  if (after.front() == '/') {
    return Error(after, "expected \":\" and ports (a prefix length stands inside the brackets)");
  }
  if (after.front() != ':') return Error(after, "expected \":\" and ports after \"]\"");
  return ParsePorts(after.substr(1), rule);
}

// IPv4 or IPv6, with or without a prefix length.
Status LineParser::ParseAddress(std::string_view text, Rule& rule) const {
  const size_t slash = text.find('/');
  const std::string_view host = text.substr(0, slash);
  if (const size_t zone = host.find('%'); zone != std::string_view::npos) {
    return Error(host.substr(zone), "expected an address without a zone");
  }
  const auto address = IpAddress::Parse(host);
  if (!address && LooksLikeIpv4(host)) {
    return Error(host,
                 "expected an IPv4 address of four numbers from 0 to 255 without leading zeros");
  }
  if (!address) {
    return Error(host,
                 "expected a name or an address with at most one \":\" and ports, or an IPv6 "
                 "address (in brackets when ports follow, as in [2001:db8::7]:443)");
  }
  rule.kind = TargetKind::kAddress;
  rule.prefix = {*address, static_cast<uint8_t>(address->bytes().size() * 8)};
  if (slash != std::string_view::npos) {
    MINI_RETURN_IF_ERROR(ParsePrefixLength(text.substr(slash + 1), rule.prefix));
  }
  // The host's kernel turns a mapped address into IPv4, so a rule for it would be a second, hidden
  // way to write an IPv4 rule (RFC 4291, section 2.5.5.2).
  static const IpPrefix kMapped = *IpPrefix::Parse("::ffff:0:0/96");
  if (rule.prefix.length >= kMapped.length && kMapped.Contains(*address)) {
    const auto v4 = IpAddress::FromBytes(address->bytes().subspan(12));
    return Error(host, "expected no IPv4-mapped address")
        .WithHint(StrCat("write the IPv4 address: ", v4->ToString()));
  }
  return OkStatus();
}

Status LineParser::ParsePrefixLength(std::string_view text, IpPrefix& prefix) const {
  const auto most = prefix.length;  // as of the bare address
  const std::string_view digits = text.substr(0, text.find_first_not_of("0123456789"));
  if (most == 128 && text.substr(digits.size()).starts_with(':')) {
    return Error(
        text.substr(digits.size()),
        "expected an IPv6 network in brackets when ports follow, as in [2001:db8::/32]:443");
  }
  const auto length = ParseDecimal(digits, most);
  if (!length || digits.size() != text.size()) {
    return Error(length && !digits.empty() ? text.substr(digits.size()) : text,
                 StrCat("expected a prefix length from 0 to ", most));
  }
  const auto network = NetworkOf(prefix.address, static_cast<size_t>(*length));
  if (network != prefix.address) {
    const IpPrefix meant{network, static_cast<uint8_t>(*length)};
    return Error(text, "expected a prefix length that covers every bit set in the address")
        .WithHint(StrCat("for the whole network write ", meant.ToString()));
  }
  prefix.length = static_cast<uint8_t>(*length);
  return OkStatus();
}

// What stands before the ports: a name, a wildcard, an IPv4 address or an IPv4 network.
Status LineParser::ParseHost(std::string_view host, Rule& rule) const {
  const size_t slash = host.find('/');
  const std::string_view before = host.substr(0, slash);
  if (LooksLikeIpv4(before) && before.find('*') == std::string_view::npos) {
    return ParseAddress(host, rule);
  }
  if (slash != std::string_view::npos) {
    if (AllDigits(host.substr(slash + 1))) {
      return Error(host.substr(slash),
                   "expected no prefix length after a name: only addresses have one");
    }
    return Error(host.substr(slash), "expected no path after the host name")
        .WithHint(StrCat("write the host name only: ", Quoted(before)));
  }
  return ParseName(host, rule);
}

Status LineParser::ParseName(std::string_view name, Rule& rule) const {
  if (rule.protocol == Protocol::kIcmp) {
    return Error(name, "expected an address after \"icmp/\": names open TCP and UDP only");
  }
  if (name == "*") {
    return Error(name, "expected a name after \"*.\", or addresses")
        .WithHint(
            "for every address write 0.0.0.0/0 and ::/0; without any allow-list every public "
            "address can be reached");
  }
  rule.kind = TargetKind::kName;
  if (name.starts_with("*.")) {
    rule.kind = TargetKind::kWildcard;
    name.remove_prefix(2);
    if (name.empty()) return Error(name, "expected a name after \"*.\"");
    if (LooksLikeIpv4(name)) {
      return Error(name, "expected a name after \"*.\": for a network write 192.0.2.0/24");
    }
  }
  if (const size_t star = name.find('*'); star != std::string_view::npos) {
    return Error(name.substr(star), "expected \"*\" only as \"*.\" in front of a name");
  }
  // Most are as DNS has them. For any other the labels tell what is wrong, or become A-labels.
  if (auto plain = NormalizeName(name); plain && !LooksLikeIpv4(*plain)) {
    rule.name = *std::move(plain);
    return OkStatus();
  }
  std::string_view labels = name;
  if (labels.ends_with('.')) labels.remove_suffix(1);
  if (labels.empty()) return Error(name, "expected a name");
  std::string in_dns;
  for (const std::string_view label : StrSplit(labels, '.')) {
    MINI_ASSIGN_OR_RETURN(const std::string converted, LabelInDns(label));
    in_dns += StrCat(in_dns.empty() ? "" : ".", converted);
  }
  if (in_dns.size() > kMaxNameBytes) {
    return Error(labels.substr(std::min(kMaxNameBytes, labels.size() - 1)),
                 StrCat("expected at most ", kMaxNameBytes, " bytes in a name"));
  }
  if (LooksLikeIpv4(in_dns)) return Error(name, "expected the digits of an address in ASCII");
  rule.name = AsciiLower(in_dns);
  return OkStatus();
}

Result<std::string> LineParser::LabelInDns(std::string_view label) const {
  const bool is_ascii = std::all_of(label.begin(), label.end(),
                                    [](char c) { return static_cast<unsigned char>(c) < 0x80; });
  if (is_ascii) {
    MINI_RETURN_IF_ERROR(CheckLabel(label));
    return std::string(label);
  }
  const std::string text(label);
  uint8_t* converted = nullptr;
  const int failed = idn2_lookup_u8(reinterpret_cast<const uint8_t*>(text.c_str()), &converted,
                                    IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL);
  const std::unique_ptr<uint8_t, decltype(&idn2_free)> owner(converted, &idn2_free);
  switch (failed) {
    case IDN2_OK:
      break;
    case IDN2_ENCODING_ERROR:
      return Error(label, "expected ASCII or UTF-8 in a name");
    case IDN2_TOO_BIG_LABEL:
    case IDN2_TOO_BIG_DOMAIN:
      return Error(label, StrCat("expected at most ", kMaxLabelBytes,
                                 " bytes between the dots of a name, in its xn-- form"));
    default:
      return Error(label,
                   StrCat("expected a name that IDNA allows (", idn2_strerror_name(failed), ")"));
  }
  std::string in_dns(reinterpret_cast<const char*>(converted));
  // What looks like a dot, a "*" or a "/" may become one.
  if (!NormalizeName(in_dns) || in_dns.find('.') != std::string::npos) {
    return Error(label, "expected letters and digits, \"-\", \"_\" and \".\" in a name");
  }
  return in_dns;
}

Status LineParser::CheckLabel(std::string_view label) const {
  // A view of what follows the label up to the end of the line would be unclear; the label is not.
  if (label.empty()) {
    return Error(std::string_view(label.data(), 1), "expected a label between the dots of a name");
  }
  for (size_t i = 0; i < label.size(); ++i) {
    const char c = label[i];
    if (IsAlpha(c) || IsDigit(c) || c == '-' || c == '_') continue;
    return Error(label.substr(i), "expected letters, digits, \"-\", \"_\" and \".\" in a name");
  }
  if (label.size() > kMaxLabelBytes) {
    return Error(label.substr(kMaxLabelBytes),
                 StrCat("expected at most ", kMaxLabelBytes, " bytes between the dots of a name"));
  }
  if (label.front() == '-') return Error(label, "expected no \"-\" at the start of a label");
  if (label.back() == '-') {
    return Error(label.substr(label.size() - 1), "expected no \"-\" at the end of a label");
  }
  return OkStatus();
}

Status LineParser::ParsePorts(std::string_view ports, Rule& rule) const {
  if (rule.protocol == Protocol::kIcmp) return Error(ports, "expected no ports: ICMP has none");
  if (const size_t comma = ports.find(','); comma != std::string_view::npos) {
    return Error(ports.substr(comma), "expected one port or one range: write a line for each");
  }
  if (const size_t slash = ports.find('/'); slash != std::string_view::npos) {
    return Error(ports.substr(slash), "expected the rule to end after the ports");
  }
  const size_t dash = ports.find('-');
  if (dash == 0) return Error(ports, "expected a port from 1 to 65535");
  PortRange range;
  MINI_RETURN_IF_ERROR(ParsePort(ports.substr(0, dash), range.first));
  range.last = range.first;
  if (dash != std::string_view::npos) {
    MINI_RETURN_IF_ERROR(ParsePort(ports.substr(dash + 1), range.last));
    if (range.last < range.first) {
      return Error(ports.substr(dash + 1), "expected a last port not below the first");
    }
  }
  rule.ports = range;
  return OkStatus();
}

Status LineParser::ParsePort(std::string_view text, uint16_t& port) const {
  const auto number = ParseDecimal(text, 65535);
  if (!number || *number == 0) {
    return Error(text, text == "*"
                           ? "expected a port from 1 to 65535 (without \":*\" a rule is for "
                             "every port)"
                           : "expected a port from 1 to 65535");
  }
  port = static_cast<uint16_t>(*number);
  return OkStatus();
}

Status CheckEncoding(std::string_view source, std::string_view text, int first_line) {
  const size_t nul = text.find('\0');
  if (nul == std::string_view::npos) return OkStatus();
  const std::string_view before = text.substr(0, nul);
  const auto lines = std::count(before.begin(), before.end(), '\n');
  const size_t line_start = before.rfind('\n') + 1;  // npos + 1 is 0
  return LineParser(source, first_line + static_cast<int>(lines), text.substr(line_start))
      .Error(text.substr(nul), "expected text without NUL bytes")
      .WithHint("save the file as UTF-8 or ASCII");
}

// An estimate: comments and blank lines have none, and lines that are indented are not counted.
size_t CountLinesOfRules(std::string_view text) {
  size_t count = 0;
  while (!text.empty()) {
    const char first = text.front();
    if (first != '#' && first != '\n' && first != '\r' && first != ' ' && first != '\t') ++count;
    const size_t end = text.find('\n');
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  }
  return count;
}

}  // namespace

Status ParseRuleText(std::string_view source, std::string_view text, std::vector<Rule>& rules) {
  constexpr std::string_view kByteOrderMark = "\xef\xbb\xbf";
  if (text.starts_with(kByteOrderMark)) text.remove_prefix(kByteOrderMark.size());
  MINI_RETURN_IF_ERROR(CheckEncoding(source, text, 1));
  rules.reserve(rules.size() + CountLinesOfRules(text));
  const RuleSource shared_source(source);
  int line_number = 0;
  while (!text.empty()) {
    ++line_number;
    const size_t end = text.find('\n');
    std::string_view line = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    if (line.ends_with('\r')) line.remove_suffix(1);
    const std::string_view rule = StripBlanks(line.substr(0, line.find('#')));
    if (rule.empty()) continue;
    Rule& parsed = rules.emplace_back();
    parsed.source = shared_source;
    parsed.line = line_number;
    if (ParsePlainRule(rule, parsed)) continue;
    MINI_RETURN_IF_ERROR(LineParser(source, line_number, line).Parse(rule, parsed));
  }
  return OkStatus();
}

Status ParseSingleRule(const RuleSource& source, std::string_view text, int number, Rule& rule) {
  rule.source = source;
  rule.line = number;
  const std::string_view stripped = StripBlanks(text);
  if (ParsePlainRule(stripped, rule)) return OkStatus();
  MINI_RETURN_IF_ERROR(CheckEncoding(source, text, number));
  LineParser parser(source, number, text);
  if (stripped.empty()) return parser.Error(text.substr(text.size()), "expected a rule");
  if (const size_t end = stripped.find_first_of("#\r\n"); end != std::string_view::npos) {
    return parser.Error(stripped.substr(end), "expected one rule without comment or line end");
  }
  return parser.Parse(stripped, rule);
}

}  // namespace mini::netstack
