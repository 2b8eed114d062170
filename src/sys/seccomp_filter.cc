#include "sys/seccomp_filter.h"

namespace mini {
namespace {

constexpr sock_filter kProgram[] = {
#include "seccomp_program.inc"
};
static_assert(sizeof(kProgram) / sizeof(kProgram[0]) <= BPF_MAXINSNS,
              "the kernel takes no longer program");

}  // namespace

std::span<const sock_filter> CommandFilter() { return kProgram; }

}  // namespace mini
