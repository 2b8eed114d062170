#include "sys/seccomp_filter.h"

namespace mini {
namespace {

constexpr sock_filter kClosedProgram[] = {
#include "seccomp_closed.inc"
};
constexpr sock_filter kNestingProgram[] = {
#include "seccomp_nesting.inc"
};
constexpr sock_filter kStackProgram[] = {
#include "seccomp_stack.inc"
};
constexpr sock_filter kStackReadingProgram[] = {
#include "seccomp_stack-reading.inc"
};
static_assert(sizeof(kClosedProgram) / sizeof(sock_filter) <= BPF_MAXINSNS &&
                  sizeof(kNestingProgram) / sizeof(sock_filter) <= BPF_MAXINSNS &&
                  sizeof(kStackReadingProgram) / sizeof(sock_filter) <= BPF_MAXINSNS,
              "the kernel takes no longer program");

}  // namespace

std::span<const sock_filter> CommandFilter() { return kClosedProgram; }
std::span<const sock_filter> NestingCommandFilter() { return kNestingProgram; }
std::span<const sock_filter> StackFilter() { return kStackProgram; }
std::span<const sock_filter> StackFilterWithFiles() { return kStackReadingProgram; }

}  // namespace mini
