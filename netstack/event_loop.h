// The one epoll loop of the stack: TAP, host sockets, resolver sockets and timers.
//
// Not thread-safe but for Stop(). Callbacks run on the thread that called Run(); a callback may
// watch, unwatch (itself included) and set timers.
#ifndef MINI_SANDBOX_NETSTACK_EVENT_LOOP_H_
#define MINI_SANDBOX_NETSTACK_EVENT_LOOP_H_

#include <chrono>
#include <cstdint>
#include <functional>

#include "base/status.h"

namespace mini::netstack {

using Clock = std::chrono::steady_clock;
using TimePoint = Clock::time_point;
using Duration = Clock::duration;

class EventLoop {
 public:
  using IoCallback = std::function<void(uint32_t epoll_events)>;
  using TimerCallback = std::function<void()>;
  using TimerId = uint64_t;

  virtual ~EventLoop() = default;

  // `epoll_events` as in epoll_ctl(2), level-triggered. The descriptor stays the caller's, who
  // unwatches it before closing. Watching a watched descriptor changes its events and callback.
  virtual Status Watch(int fd, uint32_t epoll_events, IoCallback callback) = 0;
  virtual void Unwatch(int fd) = 0;

  // Once, `delay` from now; never earlier. CancelTimer of a timer that has fired does nothing.
  virtual TimerId AddTimer(Duration delay, TimerCallback callback) = 0;
  virtual void CancelTimer(TimerId timer) = 0;

  // The time at which the current batch of events began: one clock reading a batch.
  virtual TimePoint Now() const = 0;
};

}  // namespace mini::netstack

#endif  // MINI_SANDBOX_NETSTACK_EVENT_LOOP_H_
