#include "netstack/epoll_loop.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <ctime>
#include <thread>
#include <vector>

namespace mini::netstack {
namespace {

using std::chrono::milliseconds;

struct Pipe {
  Pipe() {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0) std::abort();
    read_end.reset(ends[0]);
    write_end.reset(ends[1]);
  }
  void Fill() { EXPECT_EQ(write(write_end.get(), "x", 1), 1); }
  UniqueFd read_end, write_end;
};

class EpollLoopTest : public testing::Test {
 protected:
  std::unique_ptr<EpollLoop> loop_ = std::move(*EpollLoop::Create());
};

TEST_F(EpollLoopTest, DeliversAnEventUntilItIsConsumed) {
  Pipe pipe;
  int calls = 0;
  ASSERT_TRUE(loop_
                  ->Watch(pipe.read_end.get(), EPOLLIN,
                          [&](uint32_t events) {
                            EXPECT_EQ(events, uint32_t{EPOLLIN});
                            if (++calls < 3) return;
                            loop_->Unwatch(pipe.read_end.get());
                            loop_->Stop();
                          })
                  .ok());
  pipe.Fill();
  EXPECT_TRUE(loop_->Run().ok());
  EXPECT_EQ(calls, 3);
}

TEST_F(EpollLoopTest, ACallbackMayUnwatchAndReplaceItself) {
  Pipe pipe;
  std::vector<int> calls;
  ASSERT_TRUE(loop_
                  ->Watch(pipe.read_end.get(), EPOLLIN,
                          [&](uint32_t) {
                            calls.push_back(1);
                            EXPECT_TRUE(loop_
                                            ->Watch(pipe.read_end.get(), EPOLLIN,
                                                    [&](uint32_t) {
                                                      calls.push_back(2);
                                                      loop_->Unwatch(pipe.read_end.get());
                                                      loop_->AddTimer(milliseconds(5),
                                                                      [&] { loop_->Stop(); });
                                                    })
                                            .ok());
                          })
                  .ok());
  pipe.Fill();
  EXPECT_TRUE(loop_->Run().ok());
  EXPECT_EQ(calls, (std::vector<int>{1, 2}));
}

TEST_F(EpollLoopTest, AnEventOfAClosedDescriptorDoesNotReachItsSuccessor) {
  Pipe first, second;
  first.Fill();
  second.Fill();
  int stale = 0;
  // Whichever comes first closes the other and watches a silent pipe under the same number.
  const auto replace = [&](Pipe& other) {
    const int number = other.read_end.get();
    loop_->Unwatch(number);
    Pipe silent;
    other.write_end = std::move(silent.write_end);
    ASSERT_EQ(dup3(silent.read_end.get(), number, O_CLOEXEC), number);
    ASSERT_TRUE(loop_->Watch(number, EPOLLIN, [&](uint32_t) { ++stale; }).ok());
    loop_->Stop();
  };
  ASSERT_TRUE(loop_->Watch(first.read_end.get(), EPOLLIN, [&](uint32_t) { replace(second); }).ok());
  ASSERT_TRUE(loop_->Watch(second.read_end.get(), EPOLLIN, [&](uint32_t) { replace(first); }).ok());
  EXPECT_TRUE(loop_->Run().ok());
  EXPECT_EQ(stale, 0);
}

TEST_F(EpollLoopTest, TimersFireInOrderAndNeverEarly) {
  const TimePoint start = Clock::now();
  std::vector<int> order;
  loop_->AddTimer(milliseconds(20), [&] {
    order.push_back(20);
    EXPECT_GE(Clock::now() - start, milliseconds(20));
    loop_->Stop();
  });
  loop_->AddTimer(milliseconds(5), [&] {
    order.push_back(5);
    EXPECT_GE(Clock::now() - start, milliseconds(5));
  });
  const auto cancelled = loop_->AddTimer(milliseconds(10), [&] { order.push_back(10); });
  loop_->CancelTimer(cancelled);
  EXPECT_TRUE(loop_->Run().ok());
  EXPECT_EQ(order, (std::vector<int>{5, 20}));
  loop_->CancelTimer(cancelled);  // does nothing
}

TEST_F(EpollLoopTest, ATimerMayAddATimer) {
  int rounds = 0;
  std::function<void()> again = [&] {
    if (++rounds == 3) return loop_->Stop();
    loop_->AddTimer(Duration::zero(), again);
  };
  loop_->AddTimer(Duration::zero(), again);
  EXPECT_TRUE(loop_->Run().ok());
  EXPECT_EQ(rounds, 3);
}

TEST_F(EpollLoopTest, TheBatchEndRunsAfterTheEvents) {
  Pipe pipe;
  std::vector<int> order;
  ASSERT_TRUE(loop_
                  ->Watch(pipe.read_end.get(), EPOLLIN,
                          [&](uint32_t) {
                            order.push_back(1);
                            loop_->Stop();
                          })
                  .ok());
  loop_->SetBatchEnd([&] { order.push_back(2); });
  pipe.Fill();
  EXPECT_TRUE(loop_->Run().ok());
  EXPECT_EQ(order[0], 1);
  EXPECT_EQ(order[1], 2);
}

// What has been short so far is no reason to ask for ever.
TEST_F(EpollLoopTest, SleepsWhenNothingComesAfterShortWaits) {
  Pipe there, back;
  ASSERT_TRUE(loop_
                  ->Watch(there.read_end.get(), EPOLLIN,
                          [&](uint32_t) {
                            char byte;
                            EXPECT_EQ(read(there.read_end.get(), &byte, 1), 1);
                            back.Fill();
                          })
                  .ok());
  std::thread asks([&] {
    for (int i = 0; i < 200; ++i) {
      there.Fill();
      pollfd answer = {back.read_end.get(), POLLIN, 0};
      EXPECT_EQ(poll(&answer, 1, 5000), 1);
      char byte;
      EXPECT_EQ(read(back.read_end.get(), &byte, 1), 1);
    }
  });
  timespec used_before{};
  // Questions have come by then, if any come.
  loop_->AddTimer(milliseconds(300), [&] {
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used_before);
    loop_->AddTimer(milliseconds(400), [&] { loop_->Stop(); });
  });
  EXPECT_TRUE(loop_->Run().ok());
  timespec used{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
  asks.join();
  const auto nanoseconds = [](const timespec& time) {
    return std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec);
  };
  EXPECT_LT(nanoseconds(used) - nanoseconds(used_before), milliseconds(100));
}

TEST_F(EpollLoopTest, StopsFromAnotherThreadAndReturnsAFailure) {
  std::thread stopper([&] { loop_->Stop(); });
  EXPECT_TRUE(loop_->Run().ok());
  stopper.join();
  auto failing = std::move(*EpollLoop::Create());
  failing->AddTimer(Duration::zero(),
                    [&] { failing->Fail(SystemError(Stage::kNetwork, EIO, "read the link")); });
  EXPECT_EQ(failing->Run().error_number(), EIO);
}

}  // namespace
}  // namespace mini::netstack
