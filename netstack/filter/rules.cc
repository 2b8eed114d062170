// The rule set and its look-ups. The grammar is in rule_parser.cc.
//
// Theory of operation. Rules are kept in the order of their lines in one vector; the tables hold
// groups of indexes into it, one for each target (rule_group.h). Names and wildcards have a hash
// table each, keyed by the name, so a look-up is one probe per label. Address rules have one hash
// table per (family, prefix length) in use: at most 33 + 129, and in practice a handful. AddText
// parses everything before it adds anything, so a bad line leaves the set as it was.
#include "netstack/filter/rules.h"

#include <algorithm>
#include <unordered_map>

#include "base/strings.h"
#include "netstack/filter/network_of.h"
#include "netstack/filter/rule_group.h"
#include "netstack/filter/rule_parser.h"

namespace mini::netstack {
namespace {

struct TransparentHash {
  using is_transparent = void;
  size_t operator()(std::string_view text) const { return std::hash<std::string_view>()(text); }
};

using NameTable = std::unordered_map<std::string, RuleGroup, TransparentHash, std::equal_to<>>;

// All address rules of one family and prefix length.
struct PrefixTable {
  IpFamily family;
  uint8_t length;
  std::unordered_map<IpAddress, RuleGroup> rules;
};

class Matches {
 public:
  explicit Matches(const std::vector<Rule>& rules) : rules_(rules) {}

  void AddAll(const RuleGroup& group) {
    for (const uint32_t index : group.indexes()) found_.push_back(&rules_[index]);
  }
  void AddCovering(const RuleGroup& group, RuleSet::Use use) {
    Add(group.Covering(use.protocol, use.port, rules_));
  }
  void AddWhole(const RuleGroup& group) { Add(group.Whole(rules_)); }
  std::vector<const Rule*> Take() { return std::move(found_); }

 private:
  void Add(const RuleGroup::Deciding& deciding) {
    if (deciding.refusing != nullptr) found_.push_back(deciding.refusing);
    if (deciding.allowing != nullptr) found_.push_back(deciding.allowing);
  }

  const std::vector<Rule>& rules_;
  std::vector<const Rule*> found_;
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
  RuleGroup& PrefixSlot(const IpPrefix& prefix);
  // Calls `visit` with each group whose target matches: names before wildcards.
  template <typename Visit>
  void VisitName(std::string_view name, Visit visit) const;
  template <typename Visit>
  void VisitAddress(const IpAddress& address, Visit visit) const;
};

RuleGroup& RuleSet::Index::PrefixSlot(const IpPrefix& prefix) {
  const auto table = std::find_if(prefixes.begin(), prefixes.end(), [&](const PrefixTable& t) {
    return t.length == prefix.length && t.family == prefix.address.family();
  });
  if (table != prefixes.end()) return table->rules[prefix.address];
  prefixes.push_back({prefix.address.family(), prefix.length, {}});
  return prefixes.back().rules[prefix.address];
}

void RuleSet::Index::Add(Rule rule) {
  const auto index = static_cast<uint32_t>(rules.size());
  rules.push_back(std::move(rule));
  const Rule& added = rules.back();
  RuleGroup& group = added.kind == TargetKind::kAddress ? PrefixSlot(added.prefix)
                     : added.kind == TargetKind::kName  ? names[added.name]
                                                        : wildcards[added.name];
  group.Add(index, rules);
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

Status RuleSet::AddRule(std::string_view source, std::string_view rule, int number) {
  MINI_ASSIGN_OR_RETURN(Rule parsed, ParseSingleRule(source, rule, number));
  index_->Add(std::move(parsed));
  return OkStatus();
}

size_t RuleSet::size() const { return index_->rules.size(); }
const std::vector<Rule>& RuleSet::rules() const { return index_->rules; }

template <typename Visit>
void RuleSet::Index::VisitName(std::string_view name, Visit visit) const {
  const auto look_up = [&](const NameTable& table, std::string_view key) {
    if (const auto found = table.find(key); found != table.end()) visit(found->second);
  };
  look_up(names, name);
  if (wildcards.empty()) return;
  for (size_t dot = name.find('.'); dot != std::string_view::npos; dot = name.find('.', dot + 1)) {
    look_up(wildcards, name.substr(dot + 1));
  }
}

template <typename Visit>
void RuleSet::Index::VisitAddress(const IpAddress& address, Visit visit) const {
  for (const PrefixTable& table : prefixes) {
    if (table.family != address.family()) continue;
    const auto found = table.rules.find(NetworkOf(address, table.length));
    if (found != table.rules.end()) visit(found->second);
  }
}

std::vector<const Rule*> RuleSet::MatchName(std::string_view name) const {
  Matches matches(index_->rules);
  index_->VisitName(name, [&](const RuleGroup& group) { matches.AddAll(group); });
  return matches.Take();
}

std::vector<const Rule*> RuleSet::MatchAddress(const IpAddress& address) const {
  Matches matches(index_->rules);
  index_->VisitAddress(address, [&](const RuleGroup& group) { matches.AddAll(group); });
  return matches.Take();
}

std::vector<const Rule*> RuleSet::DecidingForName(std::string_view name, Use use) const {
  Matches matches(index_->rules);
  index_->VisitName(name, [&](const RuleGroup& group) { matches.AddCovering(group, use); });
  return matches.Take();
}

std::vector<const Rule*> RuleSet::DecidingForAddress(const IpAddress& address, Use use) const {
  Matches matches(index_->rules);
  index_->VisitAddress(address, [&](const RuleGroup& group) { matches.AddCovering(group, use); });
  return matches.Take();
}

std::vector<const Rule*> RuleSet::DecidingForName(std::string_view name) const {
  Matches matches(index_->rules);
  index_->VisitName(name, [&](const RuleGroup& group) { matches.AddWhole(group); });
  return matches.Take();
}

std::vector<const Rule*> RuleSet::DecidingForAddress(const IpAddress& address) const {
  Matches matches(index_->rules);
  index_->VisitAddress(address, [&](const RuleGroup& group) { matches.AddWhole(group); });
  return matches.Take();
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
