#include "doctor/doctor.h"

#include "base/strings.h"
#include "doctor/checks.h"
#include "doctor/machine.h"
#include "doctor/report.h"

namespace mini {
namespace {

std::string HelpText(const std::string& program) {
  return StrCat("usage: ", program, " doctor [--json]\n\n",
                "Examines this machine: what a sandbox needs is tried, and nothing is changed.\n"
                "Prints what works, what does not, what that means and what mends it.\n\n"
                "  --json   the same for programs\n"
                "  --help   show this text\n\n"
                "Exit code: 0 when all that ",
                program, " -x needs works, else 1.\n",
                "A command of the name doctor goes behind --: ", program, " -x -- doctor\n");
}

}  // namespace

Result<DoctorAnswer> RunDoctor(const std::string& program, StackStarter start_stack,
                               const std::vector<std::string>& words) {
  bool json = false;
  for (const std::string& word : words) {
    if (word == "--help") return DoctorAnswer{HelpText(program), 0};
    if (word != "--json") {
      return InvalidArgument(Stage::kArguments,
                             StrCat("doctor: unknown word ", EscapeForTerminal(word)))
          .WithHint(StrCat("it knows --json and --help; a command of that name goes behind --: ",
                           program, " -x -- doctor"));
    }
    json = true;
  }
  const Network network = start_stack ? Network::kStack : Network::kLoopback;
  const Diagnosis diagnosis = Diagnose(program, network, ExamineMachine(start_stack));
  return DoctorAnswer{json ? ReportJson(diagnosis) : ReportText(diagnosis),
                      diagnosis.Ready() ? 0 : 1};
}

}  // namespace mini
