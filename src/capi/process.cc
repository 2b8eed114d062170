// Theory of operation
//
// How the command ended is told by the channel, where the message stays to be read by whoever has a
// copy of it. The process's own status is the same, but the host may have taken it by then
// (wait(2)), or have told the kernel that it wants none (SIGCHLD ignored). Only of a supervisor
// that was killed the channel tells nothing.
//
// The pidfd is never closed before the end, so it cannot mean another process, and stays readable.
#include "capi/process.h"

#include <poll.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <limits>
#include <utility>

#include "base/strings.h"
#include "capi/spawn_channel.h"

namespace mini::capi {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr auto kStopping = std::to_array<int>({SIGSTOP, SIGTSTP, SIGTTIN, SIGTTOU});

// Negative: without a limit. Yields 0 when the time has passed, errors of poll(2) as -1.
int PollUntilReadable(int descriptor, std::optional<steady_clock::time_point> deadline) {
  for (;;) {
    int timeout = -1;
    if (deadline) {
      const auto left = std::chrono::ceil<milliseconds>(*deadline - steady_clock::now());
      timeout = static_cast<int>(
          std::clamp<milliseconds::rep>(left.count(), 0, std::numeric_limits<int>::max()));
    }
    pollfd readable = {descriptor, POLLIN, 0};
    const int count = poll(&readable, 1, timeout);
    if (count >= 0 || errno != EINTR) return count;
  }
}

bool HasEnded(int pidfd) {
  pollfd readable = {pidfd, POLLIN, 0};
  return poll(&readable, 1, 0) > 0;
}

}  // namespace

Process::Process(pid_t pid, ProcessDescriptors descriptors)
    : pid_(pid), owner_(getpid()), descriptors_(std::move(descriptors)) {}

Process::~Process() {
  if (getpid() != owner_) return;
  (void)SendSignal(SIGKILL);  // it may have ended
  (void)PollUntilReadable(pidfd(), std::nullopt);
  const UniqueFd& init = descriptors_.init;
  if (init) (void)PollUntilReadable(init.get(), std::nullopt);
  siginfo_t unused = {};
  (void)waitid(P_PIDFD, static_cast<id_t>(pidfd()), &unused, WEXITED);
}

Error Process::Wait(int timeout_ms, int* status) {
  std::optional<steady_clock::time_point> deadline;
  if (timeout_ms >= 0) deadline = steady_clock::now() + milliseconds(timeout_ms);
  for (const int descriptor : {pidfd(), descriptors_.init.get()}) {
    if (descriptor < 0) continue;
    const int count = PollUntilReadable(descriptor, deadline);
    if (count < 0) {
      return SystemErrorOf(SystemError(Stage::kSupervise, errno, "wait for the sandbox"));
    }
    if (count == 0) return {MINI_SANDBOX_TIMED_OUT, "the command still runs"};
  }
  const std::lock_guard<std::mutex> lock(mutex_);
  const Ending& ending = Collect();
  if (status) *status = ending.wait_status;
  if (ending.failure.empty()) return Done();
  return {MINI_SANDBOX_SYSTEM_ERROR, ending.failure};
}

const Process::Ending& Process::Collect() {
  if (ending_) return *ending_;
  siginfo_t info = {};
  int reaped;
  while ((reaped = waitid(P_PIDFD, static_cast<id_t>(pidfd()), &info, WEXITED)) != 0 &&
         errno == EINTR) {
  }
  std::optional<SpawnMessage> end = ReceiveSpawnMessage(descriptors_.channel.get(), Taking::kLeave);
  if (end && end->kind == SpawnMessageKind::kEnded) {
    return ending_.emplace(Ending{end->wait_status, std::move(end->words)});
  }
  // It ends by itself with a message only.
  const int signal = reaped == 0 && info.si_code != CLD_EXITED ? info.si_status : SIGKILL;
  return ending_.emplace(Ending{W_EXITCODE(0, signal)});
}

int Process::SendSignal(int signal) const {
  const auto sent = static_cast<int>(syscall(SYS_pidfd_send_signal, pidfd(), signal, nullptr, 0));
  if (sent == 0 || errno != ENOSYS) return sent;
  // Valgrind 3.19, and some containers. A number means the same process as long as that runs.
  return HasEnded(pidfd()) ? 0 : kill(pid_, signal);
}

Error Process::Kill(int signal) const {
  const Error ended = {MINI_SANDBOX_ENDED, "the command has ended"};
  if (std::find(kStopping.begin(), kStopping.end(), signal) != kStopping.end()) {
    return {MINI_SANDBOX_INVALID_ARGUMENT,
            StrCat("signal ", signal, " would stop the supervisor and not the command")};
  }
  if (HasEnded(pidfd())) return ended;
  if (SendSignal(signal) == 0) return Done();
  if (errno == ESRCH) return ended;
  if (errno == EINVAL) {
    return {MINI_SANDBOX_INVALID_ARGUMENT, StrCat(signal, " is no signal")};
  }
  return SystemErrorOf(SystemError(Stage::kSupervise, errno, StrCat("send signal ", signal)));
}

}  // namespace mini::capi
