// The allow-list: text in, one immutable RuleSet out. No I/O.
//
// Grammar (docs/flags.md, "Allow-list lines"): one rule a line; `#` comments and blank lines are
// ignored, CR before LF accepted.
//   rule     = ["!"] [proto "/"] target [":" ports]
//   proto    = "tcp" | "udp" | "icmp"          (icmp: addresses only, no ports)
//   target   = name | "*." name | ipv4 | ipv6 | ipv4 "/" length | ipv6 "/" length
//              (an IPv6 target followed by ports stands in brackets: [2001:db8::7]:443)
//   ports    = number | number "-" number      (1..65535, first <= last)
// A name matches that name exactly; "*.x" any name below x, not x itself. A refusal ("!") beats
// every allowing rule. Names are compared as lower-case ASCII without a trailing dot;
// those with other letters, in UTF-8, become A-labels (xn--).
#ifndef MINI_SANDBOX_NETSTACK_FILTER_RULES_H_
#define MINI_SANDBOX_NETSTACK_FILTER_RULES_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/ip_address.h"
#include "base/status.h"

namespace mini::netstack {

enum class Protocol : uint8_t { kTcp, kUdp, kIcmp };
std::string_view ProtocolName(Protocol protocol);

struct PortRange {
  uint16_t first = 1;
  uint16_t last = 65535;
  bool Contains(uint16_t port) const { return first <= port && port <= last; }
  friend bool operator==(const PortRange&, const PortRange&) = default;
};

enum class RuleAction : uint8_t { kAllow, kRefuse };
enum class TargetKind : uint8_t {
  kName,
  kWildcard,
  kAddress
};  // an address is a full-length prefix

// Where a rule comes from: one text for all rules of a file.
class RuleSource {
 public:
  RuleSource() = default;
  RuleSource(std::string_view text) : text_(std::make_shared<const std::string>(text)) {}
  RuleSource(const std::string& text) : RuleSource(std::string_view(text)) {}
  RuleSource(const char* text) : RuleSource(std::string_view(text)) {}

  operator std::string_view() const { return text_ ? std::string_view(*text_) : ""; }
  friend bool operator==(const RuleSource& one, std::string_view other) {
    return std::string_view(one) == other;
  }

 private:
  std::shared_ptr<const std::string> text_;
};

// In an order without gaps: of ten thousand, each page is touched at every start.
struct Rule {
  std::string name;                  // kName and kWildcard (without "*."): lower-case, no final dot
  IpPrefix prefix;                   // kAddress
  std::optional<Protocol> protocol;  // unset: TCP and UDP
  std::optional<PortRange> ports;    // unset: every port
  RuleAction action = RuleAction::kAllow;
  TargetKind kind = TargetKind::kName;
  int line = 0;       // from 1; of --allow, which one
  RuleSource source;  // file name, or "--allow"

  // Whether this rule speaks about that protocol and port (the port is ignored for ICMP).
  bool Covers(Protocol protocol, uint16_t port) const;
  std::string ToString() const;  // canonical text of the rule, as a line of an allow-list
};

class RuleSet {
 public:
  RuleSet();  // allows nothing
  ~RuleSet();
  RuleSet(RuleSet&&) noexcept;
  RuleSet& operator=(RuleSet&&) noexcept;

  // Adds every rule of `text`. On the first bad line: an error that names source, line, column and
  // what was expected, and the set is as it was. `source` is what the user typed: a file's name.
  Status AddText(std::string_view source, std::string_view text);
  // One rule without comment, as --allow takes it; `number`, from 1, says which one it is.
  Status AddRule(const RuleSource& source, std::string_view rule, int number = 1);
  // Makes room for as many more.
  void Reserve(size_t count);

  size_t size() const;
  const std::vector<Rule>& rules() const;
  // The same, which lives on without this set. Nothing may be added to the set any more.
  std::shared_ptr<const std::vector<Rule>> shared_rules() const;

  // A protocol and port (ignored for ICMP) that rules are asked about.
  struct Use {
    Protocol protocol = Protocol::kTcp;
    uint16_t port = 0;
  };

  // Every rule that names exactly `name`, or a wildcard above it; `name` is normalized
  // (NormalizeName). Every address rule whose prefix contains `address`.
  std::vector<const Rule*> MatchName(std::string_view name) const;
  std::vector<const Rule*> MatchAddress(const IpAddress& address) const;
  // Of those, what can decide about `use`: for each target that matches, the first refusing and the
  // first allowing rule that cover it. Constant time in the number of rules, whatever they are: one
  // hash look-up per label, or per prefix length in use, and a search among 65536 ports.
  std::vector<const Rule*> DecidingForName(std::string_view name, Use use) const;
  std::vector<const Rule*> DecidingForAddress(const IpAddress& address, Use use) const;
  // Of those, what can decide whether anything is allowed at all: for each target that matches, the
  // first rule that refuses every protocol and port, and the first that allows any.
  std::vector<const Rule*> DecidingForName(std::string_view name) const;
  std::vector<const Rule*> DecidingForAddress(const IpAddress& address) const;

 private:
  struct Index;
  std::shared_ptr<Index> index_;  // with no other set
};

// Lower-case without a final dot, or nothing when it is not a host name (RFC 1123 letters, digits,
// hyphens, plus underscore; labels of 1..63, 253 bytes in all).
std::optional<std::string> NormalizeName(std::string_view name);

}  // namespace mini::netstack

#endif  // MINI_SANDBOX_NETSTACK_FILTER_RULES_H_
