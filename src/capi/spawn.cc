// Theory of operation
//
//     host ── posix_spawn ──► supervisor ── as mini-sandbox does ──► init ──► command
//       ▲                          │
//       └────────── channel ───────┘  begun, (go), started or failed, ended
//
// posix_spawn(3) is what a process with threads may use: no handler of pthread_atfork(3) runs, no
// memory is copied, and the new process has no signal handler and no mask of ours. It yields a
// process id only, which may mean another process by the time it is looked up, if this one ignores
// SIGCHLD or waits for all children in another thread. So the supervisor sends a descriptor of
// itself; the one that is opened here serves to notice that it never will. A host without room for
// it (EMFILE) could neither wait for the supervisor nor end it: so that one does nothing before it
// is told to go on.
//
// The program is executed from a file in memory that is made once in the life of the host.
#include "capi/spawn.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <mutex>
#include <utility>
#include <vector>

#include "base/strings.h"
#include "capi/library.h"
#include "capi/spawn_channel.h"
#include "sandbox/rules_file.h"
#include "sys/above_streams.h"
#include "sys/blocked_signals.h"
#include "sys/clone.h"
#include "sys/memory_file.h"
#include "sys/spawn_program.h"

namespace mini::capi {
namespace {

constexpr std::array<const char*, 3> kStreamNames = {"input", "output", "error"};

Status SpawnError(int error, std::string attempted) {
  return SystemError(Stage::kSupervise, error, std::move(attempted));
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
    UniqueFd copy = CopyAboveStreams(made.get());
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
    UniqueFd copy = CopyAboveStreams(descriptor_);
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

// The supervisor, and the library's ends of what leads there.
struct Started {
  pid_t pid = -1;
  UniqueFd found;        // a pidfd by its number
  bool is_gone = false;  // there is none, since it has ended and been waited for
  UniqueFd channel;
  UniqueFd events;  // invalid: there is no stack
};

// The supervisor's descriptors, from standard input on.
class Places {
 public:
  void Borrow(int descriptor) { places_.push_back(descriptor); }
  void Own(UniqueFd descriptor) {
    places_.push_back(descriptor.get());
    owned_.push_back(std::move(descriptor));
  }
  const std::vector<int>& places() const { return places_; }

 private:
  std::vector<int> places_;
  std::vector<UniqueFd> owned_;
};

// First of all: what is opened afterwards may get the number of one that is not open.
Error CheckStreams(std::span<const int, 3> streams) {
  for (size_t i = 0; i < streams.size(); ++i) {
    if (streams[i] == -1 || fcntl(streams[i], F_GETFD) >= 0) continue;
    return {MINI_SANDBOX_INVALID_ARGUMENT, StrCat("descriptor ", streams[i], " for standard ",
                                                  kStreamNames.at(i), " is not open")};
  }
  return Done();
}

Status PlaceStreams(std::span<const int, 3> streams, Places& places) {
  for (const int stream : streams) {
    if (stream != -1) {
      places.Borrow(stream);
      continue;
    }
    UniqueFd null(open("/dev/null", O_RDWR | O_CLOEXEC));
    if (!null) return SpawnError(errno, "open /dev/null");
    places.Own(std::move(null));
  }
  return OkStatus();
}

Status PlaceChannel(Places& places, Started& started) {
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) {
    return SpawnError(errno, "make a socket");
  }
  places.Own(UniqueFd(ends[1]));
  started.channel = AboveStreams(UniqueFd(ends[0]));
  return started.channel ? OkStatus() : SpawnError(errno, "duplicate a descriptor");
}

Status PlaceEvents(Places& places, Started& started) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0) return SpawnError(errno, "make a pipe");
  places.Own(UniqueFd(ends[1]));
  started.events = AboveStreams(UniqueFd(ends[0]));
  return started.events ? OkStatus() : SpawnError(errno, "duplicate a descriptor");
}

// In the order of spawn_channel.h.
Status PlaceRequest(SpawnArguments& arguments, Places& places, Started& started) {
  MINI_RETURN_IF_ERROR(PlaceChannel(places, started));
  arguments.request.has_rules = arguments.rules != nullptr;
  arguments.request.has_events = LibraryNetwork() == Network::kStack;
  const std::string bytes = arguments.request.Encode();
  MINI_ASSIGN_OR_RETURN(
      UniqueFd request,
      MakeMemoryFile("what is asked for",
                     {reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size()},
                     MemoryFileUse::kData));
  places.Own(std::move(request));
  if (arguments.request.has_rules) {
    MINI_ASSIGN_OR_RETURN(UniqueFd rules, WriteRulesFile(*arguments.rules));
    places.Own(std::move(rules));
  }
  return arguments.request.has_events ? PlaceEvents(places, started) : OkStatus();
}

Result<pid_t> StartProgram(int program, const Places& places) {
  const bool is_tapbox = LibraryNetwork() == Network::kStack;
  const Spawned spawned =
      SpawnProgram({.program = program,
                    .arguments = {is_tapbox ? "mini-tapbox" : "mini-sandbox", kSpawnWord},
                    .descriptors = places.places(),
                    .signals = SpawnSignals::kDefault,
                    .environment = environ});
  if (spawned.pid >= 0) return spawned.pid;
  Status status = SpawnError(spawned.error, "start the supervisor");
  if (spawned.error != ENOENT) return status;
  return std::move(status).WithHint("it is started by its name in /proc, which is not there");
}

Status Start(SpawnArguments& arguments, Places& places, Started& started) {
  MINI_RETURN_IF_ERROR(PlaceStreams(arguments.stdio, places));
  MINI_ASSIGN_OR_RETURN(const UniqueFd program, TheProgram().Open(CarriedSupervisor()));
  MINI_RETURN_IF_ERROR(PlaceRequest(arguments, places, started));
  MINI_ASSIGN_OR_RETURN(started.pid, StartProgram(program.get(), places));
  started.found.reset(static_cast<int>(syscall(SYS_pidfd_open, started.pid, 0)));
  started.is_gone = !started.found && errno == ESRCH;
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
  message = ReceiveSpawnMessage(channel, Taking::kTake);
  if (message && message->descriptor) {
    message->descriptor = AboveStreams(std::move(message->descriptor));
  }
  return message;
}

void Reap(const Started& started) {
  if (started.is_gone) return;
  const idtype_t type = started.found ? P_PIDFD : P_PID;
  const int id = started.found ? started.found.get() : started.pid;
  siginfo_t unused = {};
  while (waitid(type, static_cast<id_t>(id), &unused, WEXITED) != 0) {
    if (errno != EINTR) return;
  }
}

Status NoRoomForDescriptor() {
  return Status(StatusCode::kSystem, Stage::kSupervise, "receive a descriptor of the supervisor")
      .WithHint("the limit on open files (ulimit -n) may be reached");
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
  if (Error error = CheckStreams(arguments.stdio); !error.ok()) return error;
  {
    const BlockedSignals blocked;
    Places places;
    const Status status = Start(arguments, places, started);
    if (!status.ok()) return SystemErrorOf(status);
  }
  std::optional<SpawnMessage> begun = WaitForMessage(started.channel.get(), started.found.get());
  if (!begun || begun->kind != SpawnMessageKind::kBegun || !begun->descriptor) {
    // Not by closing it: a fork of another thread's may have it, too.
    (void)shutdown(started.channel.get(), SHUT_RDWR);
    Reap(started);
    if (begun && !begun->descriptor) return SystemErrorOf(NoRoomForDescriptor());
    return EndedEarly();
  }
  SendSpawnGo(started.channel.get());
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
