#include "netstack/epoll_loop.h"

#include <pthread.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <span>
#include <utility>

#include "base/strings.h"

namespace mini::netstack {

namespace {

using std::chrono::microseconds;

constexpr microseconds kShortWait{50};
// With being woken, which takes about as long again.
constexpr microseconds kShortSleep = 2 * kShortWait;
// No wait at all: what came was there.
constexpr microseconds kNoWait{3};
constexpr int kAFewShortWaits = 4;

constexpr uint64_t kStopData = ~uint64_t{0};
constexpr uint64_t kTimerData = kStopData - 1;

uint64_t PackData(int fd, uint32_t generation) {
  return uint64_t{generation} << 32 | static_cast<uint32_t>(fd);
}

class SignalsBlocked {
 public:
  SignalsBlocked() {
    sigset_t all;
    sigfillset(&all);
    // These are about what the thread itself does, and kill it whether they are blocked or not; but
    // blocked, without the handler that tells why.
    for (const int fault : {SIGABRT, SIGBUS, SIGFPE, SIGILL, SIGSEGV, SIGSYS, SIGTRAP}) {
      sigdelset(&all, fault);
    }
    pthread_sigmask(SIG_SETMASK, &all, &before_);
  }
  ~SignalsBlocked() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
  SignalsBlocked(const SignalsBlocked&) = delete;
  SignalsBlocked& operator=(const SignalsBlocked&) = delete;

 private:
  sigset_t before_;
};

}  // namespace

Result<std::unique_ptr<EpollLoop>> EpollLoop::Create() {
  UniqueFd epoll(epoll_create1(EPOLL_CLOEXEC));
  if (!epoll) return SystemError(Stage::kNetwork, errno, "create an epoll descriptor");
  UniqueFd stop(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!stop) return SystemError(Stage::kNetwork, errno, "create an eventfd");
  // The clock of std::chrono::steady_clock.
  UniqueFd timer(timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK));
  if (!timer) return SystemError(Stage::kNetwork, errno, "create a timer");
  std::unique_ptr<EpollLoop> loop(
      new EpollLoop(std::move(epoll), std::move(stop), std::move(timer)));
  MINI_RETURN_IF_ERROR(loop->WatchOwn(loop->stop_.get(), EPOLLIN, kStopData));
  // Edge-triggered: that it has expired need not be read then (timerfd_create(2)).
  MINI_RETURN_IF_ERROR(loop->WatchOwn(loop->timer_.get(), EPOLLIN | EPOLLET, kTimerData));
  return loop;
}

EpollLoop::EpollLoop(UniqueFd epoll, UniqueFd stop, UniqueFd timer)
    : epoll_(std::move(epoll)),
      stop_(std::move(stop)),
      timer_(std::move(timer)),
      now_(Clock::now()) {}

Status EpollLoop::WatchOwn(int fd, uint32_t epoll_events, uint64_t data) {
  epoll_event event{};
  event.events = epoll_events;
  event.data.u64 = data;
  if (epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) == 0) return OkStatus();
  return SystemError(Stage::kNetwork, errno, "watch a descriptor of the loop's own");
}

EpollLoop::~EpollLoop() = default;

Status EpollLoop::Watch(int fd, uint32_t epoll_events, IoCallback callback) {
  const auto index = static_cast<size_t>(fd);
  if (index >= watches_.size()) watches_.resize(std::max(index + 1, watches_.size() * 2));
  WatchState& watch = watches_[index];
  const bool known = watch.active;
  if (!known) watch.generation = next_generation_++;
  epoll_event event{};
  event.events = epoll_events;
  event.data.u64 = PackData(fd, watch.generation);
  if (epoll_ctl(epoll_.get(), known ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, fd, &event) != 0) {
    return SystemError(Stage::kNetwork, errno, StrCat("watch descriptor ", fd));
  }
  watch.callback = std::move(callback);
  watch.events = epoll_events;
  watch.active = true;
  return OkStatus();
}

void EpollLoop::SetEvents(int fd, uint32_t epoll_events) {
  const auto index = static_cast<size_t>(fd);
  if (index >= watches_.size() || !watches_[index].active) return;
  WatchState& watch = watches_[index];
  if (watch.events == epoll_events) return;
  epoll_event event{};
  event.events = epoll_events;
  event.data.u64 = PackData(fd, watch.generation);
  // Cannot fail: the descriptor is watched, and a change needs no memory.
  epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, fd, &event);
  watch.events = epoll_events;
}

void EpollLoop::Unwatch(int fd) {
  const auto index = static_cast<size_t>(fd);
  if (index >= watches_.size() || !watches_[index].active) return;
  WatchState& watch = watches_[index];
  epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd, nullptr);
  watch.callback = nullptr;
  watch.active = false;
}

void EpollLoop::Close(UniqueFd descriptor) {
  if (!IsWatched(descriptor.get())) return;
  WatchState& watch = watches_[static_cast<size_t>(descriptor.get())];
  watch.callback = nullptr;
  watch.active = false;
}

EventLoop::TimerId EpollLoop::AddTimer(Duration delay, TimerCallback callback) {
  const TimerId id = next_timer_++;
  // From the clock, not from Now(): a long batch must not make a timer fire early.
  timer_heap_.push_back({Clock::now() + std::max(delay, Duration::zero()), id});
  std::push_heap(timer_heap_.begin(), timer_heap_.end(), std::greater<>());
  timer_callbacks_.emplace(id, std::move(callback));
  return id;
}

void EpollLoop::CancelTimer(TimerId timer) {
  timer_callbacks_.erase(timer);
  // Cancelled timers are dropped when they surface; many cancelled ones are dropped at once.
  if (timer_heap_.size() < 64 || timer_heap_.size() < 4 * timer_callbacks_.size()) return;
  std::erase_if(timer_heap_, [this](const Timer& t) { return !timer_callbacks_.contains(t.id); });
  std::make_heap(timer_heap_.begin(), timer_heap_.end(), std::greater<>());
}

// For the earliest timer, or for one before it that has been cancelled meanwhile.
void EpollLoop::ArmTimer() {
  while (!timer_heap_.empty() && !timer_callbacks_.contains(timer_heap_.front().id)) {
    std::pop_heap(timer_heap_.begin(), timer_heap_.end(), std::greater<>());
    timer_heap_.pop_back();
  }
  if (timer_heap_.empty() || timer_heap_.front().when >= armed_for_) return;
  armed_for_ = timer_heap_.front().when;
  const auto since_boot = armed_for_.time_since_epoch();
  const auto seconds = std::chrono::floor<std::chrono::seconds>(since_boot);
  itimerspec at{};
  at.it_value.tv_sec = seconds.count();
  at.it_value.tv_nsec = std::chrono::nanoseconds(since_boot - seconds).count();
  // Cannot fail: the descriptor is a timer, and the time is one.
  timerfd_settime(timer_.get(), TFD_TIMER_ABSTIME, &at, nullptr);
}

void EpollLoop::RunTimers() {
  if (timer_heap_.empty()) return;
  const TimePoint due = now_;
  // A timer that is added by a callback waits for the next batch.
  const TimerId newest = next_timer_;
  while (!timer_heap_.empty() && timer_heap_.front().when <= due &&
         timer_heap_.front().id < newest) {
    const TimerId id = timer_heap_.front().id;
    std::pop_heap(timer_heap_.begin(), timer_heap_.end(), std::greater<>());
    timer_heap_.pop_back();
    auto node = timer_callbacks_.extract(id);
    if (node) node.mapped()();
  }
}

Status EpollLoop::Run() {
  SignalsBlocked signals_blocked;
  return RunBatches();
}

int EpollLoop::WaitForEvents(std::span<epoll_event> events) {
  const auto wait = [&](int timeout) {
    return epoll_wait(epoll_.get(), events.data(), static_cast<int>(events.size()), timeout);
  };
  const TimePoint begun = Clock::now();
  if (short_waits_ < kAFewShortWaits) {
    const int count = wait(-1);
    const Duration slept = Clock::now() - begun;
    if (slept > kShortSleep) short_waits_ = 0;
    if (slept > kNoWait && slept <= kShortSleep) ++short_waits_;
    return count;
  }
  do {
    if (const int count = wait(0); count != 0) return count;
  } while (Clock::now() - begun < kShortWait);
  short_waits_ = 0;
  return wait(-1);
}

Status EpollLoop::RunBatches() {
  std::array<epoll_event, 128> events;
  while (!stopping_ && failure_.ok()) {
    ArmTimer();
    const int count = WaitForEvents(events);
    if (count < 0) {
      if (errno == EINTR) continue;
      return SystemError(Stage::kNetwork, errno, "wait for events");
    }
    now_ = Clock::now();
    for (const epoll_event& event : std::span(events).first(static_cast<size_t>(count))) {
      if (event.data.u64 == kStopData) {
        stopping_ = true;
        continue;
      }
      if (event.data.u64 == kTimerData) {
        armed_for_ = TimePoint::max();
        continue;
      }
      const auto index = static_cast<size_t>(event.data.u64 & 0xffffffff);
      if (!watches_[index].active || watches_[index].generation != event.data.u64 >> 32) continue;
      // Moved out, since the callback may make the table grow; put back unless it was replaced.
      IoCallback callback = std::move(watches_[index].callback);
      const uint32_t generation = watches_[index].generation;
      callback(event.events);
      WatchState& watch = watches_[index];
      if (watch.active && watch.generation == generation && !watch.callback) {
        watch.callback = std::move(callback);
      }
    }
    RunTimers();
    if (batch_end_) batch_end_();
  }
  return failure_;
}

void EpollLoop::Stop() {
  const uint64_t one = 1;
  // Can only fail when the counter is about to overflow: then it is set anyway.
  [[maybe_unused]] const ssize_t written = ::write(stop_.get(), &one, sizeof one);
}

void EpollLoop::Fail(Status status) {
  if (failure_.ok()) failure_ = std::move(status);
}

}  // namespace mini::netstack
