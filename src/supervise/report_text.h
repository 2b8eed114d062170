// The child's numbers in words.
#ifndef MINI_SANDBOX_SUPERVISE_REPORT_TEXT_H_
#define MINI_SANDBOX_SUPERVISE_REPORT_TEXT_H_

#include <string>

#include "base/status.h"
#include "child/report.h"
#include "plan/plan.h"

namespace mini {

// For a report of kind kFailed: what was attempted, on which object, why it failed, what helps.
Status StatusFor(const child::Report& report, const Plan& plan);
// For one of kind kDegraded: a notice for the user.
std::string NoticeFor(const child::Report& report, const Plan& plan);
// For one of kind kExited that says that the scratch file system is full.
std::string ScratchFullNotice(const Plan& plan);

// Any report in words, for the debug log.
std::string ReportText(const child::Report& report, const Plan& plan);

}  // namespace mini

#endif  // MINI_SANDBOX_SUPERVISE_REPORT_TEXT_H_
