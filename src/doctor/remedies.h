// Why something does not work here, and the lines to type that mend it. Pure.
#ifndef MINI_SANDBOX_DOCTOR_REMEDIES_H_
#define MINI_SANDBOX_DOCTOR_REMEDIES_H_

#include <string>
#include <vector>

#include "doctor/machine.h"

namespace mini {

struct Remedy {
  std::string reason;  // empty when nothing better is known than the error itself
  std::vector<std::string> lines;
};

bool IsRestrictedByAppArmor(const Machine& machine);

Remedy RemedyForNamespaces(const Machine& machine);
Remedy RemedyForTun(const Machine& machine);
std::vector<std::string> RemedyForMounts(const Machine& machine);

std::vector<std::string> StartOuterNested();
std::vector<std::string> AllowSystemCalls();
std::vector<std::string> UnmaskProc();
// Writes the profile and loads it.
std::vector<std::string> LoadAppArmorProfile(const std::string& program,
                                             const std::string& executable);

}  // namespace mini

#endif  // MINI_SANDBOX_DOCTOR_REMEDIES_H_
