// Which addresses lead somewhere other than the public Internet. Internal to filter/.
#ifndef MINI_SANDBOX_NETSTACK_FILTER_ADDRESS_CLASS_H_
#define MINI_SANDBOX_NETSTACK_FILTER_ADDRESS_CLASS_H_

#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "base/ip_address.h"

namespace mini::netstack {

enum class AddressClass : uint8_t {
  kPublic,
  kPrivate,    // RFC 1918, unique local: an intranet
  kProtected,  // the host itself, its link, its cloud's metadata, groups: invariant 10
};

struct ClassifiedAddress {
  AddressClass address_class = AddressClass::kPublic;
  IpPrefix range;  // the range that makes it so; not for kPublic
};

class AddressClassifier {
 public:
  // `leads_to_this_host` may be empty; else it is asked by each Classify whose address no protected
  // range contains.
  AddressClassifier(std::vector<IpAddress> host_addresses,
                    std::function<bool(const IpAddress&)> leads_to_this_host);

  // An IPv6 address that carries an IPv4 address (NAT64, 6to4, Teredo, ISATAP) is of the class of
  // what it carries, since a translator or tunnel on the way would send the packet there.
  ClassifiedAddress Classify(const IpAddress& address) const;

 private:
  ClassifiedAddress ClassifyPlain(const IpAddress& address) const;
  bool IsHostAddress(const IpAddress& address) const;

  std::vector<IpAddress> host_addresses_;  // sorted
  std::function<bool(const IpAddress&)> leads_to_this_host_;
};

// The IPv4 addresses inside an IPv6 address, with the prefix length that ends after each (or 128,
// where it is the interface identifier).
struct EmbeddedV4 {
  IpAddress address;
  uint8_t prefix_length;    // of the bits in front of it
  bool prefix_may_shorten;  // the carrying range grows as the embedded one does
};
std::vector<EmbeddedV4> EmbeddedV4In(const IpAddress& address);

}  // namespace mini::netstack

#endif  // MINI_SANDBOX_NETSTACK_FILTER_ADDRESS_CLASS_H_
