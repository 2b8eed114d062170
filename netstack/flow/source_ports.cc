#include "netstack/flow/source_ports.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <charconv>
#include <cstring>
#include <string_view>

#include "base/unique_fd.h"

namespace mini::netstack {

namespace {

constexpr int kIpLocalPortWindow = 51;  // IP_LOCAL_PORT_RANGE of <linux/in.h>, Linux 6.3

void SetWindow(int fd, PortWindow window) {
  const uint32_t value = uint32_t{window.last} << 16 | window.first;
  // Older kernels do without: they search as they always did.
  setsockopt(fd, IPPROTO_IP, kIpLocalPortWindow, &value, sizeof value);
}

}  // namespace

PortWindow SourcePorts::OfThisHost() {
  const UniqueFd file(open("/proc/sys/net/ipv4/ip_local_port_range", O_RDONLY | O_CLOEXEC));
  std::array<char, 32> text{};
  const ssize_t length = file ? read(file.get(), text.data(), text.size()) : -1;
  if (length <= 0) return {};
  PortWindow range;
  const char* end = text.data() + length;
  const auto first = std::from_chars(text.data(), end, range.first);
  if (first.ec != std::errc() || first.ptr == end) return {};
  const auto last = std::from_chars(first.ptr + 1, end, range.last);  // behind a tab
  if (last.ec != std::errc() || range.last < range.first) return {};
  return range;
}

PortWindow SourcePorts::NextWindow() {
  const uint32_t ports = uint32_t{range_.last} - range_.first + 1;
  if (range_.last == 0 || ports <= kWindow) return {};
  std::array<uint8_t, sizeof count_> number;
  std::memcpy(number.data(), &count_, sizeof count_);
  ++count_;
  const auto offset = static_cast<uint32_t>(SipHash(key_, number) % (ports - kWindow + 1));
  const uint32_t first = range_.first + offset;
  return {static_cast<uint16_t>(first), static_cast<uint16_t>(first + kWindow - 1)};
}

void SourcePorts::Narrow(int fd) {
  const PortWindow window = NextWindow();
  if (window.last != 0) SetWindow(fd, window);
}

void SourcePorts::Widen(int fd) { SetWindow(fd, {}); }

}  // namespace mini::netstack
