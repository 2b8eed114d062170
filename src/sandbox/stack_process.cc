// Theory of operation
//
// The supervisor forks the stack's process before it has looked at anything, so that what the
// process inherits is the command line and the user's standard error, and so that it prepares
// itself while the supervisor plans and the sandbox is set up. The two share a socket of messages:
//
//     supervisor                       stack
//       TapMessage + descriptor  ──►     makes the stack, confines itself
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
// Signals of the terminal reach the whole job. The stack blocks them all: the sandbox ends first,
// then the supervisor closes the socket.
#include "sandbox/stack_process.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <optional>
#include <string_view>
#include <type_traits>
#include <utility>

#include "base/descriptor_passing.h"
#include "base/strings.h"
#include "sys/close_descriptors.h"

namespace mini {
namespace {

// More lines than a summary has.
constexpr size_t kMaxSummaryLines = 64;
// How long a stack may take to end. It has nothing to do then but to write the end of its logs; on
// a busy machine that takes its time.
constexpr int kOrderlyEndMilliseconds = 5000;

struct TapMessage {
  std::array<uint8_t, 6> mac;
  uint16_t mtu;
  bool udp_segmentation;
};

enum class ReportKind : uint8_t { kServing, kSummary, kFailed };

// Followed by text: of kSummary lines, of kFailed the message and, after a newline, the hint.
struct StackReport {
  ReportKind kind;
  StatusCode code;
  Stage stage;
  int32_t number;  // errno; of kServing landlock's version
};
static_assert(std::is_trivially_copyable_v<TapMessage> &&
              std::is_trivially_copyable_v<StackReport> &&
              sizeof(StackReport) > sizeof(ForbiddenCall));

Status StackError(int error, const char* attempted) {
  return SystemError(Stage::kNetwork, error, attempted);
}

Status EndedEarly() {
  return Status(StatusCode::kSystem, Stage::kNetwork, "the network stack stopped by itself");
}

// --- In the stack's process ---

void SendReport(int channel, const StackReport& report, std::string_view text) {
  const iovec pieces[] = {{const_cast<StackReport*>(&report), sizeof report},
                          {const_cast<char*>(text.data()), text.size()}};  // sendmsg(2) only reads
  msghdr message = {};
  message.msg_iov = const_cast<iovec*>(pieces);
  message.msg_iovlen = std::size(pieces);
  // A supervisor that has gone needs no report.
  while (sendmsg(channel, &message, MSG_NOSIGNAL) < 0 && errno == EINTR) {
  }
}

void SendFailure(int channel, const Status& failure) {
  SendReport(channel,
             {ReportKind::kFailed, failure.code(), failure.stage(), failure.error_number()},
             StrCat(failure.message(), "\n", failure.hint()));
}

// Nothing when the supervisor's end is closed: the run ended before it had a network.
Result<std::optional<Tap>> ReceiveTap(int channel) {
  TapMessage content;
  int received[kMostPassedDescriptors];
  const ReceivedMessage message =
      ReceiveWithDescriptors(channel, &content, sizeof content, received);
  if (message.size == 0) return std::optional<Tap>();
  if (message.size != sizeof content || message.descriptor_count != 1) {
    return StackError(message.size < 0 ? errno : EPROTO, "receive the TAP device");
  }
  Tap tap;
  tap.fd.reset(received[0]);
  tap.mac = content.mac;
  tap.mtu = content.mtu;
  tap.udp_segmentation = content.udp_segmentation;
  return std::optional<Tap>(std::move(tap));
}

// What the environment says (credentials, often) is the user's and the command's business.
void ForgetEnvironment() {
  for (char** variable = environ; variable != nullptr && *variable != nullptr; ++variable) {
    explicit_bzero(*variable, std::strlen(*variable));
  }
  environ = nullptr;
}

// A terminal is open for reading as well, and what the user types is none of the stack's business.
// Where it cannot be opened anew (another user's, after su(1)) it stays as it is.
void CloseTerminalForReading() {
  if (isatty(STDERR_FILENO) == 0) return;
  const UniqueFd terminal(open("/proc/self/fd/2", O_WRONLY | O_NOCTTY | O_CLOEXEC));
  if (terminal) (void)dup2(terminal.get(), STDERR_FILENO);
}

Status LeaveSupervisor(pid_t supervisor, std::vector<int> kept) {
  if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) != 0) {
    return StackError(errno, "tie the network stack to its supervisor");
  }
  if (getppid() != supervisor) _exit(0);  // it died before the line above
  (void)prctl(PR_SET_NAME, "network-stack", 0, 0, 0);
  ForgetEnvironment();
  CloseTerminalForReading();
  kept.push_back(STDERR_FILENO);
  if (!KeepOnlyDescriptors({STDIN_FILENO, STDOUT_FILENO}, std::move(kept))) {
    return StackError(errno, "close the network stack's other descriptors");
  }
  if (chdir("/") != 0) return StackError(errno, "change to the root directory");
  return OkStatus();
}

Status ServeSandbox(const StackProcessOptions& options, int channel, pid_t supervisor) {
  std::vector<int> kept = options.kept_descriptors;
  kept.push_back(channel);
  MINI_RETURN_IF_ERROR(LeaveSupervisor(supervisor, std::move(kept)));
  MINI_ASSIGN_OR_RETURN(netstack::StackOptions stack_options, options.make_options());
  MINI_ASSIGN_OR_RETURN(std::optional<Tap> tap, ReceiveTap(channel));
  if (!tap) return OkStatus();
  stack_options.link.fd = std::move(tap->fd);
  stack_options.link.sandbox_mac = tap->mac;
  stack_options.link.mtu = tap->mtu;
  stack_options.link.udp_segmentation = tap->udp_segmentation;
  stack_options.stop_descriptor = channel;
  MINI_ASSIGN_OR_RETURN(const auto stack, netstack::Stack::Create(std::move(stack_options)));
  MINI_ASSIGN_OR_RETURN(
      const Confinement confinement,
      ConfineThisProcess({.readable_files = options.readable_files, .report_descriptor = channel}));
  SendReport(channel,
             {ReportKind::kServing, StatusCode::kOk, Stage::kNetwork, confinement.landlock_abi},
             "");
  Status served = stack->Run();
  std::string summary;
  for (const std::string& line : netstack::SummaryLines(stack->refusals(), options.log_file)) {
    summary += StrCat(line, "\n");
  }
  SendReport(channel, {ReportKind::kSummary, StatusCode::kOk, Stage::kNetwork, 0}, summary);
  return served;
}

// Does not return and destroys nothing: what this copy of the memory holds is the supervisor's.
[[noreturn]] void RunStackProcess(const StackProcessOptions& options, int channel,
                                  pid_t supervisor) {
  const Status end = ServeSandbox(options, channel, supervisor);
  if (end.ok()) _exit(0);
  SendFailure(channel, end);
  _exit(1);
}

// --- In the supervisor ---

void Signal(int signal, int pidfd) {
  (void)syscall(SYS_pidfd_send_signal, pidfd, signal, nullptr, 0);
}

// A whole message; empty when the other end is closed, or when there is none and `flags` do not
// wait.
std::string Receive(int channel, int flags) {
  std::string message;
  ssize_t size;
  while ((size = recv(channel, nullptr, 0, MSG_PEEK | MSG_TRUNC | flags)) < 0 && errno == EINTR) {
  }
  if (size <= 0) return message;
  message.resize(static_cast<size_t>(size));
  size = recv(channel, message.data(), message.size(), MSG_DONTWAIT);
  message.resize(static_cast<size_t>(std::max<ssize_t>(size, 0)));
  return message;
}

std::optional<StackReport> ReportIn(std::string_view message) {
  StackReport report;
  if (message.size() < sizeof report) return std::nullopt;
  std::memcpy(&report, message.data(), sizeof report);
  if (report.kind > ReportKind::kFailed || report.code > StatusCode::kSystem ||
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
  if (!report || report->kind != ReportKind::kFailed || report->code == StatusCode::kOk) {
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

Result<std::unique_ptr<StackProcess>> StackProcess::Start(const StackProcessOptions& options) {
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) {
    return StackError(errno, "make a socket for the network stack");
  }
  UniqueFd channel(ends[0]);
  const UniqueFd others_end(ends[1]);
  const pid_t supervisor = getpid();
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  const pid_t pid = fork();
  if (pid == 0) RunStackProcess(options, others_end.get(), supervisor);
  const int error = errno;
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  if (pid < 0) return StackError(error, "start a process for the network stack");
  // The number is its own until it is reaped here.
  UniqueFd pidfd(static_cast<int>(syscall(SYS_pidfd_open, pid, 0)));
  if (!pidfd) {
    const Status failure = StackError(errno, "watch the network stack");
    (void)kill(pid, SIGKILL);
    (void)waitpid(pid, nullptr, 0);
    return failure;
  }
  return std::unique_ptr<StackProcess>(new StackProcess(pid, std::move(pidfd), std::move(channel)));
}

StackProcess::StackProcess(pid_t pid, UniqueFd pidfd, UniqueFd channel)
    : pid_(pid), pidfd_(std::move(pidfd)), channel_(std::move(channel)) {}

StackProcess::~StackProcess() {
  if (!pidfd_) return;
  channel_.reset();
  AwaitEnd();
  (void)DescribeEnd();
}

void StackProcess::AwaitEnd() const {
  Signal(SIGCONT, pidfd_.get());  // somebody may have stopped it
  pollfd ended = {pidfd_.get(), POLLIN, 0};
  int ready;
  while ((ready = poll(&ended, 1, kOrderlyEndMilliseconds)) < 0 && errno == EINTR) {
  }
  if (ready != 1) Signal(SIGKILL, pidfd_.get());
}

Status StackProcess::Finish() {
  (void)shutdown(channel_.get(), SHUT_WR);
  AwaitEnd();
  Status end = DescribeEnd();
  const std::optional<Status> told = ReadLastWords();
  return told ? *told : std::move(end);
}

std::optional<Status> StackProcess::ReadLastWords() {
  for (;;) {
    const std::string message = Receive(channel_.get(), MSG_DONTWAIT);
    if (message.empty()) return std::nullopt;
    const std::optional<StackReport> report = ReportIn(message);
    if (report && report->kind == ReportKind::kSummary) {
      for (const std::string_view line :
           StrSplit(std::string_view(message).substr(sizeof *report), '\n')) {
        if (!line.empty() && summary_.size() < kMaxSummaryLines) summary_.emplace_back(line);
      }
      continue;
    }
    if (std::optional<Status> told = FailureIn(message)) return told;
  }
}

Result<ServingStack> StackProcess::Serve(Tap tap) {
  const TapMessage content = {tap.mac, tap.mtu, tap.udp_segmentation};
  const int descriptor = tap.fd.get();
  if (!SendWithDescriptors(channel_.get(), &content, sizeof content, &descriptor, 1)) {
    if (errno != EPIPE) return StackError(errno, "hand the TAP device to the network stack");
    return TakeFailure();
  }
  const std::string answer = Receive(channel_.get(), 0);
  const std::optional<StackReport> report = ReportIn(answer);
  if (report && report->kind == ReportKind::kServing) {
    return ServingStack{pid_, Confinement{report->number}};
  }
  const std::optional<Status> failure = FailureIn(answer);
  return failure ? *failure : TakeFailure();
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
    if (errno != EINTR) return StackError(errno, "wait for the network stack");
  }
  pidfd_.reset();
  if (info.si_code == CLD_EXITED) return info.si_status == 0 ? OkStatus() : EndedEarly();
  const char* name = sigabbrev_np(info.si_status);  // null: a real-time signal
  return Status(StatusCode::kSystem, Stage::kNetwork,
                StrCat("the network stack was killed by ",
                       name ? StrCat("SIG", name) : StrCat("signal ", info.si_status)));
}

}  // namespace mini
