// Each test asks in a child with a network namespace of its own, whose addresses and routes it adds
// after the socket was opened.
#include "sys/host_network.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <libmnl/libmnl.h>
#include <linux/if_link.h>
#include <linux/netlink.h>
#include <linux/nexthop.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <functional>
#include <initializer_list>
#include <string>
#include <string_view>

#include "base/strings.h"
#include "sys/tap.h"
#include "tests/unit/child_process.h"

namespace mini {
namespace {

constexpr int kLoopbackIndex = 1;  // of the first device of every network namespace

uint8_t FamilyOf(const IpAddress& address) { return address.is_v4() ? AF_INET : AF_INET6; }

// One request to the kernel of this network namespace. "" or the errno's name.
std::string Configure(uint16_t type, const std::function<void(nlmsghdr*)>& fill) {
  alignas(nlmsghdr) std::array<char, 1024> buffer{};
  nlmsghdr* message = mnl_nlmsg_put_header(buffer.data());
  message->nlmsg_type = type;
  message->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE;
  fill(message);
  const UniqueFd netlink(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE));
  if (send(netlink.get(), message, message->nlmsg_len, 0) < 0) return ErrnoName(errno);
  const ssize_t count = recv(netlink.get(), buffer.data(), buffer.size(), 0);
  const auto* answer = reinterpret_cast<const nlmsghdr*>(buffer.data());
  if (!mnl_nlmsg_ok(answer, static_cast<int>(count)) || answer->nlmsg_type != NLMSG_ERROR) {
    return "no acknowledgement";
  }
  const auto* error = static_cast<const nlmsgerr*>(mnl_nlmsg_get_payload(answer));
  return error->error == 0 ? "" : ErrnoName(-error->error);
}

template <typename Header>
Header& PutHeader(nlmsghdr* message) {
  return *static_cast<Header*>(mnl_nlmsg_put_extra_header(message, sizeof(Header)));
}

std::string BringLoopbackUp() {
  return Configure(RTM_NEWLINK, [](nlmsghdr* message) {
    auto& link = PutHeader<ifinfomsg>(message);
    link.ifi_index = kLoopbackIndex;
    link.ifi_flags = IFF_UP;
    link.ifi_change = IFF_UP;
  });
}

std::string AddAddress(const IpAddress& address, uint8_t prefix_length, int index) {
  return Configure(RTM_NEWADDR, [&](nlmsghdr* message) {
    auto& header = PutHeader<ifaddrmsg>(message);
    header.ifa_family = FamilyOf(address);
    header.ifa_prefixlen = prefix_length;
    header.ifa_index = static_cast<unsigned>(index);
    if (address.is_v6()) header.ifa_flags = IFA_F_NODAD;
    mnl_attr_put(message, IFA_LOCAL, address.bytes().size(), address.bytes().data());
    mnl_attr_put(message, IFA_ADDRESS, address.bytes().size(), address.bytes().data());
  });
}

std::string AddRoute(uint8_t type, std::string_view text) {
  const IpPrefix prefix = *IpPrefix::Parse(text);
  return Configure(RTM_NEWROUTE, [&](nlmsghdr* message) {
    auto& route = PutHeader<rtmsg>(message);
    route.rtm_family = FamilyOf(prefix.address);
    route.rtm_dst_len = prefix.length;
    route.rtm_table = type == RTN_LOCAL || type == RTN_BROADCAST ? RT_TABLE_LOCAL : RT_TABLE_MAIN;
    route.rtm_protocol = RTPROT_STATIC;
    route.rtm_scope = type == RTN_LOCAL ? RT_SCOPE_HOST : RT_SCOPE_LINK;
    route.rtm_type = type;
    mnl_attr_put(message, RTA_DST, prefix.address.bytes().size(), prefix.address.bytes().data());
    const bool ends_here = type == RTN_LOCAL || type == RTN_BROADCAST;
    if (ends_here) mnl_attr_put_u32(message, RTA_OIF, kLoopbackIndex);
  });
}

bool WriteFile(const char* path, std::string_view text) {
  const UniqueFd file(open(path, O_WRONLY | O_CLOEXEC));
  return write(file.get(), text.data(), text.size()) == static_cast<ssize_t>(text.size());
}

// What is said of each address, in order: "here", "elsewhere".
std::string Ask(HostNetwork& network, std::initializer_list<std::string_view> addresses) {
  std::string answers;
  for (const std::string_view address : addresses) {
    const bool here = network.LeadsToThisHost(*IpAddress::Parse(address));
    answers += StrCat(answers.empty() ? "" : " ", here ? "here" : "elsewhere");
  }
  return answers;
}

enum class Which : uint8_t { kAll, kThoseThatHearOfNothing };

// Whatever netlink socket there is becomes one that nobody answers.
bool ReplaceNetlinkSockets(Which which = Which::kAll) {
  const UniqueFd deaf(open("/dev/null", O_RDWR | O_CLOEXEC));
  for (int fd = 3; fd < 64; ++fd) {
    int domain = 0;
    socklen_t size = sizeof domain;
    const bool is_socket = getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &size) == 0;
    if (!is_socket || domain != AF_NETLINK) continue;
    sockaddr_nl name{};
    socklen_t name_size = sizeof name;
    if (getsockname(fd, reinterpret_cast<sockaddr*>(&name), &name_size) != 0) return false;
    if (which == Which::kThoseThatHearOfNothing && name.nl_groups != 0) continue;
    if (dup2(deaf.get(), fd) < 0) return false;
  }
  return true;
}

// The kernel makes the routes of an IPv6 address a moment after it acknowledged the address, in a
// work queue, duplicate address detection or not. The last answers, should these never come.
std::string AskUntil(std::string_view expected, HostNetwork& network,
                     std::initializer_list<std::string_view> addresses) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  std::string answers = Ask(network, addresses);
  while (answers != expected && std::chrono::steady_clock::now() < deadline) {
    poll(nullptr, 0, 1);
    answers = Ask(network, addresses);
  }
  return answers;
}

// `body` asks in a network namespace that has only a loopback device, which is up, and time stands
// still.
template <typename Body>
std::string WithNetwork(Body body) {
  return RunInChild([&]() -> std::string {
    if (unshare(CLONE_NEWUSER | CLONE_NEWNET) != 0) return StrCat("unshare: ", ErrnoName(errno));
    if (const std::string error = BringLoopbackUp(); !error.empty()) return StrCat("lo: ", error);
    auto network = HostNetwork::Open([] { return std::chrono::steady_clock::time_point(); });
    return network.ok() ? body(**network) : network.status().ToString();
  });
}

TEST(HostNetwork, LoopbackLeadsHereAndWhatNoRouteLeadsToDoesNot) {
  EXPECT_EQ(WithNetwork([](HostNetwork& network) {
              return Ask(network, {"127.0.0.1", "::1", "192.0.2.7", "2001:db8::7"});
            }),
            "here here elsewhere elsewhere");
}

TEST(HostNetwork, AnAddressLeadsHereFromTheMomentItIsGained) {
  EXPECT_EQ(WithNetwork([](HostNetwork& network) {
              std::string text = Ask(network, {"192.0.2.7", "2001:db8::7"});
              text += AddAddress(IpAddress::V4(192, 0, 2, 7), 32, kLoopbackIndex);
              text += AddAddress(*IpAddress::Parse("2001:db8::7"), 128, kLoopbackIndex);
              text += StrCat(", ", Ask(network, {"192.0.2.7"}), " ");
              text += AskUntil("here", network, {"2001:db8::7"});
              return StrCat(text, ", ", Ask(network, {"192.0.2.8", "2001:db8::8"}));
            }),
            "elsewhere elsewhere, here here, elsewhere elsewhere");
}

TEST(HostNetwork, LocalAndBroadcastRoutesLeadHere) {
  EXPECT_EQ(WithNetwork([](HostNetwork& network) {
              std::string text = AddRoute(RTN_LOCAL, "192.0.2.0/24");
              text += AddRoute(RTN_LOCAL, "2001:db8:1::/48");
              text += AddRoute(RTN_BROADCAST, "198.51.100.255/32");
              return StrCat(text, Ask(network, {"192.0.2.99", "2001:db8:1::99", "198.51.100.255",
                                                "198.51.100.254", "2001:db8:2::99"}));
            }),
            "here here here elsewhere elsewhere");
}

TEST(HostNetwork, RoutesThatRefuseLeadNowhere) {
  EXPECT_EQ(WithNetwork([](HostNetwork& network) {
              std::string text = AddRoute(RTN_UNREACHABLE, "192.0.2.0/24");
              text += AddRoute(RTN_PROHIBIT, "198.51.100.0/24");
              text += AddRoute(RTN_UNREACHABLE, "2001:db8:1::/48");
              text += AddRoute(RTN_PROHIBIT, "2001:db8:2::/48");
              return StrCat(text, Ask(network, {"192.0.2.1", "198.51.100.1", "2001:db8:1::1",
                                                "2001:db8:2::1"}));
            }),
            "elsewhere elsewhere elsewhere elsewhere");
}

TEST(HostNetwork, ReadsEachAnswerOnceSoThatAThousandQuestionsDoNotGetMixedUp) {
  EXPECT_EQ(WithNetwork([](HostNetwork& network) -> std::string {
              for (int i = 0; i < 1000; ++i) {
                // Others each time, since what is known is not asked again.
                const std::string here = StrCat("127.0.", i / 250, ".", i % 250);
                const std::string elsewhere = StrCat("2001:db8::", i);
                const std::string answers = Ask(network, {here, elsewhere});
                if (answers != "here elsewhere") return StrCat("round ", i, ": ", answers);
              }
              return "never mixed up";
            }),
            "never mixed up");
}

TEST(HostNetwork, RefusesWhatItCanNotAskFor) {
  EXPECT_EQ(WithNetwork([](HostNetwork& network) -> std::string {
              const std::string before = Ask(network, {"192.0.2.7", "2001:db8::7"});
              if (!ReplaceNetlinkSockets()) return "dup2";
              return StrCat(before, ", ", Ask(network, {"192.0.2.7", "2001:db8::7"}));
            }),
            "elsewhere elsewhere, here here");
}

TEST(HostNetwork, AsksOnceUntilSomethingChanges) {
  EXPECT_EQ(WithNetwork([](HostNetwork& network) -> std::string {
              const std::string before = Ask(network, {"192.0.2.7"});
              if (!ReplaceNetlinkSockets(Which::kThoseThatHearOfNothing)) return "dup2";
              const std::string unchanged = Ask(network, {"192.0.2.7", "192.0.2.8"});
              AddRoute(RTN_UNREACHABLE, "198.51.100.0/24");
              return StrCat(before, ", ", unchanged, ", ", Ask(network, {"192.0.2.7"}));
            }),
            "elsewhere, elsewhere here, here");
}

// One that no message follows.
TEST(HostNetwork, AsksAgainAfterASecond) {
  EXPECT_EQ(RunInChild([]() -> std::string {
              if (unshare(CLONE_NEWUSER | CLONE_NEWNET) != 0) return "unshare";
              std::chrono::steady_clock::time_point now;
              auto network = HostNetwork::Open([&now] { return now; });
              if (!network.ok()) return network.status().ToString();
              std::string text = Ask(**network, {"192.0.2.7"});
              if (!ReplaceNetlinkSockets(Which::kThoseThatHearOfNothing)) return "dup2";
              now += std::chrono::milliseconds(999);
              text += StrCat(" ", Ask(**network, {"192.0.2.7"}));
              now += std::chrono::milliseconds(1);
              return StrCat(text, " ", Ask(**network, {"192.0.2.7"}));
            }),
            "elsewhere elsewhere here");
}

// 198.51.100.7 lies behind that device, and ends here only when the next hop is gone.
std::string AddNextHopAndFallBack(int index) {
  std::string text = Configure(RTM_NEWNEXTHOP, [&](nlmsghdr* message) {
    PutHeader<nhmsg>(message).nh_family = AF_INET;
    mnl_attr_put_u32(message, NHA_ID, 1);
    mnl_attr_put_u32(message, NHA_OIF, static_cast<uint32_t>(index));
  });
  for (const bool falls_back : {false, true}) {
    text += Configure(RTM_NEWROUTE, [&](nlmsghdr* message) {
      auto& route = PutHeader<rtmsg>(message);
      route.rtm_family = AF_INET;
      route.rtm_dst_len = falls_back ? 24 : 32;
      route.rtm_table = RT_TABLE_MAIN;
      route.rtm_protocol = RTPROT_STATIC;
      route.rtm_type = falls_back ? RTN_LOCAL : RTN_UNICAST;
      route.rtm_scope = falls_back ? RT_SCOPE_HOST : RT_SCOPE_UNIVERSE;
      const auto destination = IpAddress::V4(198, 51, 100, falls_back ? 0 : 7);
      mnl_attr_put(message, RTA_DST, destination.bytes().size(), destination.bytes().data());
      mnl_attr_put_u32(message, falls_back ? RTA_OIF : RTA_NH_ID, 1);
    });
  }
  return text;
}

TEST(HostNetwork, HearsOfANextHopThatTakesItsRoutesAlong) {
  if (access("/dev/net/tun", R_OK | W_OK) != 0) {
    GTEST_SKIP() << "/dev/net/tun: " << ErrnoName(errno) << ": load the module tun";
  }
  EXPECT_EQ(WithNetwork([](HostNetwork& network) -> std::string {
              UniqueFd tun(open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC));
              UniqueFd netlink(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE));
              const TapOptions options;
              const auto tap = ConfigureTap(std::move(tun), std::move(netlink), options);
              if (!tap.ok()) return tap.status().ToString();
              std::string text =
                  AddNextHopAndFallBack(static_cast<int>(if_nametoindex(options.name.c_str())));
              text += Ask(network, {"198.51.100.7", "198.51.100.8"});
              text += Configure(RTM_DELNEXTHOP, [](nlmsghdr* message) {
                PutHeader<nhmsg>(message).nh_family = AF_UNSPEC;
                mnl_attr_put_u32(message, NHA_ID, 1);
              });
              return StrCat(text, ", ", Ask(network, {"198.51.100.7"}));
            }),
            "elsewhere here, here");
}

TEST(HostNetwork, HearsOfSettings) {
  EXPECT_EQ(WithNetwork([](HostNetwork& network) -> std::string {
              const std::string before = Ask(network, {"192.0.2.7"});
              if (!ReplaceNetlinkSockets(Which::kThoseThatHearOfNothing)) return "dup2";
              if (!WriteFile("/proc/sys/net/ipv4/conf/lo/ignore_routes_with_linkdown", "1")) {
                return "ignore_routes_with_linkdown";
              }
              return StrCat(before, " ", Ask(network, {"192.0.2.7"}));
            }),
            "elsewhere here");
}

TEST(HostNetwork, NoChangeIsMissedHoweverManyThereAre) {
  EXPECT_EQ(WithNetwork([](HostNetwork& network) -> std::string {
              std::string text = Ask(network, {"192.0.2.7"});
              // More than a queue holds: rmem_default is 208 KB.
              for (int i = 0; i < 2000; ++i) {
                text += AddRoute(RTN_UNREACHABLE, StrCat("198.18.", i / 250, ".", i % 250, "/32"));
              }
              text += AddAddress(IpAddress::V4(192, 0, 2, 7), 32, kLoopbackIndex);
              return StrCat(text, " ", Ask(network, {"192.0.2.7"}), " ",
                            Ask(network, {"192.0.2.7"}));
            }),
            "elsewhere here here");
}

TEST(HostNetwork, ListsTheAddressesOfEveryInterfaceOnceAndSorted) {
  EXPECT_EQ(WithNetwork([](HostNetwork& network) -> std::string {
              std::string text = AddAddress(*IpAddress::Parse("2001:db8::7"), 128, kLoopbackIndex);
              text += AddAddress(IpAddress::V4(192, 0, 2, 7), 32, kLoopbackIndex);
              text += AddAddress(IpAddress::V4(192, 0, 2, 7), 31, kLoopbackIndex);
              const auto addresses = network.ReadAddresses();
              if (!addresses.ok()) return addresses.status().ToString();
              for (const IpAddress& address : *addresses) text += StrCat(address.ToString(), " ");
              return text;
            }),
            "127.0.0.1 192.0.2.7 ::1 2001:db8::7 ");
}

TEST(HostNetwork, ListsMoreAddressesThanOneMessageHolds) {
  constexpr int kCount = 1000;
  EXPECT_EQ(WithNetwork([](HostNetwork& network) -> std::string {
              for (int i = 0; i < kCount; ++i) {
                const auto high = static_cast<uint8_t>(i / 250),
                           low = static_cast<uint8_t>(i % 250);
                AddAddress(IpAddress::V4(198, 18, high, low), 32, kLoopbackIndex);
              }
              const auto addresses = network.ReadAddresses();
              if (!addresses.ok()) return addresses.status().ToString();
              return StrCat(addresses->size(), " ", addresses->at(1).ToString(), " ",
                            addresses->at(kCount).ToString());
            }),
            "1002 198.18.0.0 198.18.3.249");
}

TEST(HostNetwork, ListsNoAddressesWhereTheKernelCannotBeAsked) {
  EXPECT_EQ(WithNetwork([](HostNetwork& network) -> std::string {
              if (!ReplaceNetlinkSockets()) return "dup2";
              return network.ReadAddresses().status().ToString();
            }),
            "list the addresses of this machine's interfaces: Protocol error (EPROTO)");
}

TEST(HostNetwork, KnowsInterfacesByTheirPresentName) {
  EXPECT_EQ(WithNetwork([](HostNetwork& network) -> std::string {
              const auto ask = [&network] {
                return StrCat(network.IndexOfInterface("lo"), network.IndexOfInterface("renamed"));
              };
              std::string text = ask();
              text += Configure(RTM_NEWLINK, [](nlmsghdr* message) {
                auto& link = PutHeader<ifinfomsg>(message);
                link.ifi_index = kLoopbackIndex;
                link.ifi_change = IFF_UP;  // down, to be renamed
              });
              text += Configure(RTM_NEWLINK, [](nlmsghdr* message) {
                PutHeader<ifinfomsg>(message).ifi_index = kLoopbackIndex;
                mnl_attr_put_strz(message, IFLA_IFNAME, "renamed");
              });
              return StrCat(text, " ", ask(), " ", network.IndexOfInterface(""),
                            network.IndexOfInterface("longer-than-names-are"));
            }),
            "10 01 00");
}

TEST(ConfigureTap, LeadsAnswersToTheSandboxFromTheFirstMoment) {
  if (access("/dev/net/tun", R_OK | W_OK) != 0) {
    GTEST_SKIP() << "/dev/net/tun: " << ErrnoName(errno) << ": load the module tun";
  }
  for (int round = 0; round < 10; ++round) {
    EXPECT_EQ(WithNetwork([](HostNetwork& network) -> std::string {
                UniqueFd tun(open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC));
                UniqueFd netlink(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE));
                const auto tap = ConfigureTap(std::move(tun), std::move(netlink), TapOptions());
                if (!tap.ok()) return tap.status().ToString();
                return Ask(network, {"198.18.0.1", "fd6d:696e:6900::1", "fd6d:696e:6900::2"});
              }),
              "here here elsewhere");
  }
}

// Through a real device, since a route through the loopback device is none to elsewhere.
TEST(HostNetwork, BehindADeviceOnlyItsOwnGroupAndAnycastAddressesLeadHere) {
  if (access("/dev/net/tun", R_OK | W_OK) != 0) {
    GTEST_SKIP() << "/dev/net/tun: " << ErrnoName(errno) << ": load the module tun";
  }
  EXPECT_EQ(
      WithNetwork([](HostNetwork& network) -> std::string {
        if (!WriteFile("/proc/sys/net/ipv6/conf/default/forwarding", "1")) {
          return "forwarding";
        }
        UniqueFd tun(open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC));
        UniqueFd netlink(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE));
        const TapOptions options;
        const auto tap = ConfigureTap(std::move(tun), std::move(netlink), options);
        if (!tap.ok()) return tap.status().ToString();
        const auto index = static_cast<int>(if_nametoindex(options.name.c_str()));
        std::string text = AddAddress(IpAddress::V4(192, 0, 2, 5), 24, index);
        text += AddAddress(*IpAddress::Parse("2001:db8:5::5"), 64, index);
        text += Ask(network, {"192.0.2.5", "192.0.2.6", "203.0.113.9", "224.0.0.1"});
        text += StrCat(", ", AskUntil("here here", network, {"2001:db8:5::5", "2001:db8:5::"}));
        return StrCat(text, ", ", Ask(network, {"2001:db8:5::6", "2001:db8::9", "ff02::1"}));
      }),
      "here elsewhere elsewhere here, here here, elsewhere elsewhere here");
}

}  // namespace
}  // namespace mini
