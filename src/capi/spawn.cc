// Theory of operation
//
//     host ── posix_spawn ──► supervisor ── as mini-sandbox does ──► init ──► command
//       ▲                          │
//       └────────── channel ───────┘  begun, started or failed, ended
//
// posix_spawn(3) is what a process with threads may use: no handler of pthread_atfork(3) runs, no
// memory is copied, and the new process has no signal handler and no mask of ours. It yields a
// process id only, which may mean another process by the time it is looked up, if this one ignores
// SIGCHLD or waits for all children in another thread. So the supervisor sends a descriptor of
// itself; the one that is opened here serves to notice that it never will.
//
// The program is executed from a file in memory that is made once in the life of the host.
#include "capi/spawn.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <mutex>
#include <utility>

#include "base/strings.h"
#include "capi/library.h"
#include "capi/spawn_channel.h"
#include "sandbox/rules_file.h"
#include "sys/blocked_signals.h"
#include "sys/clone.h"
#include "sys/memory_file.h"

namespace mini::capi {
namespace {

constexpr int kPlaces = kEventsPlace + 1;
constexpr std::array<const char*, 3> kStreamNames = {"input", "output", "error"};

Status SpawnError(int error, std::string attempted) {
  return SystemError(Stage::kSupervise, error, std::move(attempted));
}

// A copy of a descriptor that is in the way of no place.
UniqueFd CopyAboveThePlaces(int descriptor) {
  return UniqueFd(fcntl(descriptor, F_DUPFD_CLOEXEC, kPlaces));
}

// Of the process, and never closed: its number may come to mean something else, when the host
// closes what it does not know, so it is used by way of a copy that has been looked at.
class SharedProgram {
 public:
  Result<UniqueFd> Open(std::span<const unsigned char> image) {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (UniqueFd known = OpenKnown()) return known;
    MINI_ASSIGN_OR_RETURN(UniqueFd made,
                          MakeMemoryFile("the supervisor", image, MemoryFileUse::kProgram));
    struct stat status;
    UniqueFd copy = CopyAboveThePlaces(made.get());
    if (!copy || fstat(copy.get(), &status) != 0) {
      return SpawnError(errno, "open the program of the supervisor");
    }
    device_ = status.st_dev;
    inode_ = status.st_ino;
    descriptor_ = made.release();
    return copy;
  }

 private:
  UniqueFd OpenKnown() const {
    if (descriptor_ < 0) return UniqueFd();
    UniqueFd copy = CopyAboveThePlaces(descriptor_);
    struct stat status;
    const bool is_it = copy && fstat(copy.get(), &status) == 0 && status.st_dev == device_ &&
                       status.st_ino == inode_;
    return is_it ? std::move(copy) : UniqueFd();
  }

  std::mutex mutex_;
  int descriptor_ = -1;
  dev_t device_ = 0;
  ino_t inode_ = 0;
};

// Never destroyed: other threads may spawn while this process ends.
SharedProgram& TheProgram() {
  static auto* const program = new SharedProgram;
  return *program;
}

// What posix_spawn(3) does in the child. Its errors are lack of memory.
class SpawnPlan {
 public:
  SpawnPlan() {
    posix_spawn_file_actions_init(&actions_);
    posix_spawnattr_init(&attributes_);
    sigset_t signals;
    sigemptyset(&signals);
    posix_spawnattr_setsigmask(&attributes_, &signals);
    sigfillset(&signals);
    posix_spawnattr_setsigdefault(&attributes_, &signals);
    posix_spawnattr_setflags(&attributes_, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  }
  ~SpawnPlan() {
    posix_spawn_file_actions_destroy(&actions_);
    posix_spawnattr_destroy(&attributes_);
  }
  SpawnPlan(const SpawnPlan&) = delete;
  SpawnPlan& operator=(const SpawnPlan&) = delete;

  int Place(int descriptor, int place) {
    return posix_spawn_file_actions_adddup2(&actions_, descriptor, place);
  }
  const posix_spawn_file_actions_t* actions() const { return &actions_; }
  const posix_spawnattr_t* attributes() const { return &attributes_; }

 private:
  posix_spawn_file_actions_t actions_;
  posix_spawnattr_t attributes_;
};

using Placed = std::array<UniqueFd, kPlaces>;

Error CopyStreams(std::span<const int, 3> streams, Placed& placed) {
  for (size_t i = 0; i < streams.size(); ++i) {
    UniqueFd null;
    if (streams[i] == -1) {
      null.reset(open("/dev/null", O_RDWR | O_CLOEXEC));
      if (!null) return SystemErrorOf(SpawnError(errno, "open /dev/null"));
    }
    placed[i] = CopyAboveThePlaces(null ? null.get() : streams[i]);
    if (placed[i]) continue;
    if (errno != EBADF) return SystemErrorOf(SpawnError(errno, "duplicate a descriptor"));
    return {MINI_SANDBOX_INVALID_ARGUMENT, StrCat("descriptor ", streams[i], " for standard ",
                                                  kStreamNames.at(i), " is not open")};
  }
  return Done();
}

// The supervisor, and the library's ends of what leads there.
struct Started {
  pid_t pid = -1;
  UniqueFd found;  // a pidfd by its number; invalid: it has ended and been waited for
  UniqueFd channel;
  UniqueFd events;  // invalid: there is no stack
};

Status Place(int descriptor, int place, Placed& placed) {
  UniqueFd& copy = placed.at(static_cast<size_t>(place));
  copy = CopyAboveThePlaces(descriptor);
  return copy ? OkStatus() : SpawnError(errno, "duplicate a descriptor");
}

Status PlaceChannel(Placed& placed, Started& started) {
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) {
    return SpawnError(errno, "make a socket");
  }
  started.channel.reset(ends[0]);
  const UniqueFd theirs(ends[1]);
  return Place(theirs.get(), kChannelPlace, placed);
}

Status PlaceEvents(Placed& placed, Started& started) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0) return SpawnError(errno, "make a pipe");
  started.events.reset(ends[0]);
  const UniqueFd theirs(ends[1]);
  return Place(theirs.get(), kEventsPlace, placed);
}

// What the supervisor gets besides the standard streams.
Status PlaceRequest(SpawnArguments& arguments, Placed& placed, Started& started) {
  MINI_RETURN_IF_ERROR(PlaceChannel(placed, started));
  arguments.request.has_rules = arguments.rules != nullptr;
  if (arguments.rules) {
    MINI_ASSIGN_OR_RETURN(const UniqueFd rules, WriteRulesFile(*arguments.rules));
    MINI_RETURN_IF_ERROR(Place(rules.get(), kRulesPlace, placed));
  }
  arguments.request.has_events = LibraryNetwork() == Network::kStack;
  if (arguments.request.has_events) MINI_RETURN_IF_ERROR(PlaceEvents(placed, started));
  const std::string bytes = arguments.request.Encode();
  MINI_ASSIGN_OR_RETURN(
      const UniqueFd request,
      MakeMemoryFile("what is asked for",
                     {reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size()},
                     MemoryFileUse::kData));
  return Place(request.get(), kRequestPlace, placed);
}

Result<pid_t> StartProgram(int program, const Placed& placed) {
  SpawnPlan plan;
  for (int place = 0; place < kPlaces; ++place) {
    const UniqueFd& descriptor = placed.at(static_cast<size_t>(place));
    if (!descriptor) continue;
    if (const int error = plan.Place(descriptor.get(), place)) {
      return SpawnError(error, "start the supervisor");
    }
  }
  const bool is_tapbox = LibraryNetwork() == Network::kStack;
  std::string words[] = {is_tapbox ? "mini-tapbox" : "mini-sandbox", kSpawnWord};
  char* const argv[] = {words[0].data(), words[1].data(), nullptr};
  char* none[] = {nullptr};
  char** const environment = environ != nullptr ? environ : none;  // clearenv(3)
  const std::string path = StrCat("/proc/self/fd/", program);
  pid_t pid = -1;
  const int error =
      posix_spawn(&pid, path.c_str(), plan.actions(), plan.attributes(), argv, environment);
  if (error == 0) return pid;
  Status status = SpawnError(error, "start the supervisor");
  if (error != ENOENT) return status;
  return std::move(status).WithHint("it is started by its name in /proc, which is not there");
}

Status Start(SpawnArguments& arguments, Placed& placed, Started& started) {
  MINI_ASSIGN_OR_RETURN(const UniqueFd program, TheProgram().Open(CarriedSupervisor()));
  MINI_RETURN_IF_ERROR(PlaceRequest(arguments, placed, started));
  MINI_ASSIGN_OR_RETURN(started.pid, StartProgram(program.get(), placed));
  started.found.reset(static_cast<int>(syscall(SYS_pidfd_open, started.pid, 0)));
  return OkStatus();
}

// The next message of a supervisor, which is taken but for the last one; nothing: it has ended
// without.
std::optional<SpawnMessage> WaitForMessage(int channel, int pidfd) {
  pollfd descriptors[] = {{channel, POLLIN, 0}, {pidfd, POLLIN, 0}};
  while (poll(descriptors, std::size(descriptors), -1) < 0) {
    if (errno != EINTR) return std::nullopt;
  }
  std::optional<SpawnMessage> message = ReceiveSpawnMessage(channel, Taking::kLeave);
  if (!message || message->kind == SpawnMessageKind::kEnded) return message;
  return ReceiveSpawnMessage(channel, Taking::kTake);
}

void Reap(const Started& started) {
  siginfo_t unused = {};
  while (started.found &&
         waitid(P_PIDFD, static_cast<id_t>(started.found.get()), &unused, WEXITED) != 0) {
    if (errno != EINTR) return;
  }
}

const Error& EndedEarly() {
  static const auto* const error =
      new Error{MINI_SANDBOX_SYSTEM_ERROR, "the supervisor ended before the sandbox was set up"};
  return *error;
}

// The kernel says no more of a sandbox in a sandbox than that it may not be.
Error ErrorOf(SpawnMessage message) {
  const bool is_inside = message.stage == Stage::kClone && IsInSandboxOfOurs();
  return {is_inside ? MINI_SANDBOX_INSIDE_ALREADY : MINI_SANDBOX_SYSTEM_ERROR,
          std::move(message.words)};
}

}  // namespace

Error SpawnCommand(SpawnArguments arguments, std::unique_ptr<Process>* process) {
  Started started;
  {
    const BlockedSignals blocked;
    Placed placed;
    if (Error error = CopyStreams(arguments.stdio, placed); !error.ok()) return error;
    const Status status = Start(arguments, placed, started);
    if (!status.ok()) return SystemErrorOf(status);
  }
  std::optional<SpawnMessage> begun = WaitForMessage(started.channel.get(), started.found.get());
  if (!begun || begun->kind != SpawnMessageKind::kBegun || !begun->descriptor) {
    Reap(started);
    return EndedEarly();
  }
  const int pidfd = begun->descriptor.get();
  std::optional<SpawnMessage> message = WaitForMessage(started.channel.get(), pidfd);
  UniqueFd init;
  if (message) init = std::move(message->descriptor);
  // Reaps it in the end, whatever comes.
  auto made = std::make_unique<Process>(
      started.pid, ProcessDescriptors{std::move(begun->descriptor), std::move(init),
                                      std::move(started.channel), std::move(started.events)});
  if (!message) return EndedEarly();
  if (message->kind == SpawnMessageKind::kFailed) {
    (void)made->Wait(-1, nullptr);
    return ErrorOf(std::move(*message));
  }
  *process = std::move(made);
  return Done();
}

}  // namespace mini::capi
