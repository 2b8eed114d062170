// Theory of operation
//
// The supervisor forks the stack's process before it has looked at anything, so that what the
// process inherits is the command line, the resolver's files and the user's standard error, and so
// that it prepares itself while the supervisor plans and the sandbox is set up. It is confined
// before it has the link. When the command has ended it ends beside the sandbox. In a library it is
// a program of its own (stack_program.h), which inherits nothing. The two share a socket of
// messages:
//
//     supervisor                       stack
//                                        makes the stack, confines itself
//                                ◄──   kNotice, kProblem: at any time until its end
//       TapMessage + descriptor  ──►
//                                ◄──   kServing
//       ends its direction       ──►     Run() returns
//                                ◄──   kSummary + lines
//                                ◄──   kFailed + words, or a ForbiddenCall; the process ends
//
// Whichever of the two ends first, the other learns of it: the stack by the kernel (PDEATHSIG) and
// by the socket's end, the supervisor by the pidfd. What comes from the stack is believed no more
// than what comes from the sandbox that it talks to: it is a text for the user, escaped when it is
// printed, and numbers.
//
// Its sentences for the user go through the supervisor, since the reader of standard error may take
// nothing for as long as it likes, and the stack carries all traffic: it never writes there.
//
// Signals of the terminal reach the whole job. The stack blocks them all: the sandbox ends first,
// then the supervisor closes the socket.
#include "sandbox/stack_process.h"

#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <optional>
#include <string_view>
#include <utility>

#include "base/descriptor_passing.h"
#include "base/strings.h"
#include "sandbox/stack_messages.h"

namespace mini {
namespace {

// More lines than a summary has.
constexpr size_t kMaxSummaryLines = 64;
// What is not a sentence of the stack's own is cut: so it is one write(2) to a pipe (pipe(7),
// PIPE_BUF) even when every byte of it is escaped.
constexpr size_t kMaxSentence = 900;
// How many sentences wait at once, and how many there are in a run: whoever has taken the stack
// over shall not fill a terminal or a disk with them.
constexpr size_t kMaxNotices = 64;
constexpr uint64_t kMaxNoticesOfRun = 1024;
// How long a stack may take to end. It has nothing to do then but to write the end of its logs; on
// a busy machine that takes its time.
constexpr std::chrono::milliseconds kOrderlyEnd{5000};

Status EndedEarly() {
  return Status(StatusCode::kSystem, Stage::kNetwork, "the network stack stopped by itself");
}

// Else it was reaped before it was opened, and is another process with that number.
bool IsChild(int pidfd) {
  siginfo_t unused = {};
  return waitid(P_PIDFD, static_cast<id_t>(pidfd), &unused, WEXITED | WNOHANG | WNOWAIT) == 0;
}

void Signal(int signal, int pidfd) {
  (void)syscall(SYS_pidfd_send_signal, pidfd, signal, nullptr, 0);
}

// A whole message; empty when the other end is closed, or when there is none and `flags` do not
// wait.
std::string Receive(int channel, int flags) {
  std::string message;
  ssize_t size;
  // The second error comes once, in front of what a process said last that ended without having
  // read what it was sent (unix_release_sock() in net/unix/af_unix.c).
  while ((size = recv(channel, nullptr, 0, MSG_PEEK | MSG_TRUNC | flags)) < 0 &&
         (errno == EINTR || errno == ECONNRESET)) {
  }
  if (size < 0) return message;
  message.resize(static_cast<size_t>(size));  // one without content has to be taken, too
  size = recv(channel, message.data(), message.size(), MSG_DONTWAIT);
  message.resize(static_cast<size_t>(std::max<ssize_t>(size, 0)));
  return message;
}

std::optional<StackReport> ReportIn(std::string_view message) {
  StackReport report;
  if (message.size() < sizeof report) return std::nullopt;
  std::memcpy(&report, message.data(), sizeof report);
  if (report.kind > StackReportKind::kFailed || report.code > StatusCode::kSystem ||
      report.stage > Stage::kSupervise) {
    return std::nullopt;
  }
  return report;
}

// What the process said of its end; nothing when it said nothing that makes sense.
std::optional<Status> FailureIn(std::string_view message) {
  if (message.size() == sizeof(ForbiddenCall)) {
    ForbiddenCall call;
    std::memcpy(&call, message.data(), sizeof call);
    return Status(StatusCode::kSystem, Stage::kNetwork,
                  StrCat("the network stack made system call ", call.number,
                         ", which its seccomp filter forbids"))
        .WithHint("a flaw in it, or an attack on it");
  }
  const std::optional<StackReport> report = ReportIn(message);
  if (!report || report->kind != StackReportKind::kFailed || report->code == StatusCode::kOk) {
    return std::nullopt;
  }
  const std::string_view text = message.substr(sizeof *report);
  const size_t newline = text.rfind('\n');
  if (newline == std::string_view::npos) return std::nullopt;
  return Status(report->code, report->stage, std::string(text.substr(0, newline)))
      .WithErrno(report->number)
      .WithHint(std::string(text.substr(newline + 1)));
}

}  // namespace

Result<std::unique_ptr<StackProcess>> StackProcess::Start(
    const std::function<Result<pid_t>(int channel)>& start, ReapedBy reaped_by) {
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) {
    return StackError(errno, "make a socket for the network stack");
  }
  UniqueFd channel(ends[0]);
  const UniqueFd others_end(ends[1]);
  MINI_ASSIGN_OR_RETURN(const pid_t pid, start(others_end.get()));
  // The number is its own until it is reaped.
  UniqueFd pidfd(static_cast<int>(syscall(SYS_pidfd_open, pid, 0)));
  // It may have ended, and nobody reaped it (wait(2), on ignoring SIGCHLD): what it said is there.
  const auto why_it_ended = [&] {
    return Adopt(pid, UniqueFd(), std::move(channel))->ReadLastWords().value_or(EndedEarly());
  };
  if (!pidfd && errno == ESRCH) return why_it_ended();
  if (!pidfd) {
    const Status failure = StackError(errno, "watch the network stack");
    (void)kill(pid, SIGKILL);
    (void)waitpid(pid, nullptr, 0);
    return failure;
  }
  if (reaped_by == ReapedBy::kAnybody && !IsChild(pidfd.get())) return why_it_ended();
  return Adopt(pid, std::move(pidfd), std::move(channel));
}

std::unique_ptr<StackProcess> StackProcess::Adopt(pid_t pid, UniqueFd pidfd, UniqueFd channel) {
  return std::unique_ptr<StackProcess>(new StackProcess(pid, std::move(pidfd), std::move(channel)));
}

StackProcess::StackProcess(pid_t pid, UniqueFd pidfd, UniqueFd channel)
    : pid_(pid), pidfd_(std::move(pidfd)), channel_(std::move(channel)) {}

StackProcess::~StackProcess() {
  if (!pidfd_) return;
  BeginEnd();
  AwaitEnd();
  (void)DescribeEnd();
}

// Reads meanwhile: a process whose words nobody takes would not end.
void StackProcess::AwaitEnd() {
  using std::chrono::milliseconds;
  using std::chrono::steady_clock;
  Signal(SIGCONT, pidfd_.get());  // somebody may have stopped it
  const auto deadline = steady_clock::now() + kOrderlyEnd;
  for (;;) {
    const auto left = std::chrono::ceil<milliseconds>(deadline - steady_clock::now());
    pollfd descriptors[] = {{pidfd_.get(), POLLIN, 0}, {channel_.get(), POLLIN, 0}};
    const int ready =
        left.count() > 0 ? poll(descriptors, std::size(descriptors), static_cast<int>(left.count()))
                         : 0;
    if (ready < 0 && errno == EINTR) continue;
    if (ready <= 0) return Signal(SIGKILL, pidfd_.get());
    if (descriptors[0].revents != 0) return;
    // Its end of the socket is closed: the rest takes no time, and what it said last waits there.
    if ((descriptors[1].revents & (POLLHUP | POLLERR)) != 0) {
      while (poll(descriptors, 1, static_cast<int>(kOrderlyEnd.count())) < 0 && errno == EINTR) {
      }
      if (descriptors[0].revents == 0) Signal(SIGKILL, pidfd_.get());
      return;
    }
    (void)ReadMessages();
  }
}

void StackProcess::BeginEnd() {
  if (std::exchange(is_ending_, true)) return;
  (void)shutdown(channel_.get(), SHUT_WR);
}

Status StackProcess::Finish() {
  BeginEnd();
  AwaitEnd();
  Status end = DescribeEnd();
  const std::optional<Status> told = ReadLastWords();
  return told ? *told : std::move(end);
}

bool StackProcess::TakeNote(std::string_view message) {
  const std::optional<StackReport> report = ReportIn(message);
  if (!report) return false;
  const std::string_view text = message.substr(sizeof *report);
  switch (report->kind) {
    case StackReportKind::kNotice:
    case StackReportKind::kProblem:
      if (notices_.size() == kMaxNotices || ++notice_count_ > kMaxNoticesOfRun) {
        ++lost_notices_;
      } else {
        notices_.push_back(
            {report->kind == StackReportKind::kProblem, std::string(text.substr(0, kMaxSentence))});
      }
      return true;
    case StackReportKind::kSummary:
      lost_notices_ += static_cast<uint64_t>(std::max(report->number, 0));
      for (const std::string_view line : StrSplit(text, '\n')) {
        if (line.empty() || summary_.size() == kMaxSummaryLines) continue;
        summary_.emplace_back(line.substr(0, kMaxSentence));
      }
      return true;
    case StackReportKind::kServing:
    case StackReportKind::kFailed:
      break;
  }
  return false;
}

bool StackProcess::ReadMessages() {
  for (size_t count = 0; count < kMaxNotices; ++count) {
    std::string message = Receive(channel_.get(), MSG_DONTWAIT);
    if (message.empty()) return false;
    if (!TakeNote(message) && !FailureIn(last_words_)) last_words_ = std::move(message);
  }
  return true;
}

std::vector<StackNotice> StackProcess::TakeNotices() { return std::exchange(notices_, {}); }

std::optional<Status> StackProcess::ReadLastWords() {
  while (ReadMessages()) {  // it has ended, so they do
  }
  return FailureIn(last_words_);
}

Result<ServingStack> StackProcess::Serve(Tap tap) {
  const TapMessage content = {tap.mac, tap.mtu, tap.udp_segmentation};
  const int descriptor = tap.fd.get();
  if (!SendWithDescriptors(channel_.get(), &content, sizeof content, &descriptor, 1)) {
    if (errno != EPIPE) return StackError(errno, "hand the TAP device to the network stack");
    return TakeFailure();
  }
  std::string answer = Receive(channel_.get(), 0);
  while (TakeNote(answer)) answer = Receive(channel_.get(), 0);
  const std::optional<StackReport> report = ReportIn(answer);
  if (report && report->kind == StackReportKind::kServing) {
    return ServingStack{pid_, Confinement{report->number}};
  }
  last_words_ = std::move(answer);
  return TakeFailure();
}

Status StackProcess::TakeFailure() {
  Status end = DescribeEnd();
  const std::optional<Status> told = ReadLastWords();
  if (told) return *told;
  return end.ok() ? EndedEarly() : std::move(end);
}

Status StackProcess::DescribeEnd() {
  siginfo_t info = {};
  while (waitid(P_PIDFD, static_cast<id_t>(pidfd_.get()), &info, WEXITED) != 0) {
    if (errno == EINTR) continue;
    const int error = errno;
    pidfd_.reset();
    // It has ended, and nobody learns how (wait(2), on ignoring SIGCHLD).
    return error == ECHILD ? EndedEarly() : StackError(error, "wait for the network stack");
  }
  pidfd_.reset();
  if (info.si_code == CLD_EXITED) return info.si_status == 0 ? OkStatus() : EndedEarly();
  const char* name = sigabbrev_np(info.si_status);  // null: a real-time signal
  return Status(StatusCode::kSystem, Stage::kNetwork,
                StrCat("the network stack was killed by ",
                       name ? StrCat("SIG", name) : StrCat("signal ", info.si_status)));
}

}  // namespace mini
