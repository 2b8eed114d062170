#include "capi/spawn_channel.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>

namespace mini::capi {
namespace {

class SpawnChannel : public testing::Test {
 protected:
  SpawnChannel() {
    int ends[2];
    EXPECT_EQ(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
    library_.reset(ends[0]);
    supervisor_.reset(ends[1]);
  }

  UniqueFd library_;
  UniqueFd supervisor_;
};

TEST_F(SpawnChannel, CarriesWordsAndStatus) {
  EXPECT_TRUE(SendSpawnMessage(supervisor_.get(), {.kind = SpawnMessageKind::kFailed,
                                                   .stage = Stage::kMounts,
                                                   .wait_status = -1,
                                                   .words = "why"}));
  const auto message = ReceiveSpawnMessage(library_.get(), Taking::kTake);
  ASSERT_TRUE(message);
  EXPECT_EQ(message->kind, SpawnMessageKind::kFailed);
  EXPECT_EQ(message->stage, Stage::kMounts);
  EXPECT_EQ(message->wait_status, -1);
  EXPECT_EQ(message->words, "why");
  EXPECT_FALSE(message->descriptor);
}

TEST_F(SpawnChannel, CarriesADescriptorThatNoProgramInherits) {
  SendSpawnMessage(supervisor_.get(), {.kind = SpawnMessageKind::kBegun}, STDIN_FILENO);
  const auto message = ReceiveSpawnMessage(library_.get(), Taking::kTake);
  ASSERT_TRUE(message);
  EXPECT_EQ(fcntl(message->descriptor.get(), F_GETFD), FD_CLOEXEC);
}

TEST_F(SpawnChannel, CarriesTheWordsOfASupervisorThatDidNotTakeItsGo) {
  SendSpawnGo(library_.get());
  ASSERT_TRUE(SendSpawnMessage(supervisor_.get(),
                               {.kind = SpawnMessageKind::kFailed, .words = "no such option"}));
  supervisor_.reset();
  const auto message = ReceiveSpawnMessage(library_.get(), Taking::kTake);
  ASSERT_TRUE(message);
  EXPECT_EQ(message->words, "no such option");
}

TEST_F(SpawnChannel, LeavesAMessageForOthersUnlessItIsTaken) {
  SendSpawnMessage(supervisor_.get(), {.kind = SpawnMessageKind::kEnded, .wait_status = 256});
  for (int i = 0; i < 3; ++i) {
    const auto message = ReceiveSpawnMessage(library_.get(), Taking::kLeave);
    ASSERT_TRUE(message);
    EXPECT_EQ(message->wait_status, 256);
  }
  EXPECT_TRUE(ReceiveSpawnMessage(library_.get(), Taking::kTake));
  EXPECT_FALSE(ReceiveSpawnMessage(library_.get(), Taking::kLeave));
}

TEST_F(SpawnChannel, HasNothingToSayBeforeAMessageAndAfterTheEnd) {
  EXPECT_FALSE(ReceiveSpawnMessage(library_.get(), Taking::kTake));
  supervisor_.reset();
  EXPECT_FALSE(ReceiveSpawnMessage(library_.get(), Taking::kTake));
}

TEST_F(SpawnChannel, RefusesWhatNoSupervisorSends) {
  for (const std::string& bytes : {std::string("\3\0\0\0\0", 5), std::string("\4\0\0\0\0\0", 6),
                                   std::string("\0\x20\0\0\0\0", 6)}) {
    ASSERT_EQ(send(supervisor_.get(), bytes.data(), bytes.size(), 0), ssize_t(bytes.size()));
    EXPECT_FALSE(ReceiveSpawnMessage(library_.get(), Taking::kTake));
  }
}

TEST_F(SpawnChannel, ShortensWordsThatNoSocketWouldTake) {
  const std::string words(1 << 20, 'x');
  SendSpawnMessage(supervisor_.get(), {.kind = SpawnMessageKind::kFailed, .words = words});
  const auto message = ReceiveSpawnMessage(library_.get(), Taking::kTake);
  ASSERT_TRUE(message);
  EXPECT_TRUE(message->words.ends_with("x..."));
  EXPECT_GT(message->words.size(), 10'000u);
}

TEST_F(SpawnChannel, DoesNotEndASupervisorWhoseHostIsGone) {
  library_.reset();
  EXPECT_FALSE(SendSpawnMessage(supervisor_.get(), {.kind = SpawnMessageKind::kEnded}));
  EXPECT_FALSE(
      SendSpawnMessage(supervisor_.get(), {.kind = SpawnMessageKind::kBegun}, STDIN_FILENO));
}

TEST_F(SpawnChannel, TellsASupervisorToGoOnceItsHostCouldEndIt) {
  SendSpawnGo(library_.get());
  EXPECT_TRUE(WaitForSpawnGo(supervisor_.get()));
  ASSERT_EQ(shutdown(library_.get(), SHUT_RDWR), 0);
  EXPECT_FALSE(WaitForSpawnGo(supervisor_.get()));
}

}  // namespace
}  // namespace mini::capi
