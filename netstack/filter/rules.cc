// The rule set and its look-ups. The grammar is in rule_parser.cc.
//
// Theory of operation. Rules are kept in the order of their lines in one vector; the tables hold
// indexes into it. Names and wildcards have a hash table each, keyed by the name, so a look-up is
// one probe per label. Address rules have one hash table per (family, prefix length) in use: at
// most 33 + 129, and in practice a handful. AddText parses everything before it adds anything, so a
// bad line leaves the set as it was.
#include "netstack/filter/rules.h"

#include <algorithm>
#include <unordered_map>

#include "base/strings.h"
#include "netstack/filter/network_of.h"
#include "netstack/filter/rule_parser.h"

namespace mini::netstack {
namespace {

struct TransparentHash {
  using is_transparent = void;
  size_t operator()(std::string_view text) const { return std::hash<std::string_view>()(text); }
};

using RuleIndexes = std::vector<uint32_t>;
using NameTable = std::unordered_map<std::string, RuleIndexes, TransparentHash, std::equal_to<>>;

// All address rules of one family and prefix length.
struct PrefixTable {
  IpFamily family;
  uint8_t length;
  std::unordered_map<IpAddress, RuleIndexes> rules;
};

bool IsLabelByte(char c) {
  return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
}

}  // namespace

std::string_view ProtocolName(Protocol protocol) {
  switch (protocol) {
    case Protocol::kTcp:
      return "tcp";
    case Protocol::kUdp:
      return "udp";
    case Protocol::kIcmp:
      return "icmp";
  }
  return "unknown";
}

bool Rule::Covers(Protocol asked, uint16_t port) const {
  if (protocol ? *protocol != asked : asked == Protocol::kIcmp) return false;
  return asked == Protocol::kIcmp || !ports || ports->Contains(port);
}

std::string Rule::ToString() const {
  std::string text = action == RuleAction::kRefuse ? "!" : "";
  if (protocol) text += StrCat(ProtocolName(*protocol), "/");
  if (kind == TargetKind::kAddress) {
    const bool whole = prefix.length == prefix.address.bytes().size() * 8;
    const std::string address = whole ? prefix.address.ToString() : prefix.ToString();
    const bool brackets = ports && prefix.address.is_v6();
    text += brackets ? StrCat("[", address, "]") : address;
  } else {
    text += kind == TargetKind::kWildcard ? StrCat("*.", name) : name;
  }
  if (ports) text += StrCat(":", ports->first);
  if (ports && ports->first != ports->last) text += StrCat("-", ports->last);
  return text;
}

struct RuleSet::Index {
  std::vector<Rule> rules;
  NameTable names;
  NameTable wildcards;
  std::vector<PrefixTable> prefixes;

  void Add(Rule rule);
  RuleIndexes& PrefixSlot(const IpPrefix& prefix);
};

RuleIndexes& RuleSet::Index::PrefixSlot(const IpPrefix& prefix) {
  const auto table = std::find_if(prefixes.begin(), prefixes.end(), [&](const PrefixTable& t) {
    return t.length == prefix.length && t.family == prefix.address.family();
  });
  if (table != prefixes.end()) return table->rules[prefix.address];
  prefixes.push_back({prefix.address.family(), prefix.length, {}});
  return prefixes.back().rules[prefix.address];
}

void RuleSet::Index::Add(Rule rule) {
  const auto index = static_cast<uint32_t>(rules.size());
  switch (rule.kind) {
    case TargetKind::kName:
      names[rule.name].push_back(index);
      break;
    case TargetKind::kWildcard:
      wildcards[rule.name].push_back(index);
      break;
    case TargetKind::kAddress:
      PrefixSlot(rule.prefix).push_back(index);
      break;
  }
  rules.push_back(std::move(rule));
}

RuleSet::RuleSet() : index_(std::make_unique<Index>()) {}
RuleSet::~RuleSet() = default;
// A set that was moved from allows nothing and can be used again.
RuleSet::RuleSet(RuleSet&& other) noexcept : index_(std::make_unique<Index>()) {
  index_.swap(other.index_);
}
RuleSet& RuleSet::operator=(RuleSet&& other) noexcept {
  if (this == &other) return *this;
  index_ = std::make_unique<Index>();
  index_.swap(other.index_);
  return *this;
}

Status RuleSet::AddText(std::string_view source, std::string_view text) {
  MINI_ASSIGN_OR_RETURN(std::vector<Rule> parsed, ParseRuleText(source, text));
  for (Rule& rule : parsed) index_->Add(std::move(rule));
  return OkStatus();
}

Status RuleSet::AddRule(std::string_view source, std::string_view rule) {
  MINI_ASSIGN_OR_RETURN(Rule parsed, ParseSingleRule(source, rule));
  index_->Add(std::move(parsed));
  return OkStatus();
}

size_t RuleSet::size() const { return index_->rules.size(); }
const std::vector<Rule>& RuleSet::rules() const { return index_->rules; }

std::vector<const Rule*> RuleSet::MatchName(std::string_view name) const {
  std::vector<const Rule*> matches;
  const auto collect = [&](const NameTable& table, std::string_view key) {
    const auto found = table.find(key);
    if (found == table.end()) return;
    for (const uint32_t i : found->second) matches.push_back(&index_->rules[i]);
  };
  collect(index_->names, name);
  if (index_->wildcards.empty()) return matches;
  for (size_t dot = name.find('.'); dot != std::string_view::npos; dot = name.find('.', dot + 1)) {
    collect(index_->wildcards, name.substr(dot + 1));
  }
  return matches;
}

std::vector<const Rule*> RuleSet::MatchAddress(const IpAddress& address) const {
  std::vector<const Rule*> matches;
  for (const PrefixTable& table : index_->prefixes) {
    if (table.family != address.family()) continue;
    const auto found = table.rules.find(NetworkOf(address, table.length));
    if (found == table.rules.end()) continue;
    for (const uint32_t i : found->second) matches.push_back(&index_->rules[i]);
  }
  return matches;
}

std::optional<std::string> NormalizeName(std::string_view name) {
  if (name.ends_with('.')) name.remove_suffix(1);
  if (name.empty() || name.size() > 253) return std::nullopt;
  std::string lower = AsciiLower(name);
  for (const std::string_view label : StrSplit(lower, '.')) {
    if (label.empty() || label.size() > 63) return std::nullopt;
    if (label.front() == '-' || label.back() == '-') return std::nullopt;
    if (!std::all_of(label.begin(), label.end(), IsLabelByte)) return std::nullopt;
  }
  return lower;
}

}  // namespace mini::netstack
