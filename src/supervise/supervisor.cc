// Theory of operation
//
// Three descriptors tell all there is to know: the control socket (reports), the pidfd of init (the
// sandbox is gone), the signal descriptor; a fourth, in mini-tapbox, that the stack failed. Init
// reports the command's status only after everything inside has died, so the pidfd follows at
// once. When the stack fails, the sandbox is killed: never a run without its firewall.
#include "supervise/supervisor.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <limits>

#include "base/strings.h"
#include "supervise/report_text.h"

namespace mini {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

namespace {

// Some callers send SIGINT to a process and to its group: the same one, twice.
constexpr milliseconds kSecondInterrupt{250};

// "2", "0.5"
std::string SecondsText(milliseconds time) {
  std::string text = StrCat(time.count() / 1000);
  if (const auto rest = time.count() % 1000; rest != 0) {
    const std::string digits = StrCat(1000 + rest);
    text += StrCat(".", digits.substr(1, digits.find_last_not_of('0')));
  }
  return text;
}

}  // namespace

Supervisor::Supervisor(const Plan& plan, ChildProcess& child,
                       std::function<void(std::string_view)> on_notice)
    : plan_(plan), child_(child), on_notice_(std::move(on_notice)) {}

Result<ReceivedReport> Supervisor::WaitForDescriptors() {
  MINI_ASSIGN_OR_RETURN(auto received, NextReport());
  while (received && received->report.kind == child::ReportKind::kDegraded) {
    on_notice_(NoticeFor(received->report, plan_));
    MINI_ASSIGN_OR_RETURN(received, NextReport());
  }
  if (!received) {
    return Status(StatusCode::kSystem, Stage::kNetwork, "the sandbox ended before it was set up");
  }
  if (received->report.kind == child::ReportKind::kFailed) {
    return StatusFor(received->report, plan_);
  }
  if (received->report.kind != child::ReportKind::kDescriptors ||
      !received->descriptors[0].valid() || !received->descriptors[1].valid()) {
    return Status(StatusCode::kSystem, Stage::kNetwork, "the sandbox sent no TAP device");
  }
  return std::move(*received);
}

Result<std::optional<ReceivedReport>> Supervisor::NextReport() {
  Result<std::optional<ReceivedReport>> received = child_.ReceiveReport();
  if (log_ && received.ok()) {
    log_->Write("child", *received ? ReportText((*received)->report, plan_) : "closed its socket");
  }
  return received;
}

void Supervisor::Signal(int signal) {
  if (log_) log_->Write("signal", StrCat("SIG", sigabbrev_np(signal), " to the sandbox"));
  child_.Signal(signal);
}

Status Supervisor::ReadReport() {
  MINI_ASSIGN_OR_RETURN(const auto received, NextReport());
  if (!received) {
    control_open_ = false;
    return OkStatus();
  }
  switch (received->report.kind) {
    case child::ReportKind::kFailed:
      return StatusFor(received->report, plan_);
    case child::ReportKind::kDegraded:
      on_notice_(NoticeFor(received->report, plan_));
      return OkStatus();
    case child::ReportKind::kStopped:
      command_stopped_ = true;
      return OkStatus();
    case child::ReportKind::kExited:
      command_status_ = received->report.wait_status;
      return OkStatus();
    case child::ReportKind::kDescriptors:
      break;
  }
  return Status(StatusCode::kSystem, Stage::kSupervise, "the sandbox sent an unexpected report");
}

void Supervisor::PassSignalsOn(int signal_descriptor) {
  signalfd_siginfo info;
  while (read(signal_descriptor, &info, sizeof info) == sizeof info) {
    const auto signal = static_cast<int>(info.ssi_signo);
    if (signal == SIGCONT) command_stopped_ = false;  // it was stopped before
    if (plan_.interrupt_terminates && signal == SIGINT) {
      Interrupt();
      continue;
    }
    // A terminal's Ctrl-C or Ctrl-\ reaches a command of our session by itself. A hang-up reaches
    // only the foreground group, which need not be the command's.
    if (info.ssi_code == SI_KERNEL && signal != SIGHUP && !plan_.interrupt_terminates) continue;
    Signal(signal);
    // Taken from a command with a session of its own: what it would have done to this process.
    if (signal == SIGTSTP) raise(SIGSTOP);
  }
}

// A program that stops itself (an editor on Ctrl-Z) means its job, of which this process is a part
// that its signals do not reach. In the background, or without a terminal, nobody would continue
// us.
void Supervisor::StopWithCommand() {
  command_stopped_ = false;
  const UniqueFd terminal(open("/dev/tty", O_RDONLY | O_NOCTTY | O_CLOEXEC));
  if (terminal.valid() && tcgetpgrp(terminal.get()) == getpgrp()) {
    raise(plan_.interrupt_terminates ? SIGSTOP : SIGTSTP);  // which is taken as a message with -i
  }
}

void Supervisor::EndCommand() {
  Signal(SIGTERM);
  Signal(SIGCONT);  // a stopped command would not hear it
  const auto end = steady_clock::now() + plan_.kill_delay;
  kill_at_ = kill_at_ ? std::min(*kill_at_, end) : end;
}

void Supervisor::Interrupt() {
  const auto now = steady_clock::now();
  if (!interrupted_at_) {
    interrupted_at_ = now;
    EndCommand();
  } else if (now - *interrupted_at_ >= kSecondInterrupt) {
    kill_at_ = now;
  }
}

int Supervisor::EnforceDeadlines() {
  const auto now = steady_clock::now();
  // A command that is being ended already needs no second SIGTERM.
  if (time_limit_at_ && *time_limit_at_ <= now && !kill_at_) {
    timed_out_ = true;
    EndCommand();
    // Afterwards: whoever reads our messages may not keep the command alive.
    on_notice_(StrCat("the time limit of ", SecondsText(*plan_.time_limit),
                      " s is reached; ending the command"));
  }
  if (kill_at_) time_limit_at_.reset();
  if (kill_at_ && !killed_ && *kill_at_ <= steady_clock::now()) {
    Signal(SIGKILL);
    killed_ = true;
  }
  const auto& next = kill_at_ ? kill_at_ : time_limit_at_;
  if (!next || killed_) return -1;
  const auto left = std::chrono::ceil<milliseconds>(*next - steady_clock::now());
  return static_cast<int>(
      std::clamp<milliseconds::rep>(left.count(), 0, std::numeric_limits<int>::max()));
}

Result<Outcome> Supervisor::Run(const SupervisorSignals& signals) {
  MINI_ASSIGN_OR_RETURN(const UniqueFd signal_descriptor, signals.OpenDescriptor());
  if (plan_.time_limit) time_limit_at_ = steady_clock::now() + *plan_.time_limit;
  for (;;) {
    pollfd descriptors[] = {{control_open_ ? child_.control() : -1, POLLIN, 0},
                            {child_.pidfd(), POLLIN, 0},
                            {signal_descriptor.get(), POLLIN, 0},
                            {stack_failure_, POLLIN, 0}};
    if (poll(descriptors, std::size(descriptors), EnforceDeadlines()) < 0 && errno != EINTR) {
      return SystemError(Stage::kSupervise, errno, "wait for the sandbox");
    }
    if (descriptors[3].revents != 0) {
      stack_failed_ = true;
      return Status(StatusCode::kSystem, Stage::kNetwork, "the network stack failed");
    }
    if (descriptors[0].revents != 0) MINI_RETURN_IF_ERROR(ReadReport());
    // Also for a stop: one that a SIGCONT followed is over, and this process may have been stopped
    // together with the command since poll() looked.
    if (descriptors[2].revents != 0 || command_stopped_) PassSignalsOn(signal_descriptor.get());
    if (command_stopped_) StopWithCommand();
    // Only when the control socket has nothing left to say.
    if (descriptors[1].revents != 0 && descriptors[0].revents == 0) break;
  }
  MINI_ASSIGN_OR_RETURN(const int init_status, child_.Wait());
  return Outcome{command_status_.value_or(init_status), timed_out_};
}

}  // namespace mini
