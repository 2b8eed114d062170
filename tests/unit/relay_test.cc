// The relay between pipes and sockets in the user's place and a pseudo-terminal, or a socket, in
// that of the command's.
#include "supervise/relay.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <termios.h>
#include <unistd.h>

#include <string>

#include "supervise/raw_mode.h"

namespace mini {
namespace {

using std::chrono::milliseconds;

struct Ends {
  UniqueFd one;
  UniqueFd other;
};

Ends MakePipe() {
  int ends[2];
  EXPECT_EQ(pipe2(ends, O_CLOEXEC), 0);
  return {UniqueFd(ends[0]), UniqueFd(ends[1])};
}

Ends MakeSockets() {
  int ends[2];
  EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
  return {UniqueFd(ends[0]), UniqueFd(ends[1])};
}

// The main side, and the command's.
Ends MakeTerminal() {
  UniqueFd main_side(posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC));
  EXPECT_EQ(unlockpt(main_side.get()), 0);
  UniqueFd side(ioctl(main_side.get(), TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC));
  EXPECT_TRUE(side.valid());
  termios settings;
  EXPECT_EQ(tcgetattr(side.get(), &settings), 0);
  settings.c_lflag &= ~static_cast<tcflag_t>(ECHO);
  EXPECT_EQ(tcsetattr(side.get(), TCSANOW, &settings), 0);
  return {std::move(main_side), std::move(side)};
}

void Put(int fd, std::string_view text) {
  ASSERT_EQ(write(fd, text.data(), text.size()), static_cast<ssize_t>(text.size()));
}

// What can be read without waiting.
std::string Take(int fd) {
  std::string text;
  char buffer[4096];
  for (pollfd polled = {fd, POLLIN, 0}; poll(&polled, 1, 0) > 0 && (polled.revents & POLLIN);) {
    const ssize_t count = read(fd, buffer, sizeof buffer);
    if (count <= 0) break;
    text.append(buffer, static_cast<size_t>(count));
  }
  return text;
}

// As many bytes as it takes at once.
size_t Fill(int fd) {
  const std::string chunk(1024, 'x');
  size_t total = 0;
  const int flags = fcntl(fd, F_GETFL);
  EXPECT_EQ(fcntl(fd, F_SETFL, flags | O_NONBLOCK), 0);
  for (ssize_t count; (count = write(fd, chunk.data(), chunk.size())) > 0;) {
    total += static_cast<size_t>(count);
  }
  EXPECT_EQ(fcntl(fd, F_SETFL, flags), 0);
  return total;
}

class RelayTest : public ::testing::Test {
 protected:
  RelayTest() { signal(SIGPIPE, SIG_IGN); }

  Relay Make(Ends& command) {
    return Relay(std::move(command.one), Stream(input_.one.get(), Stream::Direction::kRead),
                 Stream(output_.other.get(), Stream::Direction::kWrite));
  }

  // Lets it move what it can at `now_`, until nothing is ready.
  void Settle(Relay& relay) {
    for (int round = 0; round < 10'000; ++round) {
      pollfd polled[Relay::kPolled];
      relay.Prepare(polled);
      const bool is_due = relay.next_attempt() && *relay.next_attempt() <= now_;
      if (poll(polled, Relay::kPolled, 0) == 0 && !is_due) return;
      relay.Act(polled, now_);
    }
    FAIL() << "the relay does not come to rest: it would spin";
  }

  Ends input_ = MakePipe();   // the user writes to `other`
  Ends output_ = MakePipe();  // the user reads from `one`
  Relay::Clock::time_point now_{};
};

TEST_F(RelayTest, CarriesBytesBothWays) {
  Ends command = MakeSockets();
  Relay relay = Make(command);
  Put(input_.other.get(), "to the command");
  Put(command.other.get(), "to the user");
  Settle(relay);
  EXPECT_EQ(Take(command.other.get()), "to the command");
  EXPECT_EQ(Take(output_.one.get()), "to the user");
}

TEST_F(RelayTest, HoldsNoMoreThanItsBufferWhenTheUserDoesNotRead) {
  Ends command = MakeSockets();
  Relay relay = Make(command);
  const size_t taken_by_the_pipe = static_cast<size_t>(fcntl(output_.one.get(), F_GETPIPE_SZ));
  size_t written = 0;
  for (size_t count; (count = Fill(command.other.get())) > 0; Settle(relay)) written += count;
  size_t arrived = 0;
  for (std::string text; !(text = Take(output_.one.get())).empty(); Settle(relay)) {
    arrived += text.size();
  }
  EXPECT_EQ(arrived, written);
  const size_t socket = Fill(command.other.get());
  EXPECT_LE(written, taken_by_the_pipe + Relay::kOutputCapacity + 2 * socket);
}

TEST_F(RelayTest, HoldsNoMoreThanItsBufferWhenTheCommandDoesNotRead) {
  Ends command = MakeSockets();
  (void)Fill(command.one.get());  // the command's side is full already
  Relay relay = Make(command);
  size_t written = 0;
  for (size_t count; (count = Fill(input_.other.get())) > 0; Settle(relay)) written += count;
  const auto pipe = static_cast<size_t>(fcntl(input_.one.get(), F_GETPIPE_SZ));
  EXPECT_LE(written, pipe + Relay::kInputCapacity);
  EXPECT_GE(written, pipe);
}

TEST_F(RelayTest, LeavesTheFlagsOfTheUsersStreamsAlone) {
  Ends command = MakeSockets();
  Relay relay = Make(command);
  Put(input_.other.get(), "x");
  Settle(relay);
  EXPECT_EQ(fcntl(input_.one.get(), F_GETFL) & O_NONBLOCK, 0);
  EXPECT_EQ(fcntl(output_.other.get(), F_GETFL) & O_NONBLOCK, 0);
}

TEST_F(RelayTest, DoesNotWaitForAUserWhoDoesNotRead) {
  (void)Fill(output_.other.get());
  Ends command = MakeSockets();
  Relay relay = Make(command);
  Put(command.other.get(), "kept");
  pollfd polled[Relay::kPolled];
  relay.Prepare(polled);
  polled[0].revents = POLLIN;
  relay.Act(polled, now_);
  polled[0].revents = 0;
  polled[2].revents = POLLOUT;  // what poll(2) said may be over
  relay.Act(polled, now_);      // comes back
  EXPECT_FALSE(relay.OutputIsQuiet());
  (void)Take(output_.one.get());
  Settle(relay);
  EXPECT_EQ(Take(output_.one.get()), "kept");
  EXPECT_TRUE(relay.OutputIsQuiet());
}

TEST_F(RelayTest, IsDrainedOnceAllOutputIsDeliveredAndNobodyHasTheTerminal) {
  Ends command = MakeTerminal();
  Relay relay = Make(command);
  Put(command.other.get(), "last words");
  EXPECT_FALSE(relay.IsDrained());
  command.other.reset();
  Settle(relay);
  EXPECT_TRUE(relay.IsDrained());
  EXPECT_EQ(Take(output_.one.get()), "last words");
}

TEST_F(RelayTest, HangsTheCommandUpWhenItsReaderIsGone) {
  Ends command = MakeSockets();
  Relay relay = Make(command);
  output_.one.reset();
  Put(command.other.get(), "to nobody");
  Settle(relay);
  EXPECT_EQ(relay.TakeOutputError(), EPIPE);
  EXPECT_EQ(relay.TakeOutputError(), std::nullopt);
  EXPECT_TRUE(relay.IsDrained());
  pollfd polled = {command.other.get(), POLLIN, 0};
  ASSERT_EQ(poll(&polled, 1, 0), 1);
  EXPECT_NE(polled.revents & POLLHUP, 0);
}

TEST_F(RelayTest, HangsTheCommandUpWhenTheUsersTerminalIsGone) {
  Ends users = MakeTerminal();
  input_.one = std::move(users.other);
  Ends command = MakeSockets();
  Relay relay = Make(command);
  Settle(relay);
  EXPECT_GE(relay.main_side(), 0);
  users.one.reset();
  Settle(relay);
  EXPECT_LT(relay.main_side(), 0);
}

TEST_F(RelayTest, ReadsNothingFromTheUserWhilePaused) {
  Ends command = MakeSockets();
  Relay relay = Make(command);
  relay.PauseInput(true);
  Put(input_.other.get(), "later");
  Settle(relay);
  EXPECT_EQ(Take(command.other.get()), "");
  relay.PauseInput(false);
  Settle(relay);
  EXPECT_EQ(Take(command.other.get()), "later");
}

TEST_F(RelayTest, TypesTheEndOfFileForEveryReader) {
  Ends command = MakeTerminal();
  Relay relay = Make(command);
  Put(input_.other.get(), "line\n");
  input_.other.reset();
  Settle(relay);
  char buffer[100];
  EXPECT_EQ(read(command.other.get(), buffer, sizeof buffer), 5);
  for (int reader = 0; reader < 3; ++reader) {
    EXPECT_EQ(Take(command.other.get()), "");
    ASSERT_TRUE(relay.next_attempt());
    now_ = *relay.next_attempt();
    Settle(relay);
    pollfd polled = {command.other.get(), POLLIN, 0};
    ASSERT_EQ(poll(&polled, 1, 0), 1);
    EXPECT_EQ(read(command.other.get(), buffer, sizeof buffer), 0);
  }
}

TEST_F(RelayTest, TypesNoSecondEndOfFileBeforeTheFirstIsRead) {
  Ends command = MakeTerminal();
  Relay relay = Make(command);
  input_.other.reset();
  Settle(relay);
  for (int attempt = 0; attempt < 5; ++attempt) {
    now_ = *relay.next_attempt();
    Settle(relay);
  }
  char buffer[100];
  EXPECT_EQ(read(command.other.get(), buffer, sizeof buffer), 0);
  pollfd polled = {command.other.get(), POLLIN, 0};
  EXPECT_EQ(poll(&polled, 1, 0), 0);
}

TEST_F(RelayTest, EndsAnUnfinishedLineBeforeTheFile) {
  Ends command = MakeTerminal();
  Relay relay = Make(command);
  Put(input_.other.get(), "unfinished");
  input_.other.reset();
  Settle(relay);
  now_ = *relay.next_attempt();
  Settle(relay);
  char buffer[100];
  EXPECT_EQ(read(command.other.get(), buffer, sizeof buffer), 10);
  now_ = *relay.next_attempt();
  Settle(relay);
  EXPECT_EQ(read(command.other.get(), buffer, sizeof buffer), 0);
}

TEST(RelayBuffer, GivesRoomAgainForWhatWasRemoved) {
  RelayBuffer<4> buffer;
  EXPECT_TRUE(buffer.empty());
  std::copy_n("abcd", 4, buffer.Room().begin());
  buffer.Added(4);
  EXPECT_TRUE(buffer.full());
  EXPECT_TRUE(buffer.Room().empty());
  buffer.Removed(3);
  ASSERT_EQ(buffer.Room().size(), 3u);
  std::copy_n("ef", 2, buffer.Room().begin());
  buffer.Added(2);
  EXPECT_EQ(std::string(buffer.data().begin(), buffer.data().end()), "def");
  buffer.Removed(3);
  EXPECT_TRUE(buffer.empty());
  EXPECT_EQ(buffer.Room().size(), 4u);
}

TEST(Stream, WritesToASocketWithoutWaiting) {
  const Ends sockets = MakeSockets();
  (void)Fill(sockets.one.get());
  Stream stream(sockets.one.get(), Stream::Direction::kWrite);
  EXPECT_EQ(stream.Write(std::span("x", 1)).state, Transfer::State::kLater);
}

TEST(Stream, TellsTheEndOfAFile) {
  const UniqueFd null(open("/dev/null", O_RDWR | O_CLOEXEC));
  Stream stream(null.get(), Stream::Direction::kRead);
  char space[10];
  const Transfer transfer = stream.Read(space);
  EXPECT_EQ(transfer.state, Transfer::State::kEnded);
  EXPECT_EQ(transfer.error, 0);
}

TEST(Stream, TellsTheErrorOfAWrite) {
  const UniqueFd full(open("/dev/full", O_WRONLY | O_CLOEXEC));
  Stream stream(full.get(), Stream::Direction::kWrite);
  const Transfer transfer = stream.Write(std::span("x", 1));
  EXPECT_EQ(transfer.state, Transfer::State::kEnded);
  EXPECT_EQ(transfer.error, ENOSPC);
}

tcflag_t LocalModes(int terminal) {
  termios settings = {};
  EXPECT_EQ(tcgetattr(terminal, &settings), 0);
  return settings.c_lflag;
}

TEST(RawMode, GoesBackToWhatWasThere) {
  const Ends terminal = MakeTerminal();
  const tcflag_t before = LocalModes(terminal.other.get());
  {
    RawMode raw(terminal.other.get());
    raw.Enter();
    EXPECT_EQ(LocalModes(terminal.other.get()) & (ICANON | ISIG), 0u);
    raw.Enter();  // and does not take that for what was there
  }
  EXPECT_EQ(LocalModes(terminal.other.get()), before);
}

TEST(RawMode, GoesBackToWhatWasSetWhileItWasLeft) {
  const Ends terminal = MakeTerminal();
  RawMode raw(terminal.other.get());
  raw.Enter();
  raw.Leave();
  termios settings;
  ASSERT_EQ(tcgetattr(terminal.other.get(), &settings), 0);
  settings.c_lflag ^= NOFLSH;
  ASSERT_EQ(tcsetattr(terminal.other.get(), TCSANOW, &settings), 0);
  raw.Enter();
  EXPECT_EQ(LocalModes(terminal.other.get()) & (ICANON | ISIG), 0u);
  raw.Leave();
  EXPECT_EQ(LocalModes(terminal.other.get()), settings.c_lflag);
}

}  // namespace
}  // namespace mini
