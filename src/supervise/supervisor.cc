// Theory of operation
//
// Three descriptors tell all there is to know: the control socket (reports), the pidfd of init (the
// sandbox is gone), the signal descriptor. In mini-tapbox there are more: the pidfd of the network
// stack, that it has ended; its socket, that it has something to say; and standard error, while
// that waits to be taken (notice_queue.h). Init reports the command's status only after everything
// inside has died, so the pidfd follows at once. When the stack fails, the sandbox is killed: never
// a run without its firewall.
//
// With a terminal of the command's own three more belong to the relay. The run then ends when all
// that was written there has been delivered, too: a reader that takes nothing is given up at the
// time limit, or on a signal that would end the command.
#include "supervise/supervisor.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <limits>
#include <utility>

#include "base/strings.h"
#include "supervise/report_text.h"

namespace mini {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

namespace {

// Some callers send SIGINT to a process and to its group: the same one, twice.
constexpr milliseconds kSecondInterrupt{250};
// How long the output of a command that the time limit ended is waited for. Without a limit it is
// as long as its reader takes, as it would be for the command itself.
constexpr milliseconds kLastDelivery{1000};

// Of two timeouts of poll(2), where negative is never.
int Earlier(int left, int right) {
  if (left < 0 || right < 0) return std::max(left, right);
  return std::min(left, right);
}

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

Supervisor::Supervisor(const Plan& plan, ChildProcess& child, Tell on_notice, Tell on_problem)
    : plan_(plan),
      child_(child),
      on_notice_(std::move(on_notice)),
      on_problem_(on_problem ? std::move(on_problem) : on_notice_) {}

// The child mounts meanwhile, and may tell of that first.
Result<ReceivedReport> Supervisor::WaitFor(child::ReportKind kind) {
  for (;;) {
    MINI_ASSIGN_OR_RETURN(auto received, NextReport());
    if (!received) {
      return Status(StatusCode::kSystem, Stage::kNetwork, "the sandbox ended before it was set up");
    }
    if (received->report.kind == kind) return std::move(*received);
    MINI_RETURN_IF_ERROR(ActOn(*received));
  }
}

Result<ReceivedReport> Supervisor::WaitForDescriptors() {
  MINI_ASSIGN_OR_RETURN(ReceivedReport received, WaitFor(child::ReportKind::kDescriptors));
  if (received.descriptors[0].valid() && received.descriptors[1].valid()) return received;
  return Status(StatusCode::kSystem, Stage::kNetwork, "the sandbox sent a report without its link");
}

Status Supervisor::WaitUntilReady() { return WaitFor(child::ReportKind::kReady).status(); }

// A directory that is split becomes many overlays, and what keeps one from being made keeps them
// all: of those side by side in one directory, the first stands for the others.
void Supervisor::ReportDegraded(const child::Report& report) {
  std::string directory;
  if (report.stage == child::ChildStage::kMounts) {
    const std::string& target = plan_.mounts.at(report.index).target;
    directory = target.substr(0, target.rfind('/'));
  }
  if (!directory.empty() && directory == degraded_directory_) return;
  on_notice_(NoticeFor(report, plan_));
  degraded_directory_ = std::move(directory);
}

Result<std::optional<ReceivedReport>> Supervisor::NextReport() {
  Result<std::optional<ReceivedReport>> received = child_.ReceiveReport();
  if (log_ && received.ok()) {
    log_->Write("child", *received ? ReportText((*received)->report, plan_) : "closed its socket");
  }
  return received;
}

void Supervisor::Signal(int signal) {
  if (log_) log_->Write("signal", StrCat(SignalName(signal), " to the sandbox"));
  child_.Signal(signal);
}

Status Supervisor::ReadReport() {
  MINI_ASSIGN_OR_RETURN(auto received, NextReport());
  if (!received) {
    control_open_ = false;
    return OkStatus();
  }
  return ActOn(*received);
}

Status Supervisor::ActOn(ReceivedReport& received) {
  switch (received.report.kind) {
    case child::ReportKind::kFailed:
      return StatusFor(received.report, plan_);
    case child::ReportKind::kDegraded:
      ReportDegraded(received.report);
      return OkStatus();
    case child::ReportKind::kStopped:
      command_stopped_ = true;
      return OkStatus();
    case child::ReportKind::kExited:
      command_status_ = received.report.wait_status;
      if (received.report.error == ENOSPC) on_problem_(ScratchFullNotice(plan_));
      // Init's last word: its end follows, and is waited for.
      control_open_ = false;
      ended_ = true;
      LetStackEnd();
      return OkStatus();
    case child::ReportKind::kTerminal:
      if (!plan_.terminal || terminal_ || !received.descriptors[0].valid()) break;
      terminal_ =
          std::make_unique<Terminal>(std::move(received.descriptors[0]),
                                     Terminal::Streams{STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO});
      return OkStatus();
    case child::ReportKind::kReady:
      if (!on_start_) break;
      std::exchange(on_start_, nullptr)();
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
    const bool from_kernel = info.ssi_code == SI_KERNEL;
    if (signal == SIGCONT) {
      command_stopped_ = false;  // it was stopped before
      if (stack_.pidfd >= 0) {
        (void)syscall(SYS_pidfd_send_signal, stack_.pidfd, SIGCONT, nullptr, 0);
      }
    }
    if (plan_.interrupt_terminates && signal == SIGINT) {
      Interrupt();
      continue;
    }
    if (plan_.terminal) {
      if (TakeTerminalSignal(signal, from_kernel)) continue;
    } else if (from_kernel && signal != SIGHUP && !plan_.interrupt_terminates) {
      // A terminal's Ctrl-C or Ctrl-\ reaches a command of our session by itself. A hang-up reaches
      // only the foreground group, which need not be the command's.
      continue;
    }
    Signal(signal);
    // Taken from a command with a session of its own: what it would have done to this process.
    if (signal == SIGTSTP && !plan_.terminal) raise(SIGSTOP);
  }
}

// The user's terminal sends signals only while it is not in raw mode: when input comes from
// elsewhere. They mean what the keys mean in the command's terminal.
bool Supervisor::TakeTerminalSignal(int signal, bool from_kernel) {
  switch (signal) {
    case SIGWINCH:
      if (terminal_) terminal_->CopyWindowSize();
      return true;
    case SIGCONT:
      if (terminal_) terminal_->Attach();
      return false;
    case SIGTSTP:
      if (!terminal_) {
        StopJob(SIGTSTP);
        return true;
      }
      if (from_kernel) terminal_->SignalForeground(SIGTSTP);
      terminal_->Suspend();
      return true;
    case SIGINT:
    case SIGQUIT:
      delivery_given_up_ = ended_;
      if (!from_kernel || !terminal_) return false;
      terminal_->SignalForeground(signal);
      return true;
    case SIGHUP:
      delivery_given_up_ = ended_;
      return terminal_ && terminal_->FollowHangUp();
    case SIGTERM:
      delivery_given_up_ = ended_;
      return false;
    default:
      return false;
  }
}

void Supervisor::ActOnTerminal(std::span<const pollfd, Relay::kPolled> polled) {
  terminal_->Act(polled);
  const auto error = terminal_->relay().TakeOutputError();
  if (!error || *error == EPIPE || *error == ECONNRESET || *error == EIO) return;
  said_later_.push_back(
      {on_problem_,
       SystemError(Stage::kSupervise, *error, "write the command's output").ToString()});
}

void Supervisor::ActOnStack(short channel_events, short reader_events) {
  if (channel_events != 0) stack_.read();
  if ((channel_events & (POLLHUP | POLLERR)) != 0) stack_.channel = -1;  // its pidfd follows
  if (reader_events != 0) stack_.notices->Deliver();
}

void Supervisor::LetStackEnd() {
  if (!stack_.begin_end) return;
  stack_.begin_end();
  stack_.pidfd = -1;
  stack_.channel = -1;
}

bool Supervisor::IsDelivered() const {
  return !terminal_ || delivery_given_up_ || terminal_->relay().IsDrained();
}

// A program that stops itself (an editor on Ctrl-Z) means its job, of which this process is a part
// that its signals do not reach. In the background, or without a terminal, nobody would continue
// us.
void Supervisor::StopWithCommand() {
  if (terminal_ && !terminal_->MayLeave()) return;
  command_stopped_ = false;
  const UniqueFd terminal(open("/dev/tty", O_RDONLY | O_NOCTTY | O_CLOEXEC));
  if (!terminal.valid() || tcgetpgrp(terminal.get()) != getpgrp()) return;
  if (!terminal_) {
    raise(plan_.interrupt_terminates ? SIGSTOP : SIGTSTP);  // which is taken as a message with -i
    return;
  }
  terminal_->Suspend();
  // Who continued us is passed on as a signal. When nobody is there to do so, we have not stopped.
  sigset_t pending;
  if (sigpending(&pending) == 0 && !sigismember(&pending, SIGCONT)) Signal(SIGCONT);
}

void Supervisor::EndCommand() {
  Signal(SIGTERM);
  Signal(SIGCONT);  // a stopped command would not hear it
  const auto end = steady_clock::now() + plan_.kill_delay;
  deadline_ = deadline_ && due_ == Due::kKill ? std::min(*deadline_, end) : end;
  due_ = Due::kKill;
}

void Supervisor::Interrupt() {
  const auto now = steady_clock::now();
  if (ended_) {
    delivery_given_up_ = true;
  } else if (!interrupted_at_) {
    interrupted_at_ = now;
    if (due_ != Due::kGiveUp) EndCommand();
  } else if (now - *interrupted_at_ >= kSecondInterrupt && due_ == Due::kKill) {
    deadline_ = now;
  }
}

void Supervisor::EndAtTimeLimit() {
  timed_out_ = true;
  EndCommand();
  // Afterwards: whoever reads our messages may not keep the command alive.
  std::string notice = StrCat("the time limit of ", SecondsText(*plan_.time_limit),
                              " s is reached; ending the command");
  if (terminal_) {
    said_later_.push_back({on_notice_, std::move(notice)});
  } else {
    on_notice_(notice);
  }
}

int Supervisor::EnforceDeadline() {
  while (deadline_) {
    const auto left = std::chrono::ceil<milliseconds>(*deadline_ - steady_clock::now());
    if (left.count() > 0) {
      return static_cast<int>(
          std::min<milliseconds::rep>(left.count(), std::numeric_limits<int>::max()));
    }
    if (ended_ || due_ == Due::kGiveUp) {
      delivery_given_up_ = true;
      deadline_.reset();
      return 0;
    }
    if (due_ == Due::kTimeLimit) {
      EndAtTimeLimit();
      continue;
    }
    Signal(SIGKILL);
    due_ = Due::kGiveUp;
    deadline_.reset();
    if (terminal_) deadline_ = steady_clock::now() + kLastDelivery;
  }
  return -1;
}

Result<Outcome> Supervisor::Run(const SupervisorSignals& signals) {
  MINI_ASSIGN_OR_RETURN(const UniqueFd signal_descriptor, signals.OpenDescriptor());
  if (plan_.time_limit) deadline_ = steady_clock::now() + *plan_.time_limit;
  Result<Outcome> outcome = RunUntilEnd(signal_descriptor.get());
  terminal_.reset();
  // Who did not take the command's output may be the reader of our messages, too.
  pollfd reader = {STDERR_FILENO, POLLOUT, 0};
  if (delivery_given_up_ && poll(&reader, 1, 0) == 0) return outcome;
  for (const Said& said : said_later_) said.tell(said.sentence);
  return outcome;
}

Result<Outcome> Supervisor::RunUntilEnd(int signal_descriptor) {
  for (;;) {
    const bool has_notices = stack_.notices != nullptr && !stack_.notices->empty();
    pollfd descriptors[6 + Relay::kPolled] = {
        {control_open_ ? child_.control() : -1, POLLIN, 0},
        {ended_ ? -1 : child_.pidfd(), POLLIN, 0},
        {signal_descriptor, POLLIN, 0},
        {stack_.pidfd, POLLIN, 0},
        {stack_.channel, POLLIN, 0},
        {has_notices ? stack_.notices->descriptor() : -1, POLLOUT, 0}};
    const auto relayed = std::span(descriptors).subspan<6>();
    for (pollfd& unused : relayed) unused.fd = -1;
    int timeout = EnforceDeadline();
    if (terminal_) {
      terminal_->relay().Prepare(relayed);
      timeout = Earlier(timeout, terminal_->PollTimeout());
    }
    if (poll(descriptors, std::size(descriptors), timeout) < 0 && errno != EINTR) {
      return SystemError(Stage::kSupervise, errno, "wait for the sandbox");
    }
    if (descriptors[3].revents != 0) {
      stack_failed_ = true;
      return Status(StatusCode::kSystem, Stage::kNetwork, "the network stack failed");
    }
    ActOnStack(descriptors[4].revents, descriptors[5].revents);
    if (terminal_) ActOnTerminal(relayed);
    if (descriptors[0].revents != 0) MINI_RETURN_IF_ERROR(ReadReport());
    // Also for a stop: one that a SIGCONT followed is over, and this process may have been stopped
    // together with the command since poll() looked.
    if (descriptors[2].revents != 0 || command_stopped_) PassSignalsOn(signal_descriptor);
    if (command_stopped_) StopWithCommand();
    // Only when the control socket has nothing left to say.
    if (descriptors[1].revents != 0 && descriptors[0].revents == 0) ended_ = true;
    if (ended_ && IsDelivered()) break;
  }
  MINI_ASSIGN_OR_RETURN(const int init_status, child_.Wait());
  // Else it was killed.
  if (!command_status_ && WIFEXITED(init_status)) {
    return Status(StatusCode::kSystem, Stage::kSupervise, "the sandbox ended without a report");
  }
  return Outcome{command_status_.value_or(init_status), timed_out_};
}

}  // namespace mini
