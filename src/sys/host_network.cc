// Theory of operation. A list of the machine's addresses, read once, is out of date as soon as
// DHCP, a VPN or IPv6's temporary addresses (RFC 8981) bring another, and it never holds what is
// local by route alone: AnyIP ("ip route add local"), broadcast addresses, the subnet-router
// anycast address of a forwarding machine (RFC 4291, 2.6.1). The kernel's own routing decides all
// of these, so it is asked: RTM_GETROUTE with a whole address is the lookup that connect(2) makes
// (rtnetlink(7)).
//
// The list is read all the same: an interface that is down has its addresses without routes.
//
// The kernel works requests of this family off within sendto(2), so the answer waits when that
// returns, and a dump's further parts are made as the ones before are read; an answer that is not
// there then never comes. Should one have been left behind by an error, its sequence number tells
// it from the next question's.
//
// An answer holds until something changes. The kernel puts a message about each change of links,
// addresses, routes, next hops, routing rules and settings into the queue of a second socket as it
// makes the change, so a look at that queue comes before each use of what is known: one short call
// where asking takes two long ones. And it holds for a second at most, since there are changes that
// no message follows: routes that go with their device or address go after the message about that
// one (fib_flush() in net/ipv4), and one that has expired (RFC 4861, 6.3.4) is passed over at once
// and told of when it is collected.
//
// Nothing is asked but through these sockets: whoever confines this process leaves it them.
#include "sys/host_network.h"

#include <libmnl/libmnl.h>
#include <linux/if_link.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <optional>
#include <span>

namespace mini {
namespace {

constexpr size_t kMaxRequest = 128;   // two headers and one attribute of at most 16 bytes
constexpr size_t kMaxAnswer = 16384;  // more than the kernel puts into one message of these kinds
constexpr size_t kMaxKnown = 4096;    // answers
// Messages that a call takes from the queue of changes; those of more are there for the next one.
constexpr int kMaxChanges = 1024;
constexpr std::chrono::seconds kLongestKnown{1};

constexpr uint32_t Group(rtnetlink_groups group) { return uint32_t{1} << (group - 1); }

// Routes that lose their next hop go without a message of their own, and a setting
// (ignore_routes_with_linkdown) may pass over routes.
constexpr uint32_t kChanges = Group(RTNLGRP_LINK) | Group(RTNLGRP_IPV4_IFADDR) |
                              Group(RTNLGRP_IPV4_ROUTE) | Group(RTNLGRP_IPV4_RULE) |
                              Group(RTNLGRP_IPV4_NETCONF) | Group(RTNLGRP_IPV6_IFADDR) |
                              Group(RTNLGRP_IPV6_ROUTE) | Group(RTNLGRP_IPV6_RULE) |
                              Group(RTNLGRP_IPV6_NETCONF) | Group(RTNLGRP_NEXTHOP);

bool TypeEndsHere(uint8_t type) {
  switch (type) {
    case RTN_LOCAL:
    case RTN_BROADCAST:
    case RTN_ANYCAST:
    case RTN_MULTICAST:
      return true;
    default:
      return false;
  }
}

// A kernel without IPv6 (ipv6.disable=1) does not know the question; nothing is reached there.
bool HasFamily(int family) {
  const UniqueFd socket(::socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  return socket.valid() || errno != EAFNOSUPPORT;
}

bool ErrorEndsHere(int error, int family) {
  switch (error) {
    case ENETUNREACH:
    case EHOSTUNREACH:  // also routes of the type unreachable
    case EACCES:        // routes of the type prohibit
      return false;
    case EOPNOTSUPP:
    case EAFNOSUPPORT:
      return HasFamily(family);
    default:
      return true;
  }
}

// What the answer to a question for a route says.
bool SaysThatItEndsHere(const nlmsghdr& message, int family) {
  const size_t size = mnl_nlmsg_get_payload_len(&message);
  if (message.nlmsg_type == NLMSG_ERROR && size >= sizeof(nlmsgerr)) {
    const auto* error = static_cast<const nlmsgerr*>(mnl_nlmsg_get_payload(&message));
    return ErrorEndsHere(-error->error, family);
  }
  if (message.nlmsg_type == RTM_NEWROUTE && size >= sizeof(rtmsg)) {
    const auto* route = static_cast<const rtmsg*>(mnl_nlmsg_get_payload(&message));
    return route->rtm_family != family || TypeEndsHere(route->rtm_type);
  }
  return true;
}

// NLMSG_DONE and NLMSG_ERROR both begin with it, negative; 0: none.
int ErrorIn(const nlmsghdr& message) {
  int error = 0;
  if (mnl_nlmsg_get_payload_len(&message) >= sizeof error) {
    std::memcpy(&error, mnl_nlmsg_get_payload(&message), sizeof error);
  }
  return -error;
}

struct FoundAddresses {
  std::optional<IpAddress> own;    // IFA_LOCAL
  std::optional<IpAddress> other;  // IFA_ADDRESS: the peer's, or without the first its own
};

int TakeAddress(const nlattr* attribute, void* found) {
  const auto* payload = static_cast<const uint8_t*>(mnl_attr_get_payload(attribute));
  const auto address =
      IpAddress::FromBytes(std::span(payload, mnl_attr_get_payload_len(attribute)));
  if (mnl_attr_get_type(attribute) == IFA_LOCAL) static_cast<FoundAddresses*>(found)->own = address;
  if (mnl_attr_get_type(attribute) == IFA_ADDRESS) {
    static_cast<FoundAddresses*>(found)->other = address;
  }
  return MNL_CB_OK;
}

std::optional<IpAddress> AddressIn(const nlmsghdr& message) {
  FoundAddresses found;
  if (message.nlmsg_type == RTM_NEWADDR &&
      mnl_nlmsg_get_payload_len(&message) >= sizeof(ifaddrmsg)) {
    (void)mnl_attr_parse(&message, sizeof(ifaddrmsg), &TakeAddress, &found);
  }
  return found.own ? found.own : found.other;
}

}  // namespace

struct HostNetwork::Buffers {
  alignas(nlmsghdr) std::array<char, kMaxRequest> request;
  alignas(nlmsghdr) std::array<char, kMaxAnswer> answer;
};

Result<std::unique_ptr<HostNetwork>> HostNetwork::Open(Clock clock) {
  UniqueFd netlink(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE));
  if (!netlink) {
    return SystemError(Stage::kNetwork, errno, "open a netlink socket to ask for routes");
  }
  UniqueFd changes(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE));
  const sockaddr_nl groups = {
      .nl_family = AF_NETLINK, .nl_pad = 0, .nl_pid = 0, .nl_groups = kChanges};
  if (!changes ||
      bind(changes.get(), reinterpret_cast<const sockaddr*>(&groups), sizeof groups) != 0) {
    return SystemError(Stage::kNetwork, errno, "open a netlink socket to hear of changes");
  }
  return std::unique_ptr<HostNetwork>(
      new HostNetwork(std::move(netlink), std::move(changes), std::move(clock)));
}

HostNetwork::HostNetwork(UniqueFd netlink, UniqueFd changes, Clock clock)
    : netlink_(std::move(netlink)),
      changes_(std::move(changes)),
      clock_(std::move(clock)),
      buffers_(std::make_unique<Buffers>()) {}

HostNetwork::~HostNetwork() = default;

nlmsghdr* HostNetwork::Begin(uint16_t type, uint16_t flags, size_t header_size) {
  nlmsghdr* request = mnl_nlmsg_put_header(buffers_->request.data());
  request->nlmsg_type = type;
  request->nlmsg_flags = static_cast<uint16_t>(NLM_F_REQUEST | flags);
  request->nlmsg_seq = ++sequence_;
  (void)mnl_nlmsg_put_extra_header(request, header_size);  // zeroed
  return request;
}

bool HostNetwork::Send(const nlmsghdr* request) {
  const sockaddr_nl kernel = {.nl_family = AF_NETLINK, .nl_pad = 0, .nl_pid = 0, .nl_groups = 0};
  return sendto(netlink_.get(), request, request->nlmsg_len, 0,
                reinterpret_cast<const sockaddr*>(&kernel),
                sizeof kernel) == static_cast<ssize_t>(request->nlmsg_len);
}

bool HostNetwork::Receive(const std::function<bool(const nlmsghdr& message)>& take) {
  for (;;) {
    sockaddr_nl sender{};
    socklen_t sender_size = sizeof sender;
    const ssize_t received =
        recvfrom(netlink_.get(), buffers_->answer.data(), buffers_->answer.size(),
                 MSG_DONTWAIT | MSG_TRUNC, reinterpret_cast<sockaddr*>(&sender), &sender_size);
    if (received < 0 || static_cast<size_t>(received) > buffers_->answer.size()) return false;
    if (sender.nl_pid != 0) continue;  // not from the kernel
    auto left = static_cast<int>(received);
    const auto* message = reinterpret_cast<const nlmsghdr*>(buffers_->answer.data());
    for (; mnl_nlmsg_ok(message, left); message = mnl_nlmsg_next(message, &left)) {
      if (message->nlmsg_seq == sequence_ && take(*message)) return true;
    }
  }
}

Result<std::vector<IpAddress>> HostNetwork::ReadAddresses() {
  constexpr int kAttempts = 16;
  int error = EINTR;
  for (int attempt = 0; attempt < kAttempts && error == EINTR; ++attempt) {
    error = 0;
    std::vector<IpAddress> addresses;
    const nlmsghdr* request = Begin(RTM_GETADDR, NLM_F_DUMP, sizeof(ifaddrmsg));  // AF_UNSPEC: all
    const bool answered = Send(request) && Receive([&](const nlmsghdr& message) {
                            // One came or went meanwhile: once more.
                            if ((message.nlmsg_flags & NLM_F_DUMP_INTR) != 0) error = EINTR;
                            if (message.nlmsg_type < NLMSG_MIN_TYPE) {
                              if (const int told = ErrorIn(message)) error = told;
                              return true;
                            }
                            if (const auto address = AddressIn(message)) {
                              addresses.push_back(*address);
                            }
                            return false;
                          });
    if (!answered) error = EPROTO;
    if (error != 0) continue;
    std::sort(addresses.begin(), addresses.end());
    addresses.erase(std::unique(addresses.begin(), addresses.end()), addresses.end());
    return addresses;
  }
  return SystemError(Stage::kProbe, error, "list the addresses of this machine's interfaces");
}

// ENOBUFS, that the queue was too short, is a change as well, and so is any other error.
bool HostNetwork::HasChanged() {
  for (int count = 0; count < kMaxChanges; ++count) {
    char unread;
    if (recv(changes_.get(), &unread, sizeof unread, MSG_DONTWAIT) >= 0) continue;
    return count > 0 || errno != EAGAIN;
  }
  return true;
}

bool HostNetwork::LeadsToThisHost(const IpAddress& address) {
  const auto now = clock_();
  const bool is_old = now - known_since_ >= kLongestKnown;
  if (HasChanged() || is_old || ends_here_.size() >= kMaxKnown) {
    ends_here_.clear();
    known_since_ = now;
  }
  const auto known = ends_here_.find(address);
  if (known != ends_here_.end()) return known->second;
  const std::optional<bool> answer = AskWhetherItEndsHere(address);
  if (answer) ends_here_.emplace(address, *answer);
  return answer.value_or(true);
}

std::optional<bool> HostNetwork::AskWhetherItEndsHere(const IpAddress& address) {
  const uint8_t family = address.is_v4() ? AF_INET : AF_INET6;
  const auto bytes = address.bytes();
  nlmsghdr* request = Begin(RTM_GETROUTE, 0, sizeof(rtmsg));
  auto* route = static_cast<rtmsg*>(mnl_nlmsg_get_payload(request));
  route->rtm_family = family;
  route->rtm_dst_len = static_cast<uint8_t>(bytes.size() * 8);
  mnl_attr_put(request, RTA_DST, bytes.size(), bytes.data());
  bool ends_here = true;
  const bool answered = Send(request) && Receive([&](const nlmsghdr& message) {
                          ends_here = SaysThatItEndsHere(message, family);
                          return true;
                        });
  return answered ? std::optional(ends_here) : std::nullopt;
}

unsigned HostNetwork::IndexOfInterface(std::string_view name) {
  if (name.empty() || name.size() >= IFNAMSIZ) return 0;
  nlmsghdr* request = Begin(RTM_GETLINK, 0, sizeof(ifinfomsg));
  char terminated[IFNAMSIZ] = {};
  std::copy(name.begin(), name.end(), terminated);
  mnl_attr_put_strz(request, IFLA_IFNAME, terminated);
  unsigned index = 0;
  (void)(Send(request) && Receive([&](const nlmsghdr& message) {
           if (message.nlmsg_type == RTM_NEWLINK &&
               mnl_nlmsg_get_payload_len(&message) >= sizeof(ifinfomsg)) {
             const auto* link = static_cast<const ifinfomsg*>(mnl_nlmsg_get_payload(&message));
             index = static_cast<unsigned>(link->ifi_index);
           }
           return true;
         }));
  return index;
}

}  // namespace mini
