// What one flow carried, told to the observer when it ends.
#ifndef MINI_SANDBOX_NETSTACK_FILTER_FLOW_RECORD_H_
#define MINI_SANDBOX_NETSTACK_FILTER_FLOW_RECORD_H_

#include <memory>
#include <utility>

#include "netstack/filter/observer.h"

namespace mini::netstack {

// A flow owns one. Without an observer it is a null pointer, and every call a null check. The end
// is told once: by End(), as soon as the flow carries nothing more, or else by the destructor.
class FlowRecord {
 public:
  FlowRecord() = default;
  // `verdict` allowed the flow; `loop`, which tells the time, outlives the record.
  FlowRecord(Observer* observer, const EventLoop& loop, Protocol protocol, const Endpoint& remote,
             const Verdict& verdict, Direction direction = Direction::kOut);
  ~FlowRecord() { End(); }
  FlowRecord(FlowRecord&&) = default;
  FlowRecord& operator=(FlowRecord&& other) {
    if (this != &other) End();
    state_ = std::move(other.state_);
    return *this;
  }

  void CountOut(size_t bytes) {
    if (state_) state_->bytes_out += bytes;
  }
  void CountIn(size_t bytes) {
    if (state_) state_->bytes_in += bytes;
  }
  // How it is about to end; the first reason counts.
  void Note(FlowEnding ending, int error = 0);
  void End() {
    if (state_) Tell();
  }

 private:
  struct State {
    Observer* observer;
    const EventLoop* loop;
    Protocol protocol;
    Endpoint remote;
    std::string name;
    uint64_t flow;
    Direction direction;
    TimePoint begun;
    uint64_t bytes_out = 0;
    uint64_t bytes_in = 0;
    FlowEnding ending = FlowEnding::kClosed;
    int error = 0;
  };
  void Tell();

  std::unique_ptr<State> state_;
};

}  // namespace mini::netstack

#endif  // MINI_SANDBOX_NETSTACK_FILTER_FLOW_RECORD_H_
