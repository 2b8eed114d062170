// Runs a command behind the stack: a developer's tool, and what the tests in real namespaces use.
//
//   stack_harness [--allow RULE]... [--open] [--mtu N] [--hosts NAME=ADDRESS]... -- COMMAND...
//
// The command gets a network namespace of its own with the TAP and nothing else of a sandbox. Needs
// CAP_SYS_ADMIN and ip(8).
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <thread>

#include "base/strings.h"
#include "netstack/stack.h"

namespace mini::netstack {
namespace {

[[noreturn]] void Die(const std::string& what) {
  std::fprintf(stderr, "stack_harness: %s: %s\n", what.c_str(), std::strerror(errno));
  std::exit(125);
}

// The TAP lives in the namespace of the process that makes it.
UniqueFd MakeTap(int mtu, MacAddress& mac) {
  UniqueFd tap(open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC));
  if (!tap) Die("open /dev/net/tun");
  ifreq request{};
  std::strcpy(request.ifr_name, "tap0");
  request.ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR;
  if (ioctl(tap.get(), TUNSETIFF, &request) != 0) Die("TUNSETIFF");
  constexpr unsigned kUso = 0x20 | 0x40;  // TUN_F_USO4 | TUN_F_USO6, Linux 6.2
  const unsigned offloads = TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6;
  if (ioctl(tap.get(), TUNSETOFFLOAD, offloads | kUso) != 0 &&
      ioctl(tap.get(), TUNSETOFFLOAD, offloads) != 0) {
    Die("TUNSETOFFLOAD");
  }
  const std::string commands =
      StrCat("ip link set lo up; ip link set tap0 mtu ", mtu,
             " txqueuelen 2000 arp off up; ip addr add 198.18.0.1/32 dev tap0;"
             "ip -6 addr add fd6d:696e:6900::1/128 dev tap0 nodad;"
             "ip route add default dev tap0; ip -6 route add default dev tap0;"
             "echo reno >/proc/sys/net/ipv4/tcp_congestion_control");
  if (std::system(commands.c_str()) != 0) Die("configure tap0");
  UniqueFd any(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (ioctl(any.get(), SIOCGIFHWADDR, &request) != 0) Die("SIOCGIFHWADDR");
  std::memcpy(mac.data(), request.ifr_hwaddr.sa_data, mac.size());
  return tap;
}

void SendTap(int socket, int tap, const MacAddress& mac) {
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof tap)] = {};
  iovec piece{const_cast<uint8_t*>(mac.data()), mac.size()};
  msghdr message{};
  message.msg_iov = &piece;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  cmsghdr* header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(sizeof tap);
  std::memcpy(CMSG_DATA(header), &tap, sizeof tap);
  if (sendmsg(socket, &message, 0) < 0) Die("pass the TAP");
}

UniqueFd ReceiveTap(int socket, MacAddress& mac) {
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
  iovec piece{mac.data(), mac.size()};
  msghdr message{};
  message.msg_iov = &piece;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  if (recvmsg(socket, &message, MSG_CMSG_CLOEXEC) <= 0) Die("receive the TAP");
  const cmsghdr* header = CMSG_FIRSTHDR(&message);
  if (header == nullptr) Die("receive the TAP");
  int tap;
  std::memcpy(&tap, CMSG_DATA(header), sizeof tap);
  return UniqueFd(tap);
}

[[noreturn]] void RunCommand(int socket, int mtu, char** command) {
  if (unshare(CLONE_NEWNET) != 0) Die("unshare the network namespace");
  MacAddress mac;
  const UniqueFd tap = MakeTap(mtu, mac);
  SendTap(socket, tap.get(), mac);
  char go;
  if (read(socket, &go, 1) != 1) std::exit(125);
  execvp(command[0], command);
  Die(StrCat("run ", command[0]));
}

int Main(int argc, char** argv) {
  StackOptions options;
  RuleSet rules;
  bool open = false;
  int mtu = 1500;
  int at = 1;
  for (; at < argc && std::strcmp(argv[at], "--") != 0; ++at) {
    const std::string_view option = argv[at];
    const char* value = at + 1 < argc ? argv[at + 1] : "";
    if (option == "--open") {
      open = true;
      continue;
    }
    ++at;
    if (option == "--allow") {
      const Status added = rules.AddRule("--allow", value);
      if (!added.ok()) {
        std::fprintf(stderr, "%s\n", added.ToString().c_str());
        return 125;
      }
    } else if (option == "--mtu") {
      mtu = std::atoi(value);
    } else if (option == "--hosts") {
      const std::string_view entry = value;
      const size_t equals = entry.find('=');
      const auto address = IpAddress::Parse(entry.substr(equals + 1));
      if (!address) return 125;
      options.resolver.hosts.emplace_back(entry.substr(0, equals), *address);
    } else {
      std::fprintf(stderr, "stack_harness: unknown option %s\n", argv[at - 1]);
      return 125;
    }
  }
  if (at + 1 >= argc) return 125;
  if (!open) options.filter.rules = std::move(rules);
  options.filter.on_refusal = [](const RefusalEvent& event) {
    std::fprintf(stderr, "stack_harness: %s\n", event.ToString().c_str());
  };
  int pair[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0) Die("socketpair");
  const pid_t child = fork();
  if (child < 0) Die("fork");
  if (child == 0) RunCommand(pair[1], mtu, argv + at + 1);
  close(pair[1]);
  options.link.fd = ReceiveTap(pair[0], options.link.sandbox_mac);
  options.link.mtu = static_cast<uint16_t>(mtu);
  auto stack = Stack::Create(std::move(options));
  if (!stack.ok()) {
    std::fprintf(stderr, "%s\n", stack.status().ToString().c_str());
    return 125;
  }
  Status ran;
  std::thread thread([&] { ran = (*stack)->Run(); });
  if (write(pair[0], "g", 1) != 1) Die("start the command");
  int status = 0;
  waitpid(child, &status, 0);
  (*stack)->Stop();
  thread.join();
  rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  if (std::getenv("STACK_HARNESS_USAGE") != nullptr) {
    std::fprintf(stderr, "stack_harness: cpu %.3f s, max rss %ld KB\n",
                 static_cast<double>(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
                     static_cast<double>(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6,
                 usage.ru_maxrss);
  }
  if (!ran.ok()) std::fprintf(stderr, "%s\n", ran.ToString().c_str());
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

}  // namespace
}  // namespace mini::netstack

int main(int argc, char** argv) { return mini::netstack::Main(argc, argv); }
