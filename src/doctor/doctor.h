// `mini-sandbox doctor`: what of this machine a sandbox can use, what is missing, what helps.
#ifndef MINI_SANDBOX_DOCTOR_DOCTOR_H_
#define MINI_SANDBOX_DOCTOR_DOCTOR_H_

#include <string>
#include <vector>

#include "base/status.h"
#include "sandbox/stack_request.h"

namespace mini {

struct DoctorAnswer {
  std::string text;   // for standard output
  int exit_code = 0;  // 1: something is missing that the default mode needs
};

// `words` are those behind "doctor": --json, --help. Examines the machine for the default mode of
// `program`, which starts its network stack by `start_stack`; null: it has none. The calling thread
// has to be the process's only one.
Result<DoctorAnswer> RunDoctor(const std::string& program, StackStarter start_stack,
                               const std::vector<std::string>& words);

}  // namespace mini

#endif  // MINI_SANDBOX_DOCTOR_DOCTOR_H_
