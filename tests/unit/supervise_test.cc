// The supervisor against a stand-in for the sandbox: an ordinary child that speaks the control
// protocol. What needs namespaces is tested in tests/integration.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <functional>

#include "supervise/child_process.h"
#include "supervise/notice_queue.h"
#include "supervise/outcome.h"
#include "supervise/report_text.h"
#include "supervise/signals.h"
#include "supervise/supervisor.h"

namespace mini {
namespace {

using child::ChildStage;
using child::Report;
using child::ReportKind;
using std::chrono::milliseconds;

struct StandIn {
  pid_t pid;
  ChildProcess process;
};

// `body` gets the child's end of the control socket and returns the exit code.
StandIn StartStandIn(const std::function<int(int control)>& body) {
  int ends[2];
  EXPECT_EQ(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
  const pid_t pid = fork();
  if (pid == 0) {
    close(ends[0]);
    _exit(body(ends[1]));
  }
  close(ends[1]);
  const int pidfd = static_cast<int>(syscall(SYS_pidfd_open, pid, 0));
  return {pid, ChildProcess(UniqueFd(pidfd), UniqueFd(ends[0]))};
}

void SendReport(int control, const Report& report) {
  if (send(control, &report, sizeof report, 0) < 0) _exit(99);
}

void SendExit(int control, int wait_status) {
  SendReport(control, {ReportKind::kExited, ChildStage::kExec, 0, 0, wait_status});
}

Result<Outcome> RunToTheEnd(const Plan& plan, StandIn& stand_in, const SupervisorSignals& signals,
                            std::vector<std::string>* notices = nullptr) {
  return Supervisor(plan, stand_in.process,
                    [&](std::string_view notice) {
                      if (notices) notices->emplace_back(notice);
                    })
      .Run(signals);
}

TEST(Supervisor, YieldsTheCommandsStatusRatherThanInits) {
  const SupervisorSignals signals;
  StandIn stand_in = StartStandIn([](int control) {
    SendExit(control, W_EXITCODE(7, 0));
    return 0;
  });
  const auto outcome = RunToTheEnd(Plan(), stand_in, signals);
  ASSERT_TRUE(outcome.ok()) << outcome.status().ToString();
  EXPECT_EQ(ExitCodeFor(*outcome), 7);
}

TEST(Supervisor, TakesInitsOwnEndWhenNothingWasReported) {
  const SupervisorSignals signals;
  StandIn stand_in = StartStandIn([](int) {
    raise(SIGKILL);
    return 0;
  });
  const auto outcome = RunToTheEnd(Plan(), stand_in, signals);
  ASSERT_TRUE(outcome.ok());
  EXPECT_EQ(ExitCodeFor(*outcome), 128 + SIGKILL);
}

TEST(Supervisor, TurnsAReportedFailureIntoAnError) {
  const SupervisorSignals signals;
  StandIn stand_in = StartStandIn([](int control) {
    SendReport(control, {ReportKind::kFailed, ChildStage::kWorkingDirectory, 0, EACCES, 0});
    return 1;
  });
  const auto outcome = RunToTheEnd(Plan(), stand_in, signals);
  ASSERT_FALSE(outcome.ok());
  EXPECT_EQ(ExitCodeFor(outcome.status()), 125);
}

TEST(Supervisor, TellsOnceThatTheCommandHasBeenExecuted) {
  const SupervisorSignals signals;
  StandIn stand_in = StartStandIn([](int control) {
    SendReport(control, {ReportKind::kReady, ChildStage::kFork, 0, 0, 0});
    SendExit(control, W_EXITCODE(3, 0));
    return 0;
  });
  const Plan plan;
  int started = 0;
  Supervisor supervisor(plan, stand_in.process, [](std::string_view) {});
  supervisor.OnStart([&] { ++started; });
  const auto outcome = supervisor.Run(signals);
  ASSERT_TRUE(outcome.ok()) << outcome.status().ToString();
  EXPECT_EQ(started, 1);
  EXPECT_EQ(ExitCodeFor(*outcome), 3);
}

TEST(Supervisor, TakesAStartThatNobodyAskedForAsAnError) {
  const SupervisorSignals signals;
  StandIn stand_in = StartStandIn([](int control) {
    SendReport(control, {ReportKind::kReady, ChildStage::kFork, 0, 0, 0});
    return 0;
  });
  EXPECT_FALSE(RunToTheEnd(Plan(), stand_in, signals).ok());
}

TEST(EndAs, EndsAsTheOtherProcessDidThoughTheSignalIsBlocked) {
  for (const int wait_status : {W_EXITCODE(0, 0), W_EXITCODE(77, 0), W_EXITCODE(0, SIGTERM),
                                W_EXITCODE(0, SIGKILL), W_EXITCODE(0, SIGSEGV)}) {
    const pid_t pid = fork();
    if (pid == 0) {
      sigset_t all;
      sigfillset(&all);
      sigprocmask(SIG_SETMASK, &all, nullptr);
      EndAs(wait_status);
    }
    int seen = -1;
    ASSERT_EQ(waitpid(pid, &seen, 0), pid);
    EXPECT_EQ(seen, wait_status);
  }
}

TEST(Supervisor, PassesSignalsOnToInit) {
  const SupervisorSignals signals;
  StandIn stand_in = StartStandIn([](int control) {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);  // blocked already, as the mask is inherited
    kill(getppid(), SIGUSR1);
    int signal = 0;
    sigwait(&set, &signal);
    SendExit(control, W_EXITCODE(signal, 0));
    return 0;
  });
  const auto outcome = RunToTheEnd(Plan(), stand_in, signals);
  ASSERT_TRUE(outcome.ok());
  EXPECT_EQ(ExitCodeFor(*outcome), SIGUSR1);
}

TEST(Supervisor, AtTheTimeLimitTerminatesAndThenKills) {
  const SupervisorSignals signals;
  StandIn stand_in = StartStandIn([](int) {
    for (;;) pause();  // SIGTERM is blocked here: only SIGKILL ends it
    return 0;
  });
  Plan plan;
  plan.time_limit = milliseconds(20);
  plan.kill_delay = milliseconds(20);
  std::vector<std::string> notices;
  const auto outcome = RunToTheEnd(plan, stand_in, signals, &notices);
  ASSERT_TRUE(outcome.ok());
  EXPECT_TRUE(outcome->timed_out);
  EXPECT_EQ(ExitCodeFor(*outcome), 128 + SIGKILL);
  EXPECT_EQ(notices.size(), 1u);
}

Plan InterruptiblePlan(milliseconds kill_delay) {
  Plan plan;
  plan.interrupt_terminates = true;
  plan.kill_delay = kill_delay;
  return plan;
}

// Sends SIGINT to the supervisor, then yields the signal that came back.
int SignalAfterInterrupt(int control) {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGINT);
  sigaddset(&set, SIGTERM);
  kill(getppid(), SIGINT);
  int signal = 0;
  sigwait(&set, &signal);
  SendExit(control, W_EXITCODE(signal, 0));
  return 0;
}

TEST(Supervisor, TurnsAnInterruptIntoSigtermWhenAsked) {
  const SupervisorSignals signals(JobControl::kRelayed);
  StandIn stand_in = StartStandIn(SignalAfterInterrupt);
  const auto outcome = RunToTheEnd(InterruptiblePlan(milliseconds(60'000)), stand_in, signals);
  ASSERT_TRUE(outcome.ok());
  EXPECT_EQ(ExitCodeFor(*outcome), SIGTERM);
  EXPECT_FALSE(outcome->timed_out);
}

TEST(Supervisor, PassesAnInterruptOnUnlessAsked) {
  const SupervisorSignals signals;
  StandIn stand_in = StartStandIn([](int control) {
    sigset_t set;  // SIGTERM as well, so that it would show
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    kill(getppid(), SIGINT);
    int signal = 0;
    sigwait(&set, &signal);
    SendExit(control, W_EXITCODE(signal, 0));
    return 0;
  });
  const auto outcome = RunToTheEnd(Plan(), stand_in, signals);
  ASSERT_TRUE(outcome.ok());
  EXPECT_EQ(ExitCodeFor(*outcome), SIGINT);
}

TEST(Supervisor, KillsWhatAnInterruptDoesNotEndWithinTheDelay) {
  const SupervisorSignals signals(JobControl::kRelayed);
  StandIn stand_in = StartStandIn([](int) {
    kill(getppid(), SIGINT);
    for (;;) pause();  // SIGTERM is blocked
    return 0;
  });
  Plan plan = InterruptiblePlan(milliseconds(50));
  plan.time_limit = milliseconds(60'000);  // which does not put it off
  const auto begun = std::chrono::steady_clock::now();
  const auto outcome = RunToTheEnd(plan, stand_in, signals);
  ASSERT_TRUE(outcome.ok());
  EXPECT_EQ(ExitCodeFor(*outcome), 128 + SIGKILL);
  EXPECT_FALSE(outcome->timed_out);
  EXPECT_GE(std::chrono::steady_clock::now() - begun, milliseconds(50));
}

TEST(Supervisor, KillsAtOnceAtTheSecondInterruptButNotAtTheSameOneSentTwice) {
  const SupervisorSignals signals(JobControl::kRelayed);
  StandIn stand_in = StartStandIn([](int) {
    sigset_t term;
    sigemptyset(&term);
    sigaddset(&term, SIGTERM);
    const pid_t supervisor = getppid();
    kill(supervisor, SIGINT);
    int signal = 0;
    sigwait(&term, &signal);  // the first one has been taken
    kill(supervisor, SIGINT);
    poll(nullptr, 0, 300);  // the gap that makes it a second one
    kill(supervisor, SIGINT);
    for (;;) pause();
    return 0;
  });
  const auto begun = std::chrono::steady_clock::now();
  const auto outcome = RunToTheEnd(InterruptiblePlan(milliseconds(60'000)), stand_in, signals);
  ASSERT_TRUE(outcome.ok());
  EXPECT_EQ(ExitCodeFor(*outcome), 128 + SIGKILL);
  const auto took = std::chrono::steady_clock::now() - begun;
  EXPECT_GE(took, milliseconds(300));
  EXPECT_LT(took, milliseconds(30'000));
}

TEST(Supervisor, SendsNoSecondSigtermWhenTheTimeLimitFollowsAnInterrupt) {
  const SupervisorSignals signals(JobControl::kRelayed);
  StandIn stand_in = StartStandIn([](int) {
    kill(getppid(), SIGINT);
    for (;;) pause();
    return 0;
  });
  Plan plan = InterruptiblePlan(milliseconds(100));
  plan.time_limit = milliseconds(50);
  std::vector<std::string> notices;
  const auto outcome = RunToTheEnd(plan, stand_in, signals, &notices);
  ASSERT_TRUE(outcome.ok());
  EXPECT_FALSE(outcome->timed_out);
  EXPECT_TRUE(notices.empty());
}

TEST(Supervisor, EndsTheRunWhenTheStackFails) {
  const SupervisorSignals signals;
  StandIn stand_in = StartStandIn([](int) {
    for (;;) pause();
    return 0;
  });
  const UniqueFd failed(eventfd(1, EFD_CLOEXEC));
  const Plan plan;
  Supervisor supervisor(plan, stand_in.process, [](std::string_view) {});
  supervisor.WatchStack({.pidfd = failed.get()});
  EXPECT_FALSE(supervisor.Run(signals).ok());
  EXPECT_TRUE(supervisor.stack_failed());
}

TEST(Supervisor, LetsTheStackEndAsSoonAsTheCommandHasWhileInitIsStillThere) {
  const SupervisorSignals signals;
  int go[2];
  ASSERT_EQ(pipe2(go, O_CLOEXEC), 0);
  StandIn stand_in = StartStandIn([&](int control) {
    SendExit(control, W_EXITCODE(7, 0));
    char byte;
    return read(go[0], &byte, 1) == 1 ? 0 : 1;
  });
  const UniqueFd ended(eventfd(0, EFD_CLOEXEC));
  const Plan plan;
  Supervisor supervisor(plan, stand_in.process, [](std::string_view) {});
  int times = 0;
  supervisor.WatchStack({.pidfd = ended.get(), .begin_end = [&] {
                           ++times;
                           // It ends at once, and only then does init.
                           EXPECT_EQ(eventfd_write(ended.get(), 1), 0);
                           EXPECT_EQ(write(go[1], "", 1), 1);
                         }});
  const auto outcome = supervisor.Run(signals);
  close(go[0]);
  close(go[1]);
  ASSERT_TRUE(outcome.ok()) << outcome.status().ToString();
  EXPECT_EQ(ExitCodeFor(*outcome), 7);
  EXPECT_FALSE(supervisor.stack_failed());
  EXPECT_EQ(times, 1);
}

// A pipe that nobody reads until it is told to.
class UnreadPipe {
 public:
  UnreadPipe() {
    int ends[2];
    EXPECT_EQ(pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
    read_.reset(ends[0]);
    write_.reset(ends[1]);
    const std::string page(4096, 'x');
    while (write(write_.get(), page.data(), page.size()) > 0) ++pages_;
  }
  int writer() const { return write_.get(); }
  void Empty() {
    std::string page(4096, '\0');
    for (; pages_ > 0; --pages_) EXPECT_GT(read(read_.get(), page.data(), page.size()), 0);
  }
  void CloseReader() { read_.reset(); }

 private:
  UniqueFd read_;
  UniqueFd write_;
  int pages_ = 0;
};

TEST(NoticeQueue, KeepsInOrderWhatItsReaderDoesNotTakeYet) {
  UnreadPipe pipe;
  std::vector<std::string> told;
  const NoticeQueue::Tell tell = [&](std::string_view sentence) { told.emplace_back(sentence); };
  NoticeQueue queue(pipe.writer());
  queue.Add(tell, "one");
  queue.Add(tell, "two");
  queue.Deliver();
  EXPECT_TRUE(told.empty());
  EXPECT_FALSE(queue.empty());
  pipe.Empty();
  queue.Add(tell, "three");
  EXPECT_EQ(told, (std::vector<std::string>{"one", "two", "three"}));
  EXPECT_TRUE(queue.TakeRest().empty());
}

TEST(NoticeQueue, IsBoundedAndTellsHowManyWereLost) {
  UnreadPipe pipe;
  const NoticeQueue::Tell tell = [](std::string_view) { FAIL() << "nobody takes it"; };
  NoticeQueue queue(pipe.writer());
  for (size_t i = 0; i < NoticeQueue::kMost + 3; ++i) queue.Add(tell, "sentence");
  queue.CountLost(2);
  const std::vector<std::string> rest = queue.TakeRest();
  ASSERT_EQ(rest.size(), NoticeQueue::kMost + 1);
  EXPECT_EQ(rest.back(), "5 more notices were lost, since nobody took them");
  EXPECT_TRUE(queue.empty());
  EXPECT_TRUE(queue.TakeRest().empty());
}

TEST(NoticeQueue, DoesNotWaitForAReaderThatHasGone) {
  UnreadPipe pipe;
  int told = 0;
  const NoticeQueue::Tell tell = [&](std::string_view) { ++told; };
  NoticeQueue queue(pipe.writer());
  queue.Add(tell, "sentence");
  pipe.CloseReader();
  queue.Deliver();
  EXPECT_EQ(told, 1);
  EXPECT_TRUE(queue.empty());
}

TEST(Supervisor, TellsWhatTheStackSaysAsSoonAsItIsTaken) {
  const SupervisorSignals signals;
  UnreadPipe pipe;
  NoticeQueue queue(pipe.writer());
  int ends[2];
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
  const UniqueFd channel(ends[0]);
  UniqueFd stack(ends[1]);
  const UniqueFd alive(eventfd(0, EFD_CLOEXEC));
  std::vector<std::string> told;
  int go[2];
  ASSERT_EQ(pipe2(go, O_CLOEXEC), 0);
  StandIn stand_in = StartStandIn([&](int control) {
    char byte;
    if (read(go[0], &byte, 1) != 1) return 99;
    SendExit(control, W_EXITCODE(7, 0));
    return 0;
  });
  // What is told lets the command end: so it is told while the command runs.
  const NoticeQueue::Tell tell = [&](std::string_view sentence) {
    told.emplace_back(sentence);
    if (told.size() == 2) {
      EXPECT_EQ(write(go[1], "x", 1), 1);
    }
  };
  const Plan plan;
  Supervisor supervisor(plan, stand_in.process, [](std::string_view) {});
  const auto read_channel = [&] {
    char text[16];
    ssize_t size;
    while ((size = recv(channel.get(), text, sizeof text, MSG_DONTWAIT)) > 0) {
      queue.Add(tell, std::string(text, static_cast<size_t>(size)));
    }
    pipe.Empty();  // its reader wakes up
  };
  for (const char* text : {"first", "last"}) {
    ASSERT_GT(send(stack.get(), text, strlen(text), 0), 0);
  }
  stack.reset();  // and its end is no reason to go round in circles
  supervisor.WatchStack({alive.get(), channel.get(), read_channel, &queue});
  const auto outcome = supervisor.Run(signals);
  close(go[0]);
  close(go[1]);
  ASSERT_TRUE(outcome.ok());
  EXPECT_EQ(ExitCodeFor(*outcome), 7);
  EXPECT_EQ(told, (std::vector<std::string>{"first", "last"}));
}

// It fails while it is told to go: what it said is why nothing ran.
TEST(Supervisor, HearsWhyAChildFailedThatDidNotTakeItsGo) {
  const SupervisorSignals signals;
  StandIn stand_in = StartStandIn([](int control) {
    pollfd go = {control, POLLIN, 0};
    if (poll(&go, 1, 10000) != 1) _exit(98);
    SendReport(control, {ReportKind::kFailed, ChildStage::kLandlock, 0, EMFILE, 0});
    return 1;
  });
  ASSERT_TRUE(stand_in.process.SendGo().ok());
  pollfd end = {stand_in.process.pidfd(), POLLIN, 0};
  ASSERT_EQ(poll(&end, 1, 10000), 1);
  const auto outcome = RunToTheEnd(Plan(), stand_in, signals);
  ASSERT_FALSE(outcome.ok()) << "exit code " << ExitCodeFor(*outcome);
  EXPECT_EQ(outcome.status().error_number(), EMFILE);
}

// Its exit code is none of the command's.
TEST(Supervisor, TakesAnEndWithoutAReportAsAnError) {
  const SupervisorSignals signals;
  StandIn stand_in = StartStandIn([](int) { return 1; });
  const auto outcome = RunToTheEnd(Plan(), stand_in, signals);
  ASSERT_FALSE(outcome.ok()) << "exit code " << ExitCodeFor(*outcome);
  EXPECT_EQ(ExitCodeFor(outcome.status()), 125);
}

TEST(ChildProcess, IsKilledAndReapedWithItsHandle) {
  pid_t pid;
  {
    const StandIn stand_in = StartStandIn([](int) {
      for (;;) pause();
      return 0;
    });
    pid = stand_in.pid;
  }
  EXPECT_EQ(waitpid(pid, nullptr, WNOHANG), -1);
  EXPECT_EQ(errno, ECHILD);
}

TEST(ExitCode, IsThatOfAShell) {
  EXPECT_EQ(ExitCodeFor(Outcome{W_EXITCODE(3, 0), false}), 3);
  EXPECT_EQ(ExitCodeFor(Outcome{W_EXITCODE(0, SIGTERM), true}), 128 + SIGTERM);
  EXPECT_EQ(ExitCodeFor(OkStatus()), 0);
  EXPECT_EQ(ExitCodeFor(InvalidArgument(Stage::kArguments, "x")), 2);
  EXPECT_EQ(ExitCodeFor(InvalidArgument(Stage::kRules, "x")), 125);
  EXPECT_EQ(ExitCodeFor(SystemError(Stage::kMounts, EPERM, "x")), 125);
  EXPECT_EQ(ExitCodeFor(SystemError(Stage::kExec, ENOENT, "x")), 127);
  EXPECT_EQ(ExitCodeFor(SystemError(Stage::kExec, EACCES, "x")), 126);
}

TEST(StatusFor, NamesTheMountStepThatFailed) {
  Plan plan;
  plan.mounts = {{.kind = MountOpKind::kAttach, .target = "/opt/missing", .slot = 4}};
  const Status status = StatusFor({ReportKind::kFailed, ChildStage::kMounts, 0, ENOENT, 0}, plan);
  EXPECT_EQ(status.ToString(),
            "mount on /opt/missing: No such file or directory (ENOENT): a mount point must "
            "exist on the host or lie in a directory that is private inside");
}

TEST(StatusFor, SaysWhatHelpsWhereUserNamespacesAreRestricted) {
  const Status status = StatusFor({ReportKind::kFailed, ChildStage::kIdMaps, 0, EPERM, 0}, Plan());
  EXPECT_NE(status.hint().find("AppArmor"), std::string::npos);
}

TEST(StatusFor, TellsAClosedWorkingDirectoryFromAMissingOne) {
  const Report closed = {ReportKind::kFailed, ChildStage::kWorkingDirectory, 0, EACCES, 0};
  const Report missing = {ReportKind::kFailed, ChildStage::kWorkingDirectory, 0, ENOENT, 0};
  EXPECT_NE(StatusFor(closed, Plan()).hint().find("may not enter"), std::string::npos);
  EXPECT_NE(StatusFor(missing, Plan()).hint().find("does not exist"), std::string::npos);
}

TEST(StatusFor, NamesSettingsAsThePlansMakerKnowsThem) {
  Plan plan;
  plan.argv = {"no-such"};
  const Report closed = {ReportKind::kFailed, ChildStage::kWorkingDirectory, 0, EACCES, 0};
  const Report missing = {ReportKind::kFailed, ChildStage::kExec, 0, ENOENT, 0};
  EXPECT_EQ(StatusFor(closed, plan).hint(),
            "you may not enter it, inside or outside; choose another with -W");
  EXPECT_TRUE(
      StatusFor(missing, plan)
          .hint()
          .ends_with(
              "(HOME with -x, all that is not named with -h and -o) is shown by -M DIRECTORY"));
  plan.names = kFunctionNames;
  EXPECT_EQ(StatusFor(closed, plan).hint(),
            "you may not enter it, inside or outside; choose another with "
            "mini_sandbox_set_working_dir");
  EXPECT_TRUE(
      StatusFor(missing, plan)
          .hint()
          .ends_with("(HOME with mini_sandbox_setup_default, all that is not named with "
                     "mini_sandbox_setup_hermetic and mini_sandbox_setup_custom) is shown by "
                     "mini_sandbox_mount_bind DIRECTORY"));
}

TEST(StatusFor, SaysHowToOpenTheTunDevice) {
  const Status status =
      StatusFor({ReportKind::kFailed, ChildStage::kTapDevice, 0, EACCES, 0}, Plan());
  EXPECT_EQ(status.ToString(),
            "open /dev/net/tun: Permission denied (EACCES): /dev/net/tun must be open to you; as "
            "root: chmod 0666 /dev/net/tun");
}

TEST(Supervisor, SaysOnceThatTheScratchSpaceWasFull) {
  for (const int error : {ENOSPC, 0}) {
    const SupervisorSignals signals;
    StandIn stand_in = StartStandIn([&](int control) {
      SendReport(control, {ReportKind::kExited, ChildStage::kExec, 0, error, 0});
      return 0;
    });
    Plan plan;
    plan.scratch_size = 64 << 20;
    std::vector<std::string> notices;
    ASSERT_TRUE(RunToTheEnd(plan, stand_in, signals, &notices).ok());
    ASSERT_EQ(notices.size(), error == 0 ? 0u : 1u);
    for (const std::string& notice : notices) {
      EXPECT_NE(notice.find("(64 MB) was full"), std::string::npos) << notice;
    }
  }
}

TEST(Supervisor, NamesOneOfTheOverlaysThatFailSideBySide) {
  Plan plan;
  for (const char* target : {"/etc", "/opt", "/var/a", "/var/b", "/var/b/c"}) {
    plan.mounts.push_back({.kind = MountOpKind::kOverlay, .target = target});
  }
  const SupervisorSignals signals;
  StandIn stand_in = StartStandIn([&](int control) {
    for (uint32_t i = 0; i < 5; ++i) {
      SendReport(control, {ReportKind::kDegraded, ChildStage::kMounts, i, EINVAL, 0});
    }
    SendExit(control, 0);
    return 0;
  });
  std::vector<std::string> notices;
  ASSERT_TRUE(RunToTheEnd(plan, stand_in, signals, &notices).ok());
  ASSERT_EQ(notices.size(), 4u);
  EXPECT_TRUE(notices[0].starts_with("/etc is read-only"));
  EXPECT_TRUE(notices[1].starts_with("/opt is read-only"));
  EXPECT_TRUE(notices[2].starts_with("/var/a is read-only"));
  EXPECT_TRUE(notices[3].starts_with("/var/b/c is read-only"));
}

}  // namespace
}  // namespace mini
