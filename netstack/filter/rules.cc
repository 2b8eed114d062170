// The rule set and its look-ups. The grammar is in rule_parser.cc.
//
// Theory of operation. Rules are kept in the order of their lines in one vector; groups hold
// indexes into it, one group for each target (rule_group.h). Names and wildcards have a hash table
// each, so a look-up is one probe per label. Address rules have one hash table per (family, prefix
// length) in use: at most 33 + 129, and in practice a handful. The tables know groups by their
// number, and a group's target is that of its first rule (target_table.h). AddText parses
// everything before a table learns of it, so a bad line leaves the set as it was.
#include "netstack/filter/rules.h"

#include <algorithm>
#include <functional>

#include "base/strings.h"
#include "netstack/filter/name_limits.h"
#include "netstack/filter/network_of.h"
#include "netstack/filter/rule_group.h"
#include "netstack/filter/rule_parser.h"
#include "netstack/filter/target_table.h"

namespace mini::netstack {
namespace {

size_t HashOf(std::string_view name) { return std::hash<std::string_view>()(name); }
size_t HashOf(const IpAddress& address) { return std::hash<IpAddress>()(address); }

// All address rules of one family and prefix length.
struct PrefixTable {
  IpFamily family;
  uint8_t length;
  TargetTable groups;
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

bool IsLabel(std::string_view text) {
  return !text.empty() && text.size() <= kMaxLabelBytes && text.front() != '-' &&
         text.back() != '-' && std::all_of(text.begin(), text.end(), IsLabelByte);
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
  std::vector<RuleGroup> groups;
  TargetTable names;
  TargetTable wildcards;
  std::vector<PrefixTable> prefixes;

  // Rules from that one on become known to the tables.
  void IndexFrom(size_t first);
  void IndexRule(uint32_t index);
  const Rule& FirstOf(uint32_t group) const { return rules[groups[group].indexes().front()]; }
  std::optional<uint32_t> FindName(const TargetTable& table, std::string_view name,
                                   size_t hash) const;
  std::optional<uint32_t> FindAddress(const TargetTable& table, const IpAddress& address,
                                      size_t hash) const;
  TargetTable& PrefixesLike(const IpPrefix& prefix);
  // Calls `visit` with each group whose target matches: names before wildcards.
  template <typename Visit>
  void VisitName(std::string_view name, Visit visit) const;
  template <typename Visit>
  void VisitAddress(const IpAddress& address, Visit visit) const;
};

std::optional<uint32_t> RuleSet::Index::FindName(const TargetTable& table, std::string_view name,
                                                 size_t hash) const {
  return table.Find(hash, [&](uint32_t group) { return FirstOf(group).name == name; });
}

std::optional<uint32_t> RuleSet::Index::FindAddress(const TargetTable& table,
                                                    const IpAddress& address, size_t hash) const {
  return table.Find(hash, [&](uint32_t group) { return FirstOf(group).prefix.address == address; });
}

TargetTable& RuleSet::Index::PrefixesLike(const IpPrefix& prefix) {
  const auto table = std::find_if(prefixes.begin(), prefixes.end(), [&](const PrefixTable& t) {
    return t.length == prefix.length && t.family == prefix.address.family();
  });
  if (table != prefixes.end()) return table->groups;
  prefixes.push_back({prefix.address.family(), prefix.length, {}});
  return prefixes.back().groups;
}

void RuleSet::Index::IndexRule(uint32_t index) {
  const Rule& rule = rules[index];
  const bool is_address = rule.kind == TargetKind::kAddress;
  TargetTable& table = is_address                       ? PrefixesLike(rule.prefix)
                       : rule.kind == TargetKind::kName ? names
                                                        : wildcards;
  const size_t hash = is_address ? HashOf(rule.prefix.address) : HashOf(rule.name);
  std::optional<uint32_t> group =
      is_address ? FindAddress(table, rule.prefix.address, hash) : FindName(table, rule.name, hash);
  if (!group) {
    group = static_cast<uint32_t>(groups.size());
    groups.emplace_back();
    table.Add(hash, *group);
  }
  groups[*group].Add(index, rules);
}

void RuleSet::Index::IndexFrom(size_t first) {
  groups.reserve(groups.size() + rules.size() - first);
  for (size_t index = first; index < rules.size(); ++index) {
    IndexRule(static_cast<uint32_t>(index));
  }
}

RuleSet::RuleSet() : index_(std::make_shared<Index>()) {}
RuleSet::~RuleSet() = default;
// A set that was moved from allows nothing and can be used again.
RuleSet::RuleSet(RuleSet&& other) noexcept : index_(std::make_shared<Index>()) {
  index_.swap(other.index_);
}
RuleSet& RuleSet::operator=(RuleSet&& other) noexcept {
  if (this == &other) return *this;
  index_ = std::make_shared<Index>();
  index_.swap(other.index_);
  return *this;
}

Status RuleSet::AddText(std::string_view source, std::string_view text) {
  std::vector<Rule>& rules = index_->rules;
  const size_t known = rules.size();
  Status parsed = ParseRuleText(source, text, rules);
  if (!parsed.ok()) {
    rules.resize(known);
    return parsed;
  }
  index_->IndexFrom(known);
  return OkStatus();
}

Status RuleSet::AddRule(const RuleSource& source, std::string_view rule, int number) {
  std::vector<Rule>& rules = index_->rules;
  Status parsed = ParseSingleRule(source, rule, number, rules.emplace_back());
  if (!parsed.ok()) {
    rules.pop_back();
    return parsed;
  }
  index_->IndexRule(static_cast<uint32_t>(rules.size() - 1));
  return OkStatus();
}

void RuleSet::Reserve(size_t count) {
  index_->rules.reserve(index_->rules.size() + count);
  index_->groups.reserve(index_->groups.size() + count);
}

size_t RuleSet::size() const { return index_->rules.size(); }
const std::vector<Rule>& RuleSet::rules() const { return index_->rules; }
std::shared_ptr<const std::vector<Rule>> RuleSet::shared_rules() const {
  return {index_, &index_->rules};
}

template <typename Visit>
void RuleSet::Index::VisitName(std::string_view name, Visit visit) const {
  const auto look_up = [&](const TargetTable& table, std::string_view key) {
    if (const auto found = FindName(table, key, HashOf(key))) visit(groups[*found]);
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
    const IpAddress network = NetworkOf(address, table.length);
    if (const auto found = FindAddress(table.groups, network, HashOf(network))) {
      visit(groups[*found]);
    }
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
  if (name.empty() || name.size() > kMaxNameBytes) return std::nullopt;
  std::string lower = AsciiLower(name);
  for (size_t begin = 0; begin <= lower.size();) {
    const size_t end = std::min(lower.find('.', begin), lower.size());
    if (!IsLabel(std::string_view(lower).substr(begin, end - begin))) return std::nullopt;
    begin = end + 1;
  }
  return lower;
}

}  // namespace mini::netstack
