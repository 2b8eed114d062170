// Theory of operation. The TUN ioctls make the device. Then one batch of netlink requests goes out
// in one sendmsg(2); the kernel works through them in order, each in turn, before that call
// returns, and queues one acknowledgement for each, which one recvmmsg(2) collects.
//
// Routing: IFF_NOARP makes the kernel use the device's own hardware address as that of every
// neighbour, without asking. The default routes nevertheless name a gateway: with a plain device
// route there would be one neighbour entry for each destination, and the neighbour tables, with
// their limit of 1024 entries (gc_thresh3, arp(7)), are shared by all network namespaces. A sandbox
// that talked to many addresses would push the host's own neighbours out.
#include "sys/tap.h"

#include <libmnl/libmnl.h>
#include <linux/if_link.h>
#include <linux/if_tun.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>
#include <optional>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "base/strings.h"

namespace mini {
namespace {

// UDP segmentation offload, of Linux 6.2: younger than the oldest headers we build with.
constexpr unsigned kTunUso4 = 0x20;
constexpr unsigned kTunUso6 = 0x40;

constexpr unsigned kLoopbackIndex = 1;  // of the first device of every network namespace

ifreq RequestFor(const TapOptions& options) {
  ifreq request{};
  std::memcpy(request.ifr_name, options.name.data(), options.name.size());
  return request;
}

Status NetworkError(int error, std::string attempted) {
  return SystemError(Stage::kNetwork, error, std::move(attempted));
}

// --- The device ---

Status MakeDevice(int tun, const TapOptions& options) {
  ifreq request = RequestFor(options);
  request.ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR;
  if (ioctl(tun, TUNSETIFF, &request) != 0) {
    const int error = errno;
    Status status =
        NetworkError(error, StrCat("make the TAP device ", options.name, " with /dev/net/tun"));
    return error == ENOTTY ? std::move(status).WithHint("/dev/net/tun is not the tun device")
                           : status;
  }
  const int header_size = 10;  // sizeof(struct virtio_net_hdr), without num_buffers
  if (ioctl(tun, TUNSETVNETHDRSZ, &header_size) != 0) {
    return NetworkError(errno, StrCat("set the header size of ", options.name));
  }
  // Else closing the descriptor unregisters the device, which waits for grace periods of RCU, and
  // the supervisor's exit with it. A persistent device lasts as long as its network namespace, and
  // that the kernel takes down in the background.
  if (ioctl(tun, TUNSETPERSIST, 1) != 0) {
    return NetworkError(errno, StrCat("keep the TAP device ", options.name));
  }
  return OkStatus();
}

// Whether UDP segmentation is among the offloads.
Result<bool> SetOffloads(int tun, const TapOptions& options) {
  constexpr unsigned kTcp = TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6;
  if (ioctl(tun, TUNSETOFFLOAD, kTcp | kTunUso4 | kTunUso6) == 0) return true;
  if (errno == EINVAL && ioctl(tun, TUNSETOFFLOAD, kTcp) == 0) return false;
  return NetworkError(errno, StrCat("set the offloads of ", options.name));
}

Status ReadHardwareAddress(int tun, const TapOptions& options, std::array<uint8_t, 6>& mac) {
  ifreq request = RequestFor(options);
  if (ioctl(tun, SIOCGIFHWADDR, &request) != 0) {
    return NetworkError(errno, StrCat("read the hardware address of ", options.name));
  }
  std::memcpy(mac.data(), request.ifr_hwaddr.sa_data, mac.size());
  return OkStatus();
}

Result<unsigned> ReadIndex(int netlink, const TapOptions& options) {
  ifreq request = RequestFor(options);  // netdevice(7): any socket of the namespace will do
  if (ioctl(netlink, SIOCGIFINDEX, &request) != 0) {
    return NetworkError(errno, StrCat("find the index of ", options.name));
  }
  return static_cast<unsigned>(request.ifr_ifindex);
}

// --- Netlink ---

enum class Need {
  kAlways,
  kWithIpv6,  // may fail because this kernel runs without IPv6
};

// Requests that are sent together. The sequence number of each is its place in the batch.
class Batch {
 public:
  // `what` ends the sentence "could not ...", for errors.
  nlmsghdr* Add(uint16_t type, uint16_t flags, Need need, std::string what) {
    FinishMessage();
    nlmsghdr* message = mnl_nlmsg_put_header(message_.data());
    message->nlmsg_type = type;
    message->nlmsg_flags = static_cast<uint16_t>(NLM_F_REQUEST | NLM_F_ACK | flags);
    message->nlmsg_seq = static_cast<uint32_t>(requests_.size());
    requests_.push_back({std::move(what), need, std::nullopt});
    return message;
  }

  // Sends everything and checks every acknowledgement. True when the IPv6 requests all succeeded.
  Result<bool> Run(int netlink) {
    FinishMessage();
    MINI_RETURN_IF_ERROR(Send(netlink));
    MINI_RETURN_IF_ERROR(Receive(netlink));
    bool ipv6 = true;
    for (const Request& request : requests_) {
      if (!request.answer) {
        return Status(StatusCode::kSystem, Stage::kNetwork,
                      StrCat(request.what, ": the kernel did not answer"));
      }
      const int error = request.answer->error;
      if (error == 0) continue;
      if (request.need == Need::kAlways || !MeansNoIpv6(error)) {
        return NetworkError(error, request.what).WithHint(request.answer->explanation);
      }
      ipv6 = false;
    }
    return ipv6;
  }

 private:
  struct Answer {
    int error;
    std::string explanation;  // the kernel's own words (NLMSGERR_ATTR_MSG), often empty
  };
  struct Request {
    std::string what;
    Need need;
    std::optional<Answer> answer;
  };
  // Each request is far smaller: two headers and a handful of attributes of known size.
  static constexpr size_t kMaxMessage = 512;
  // Room for an acknowledgement with the request it quotes and the kernel's explanation.
  static constexpr size_t kMaxAnswer = 1024;

  // Without the module there is no handler (EOPNOTSUPP) or family (EAFNOSUPPORT); with
  // net.ipv6.conf.default.disable_ipv6 the device takes no address (EACCES) and no route (ENODEV).
  static bool MeansNoIpv6(int error) {
    return error == EOPNOTSUPP || error == EAFNOSUPPORT || error == EACCES || error == ENODEV;
  }

  void FinishMessage() {
    const auto* message = reinterpret_cast<const nlmsghdr*>(message_.data());
    if (message->nlmsg_len == 0) return;
    bytes_.append(message_.data(), message->nlmsg_len);
    bytes_.resize(NLMSG_ALIGN(bytes_.size()), '\0');
    message_.fill('\0');
  }

  Status Send(int netlink) {
    const sockaddr_nl kernel = {.nl_family = AF_NETLINK, .nl_pad = 0, .nl_pid = 0, .nl_groups = 0};
    // NETLINK_EXT_ACK: errors in words. Its absence (before Linux 4.12) only makes them shorter.
    const int on = 1;
    (void)setsockopt(netlink, SOL_NETLINK, NETLINK_EXT_ACK, &on, sizeof on);
    const ssize_t sent = sendto(netlink, bytes_.data(), bytes_.size(), 0,
                                reinterpret_cast<const sockaddr*>(&kernel), sizeof kernel);
    if (sent < 0) return NetworkError(errno, "send the network's configuration to the kernel");
    return OkStatus();
  }

  Status Receive(int netlink) {
    std::vector<char> buffer(requests_.size() * kMaxAnswer);
    std::vector<iovec> vectors(requests_.size());
    std::vector<mmsghdr> messages(requests_.size());
    std::vector<sockaddr_nl> senders(requests_.size());
    for (size_t i = 0; i < requests_.size(); ++i) {
      vectors[i] = {buffer.data() + i * kMaxAnswer, kMaxAnswer};
      messages[i].msg_hdr.msg_iov = &vectors[i];
      messages[i].msg_hdr.msg_iovlen = 1;
      messages[i].msg_hdr.msg_name = &senders[i];
      messages[i].msg_hdr.msg_namelen = sizeof senders[i];
    }
    const int count = recvmmsg(netlink, messages.data(), static_cast<unsigned>(messages.size()),
                               MSG_DONTWAIT, nullptr);
    if (count < 0) return NetworkError(errno, "read the kernel's answers about the network");
    for (int i = 0; i < count; ++i) {
      const auto index = static_cast<size_t>(i);
      if (senders[index].nl_pid != 0) continue;  // not from the kernel
      TakeAnswers(buffer.data() + index * kMaxAnswer, messages[index].msg_len);
    }
    return OkStatus();
  }

  void TakeAnswers(const char* bytes, size_t size) {
    auto remaining = static_cast<int>(size);
    for (const auto* message = reinterpret_cast<const nlmsghdr*>(bytes);
         mnl_nlmsg_ok(message, remaining); message = mnl_nlmsg_next(message, &remaining)) {
      if (message->nlmsg_type != NLMSG_ERROR || message->nlmsg_seq >= requests_.size() ||
          mnl_nlmsg_get_payload_len(message) < sizeof(nlmsgerr)) {
        continue;
      }
      const auto* error = static_cast<const nlmsgerr*>(mnl_nlmsg_get_payload(message));
      requests_[message->nlmsg_seq].answer = Answer{-error->error, Explanation(message, *error)};
    }
  }

  static std::string Explanation(const nlmsghdr* message, const nlmsgerr& error) {
    if ((message->nlmsg_flags & NLM_F_ACK_TLVS) == 0) return {};
    // The attributes follow the quoted request: all of it, or its header alone (NLM_F_CAPPED).
    size_t offset = sizeof(nlmsgerr);
    if ((message->nlmsg_flags & NLM_F_CAPPED) == 0) {
      offset += NLMSG_ALIGN(error.msg.nlmsg_len) - sizeof(nlmsghdr);
    }
    std::string text;
    (void)mnl_attr_parse(message, static_cast<unsigned>(offset), &TakeExplanation, &text);
    return text;
  }

  static int TakeExplanation(const nlattr* attribute, void* text) {
    if (mnl_attr_get_type(attribute) == NLMSGERR_ATTR_MSG &&
        mnl_attr_validate(attribute, MNL_TYPE_NUL_STRING) >= 0) {
      *static_cast<std::string*>(text) = mnl_attr_get_str(attribute);
    }
    return MNL_CB_OK;
  }

  alignas(nlmsghdr) std::array<char, kMaxMessage> message_{};  // the one under construction
  std::string bytes_;
  std::vector<Request> requests_;
};

template <typename Header>
Header& PutHeader(nlmsghdr* message) {
  return *static_cast<Header*>(mnl_nlmsg_put_extra_header(message, sizeof(Header)));
}

void BringLoopbackUp(Batch& batch) {
  nlmsghdr* message = batch.Add(RTM_NEWLINK, 0, Need::kAlways, "bring the loopback device up");
  auto& link = PutHeader<ifinfomsg>(message);
  link.ifi_index = kLoopbackIndex;
  link.ifi_flags = IFF_UP;
  link.ifi_change = IFF_UP;
}

// No link-local address of its own: the link has one neighbour, which does not speak of addresses.
// Before the device is up, when the address would be made.
void DisableAddressGeneration(Batch& batch, unsigned index, const TapOptions& options) {
  nlmsghdr* message = batch.Add(RTM_NEWLINK, 0, Need::kWithIpv6,
                                StrCat("switch IPv6 address generation off on ", options.name));
  PutHeader<ifinfomsg>(message).ifi_index = static_cast<int>(index);
  nlattr* families = mnl_attr_nest_start(message, IFLA_AF_SPEC);
  nlattr* v6 = mnl_attr_nest_start(message, AF_INET6);
  mnl_attr_put_u8(message, IFLA_INET6_ADDR_GEN_MODE, IN6_ADDR_GEN_MODE_NONE);
  mnl_attr_nest_end(message, v6);
  mnl_attr_nest_end(message, families);
}

void BringDeviceUp(Batch& batch, unsigned index, const TapOptions& options) {
  nlmsghdr* message = batch.Add(RTM_NEWLINK, 0, Need::kAlways,
                                StrCat("bring ", options.name, " up with MTU ", options.mtu));
  auto& link = PutHeader<ifinfomsg>(message);
  link.ifi_index = static_cast<int>(index);
  link.ifi_flags = IFF_UP | IFF_NOARP;
  link.ifi_change = IFF_UP | IFF_NOARP;
  mnl_attr_put_u32(message, IFLA_MTU, options.mtu);
  mnl_attr_put_u32(message, IFLA_TXQLEN, options.transmit_queue_length);
}

Need NeedOf(const IpAddress& address) { return address.is_v4() ? Need::kAlways : Need::kWithIpv6; }
uint8_t FamilyOf(const IpAddress& address) { return address.is_v4() ? AF_INET : AF_INET6; }

void PutAddress(nlmsghdr* message, uint16_t type, const IpAddress& address) {
  mnl_attr_put(message, type, address.bytes().size(), address.bytes().data());
}

void AddAddress(Batch& batch, unsigned index, const IpAddress& address) {
  nlmsghdr* message = batch.Add(RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, NeedOf(address),
                                StrCat("add the address ", address.ToString()));
  auto& header = PutHeader<ifaddrmsg>(message);
  header.ifa_family = FamilyOf(address);
  header.ifa_prefixlen = static_cast<uint8_t>(address.bytes().size() * 8);
  header.ifa_index = index;
  // Usable at once: there is nobody on the link to have the same address (RFC 4862, 5.4).
  if (address.is_v6()) header.ifa_flags = IFA_F_NODAD;
  PutAddress(message, IFA_LOCAL, address);
  PutAddress(message, IFA_ADDRESS, address);
}

void AddDefaultRoute(Batch& batch, unsigned index, const IpAddress& gateway) {
  nlmsghdr* message =
      batch.Add(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL, NeedOf(gateway),
                StrCat("add the default route of ", gateway.is_v4() ? "IPv4" : "IPv6"));
  auto& route = PutHeader<rtmsg>(message);
  route.rtm_family = FamilyOf(gateway);
  route.rtm_table = RT_TABLE_MAIN;
  route.rtm_protocol = RTPROT_STATIC;
  route.rtm_scope = RT_SCOPE_UNIVERSE;
  route.rtm_type = RTN_UNICAST;
  // On the link although no prefix of the device contains it.
  route.rtm_flags = RTNH_F_ONLINK;
  PutAddress(message, RTA_GATEWAY, gateway);
  mnl_attr_put_u32(message, RTA_OIF, index);
}

// The kernel makes this route itself, but of IPv6 a moment after it has acknowledged the address,
// in a work queue: what a command asks at once would be answered to nobody. Its own has precedence.
void AddLocalRoute(Batch& batch, unsigned index, const IpAddress& address) {
  nlmsghdr* message = batch.Add(RTM_NEWROUTE, NLM_F_CREATE, NeedOf(address),
                                StrCat("add the local route of ", address.ToString()));
  auto& route = PutHeader<rtmsg>(message);
  route.rtm_family = FamilyOf(address);
  route.rtm_dst_len = static_cast<uint8_t>(address.bytes().size() * 8);
  route.rtm_table = RT_TABLE_LOCAL;
  route.rtm_protocol = RTPROT_STATIC;
  route.rtm_scope = RT_SCOPE_HOST;
  route.rtm_type = RTN_LOCAL;
  PutAddress(message, RTA_DST, address);
  mnl_attr_put_u32(message, RTA_OIF, index);
}

Result<bool> ConfigureLinks(int netlink, unsigned index, const TapOptions& options) {
  Batch batch;
  BringLoopbackUp(batch);
  DisableAddressGeneration(batch, index, options);
  BringDeviceUp(batch, index, options);
  AddAddress(batch, index, options.address_v4);
  AddAddress(batch, index, options.address_v6);
  AddLocalRoute(batch, index, options.address_v6);
  AddDefaultRoute(batch, index, options.gateway_v4);
  AddDefaultRoute(batch, index, options.gateway_v6);
  return batch.Run(netlink);
}

}  // namespace

Result<Tap> ConfigureTap(UniqueFd tun, UniqueFd netlink, const TapOptions& options) {
  if (options.name.empty() || options.name.size() >= IFNAMSIZ) {
    return InvalidArgument(Stage::kNetwork, StrCat("a network device cannot be called \"",
                                                   EscapeForTerminal(options.name), "\""));
  }
  Tap tap;
  tap.mtu = options.mtu;
  MINI_RETURN_IF_ERROR(MakeDevice(tun.get(), options));
  MINI_ASSIGN_OR_RETURN(tap.udp_segmentation, SetOffloads(tun.get(), options));
  MINI_RETURN_IF_ERROR(ReadHardwareAddress(tun.get(), options, tap.mac));
  MINI_ASSIGN_OR_RETURN(const unsigned index, ReadIndex(netlink.get(), options));
  MINI_ASSIGN_OR_RETURN(tap.ipv6, ConfigureLinks(netlink.get(), index, options));
  tap.fd = std::move(tun);
  return tap;
}

}  // namespace mini
