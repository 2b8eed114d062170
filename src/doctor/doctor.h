// `mini-sandbox doctor`: what of this machine a sandbox can use, what is missing, what helps.
#ifndef MINI_SANDBOX_DOCTOR_DOCTOR_H_
#define MINI_SANDBOX_DOCTOR_DOCTOR_H_

#include <string>
#include <vector>

#include "base/status.h"
#include "policy/policy.h"

namespace mini {

struct DoctorAnswer {
  std::string text;   // for standard output
  int exit_code = 0;  // 1: something is missing that the default mode needs
};

// `words` are those behind "doctor": --json, --help. Examines the machine for the default mode of
// `program`, whose network is `network`. The calling thread has to be the process's only one.
Result<DoctorAnswer> RunDoctor(const std::string& program, Network network,
                               const std::vector<std::string>& words);

}  // namespace mini

#endif  // MINI_SANDBOX_DOCTOR_DOCTOR_H_
