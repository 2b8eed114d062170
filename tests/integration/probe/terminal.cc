// Typing into the terminal that the sandbox was started from: what is injected there is run by the
// user's shell after the sandbox ended. The kernel looks at the lower 32 bits of the request only,
// so a filter that compares 64 is passed by by setting a higher one (CVE-2019-10063).
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdint>

#include "attempt.h"

namespace mini::probe {
namespace {

constexpr uint64_t kHighBit = uint64_t{1} << 32;
constexpr uint64_t kTioclinux = 0x541C;

int Ioctl(uint64_t request, char* argument) {
  return ErrnoOf(syscall(SYS_ioctl, 0, request, argument));
}

int Tiocsti() {
  char byte = 'A';
  return Ioctl(TIOCSTI, &byte);
}

int TiocstiHighBit() {
  char byte = 'B';
  return Ioctl(kHighBit | TIOCSTI, &byte);
}

int Tioclinux() {
  char paste_selection = 3;
  return Ioctl(kTioclinux, &paste_selection);
}

int TioclinuxHighBit() {
  char paste_selection = 3;
  return Ioctl(kHighBit | kTioclinux, &paste_selection);
}

constexpr Attempt kAttempts[] = {
    {"tiocsti", Tiocsti},
    {"tiocsti-high-bit", TiocstiHighBit},
    {"tioclinux", Tioclinux},
    {"tioclinux-high-bit", TioclinuxHighBit},
};

}  // namespace

std::span<const Attempt> TerminalAttempts() { return kAttempts; }

}  // namespace mini::probe
