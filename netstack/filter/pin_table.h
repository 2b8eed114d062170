// Which allowed names lead to which addresses, and until when. Internal to filter/.
#ifndef MINI_SANDBOX_NETSTACK_FILTER_PIN_TABLE_H_
#define MINI_SANDBOX_NETSTACK_FILTER_PIN_TABLE_H_

#include <cstddef>
#include <list>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/ip_address.h"
#include "netstack/event_loop.h"
#include "netstack/filter/rules.h"

namespace mini::netstack {

// Theory of operation. A pin is one (address, name) with a time at which it ends; which
// protocols and ports of the address are open is what the rules say of the name. An address shared
// by several names has a pin for each, and stays open for what any of them opens until the last of
// them ends. Pinning again moves a pin's end forward, never back, and makes it the newest.
//
// Sandboxes choose names, and under a wildcard whoever serves the domain chooses addresses: so
// every table is an ordered one, whose cost no choice of keys can spoil, and there are three bounds
// (in all, per name, per address). At a bound the pin that was renewed longest ago goes.
class PinTable {
 public:
  struct Limits {
    size_t pins;
    size_t addresses_per_name;
    size_t names_per_address;
  };
  struct PinnedName {
    std::string name;
    std::vector<const Rule*> rules;  // what can decide whether it leads anywhere at all
  };

  explicit PinTable(Limits limits);
  PinTable(const PinTable&) = delete;
  PinTable& operator=(const PinTable&) = delete;

  void Pin(const IpAddress& address, const PinnedName& name, TimePoint expires);
  // The names whose pins are alive, the most recently renewed first. Valid until the next change.
  std::vector<const PinnedName*> NamesAt(const IpAddress& address, TimePoint now) const;
  void Expire(TimePoint now);
  size_t size() const { return pins_.size(); }

 private:
  struct Record;
  struct Owner;
  using RecordIt = std::list<Record>::iterator;
  using ExpiryQueue = std::multimap<TimePoint, RecordIt>;

  struct Record {
    IpAddress address;
    std::map<std::string, Owner>::iterator owner;
    ExpiryQueue::iterator expiry;
  };
  struct Owner {
    PinnedName pinned;
    std::vector<RecordIt> pins;  // oldest first, as in by_address_
  };

  void Renew(RecordIt pin, TimePoint expires);
  void Erase(RecordIt pin);

  Limits limits_;
  std::list<Record> pins_;  // oldest first
  std::map<IpAddress, std::vector<RecordIt>> by_address_;
  std::map<std::string, Owner> by_name_;
  ExpiryQueue by_expiry_;
};

}  // namespace mini::netstack

#endif  // MINI_SANDBOX_NETSTACK_FILTER_PIN_TABLE_H_
