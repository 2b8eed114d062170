// Theory of operation. A list of the machine's addresses, read once, is out of date as soon as
// DHCP, a VPN or IPv6's temporary addresses (RFC 8981) bring another, and it never holds what is
// local by route alone: AnyIP ("ip route add local"), broadcast addresses, the subnet-router
// anycast address of a forwarding machine (RFC 4291, 2.6.1). The kernel's own routing decides all
// of these, so it is asked: RTM_GETROUTE with a whole address is the lookup that connect(2) makes
// (rtnetlink(7)).
//
// The kernel works requests of this family off within sendto(2), so the answer waits when that
// returns; an answer that is not there then never comes. One question leaves one answer. Should one
// have been left behind by an error, its sequence number tells it from the next question's.
#include "sys/route_probe.h"

#include <libmnl/libmnl.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <optional>

namespace mini {
namespace {

constexpr size_t kMaxRequest = 128;  // two headers and one attribute of at most 16 bytes
constexpr size_t kMaxAnswer = 8192;  // the most that the kernel allots for one message

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

// What the message says, if it answers the question with that sequence number.
std::optional<bool> AnswerOf(const nlmsghdr* message, uint32_t sequence, int family) {
  if (message->nlmsg_seq != sequence) return std::nullopt;
  const size_t size = mnl_nlmsg_get_payload_len(message);
  if (message->nlmsg_type == NLMSG_ERROR && size >= sizeof(nlmsgerr)) {
    const auto* error = static_cast<const nlmsgerr*>(mnl_nlmsg_get_payload(message));
    return ErrorEndsHere(-error->error, family);
  }
  if (message->nlmsg_type == RTM_NEWROUTE && size >= sizeof(rtmsg)) {
    const auto* route = static_cast<const rtmsg*>(mnl_nlmsg_get_payload(message));
    return route->rtm_family != family || TypeEndsHere(route->rtm_type);
  }
  return true;
}

bool SendQuestion(int netlink, const nlmsghdr* message) {
  const sockaddr_nl kernel = {.nl_family = AF_NETLINK, .nl_pad = 0, .nl_pid = 0, .nl_groups = 0};
  return sendto(netlink, message, message->nlmsg_len, 0, reinterpret_cast<const sockaddr*>(&kernel),
                sizeof kernel) == static_cast<ssize_t>(message->nlmsg_len);
}

}  // namespace

struct RouteProbe::Buffers {
  alignas(nlmsghdr) std::array<char, kMaxRequest> request;
  alignas(nlmsghdr) std::array<char, kMaxAnswer> answer;
};

Result<std::unique_ptr<RouteProbe>> RouteProbe::Open() {
  UniqueFd netlink(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE));
  if (!netlink) {
    return SystemError(Stage::kNetwork, errno, "open a netlink socket to ask for routes");
  }
  return std::unique_ptr<RouteProbe>(new RouteProbe(std::move(netlink)));
}

RouteProbe::RouteProbe(UniqueFd netlink)
    : netlink_(std::move(netlink)), buffers_(std::make_unique<Buffers>()) {}

RouteProbe::~RouteProbe() = default;

bool RouteProbe::LeadsToThisHost(const IpAddress& address) {
  const uint8_t family = address.is_v4() ? AF_INET : AF_INET6;
  const auto bytes = address.bytes();
  nlmsghdr* request = mnl_nlmsg_put_header(buffers_->request.data());
  request->nlmsg_type = RTM_GETROUTE;
  request->nlmsg_flags = NLM_F_REQUEST;
  request->nlmsg_seq = ++sequence_;
  auto* route = static_cast<rtmsg*>(mnl_nlmsg_put_extra_header(request, sizeof(rtmsg)));
  route->rtm_family = family;
  route->rtm_dst_len = static_cast<uint8_t>(bytes.size() * 8);
  mnl_attr_put(request, RTA_DST, bytes.size(), bytes.data());
  if (!SendQuestion(netlink_.get(), request)) return true;

  for (;;) {
    sockaddr_nl sender{};
    socklen_t sender_size = sizeof sender;
    const ssize_t received =
        recvfrom(netlink_.get(), buffers_->answer.data(), buffers_->answer.size(), MSG_DONTWAIT,
                 reinterpret_cast<sockaddr*>(&sender), &sender_size);
    if (received < 0) return true;
    if (sender.nl_pid != 0) continue;  // not from the kernel
    const auto* message = reinterpret_cast<const nlmsghdr*>(buffers_->answer.data());
    if (!mnl_nlmsg_ok(message, static_cast<int>(received))) return true;
    if (const auto answer = AnswerOf(message, sequence_, family)) return *answer;
  }
}

}  // namespace mini
