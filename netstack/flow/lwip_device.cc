#include "netstack/flow/lwip_device.h"

#include <array>
#include <cstdlib>
#include <cstring>

#include "base/bytes.h"
#include "lwip/init.h"
#include "lwip/ip.h"
#include "netstack/flow/lwip_scope.h"
#include "netstack/link/checksum.h"
#include "netstack/link/frame_builder.h"
#include "netstack/link/vnet.h"

namespace mini::netstack {

namespace {

constexpr size_t kMaxPieces = 64;

// What ip4_input() and ip6_input() leave for tcp_input(): who the packet is from and for.
void SetCurrentPacket(const FlowKey& key, netif* device) {
  ip_data.current_iphdr_src = ToLwipAddress(key.sandbox.address);
  ip_data.current_iphdr_dest = ToLwipAddress(key.remote.address);
  ip_data.current_netif = device;
  ip_data.current_input_netif = device;
  ip_data.current_ip4_header = nullptr;
  ip_data.current_ip6_header = nullptr;
  ip_data.current_ip_header_tot_len = 0;
}

size_t TcpHeaderSize(std::span<const uint8_t> tcp) { return size_t{tcp[12]} >> 4 << 2; }

bool IsBareAck(std::span<const uint8_t> tcp, size_t ip_header_size, size_t packet_size) {
  return tcp[13] == kTcpAck && packet_size == ip_header_size + TcpHeaderSize(tcp);
}

void InitializeLwipOnce() {
  static const bool initialized = [] {
    lwip_init();
    return true;
  }();
  (void)initialized;
}

}  // namespace

LwipDevice::LwipDevice(TapLink& link, tcp_accept_fn accept, Owner& owner)
    : link_(link), owner_(owner) {
  InitializeLwipOnce();
  ip4_addr_t any, address;
  ip4_addr_set_zero(&any);
  // ip4_route() wants an address; it is used for nothing, every packet carries its flow's.
  IP4_ADDR(&address, 192, 0, 2, 1);
  netif_add(
      &device_, &address, &any, &any, this,
      [](netif* device) -> err_t {
        device->output = OutputV4;
        device->output_ip6 = OutputV6;
        device->mtu = 0xffff;
        device->flags = NETIF_FLAG_UP | NETIF_FLAG_LINK_UP;
        return ERR_OK;
      },
      [](pbuf* p, netif*) -> err_t {
        pbuf_free(p);
        return ERR_OK;
      });
  netif_set_default(&device_);
  netif_set_up(&device_);
  netif_set_link_up(&device_);
  tcp_pcb* listener = tcp_new_ip_type(IPADDR_TYPE_ANY);
  if (listener == nullptr || tcp_bind(listener, IP_ANY_TYPE, 1) != ERR_OK) std::abort();
  listener = tcp_listen(listener);
  if (listener == nullptr) std::abort();
  tcp_accept(listener, accept);
  listener_ = tcp_listen_pcbs.listen_pcbs;
  listener_->local_port = 0;
}

LwipDevice::~LwipDevice() {
  listener_->local_port = 1;
  tcp_close(reinterpret_cast<tcp_pcb*>(listener_));
  netif_remove(&device_);
}

void LwipDevice::Input(const FlowKey& key, pbuf* segment, BareAck bare_ack) {
  SetCurrentPacket(key, &device_);
  bare_ack_ = bare_ack;
  tcp_input(segment, &device_);
  bare_ack_ = BareAck::kSent;
}

void LwipDevice::InputSyn(const FlowKey& key, std::span<const uint8_t> segment, void* flow) {
  pbuf* p = pbuf_alloc(PBUF_RAW, static_cast<u16_t>(segment.size()), PBUF_RAM);
  if (p == nullptr) return;
  std::memcpy(p->payload, segment.data(), segment.size());
  listener_->local_port = key.remote.port;
  listener_->callback_arg = flow;
  Input(key, p);
  listener_->local_port = 0;
  listener_->callback_arg = nullptr;
}

err_t LwipDevice::OutputV4(netif* device, pbuf* packet, const ip4_addr_t* destination) {
  (void)destination;
  return static_cast<LwipDevice*>(device->state)->Output(packet, false);
}

err_t LwipDevice::OutputV6(netif* device, pbuf* packet, const ip6_addr_t* destination) {
  (void)destination;
  return static_cast<LwipDevice*>(device->state)->Output(packet, true);
}

// RFC 9293, 3.8.5, as Linux and all others read it (RFC 6093): the pointer leads behind the urgent
// byte. lwIP sends its headers again when it sends a segment again, so the mark also has to go.
void LwipDevice::MarkUrgent(std::span<uint8_t> tcp) const {
  constexpr size_t kSequence = 4, kFlags = 13, kPointer = 18;
  const std::optional<uint32_t> end = owner_.UrgentEnd();
  ByteReader reader(tcp.subspan(kSequence, 4));
  const uint32_t ahead = end ? *end - reader.U32() : 0;
  const bool urgent = ahead > 0 && ahead <= 0xffff;
  tcp[kFlags] = static_cast<uint8_t>(urgent ? tcp[kFlags] | kTcpUrg : tcp[kFlags] & ~kTcpUrg);
  ByteWriter(tcp.subspan(kPointer, 2)).U16(static_cast<uint16_t>(urgent ? ahead : 0));
}

// `packet` starts with the IP header that lwIP wrote; headers are in the first pbuf.
err_t LwipDevice::Output(pbuf* packet, bool v6) {
  const size_t ip_header = v6 ? kIpv6HeaderSize : kIpv4HeaderSize;
  const std::span<uint8_t> headers(static_cast<uint8_t*>(packet->payload), packet->len);
  if (bare_ack_ == BareAck::kHeldBack &&
      IsBareAck(headers.subspan(ip_header), ip_header, packet->tot_len)) {
    return ERR_BUF;
  }
  MarkUrgent(headers.subspan(ip_header, kTcpHeaderSize));
  const size_t addresses = v6 ? 8 : 12;
  const size_t address_size = v6 ? 16 : 4;
  const size_t tcp_length = packet->tot_len - ip_header;
  uint64_t sum = ChecksumAdd(0, headers.subspan(addresses, 2 * address_size));
  sum += kProtocolTcp + tcp_length;
  ByteWriter(headers.subspan(ip_header + 16, 2)).U16(ChecksumFold(sum));

  Offload offload;
  offload.partial_checksum = true;
  offload.transport_offset = kLinkHeaderSize + ip_header;
  offload.checksum_offset = 16;
  const size_t tcp_header = TcpHeaderSize(headers.subspan(ip_header));
  if (packet->tot_len > link_.mtu()) {
    offload.gso_type = v6 ? kVnetGsoTcpV6 : kVnetGsoTcpV4;
    offload.gso_size = static_cast<uint16_t>(link_.mtu() - ip_header - tcp_header);
    offload.header_length = static_cast<uint16_t>(kEthernetHeaderSize + ip_header + tcp_header);
  }
  std::array<uint8_t, kLinkHeaderSize> link_header;
  ByteWriter writer(link_header);
  WriteLinkHeader(writer, link_.sandbox_mac(), v6 ? kEtherTypeIpv6 : kEtherTypeIpv4, offload);

  std::array<iovec, kMaxPieces> pieces;
  pieces[0] = {link_header.data(), link_header.size()};
  size_t count = 1;
  for (pbuf* p = packet; p != nullptr && count < kMaxPieces; p = p->next) {
    pieces[count++] = {p->payload, p->len};
    if (count == kMaxPieces && p->next != nullptr) {
      bounce_.resize(packet->tot_len);
      pbuf_copy_partial(packet, bounce_.data(), packet->tot_len, 0);
      pieces[1] = {bounce_.data(), bounce_.size()};
      count = 2;
      break;
    }
  }
  if (link_.Write(std::span(pieces).first(count)) != TapLink::Written::kBlocked) return ERR_OK;
  owner_.OnOutputBlocked();
  return ERR_BUF;  // lwIP keeps the segment
}

}  // namespace mini::netstack
