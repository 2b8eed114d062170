#include "netstack/filter/rule_group.h"

#include <algorithm>

namespace mini::netstack {

void RuleGroup::PortRanges::Add(PortRange ports, uint32_t rule) {
  uint32_t first = ports.first;  // of what is left to take; may pass 65535
  uint32_t merged_first = ports.first;
  uint32_t merged_last = ports.last;
  auto next = taken.upper_bound(ports.first);
  // The one that begins before may reach into these, or up to them.
  if (next != taken.begin()) {
    const auto before = std::prev(next);
    if (uint32_t{before->second} + 1 >= ports.first) next = before;
  }
  while (next != taken.end() && next->first <= uint32_t{ports.last} + 1) {
    if (first < next->first) {
      const auto last = static_cast<uint16_t>(next->first - 1);
      first_rules.emplace(static_cast<uint16_t>(first), Range{last, rule});
    }
    first = std::max(first, uint32_t{next->second} + 1);
    merged_first = std::min<uint32_t>(merged_first, next->first);
    merged_last = std::max<uint32_t>(merged_last, next->second);
    next = taken.erase(next);
  }
  if (first <= ports.last) {
    first_rules.emplace(static_cast<uint16_t>(first), Range{ports.last, rule});
  }
  taken.emplace(static_cast<uint16_t>(merged_first), static_cast<uint16_t>(merged_last));
}

uint32_t RuleGroup::PortRanges::Find(uint16_t port) const {
  const auto after = first_rules.upper_bound(port);
  if (after == first_rules.begin()) return kNone;
  const Range& range = std::prev(after)->second;
  return port <= range.last ? range.rule : kNone;
}

void RuleGroup::Add(uint32_t index, const std::vector<Rule>& rules) {
  const Rule& rule = rules[index];
  if (rule.action == RuleAction::kAllow) {
    first_allowing_ = std::min(first_allowing_, index);
  } else if (!rule.protocol && !rule.ports) {
    first_refusing_all_ = std::min(first_refusing_all_, index);
  }
  if (only_ == kNone) {
    only_ = index;
    return;
  }
  if (!many_) {
    many_ = std::make_unique<Many>();
    many_->indexes.push_back(only_);
  }
  many_->indexes.push_back(index);
  if (many_->index) {
    AddToIndex(index, rule, *many_->index);
  } else if (many_->indexes.size() > kFew) {
    many_->index = std::make_unique<Index>();
    for (const uint32_t known : many_->indexes) AddToIndex(known, rules[known], *many_->index);
  }
}

void RuleGroup::AddToIndex(uint32_t index, const Rule& rule, Index& by_port) {
  auto& ranges = by_port.ranges[rule.action == RuleAction::kAllow ? 1 : 0];
  for (const Protocol protocol : {Protocol::kTcp, Protocol::kUdp, Protocol::kIcmp}) {
    // As Rule::Covers() has it.
    if (rule.protocol ? *rule.protocol != protocol : protocol == Protocol::kIcmp) continue;
    const bool has_ports = protocol != Protocol::kIcmp && rule.ports.has_value();
    ranges[static_cast<size_t>(protocol)].Add(has_ports ? *rule.ports : PortRange{0, 65535}, index);
  }
}

RuleGroup::Deciding RuleGroup::Covering(Protocol protocol, uint16_t port,
                                        const std::vector<Rule>& rules) const {
  Deciding deciding;
  if (many_ && many_->index) {
    const auto protocol_index = static_cast<size_t>(protocol);
    const uint32_t refusing = many_->index->ranges[0][protocol_index].Find(port);
    const uint32_t allowing = many_->index->ranges[1][protocol_index].Find(port);
    if (refusing != kNone) deciding.refusing = &rules[refusing];
    if (allowing != kNone) deciding.allowing = &rules[allowing];
    return deciding;
  }
  for (const uint32_t index : indexes()) {
    const Rule& rule = rules[index];
    const Rule*& slot = rule.action == RuleAction::kAllow ? deciding.allowing : deciding.refusing;
    if (slot == nullptr && rule.Covers(protocol, port)) slot = &rule;
  }
  return deciding;
}

RuleGroup::Deciding RuleGroup::Whole(const std::vector<Rule>& rules) const {
  Deciding deciding;
  if (first_allowing_ != kNone) deciding.allowing = &rules[first_allowing_];
  if (first_refusing_all_ != kNone) deciding.refusing = &rules[first_refusing_all_];
  return deciding;
}

}  // namespace mini::netstack
