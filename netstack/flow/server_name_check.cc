#include "netstack/flow/server_name_check.h"

namespace mini::netstack {

ServerNameCheck::State ServerNameCheck::Read(std::span<const iovec> held, TimePoint now) {
  size_t skip = seen_;
  for (const iovec& piece : held) {
    const std::span bytes(static_cast<const uint8_t*>(piece.iov_base), piece.iov_len);
    if (skip >= bytes.size()) {
      skip -= bytes.size();
      continue;
    }
    const State state = ReadPiece(bytes.subspan(skip), now);
    if (state != State::kReading) return state;
    skip = 0;
  }
  const bool undecided = reader_.undecided() > 0;
  if (undecided && !waiting_) waiting_since_ = now;
  waiting_ = undecided;
  budget_.Release(charged_);
  charged_ = reader_.stored();
  budget_.Charge(charged_);
  return State::kReading;
}

ServerNameCheck::State ServerNameCheck::ReadPiece(std::span<const uint8_t> bytes, TimePoint now) {
  any_seen_ = true;
  while (!bytes.empty()) {
    const size_t before = bytes.size();
    const Reading reading = reader_.Read(bytes);
    seen_ += before - bytes.size();
    switch (reading) {
      case Reading::kMore:
        break;
      case Reading::kAsked:
        waiting_ = false;
        if (const State state = CheckAsked(now); state != State::kReading) return state;
        break;
      case Reading::kMalformed:
        return Refuse(now);
      case Reading::kOther:
        return CheckOther(now);
    }
  }
  return State::kReading;
}

ServerNameCheck::State ServerNameCheck::CheckAsked(TimePoint now) {
  if (reader_.asked().empty() && CheckUnnamed(now) == State::kRefused) return State::kRefused;
  for (const AskedName& asked : reader_.asked()) {
    const Endpoint to{destination_.address, asked.port.value_or(destination_.port)};
    if (!filter_.CheckServerName(Protocol::kTcp, asked.host, to, now).allowed) {
      return State::kRefused;
    }
  }
  return State::kReading;
}

// A server that has been sent a request reads what follows as another one, unless the client asked
// it to change the protocol; whether it did is not seen.
ServerNameCheck::State ServerNameCheck::CheckOther(TimePoint now) {
  if (reader_.opaque()) return State::kDone;
  return reader_.any_asked() && !reader_.may_switch() ? Refuse(now) : CheckUnnamed(now);
}

ServerNameCheck::State ServerNameCheck::CheckUnnamed(TimePoint now) {
  return filter_.CheckUnnamed(Protocol::kTcp, destination_, now).allowed ? State::kDone
                                                                         : State::kRefused;
}

ServerNameCheck::State ServerNameCheck::Refuse(TimePoint now) {
  filter_.RefuseBadServerName(Protocol::kTcp, destination_, now);
  return State::kRefused;
}

ServerNameCheck::State ServerNameCheck::Finish(TimePoint now) {
  if (!any_seen_) return State::kDone;  // nothing was asked for
  const Reading reading = reader_.Finish();
  if (reading == Reading::kMalformed) return Refuse(now);
  if (reading == Reading::kOther) return CheckOther(now);
  return reader_.any_asked() ? State::kDone : CheckUnnamed(now);
}

ServerNameCheck::State ServerNameCheck::ServerSpoke(TimePoint now) {
  return any_seen_ ? State::kReading : CheckUnnamed(now);
}

ServerNameCheck::State ServerNameCheck::OnTick(TimePoint now) {
  return waiting_ && now - waiting_since_ >= kPatience ? Refuse(now) : State::kReading;
}

}  // namespace mini::netstack
