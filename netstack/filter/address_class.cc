#include "netstack/filter/address_class.h"

#include <algorithm>
#include <array>
#include <span>

#include "netstack/filter/network_of.h"

namespace mini::netstack {
namespace {

struct Range {
  IpPrefix prefix;
  AddressClass address_class;
};

Range Protected(const char* prefix) { return {*IpPrefix::Parse(prefix), AddressClass::kProtected}; }
Range Private(const char* prefix) { return {*IpPrefix::Parse(prefix), AddressClass::kPrivate}; }

// More specific ranges stand before those that contain them. Documentation ranges are left alone:
// nothing answers there but tests.
const std::vector<Range>& Ranges() {
  static const std::vector<Range> ranges = {
      Protected("0.0.0.0/8"),         // this network; Linux takes 0.0.0.0 for itself (RFC 1122)
      Protected("127.0.0.0/8"),       // loopback
      Protected("169.254.0.0/16"),    // link-local, and the metadata services of most clouds
      Protected("168.63.129.16/32"),  // Azure's platform address: public range, host-local service
      Protected("100.64.0.0/10"),     // CGNAT (RFC 6598), overlay networks, Alibaba's metadata
      Protected("192.0.0.0/24"),      // IETF protocol assignments (RFC 6890), Oracle's metadata
      Protected("198.18.0.0/15"),     // benchmarking (RFC 2544): the sandbox's own link is here
      Protected("224.0.0.0/4"),       // multicast
      Protected("240.0.0.0/4"),       // reserved, and 255.255.255.255 broadcast
      Private("10.0.0.0/8"),          // RFC 1918
      Private("172.16.0.0/12"),       // RFC 1918
      Private("192.168.0.0/16"),      // RFC 1918
      Protected("::/96"),             // ::, ::1 and the IPv4-compatible form (RFC 4291, 2.5.5.1)
      Protected("::ffff:0:0/96"),     // IPv4-mapped: the kernel would connect over IPv4
      Protected("::ffff:0:0:0/96"),   // IPv4-translated (RFC 2765)
      Protected("64:ff9b:1::/48"),    // local NAT64 (RFC 8215): what it leads to is not public
      Protected("100::/64"),          // discard-only (RFC 6666)
      Protected("fe80::/10"),         // link-local
      Protected("ff00::/8"),          // multicast
      Protected("fd00:ec2::/32"),     // AWS: metadata, DNS and time over IPv6
      Protected("fd20:ce::254/128"),  // Google Cloud's metadata over IPv6
      Protected("fd6d:696e:6900::/48"),  // the sandbox's own link
      Private("fec0::/10"),              // site-local, deprecated (RFC 3879)
      Private("fc00::/7"),               // unique local (RFC 4193)
  };
  return ranges;
}

IpAddress V4At(std::span<const uint8_t> bytes, size_t offset) {
  return *IpAddress::FromBytes(bytes.subspan(offset, 4));
}

}  // namespace

std::vector<EmbeddedV4> EmbeddedV4In(const IpAddress& address) {
  if (address.is_v4()) return {};
  static const IpPrefix kNat64 = *IpPrefix::Parse("64:ff9b::/96");  // RFC 6052
  static const IpPrefix k6to4 = *IpPrefix::Parse("2002::/16");      // RFC 3056
  static const IpPrefix kTeredo = *IpPrefix::Parse("2001::/32");    // RFC 4380
  static const IpPrefix kV4InLow[] = {*IpPrefix::Parse("::/96"), *IpPrefix::Parse("::ffff:0:0/96"),
                                      *IpPrefix::Parse("::ffff:0:0:0/96"),
                                      *IpPrefix::Parse("64:ff9b:1::/48")};
  const auto bytes = address.bytes();
  if (kNat64.Contains(address)) return {{V4At(bytes, 12), 96, true}};
  if (k6to4.Contains(address)) return {{V4At(bytes, 2), 16, true}};
  if (kTeredo.Contains(address)) {
    std::array<uint8_t, 4> client;  // section 4: every bit is inverted
    for (size_t i = 0; i < 4; ++i) client[i] = static_cast<uint8_t>(~bytes[12 + i]);
    return {{V4At(bytes, 4), 32, true}, {*IpAddress::FromBytes(client), 128, false}};
  }
  for (const IpPrefix& prefix : kV4InLow) {
    if (prefix.Contains(address)) return {{V4At(bytes, 12), 96, true}};
  }
  // ISATAP's interface identifier (RFC 5214, section 6.1), with or without the universal bit.
  const bool isatap =
      (bytes[8] & 0xfd) == 0 && bytes[9] == 0 && bytes[10] == 0x5e && bytes[11] == 0xfe;
  if (isatap) return {{V4At(bytes, 12), 128, false}};
  return {};
}

AddressClassifier::AddressClassifier(std::vector<IpAddress> host_addresses,
                                     std::function<bool(const IpAddress&)> leads_to_this_host)
    : host_addresses_(std::move(host_addresses)),
      leads_to_this_host_(std::move(leads_to_this_host)) {
  std::sort(host_addresses_.begin(), host_addresses_.end());
}

bool AddressClassifier::IsHostAddress(const IpAddress& address) const {
  return std::binary_search(host_addresses_.begin(), host_addresses_.end(), address) ||
         (leads_to_this_host_ && leads_to_this_host_(address));
}

ClassifiedAddress AddressClassifier::ClassifyPlain(const IpAddress& address) const {
  for (const Range& range : Ranges()) {
    if (range.address_class == AddressClass::kProtected && range.prefix.Contains(address)) {
      return {range.address_class, range.prefix};
    }
  }
  if (IsHostAddress(address)) {
    const auto bits = static_cast<uint8_t>(address.bytes().size() * 8);
    return {AddressClass::kProtected, {address, bits}};
  }
  for (const Range& range : Ranges()) {
    if (range.prefix.Contains(address)) return {range.address_class, range.prefix};
  }
  return {};
}

ClassifiedAddress AddressClassifier::Classify(const IpAddress& address) const {
  ClassifiedAddress strictest = ClassifyPlain(address);
  for (const EmbeddedV4& embedded : EmbeddedV4In(address)) {
    const ClassifiedAddress inner = ClassifyPlain(embedded.address);
    if (inner.address_class <= strictest.address_class) continue;
    const size_t length =
        embedded.prefix_may_shorten ? embedded.prefix_length + inner.range.length : 128;
    strictest = {inner.address_class, {NetworkOf(address, length), static_cast<uint8_t>(length)}};
  }
  return strictest;
}

}  // namespace mini::netstack
