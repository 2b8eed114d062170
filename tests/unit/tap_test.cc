// These tests do what a run does: a child makes user and network namespaces, opens the device and
// the socket there and passes them out; the configuration happens outside, with no more rights than
// having made that user namespace. Then the child sends and the test reads frames.
#include "sys/tap.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/netlink.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/strings.h"
#include "tests/unit/child_process.h"

namespace mini {
namespace {

constexpr size_t kVnetHeader = 10;

bool SendDescriptors(int socket, int first, int second) {
  char byte = 'f';
  iovec vector = {&byte, 1};
  alignas(cmsghdr) std::array<char, CMSG_SPACE(2 * sizeof(int))> control{};
  msghdr message{};
  message.msg_iov = &vector;
  message.msg_iovlen = 1;
  message.msg_control = control.data();
  message.msg_controllen = control.size();
  cmsghdr* header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(2 * sizeof(int));
  const int descriptors[2] = {first, second};
  std::memcpy(CMSG_DATA(header), descriptors, sizeof descriptors);
  return sendmsg(socket, &message, 0) == 1;
}

bool ReceiveDescriptors(int socket, UniqueFd& first, UniqueFd& second) {
  char byte = 0;
  iovec vector = {&byte, 1};
  alignas(cmsghdr) std::array<char, CMSG_SPACE(2 * sizeof(int))> control{};
  msghdr message{};
  message.msg_iov = &vector;
  message.msg_iovlen = 1;
  message.msg_control = control.data();
  message.msg_controllen = control.size();
  if (recvmsg(socket, &message, MSG_CMSG_CLOEXEC) != 1) return false;
  const cmsghdr* header = CMSG_FIRSTHDR(&message);
  if (header == nullptr || header->cmsg_len != CMSG_LEN(2 * sizeof(int))) return false;
  int descriptors[2];
  std::memcpy(descriptors, CMSG_DATA(header), sizeof descriptors);
  first.reset(descriptors[0]);
  second.reset(descriptors[1]);
  return true;
}

// Whether the network namespace has IPv6, as far as the tests can switch it off.
enum class Ipv6 { kOn, kOff };

// A process in new user and network namespaces that sends a datagram to each address it is given.
class Sandbox {
 public:
  // The reason why it could not be made, or nothing.
  std::string Start(Ipv6 ipv6) {
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) return "socketpair";
    socket_.reset(ends[0]);
    pid_ = fork();
    if (pid_ == 0) {
      close(ends[0]);
      Inside(ends[1], ipv6);
    }
    close(ends[1]);
    if (!ReceiveDescriptors(ends[0], tun_, netlink_)) return "the namespaces or the device failed";
    return "";
  }
  ~Sandbox() {
    socket_.reset();
    if (pid_ > 0) waitpid(pid_, nullptr, 0);
  }

  UniqueFd TakeTun() { return std::move(tun_); }
  UniqueFd TakeNetlink() { return std::move(netlink_); }

  // Makes it send one datagram to that address, port 9. The errno's name, or "sent".
  std::string SendTo(std::string_view address) {
    (void)!write(socket_.get(), address.data(), address.size());
    std::array<char, 64> answer{};
    const ssize_t count = read(socket_.get(), answer.data(), answer.size());
    return count > 0 ? std::string(answer.data(), static_cast<size_t>(count)) : "no answer";
  }

 private:
  [[noreturn]] static void Inside(int socket_fd, Ipv6 ipv6) {
    if (unshare(CLONE_NEWUSER | CLONE_NEWNET) != 0) _exit(1);
    if (ipv6 == Ipv6::kOff) {
      const UniqueFd disable(
          open("/proc/sys/net/ipv6/conf/default/disable_ipv6", O_WRONLY | O_CLOEXEC));
      if (write(disable.get(), "1", 1) != 1) _exit(1);
    }
    const int tun = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
    const int netlink = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
    if (tun < 0 || netlink < 0 || !SendDescriptors(socket_fd, tun, netlink)) _exit(1);
    close(tun);
    close(netlink);
    std::array<char, 64> order{};
    ssize_t count = 0;
    while ((count = read(socket_fd, order.data(), order.size())) > 0) {
      const std::string answer =
          Datagram(std::string_view(order.data(), static_cast<size_t>(count)));
      if (write(socket_fd, answer.data(), answer.size()) < 0) _exit(1);
    }
    _exit(0);
  }

  static std::string Datagram(std::string_view address) {
    sockaddr_storage storage;
    const socklen_t length = ToSockaddr({*IpAddress::Parse(address), 9}, storage);
    const UniqueFd udp(socket(storage.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    const auto* destination = reinterpret_cast<const sockaddr*>(&storage);
    if (sendto(udp.get(), "hello", 5, 0, destination, length) < 0) return ErrnoName(errno);
    return "sent";
  }

  pid_t pid_ = -1;
  UniqueFd socket_;
  UniqueFd tun_;
  UniqueFd netlink_;
};

// "MAC > destination address from source address" of an IP frame, or nothing for another.
std::optional<std::string> Describe(std::span<const uint8_t> frame) {
  ByteReader reader(frame);
  reader.Skip(kVnetHeader);
  const auto mac = reader.Take(6);
  reader.Skip(6);
  std::optional<IpAddress> source;
  std::optional<IpAddress> destination;
  const uint16_t type = reader.U16();
  if (type == 0x0800) {
    reader.Skip(12);
    source = IpAddress::FromBytes(reader.Take(4));
    destination = IpAddress::FromBytes(reader.Take(4));
  } else if (type == 0x86dd) {
    reader.Skip(8);
    source = IpAddress::FromBytes(reader.Take(16));
    destination = IpAddress::FromBytes(reader.Take(16));
  }
  if (reader.failed() || !source || !destination) return std::nullopt;
  std::string text;
  for (const uint8_t byte : mac) text += StrCat(static_cast<int>(byte), ".");
  return StrCat(text, " ", destination->ToString(), " from ", source->ToString());
}

std::string MacText(const Tap& tap) {
  std::string text;
  for (const uint8_t byte : tap.mac) text += StrCat(static_cast<int>(byte), ".");
  return text;
}

// The next frame to `destination`; others (multicast reports of the kernel's) are passed over.
std::string NextFrameTo(const Tap& tap, std::string_view destination) {
  std::array<uint8_t, 2048> buffer;
  for (;;) {
    pollfd ready = {tap.fd.get(), POLLIN, 0};
    if (poll(&ready, 1, 5000) <= 0) return "no frame";
    const ssize_t count = read(tap.fd.get(), buffer.data(), buffer.size());
    if (count < 0) return StrCat("read: ", ErrnoName(errno));
    const auto text = Describe(std::span(buffer).first(static_cast<size_t>(count)));
    if (text && text->find(StrCat(" ", destination, " ")) != std::string::npos) return *text;
  }
}

enum class As { kCaller, kOrdinaryUser };

// `body` gets a sandbox; what it returns, or why there was none, is the result.
template <typename Body>
std::string WithSandbox(As user, Body body, Ipv6 ipv6 = Ipv6::kOn) {
  return RunInChild([&]() -> std::string {
    constexpr id_t kUser = 54321;
    if (user == As::kOrdinaryUser && geteuid() == 0 &&
        (setresgid(kUser, kUser, kUser) != 0 || setresuid(kUser, kUser, kUser) != 0)) {
      return "setresuid failed";
    }
    Sandbox sandbox;
    if (const std::string reason = sandbox.Start(ipv6); !reason.empty()) return reason;
    return body(sandbox);
  });
}

class ConfigureTapTest : public testing::TestWithParam<As> {
 protected:
  void SetUp() override {
    const std::string opened = RunInChild([]() -> std::string {
      if (geteuid() == 0 && setresuid(54321, 54321, 54321) != 0) return "setresuid failed";
      return open("/dev/net/tun", O_RDWR | O_CLOEXEC) >= 0 ? "opened" : ErrnoName(errno);
    });
    if (opened != "opened") {
      GTEST_SKIP() << "/dev/net/tun: " << opened << ": load the module tun, or chmod 0666 it";
    }
  }
};

TEST_P(ConfigureTapTest, EveryDestinationOfBothFamiliesLeavesThroughTheDevice) {
  const std::string seen = WithSandbox(GetParam(), [](Sandbox& sandbox) -> std::string {
    Result<Tap> tap = ConfigureTap(sandbox.TakeTun(), sandbox.TakeNetlink(), TapOptions());
    if (!tap.ok()) return tap.status().ToString();
    for (const char* destination : {"203.0.113.9", "192.0.2.1", "2001:db8::9"}) {
      const std::string sent = sandbox.SendTo(destination);
      if (sent != "sent") return StrCat(destination, ": ", sent);
      const bool v4 = std::strchr(destination, ':') == nullptr;
      const std::string expected = StrCat(MacText(*tap), " ", destination, " from ",
                                          v4 ? "198.18.0.1" : "fd6d:696e:6900::1");
      const std::string frame = NextFrameTo(*tap, destination);
      if (frame != expected) return StrCat(frame, " instead of ", expected);
    }
    return "as expected";
  });
  EXPECT_EQ(seen, "as expected");
}

TEST_P(ConfigureTapTest, WithoutIpv6TheRestWorks) {
  const std::string seen = WithSandbox(
      GetParam(),
      [](Sandbox& sandbox) -> std::string {
        Result<Tap> tap = ConfigureTap(sandbox.TakeTun(), sandbox.TakeNetlink(), TapOptions());
        if (!tap.ok()) return tap.status().ToString();
        return StrCat(tap->ipv6 ? "IPv6" : "no IPv6", ", ", sandbox.SendTo("203.0.113.9"), ", ",
                      sandbox.SendTo("2001:db8::9"));
      },
      Ipv6::kOff);
  EXPECT_TRUE(seen.starts_with("no IPv6, sent, E")) << seen;
}

TEST_P(ConfigureTapTest, TheLoopbackIsUp) {
  const std::string seen = WithSandbox(GetParam(), [](Sandbox& sandbox) -> std::string {
    const std::string before = sandbox.SendTo("127.0.0.1");
    Result<Tap> tap = ConfigureTap(sandbox.TakeTun(), sandbox.TakeNetlink(), TapOptions());
    if (!tap.ok()) return tap.status().ToString();
    return StrCat(before, ", ", sandbox.SendTo("127.0.0.1"), ", ", sandbox.SendTo("::1"));
  });
  EXPECT_EQ(seen, "ENETUNREACH, sent, sent");
}

TEST_P(ConfigureTapTest, ASecondDeviceOfTheSameNameIsRefusedWithItsName) {
  const std::string seen = WithSandbox(GetParam(), [](Sandbox& sandbox) -> std::string {
    const TapOptions options{.name = "lo"};
    return ConfigureTap(sandbox.TakeTun(), sandbox.TakeNetlink(), options).status().ToString();
  });
  EXPECT_EQ(seen, "make the TAP device lo with /dev/net/tun: Invalid argument (EINVAL)");
}

TEST_P(ConfigureTapTest, AnErrorNamesTheRequestThatFailed) {
  const std::string seen = WithSandbox(GetParam(), [](Sandbox& sandbox) -> std::string {
    // A multicast address cannot be a gateway.
    const TapOptions options{.gateway_v4 = IpAddress::V4(224, 0, 0, 1)};
    return ConfigureTap(sandbox.TakeTun(), sandbox.TakeNetlink(), options).status().message();
  });
  EXPECT_EQ(seen, "add the default route of IPv4");
}

INSTANTIATE_TEST_SUITE_P(Users, ConfigureTapTest, testing::Values(As::kCaller, As::kOrdinaryUser),
                         [](const auto& user) {
                           return user.param == As::kCaller ? "AsTheCaller" : "AsAnOrdinaryUser";
                         });

TEST(ConfigureTap, RefusesANameThatDoesNotFit) {
  for (const std::string& name : {std::string(), std::string(16, 'a')}) {
    EXPECT_FALSE(ConfigureTap(UniqueFd(), UniqueFd(), {.name = name}).ok());
  }
}

}  // namespace
}  // namespace mini
