// Seccomp programs, run without the kernel.
#ifndef MINI_SANDBOX_TESTS_UNIT_SECCOMP_INTERPRETER_H_
#define MINI_SANDBOX_TESTS_UNIT_SECCOMP_INTERPRETER_H_

#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>

#include <cstdint>
#include <span>

namespace mini {

#if defined(__x86_64__)
inline constexpr uint32_t kNative = AUDIT_ARCH_X86_64;
#elif defined(__aarch64__)
inline constexpr uint32_t kNative = AUDIT_ARCH_AARCH64;
#endif

// linux/ioprio.h, which older kernels do not export.
inline constexpr int kIoprioWhoProcess = 1;
inline constexpr int kIoprioWhoPgrp = 2;
inline constexpr int kIoprioWhoUser = 3;

constexpr uint32_t Errno(uint32_t error) { return SECCOMP_RET_ERRNO | error; }

struct Verdict {
  uint32_t action = 0;
  int steps = 0;  // instructions executed
};

// What the program says to a call, by an interpreter of our own.
Verdict AskProgram(std::span<const sock_filter> program, uint32_t arch, uint32_t number,
                   uint64_t arg0 = 0, uint64_t arg1 = 0, uint64_t arg2 = 0, uint64_t arg3 = 0);

}  // namespace mini

#endif  // MINI_SANDBOX_TESTS_UNIT_SECCOMP_INTERPRETER_H_
