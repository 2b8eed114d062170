// EventLoop over epoll(7).
//
// Theory of operation. A batch is what one epoll_wait returns; Now() is read once a batch. Watches
// live in a table indexed by descriptor; each carries a generation that travels through epoll's
// data, so that an event for a descriptor that was closed and reused within the batch is not
// delivered to the new owner. A callback is moved out of the table while it runs, so that it may
// unwatch or replace itself. Timers are a heap ordered by time and age;
// cancelled ones are left in it, without callback, until they surface. After the events and timers
// of a batch, the batch-end hook runs: flows collect work during a batch and do it once.
//
// To sleep and be woken takes longer than many a wait: an idle processor has to be started, in a
// virtual machine by its host. Where the last few waits were short, as between a question and its
// answer from nearby, the next one is spent asking epoll(7) again and again, for as long as a short
// wait at most. A wait that turns out longer ends that, until there have been a few short ones
// again: so what comes at leisure, or in a stream, finds the loop asleep.
#ifndef MINI_SANDBOX_NETSTACK_EPOLL_LOOP_H_
#define MINI_SANDBOX_NETSTACK_EPOLL_LOOP_H_

#include <sys/epoll.h>

#include <memory>
#include <span>
#include <unordered_map>
#include <vector>

#include "base/unique_fd.h"
#include "netstack/event_loop.h"

namespace mini::netstack {

class EpollLoop final : public EventLoop {
 public:
  static Result<std::unique_ptr<EpollLoop>> Create();
  ~EpollLoop() override;

  Status Watch(int fd, uint32_t epoll_events, IoCallback callback) override;
  void Unwatch(int fd) override;
  TimerId AddTimer(Duration delay, TimerCallback callback) override;
  void CancelTimer(TimerId timer) override;
  TimePoint Now() const override { return now_; }

  // Closes a descriptor, which may be watched: the last one of what it stands for, since only then
  // does epoll(7) forget it by itself.
  void Close(UniqueFd descriptor);

  // Changes what a watched descriptor is watched for, and keeps its callback. With EPOLLONESHOT it
  // is watched for nothing, not even errors, once an event has come, until this is called again.
  void SetEvents(int fd, uint32_t epoll_events);

  bool IsWatched(int fd) const {
    return static_cast<size_t>(fd) < watches_.size() && watches_[static_cast<size_t>(fd)].active;
  }

  // Runs after each batch.
  void SetBatchEnd(TimerCallback batch_end) { batch_end_ = std::move(batch_end); }

  // Until Stop() or Fail(). All signals but those of faults are blocked in the calling
  // thread meanwhile: they are for who supervises.
  Status Run();
  // From any thread or signal handler.
  void Stop();
  // From a callback: Run() returns this error after the batch.
  void Fail(Status status);

 private:
  struct WatchState {
    IoCallback callback;
    uint32_t events = 0;
    uint32_t generation = 0;
    bool active = false;
  };
  struct Timer {
    TimePoint when;
    TimerId id;
    bool operator>(const Timer& other) const {
      return when != other.when ? when > other.when : id > other.id;
    }
  };

  EpollLoop(UniqueFd epoll, UniqueFd stop, UniqueFd timer);
  Status WatchOwn(int fd, uint32_t epoll_events, uint64_t data);
  int WaitForEvents(std::span<epoll_event> events);
  void ArmTimer();
  void RunTimers();
  Status RunBatches();

  UniqueFd epoll_;
  UniqueFd stop_;
  // A timer of the kernel's that stays armed while other events come. A short time-out of
  // epoll_wait(2) instead would have the clock's interrupt programmed anew for each event, which
  // costs more than a small packet does.
  UniqueFd timer_;
  TimePoint armed_for_ = TimePoint::max();
  int short_waits_ = 0;  // in a row, as far as it matters
  bool stopping_ = false;
  Status failure_;
  TimePoint now_;
  std::vector<WatchState> watches_;
  uint32_t next_generation_ = 1;
  std::vector<Timer> timer_heap_;
  std::unordered_map<TimerId, TimerCallback> timer_callbacks_;
  TimerId next_timer_ = 1;
  TimerCallback batch_end_;
};

}  // namespace mini::netstack

#endif  // MINI_SANDBOX_NETSTACK_EPOLL_LOOP_H_
