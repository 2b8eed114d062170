#include "netstack/filter/pin_table.h"

#include <algorithm>

namespace mini::netstack {
namespace {

template <typename T>
void Remove(std::vector<T>& from, const T& value) {
  from.erase(std::find(from.begin(), from.end(), value));
}

template <typename T>
void MoveToEnd(std::vector<T>& in, const T& value) {
  const auto found = std::find(in.begin(), in.end(), value);
  std::rotate(found, found + 1, in.end());
}

}  // namespace

PinTable::PinTable(Limits limits) : limits_(limits) {
  // Room for at least one, so that making room always ends.
  limits_.pins = std::max<size_t>(limits_.pins, 1);
  limits_.addresses_per_name = std::max<size_t>(limits_.addresses_per_name, 1);
  limits_.names_per_address = std::max<size_t>(limits_.names_per_address, 1);
}

void PinTable::Pin(const IpAddress& address, const PinnedName& name, TimePoint expires) {
  if (const auto owner = by_name_.find(name.name); owner != by_name_.end()) {
    for (const RecordIt pin : owner->second.pins) {
      if (pin->address == address) return Renew(pin, expires);
    }
    if (owner->second.pins.size() >= limits_.addresses_per_name) Erase(owner->second.pins.front());
  }
  if (const auto at = by_address_.find(address);
      at != by_address_.end() && at->second.size() >= limits_.names_per_address) {
    Erase(at->second.front());
  }
  if (pins_.size() >= limits_.pins) Erase(pins_.begin());

  const auto owner = by_name_.try_emplace(name.name, Owner{name, {}}).first;
  const auto pin = pins_.insert(pins_.end(), Record{address, owner, by_expiry_.end()});
  pin->expiry = by_expiry_.emplace(expires, pin);
  owner->second.pins.push_back(pin);
  by_address_[address].push_back(pin);
}

void PinTable::Renew(RecordIt pin, TimePoint expires) {
  const TimePoint later = std::max(expires, pin->expiry->first);
  by_expiry_.erase(pin->expiry);
  pin->expiry = by_expiry_.emplace(later, pin);
  pins_.splice(pins_.end(), pins_, pin);
  MoveToEnd(pin->owner->second.pins, pin);
  MoveToEnd(by_address_.find(pin->address)->second, pin);
}

void PinTable::Erase(RecordIt pin) {
  by_expiry_.erase(pin->expiry);
  const auto at = by_address_.find(pin->address);
  Remove(at->second, pin);
  if (at->second.empty()) by_address_.erase(at);
  Remove(pin->owner->second.pins, pin);
  if (pin->owner->second.pins.empty()) by_name_.erase(pin->owner);
  pins_.erase(pin);
}

std::vector<const PinTable::PinnedName*> PinTable::NamesAt(const IpAddress& address,
                                                           TimePoint now) const {
  std::vector<const PinnedName*> names;
  const auto at = by_address_.find(address);
  if (at == by_address_.end()) return names;
  for (auto pin = at->second.rbegin(); pin != at->second.rend(); ++pin) {
    if (now < (*pin)->expiry->first) names.push_back(&(*pin)->owner->second.pinned);
  }
  return names;
}

void PinTable::Expire(TimePoint now) {
  while (!by_expiry_.empty() && by_expiry_.begin()->first <= now) Erase(by_expiry_.begin()->second);
}

}  // namespace mini::netstack
