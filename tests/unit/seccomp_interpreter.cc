#include "tests/unit/seccomp_interpreter.h"

#include <cstring>

namespace mini {
namespace {

// Classic BPF as far as seccomp programs use it; anything else ends with action 0, which is
// SECCOMP_RET_KILL_THREAD and so fails every expectation below.
Verdict Interpret(std::span<const sock_filter> program, const seccomp_data& data) {
  uint32_t accumulator = 0;
  Verdict verdict;
  for (size_t pc = 0; pc < program.size(); ++pc) {
    const sock_filter& instruction = program[pc];
    ++verdict.steps;
    const auto branch = [&](bool taken) { pc += taken ? instruction.jt : instruction.jf; };
    switch (instruction.code) {
      case BPF_LD | BPF_W | BPF_ABS:
        if (instruction.k + sizeof accumulator > sizeof data) return verdict;
        std::memcpy(&accumulator, reinterpret_cast<const char*>(&data) + instruction.k,
                    sizeof accumulator);
        break;
      case BPF_JMP | BPF_JA:
        pc += instruction.k;
        break;
      case BPF_JMP | BPF_JEQ | BPF_K:
        branch(accumulator == instruction.k);
        break;
      case BPF_JMP | BPF_JGE | BPF_K:
        branch(accumulator >= instruction.k);
        break;
      case BPF_JMP | BPF_JGT | BPF_K:
        branch(accumulator > instruction.k);
        break;
      case BPF_JMP | BPF_JSET | BPF_K:
        branch((accumulator & instruction.k) != 0);
        break;
      case BPF_ALU | BPF_AND | BPF_K:
        accumulator &= instruction.k;
        break;
      case BPF_RET | BPF_K:
        verdict.action = instruction.k;
        return verdict;
      default:
        return verdict;
    }
  }
  return verdict;
}

}  // namespace

Verdict AskProgram(std::span<const sock_filter> program, uint32_t arch, uint32_t number,
                   uint64_t arg0, uint64_t arg1, uint64_t arg2, uint64_t arg3) {
  seccomp_data data{};
  data.arch = arch;
  data.nr = static_cast<int>(number);
  data.args[0] = arg0;
  data.args[1] = arg1;
  data.args[2] = arg2;
  data.args[3] = arg3;
  return Interpret(program, data);
}

}  // namespace mini
