// From what was found on the machine to what it means and what helps. Pure.
#ifndef MINI_SANDBOX_DOCTOR_CHECKS_H_
#define MINI_SANDBOX_DOCTOR_CHECKS_H_

#include <string>

#include "doctor/machine.h"
#include "doctor/report.h"

namespace mini {

// `program` as the user knows it; `network` is that of its default mode.
Diagnosis Diagnose(const std::string& program, Network network, const Machine& machine);

// The profile that lets the program at `executable` make user namespaces where AppArmor restricts
// them (apparmor.d(5)).
std::string AppArmorProfile(const std::string& program, const std::string& executable);

}  // namespace mini

#endif  // MINI_SANDBOX_DOCTOR_CHECKS_H_
