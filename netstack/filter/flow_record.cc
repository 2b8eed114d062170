#include "netstack/filter/flow_record.h"

namespace mini::netstack {

std::string_view FlowEndingText(FlowEnding ending) {
  switch (ending) {
    case FlowEnding::kClosed:
      return "closed";
    case FlowEnding::kReset:
      return "reset";
    case FlowEnding::kIdle:
      return "idle";
    case FlowEnding::kRefused:
      return "refused";
    case FlowEnding::kConnectFailed:
      return "connect-failed";
  }
  return "unknown";
}

std::string_view DirectionText(Direction direction) {
  return direction == Direction::kIn ? "in" : "out";
}

FlowRecord::FlowRecord(Observer* observer, const EventLoop& loop, Protocol protocol,
                       const Endpoint& remote, const Verdict& verdict, Direction direction) {
  if (observer == nullptr) return;
  state_ = std::make_unique<State>(
      State{observer, &loop, protocol, remote, verdict.name, verdict.flow, direction, loop.Now()});
}

void FlowRecord::Note(FlowEnding ending, int error) {
  if (!state_ || state_->ending != FlowEnding::kClosed) return;
  state_->ending = ending;
  state_->error = error;
}

void FlowRecord::Tell() {
  const std::unique_ptr<State> state = std::move(state_);
  FlowEnd end;
  end.flow = state->flow;
  end.direction = state->direction;
  end.protocol = state->protocol;
  end.name = state->name;
  end.remote = state->remote;
  end.bytes_out = state->bytes_out;
  end.bytes_in = state->bytes_in;
  end.duration = state->loop->Now() - state->begun;
  end.ending = state->ending;
  end.error = state->error;
  state->observer->OnFlowEnd(end);
}

}  // namespace mini::netstack
