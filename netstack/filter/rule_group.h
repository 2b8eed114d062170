// All rules of one target. Internal to filter/.
#ifndef MINI_SANDBOX_NETSTACK_FILTER_RULE_GROUP_H_
#define MINI_SANDBOX_NETSTACK_FILTER_RULE_GROUP_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <map>
#include <memory>
#include <span>
#include <vector>

#include "netstack/filter/rules.h"

namespace mini::netstack {

// Theory of operation. Of the rules that cover a protocol and a port only two can decide: the first
// refusing and the first allowing one, in the order of the lines. A few rules are looked through.
// Many (one name with a line for each of its ports) get an index: for each action and protocol the
// ports in disjoint ranges, each with the first rule that covers it. A new rule gets the ports that
// no earlier one has; what is taken is kept in merged ranges beside, so that a rule never walks
// over ranges that it does not itself close: adding k rules is k log k.
class RuleGroup {
 public:
  // Rules are numbers in the order of the lines. Those of a group are added in that order.
  void Add(uint32_t index, const std::vector<Rule>& rules);

  std::span<const uint32_t> indexes() const {
    return many_ ? std::span<const uint32_t>(many_->indexes) : std::span(&only_, size_t{1});
  }
  // The deciding ones for that protocol and port (ignored for ICMP): null where there is none.
  struct Deciding {
    const Rule* refusing = nullptr;
    const Rule* allowing = nullptr;
  };
  Deciding Covering(Protocol protocol, uint16_t port, const std::vector<Rule>& rules) const;
  // The first that allows anything, and the first that refuses every protocol and port.
  Deciding Whole(const std::vector<Rule>& rules) const;

 private:
  static constexpr size_t kFew = 8;
  static constexpr uint32_t kNone = std::numeric_limits<uint32_t>::max();

  struct PortRanges {
    struct Range {
      uint16_t last;
      uint32_t rule;
    };
    std::map<uint16_t, Range> first_rules;  // by first port, disjoint
    std::map<uint16_t, uint16_t> taken;     // first to last port, disjoint, not adjacent

    void Add(PortRange ports, uint32_t rule);
    uint32_t Find(uint16_t port) const;
  };
  struct Index {
    std::array<std::array<PortRanges, 3>, 2> ranges;  // by action and protocol
  };
  // Most targets have one rule, and then nothing of this is there.
  struct Many {
    std::vector<uint32_t> indexes;
    std::unique_ptr<Index> index;  // of more than kFew rules
  };

  static void AddToIndex(uint32_t index, const Rule& rule, Index& by_port);

  uint32_t only_ = kNone;  // none: nothing was added yet
  uint32_t first_allowing_ = kNone;
  uint32_t first_refusing_all_ = kNone;
  std::unique_ptr<Many> many_;
};

}  // namespace mini::netstack

#endif  // MINI_SANDBOX_NETSTACK_FILTER_RULE_GROUP_H_
