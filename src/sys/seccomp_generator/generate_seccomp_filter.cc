// A build-time tool: generate_seccomp_filter PROCESSOR KIND OUTPUT writes a seccomp filter as the
// initializers of a `struct sock_filter` array. KIND is `closed` for a command, `nesting` for a
// command that may make sandboxes of its own (user namespaces, and mounts within them), `stack` for
// the process of the network stack, `stack-reading` for one that may also open files for reading.
// The call numbers come from libseccomp's tables.
#include <linux/seccomp.h>
#include <seccomp.h>

#include <cerrno>
#include <cstddef>
#include <cstdio>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sys/seccomp_generator/call_table.h"
#include "sys/seccomp_generator/search_tree.h"

namespace mini::seccomp {
namespace {

bool IsOfStack(Kind kind) { return kind == Kind::kStack || kind == Kind::kStackReading; }

// The native convention and, for commands, the 32-bit one that the same kernel serves.
std::vector<uint32_t> ArchitecturesOf(std::string_view processor, Kind kind) {
  std::vector<uint32_t> architectures;
  if (processor == "x86_64" || processor == "AMD64") {
    architectures = {SCMP_ARCH_X86_64, SCMP_ARCH_X86};
  } else if (processor == "aarch64" || processor == "arm64") {
    architectures = {SCMP_ARCH_AARCH64, SCMP_ARCH_ARM};
  } else {
    Fail(std::string("no filter is written for the processor ").append(processor), ENOTSUP);
  }
  if (IsOfStack(kind)) architectures.resize(1);
  return architectures;
}

CallTable CallsOf(uint32_t arch, Kind kind) {
  return IsOfStack(kind) ? StackCalls(arch, kind) : CommandCalls(arch, kind);
}

Code Program(const std::vector<uint32_t>& architectures, Kind kind) {
  Code program = {Load(offsetof(seccomp_data, arch))};
  for (const uint32_t arch : architectures) {
    Code section = {Load(offsetof(seccomp_data, nr))};
    const Code tree = SearchTreeOf(CallsOf(arch, kind));
    section.insert(section.end(), tree.begin(), tree.end());
    program.push_back(Jump(BPF_JEQ, arch, 1, 0));
    program.push_back(Statement(BPF_JMP | BPF_JA, static_cast<uint32_t>(section.size())));
    program.insert(program.end(), section.begin(), section.end());
  }
  program.push_back(Return(SECCOMP_RET_KILL_PROCESS));
  return program;
}

void Write(const Code& program, const char* path) {
  std::FILE* out = std::fopen(path, "we");
  if (out == nullptr) Fail(path, errno);
  std::fprintf(out, "// Made by sys/seccomp_generator: %zu instructions.\n", program.size());
  for (const sock_filter& instruction : program) {
    std::fprintf(out, "{0x%02x, %u, %u, 0x%08xu},\n", unsigned{instruction.code},
                 unsigned{instruction.jt}, unsigned{instruction.jf}, unsigned{instruction.k});
  }
  if (std::fclose(out) != 0) Fail(path, errno);
}

std::optional<Kind> KindNamed(std::string_view name) {
  if (name == "closed") return Kind::kClosed;
  if (name == "nesting") return Kind::kNesting;
  if (name == "stack") return Kind::kStack;
  if (name == "stack-reading") return Kind::kStackReading;
  return std::nullopt;
}

}  // namespace
}  // namespace mini::seccomp

int main(int argc, char** argv) {
  using namespace mini::seccomp;
  const std::optional<Kind> kind = KindNamed(argc == 4 ? argv[2] : "");
  if (!kind) {
    std::fprintf(
        stderr,
        "usage: generate_seccomp_filter PROCESSOR closed|nesting|stack|stack-reading OUTPUT\n");
    return 2;
  }
  Write(Program(ArchitecturesOf(argv[1], *kind), *kind), argv[3]);
  return 0;
}
