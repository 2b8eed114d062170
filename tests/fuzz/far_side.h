// What a TCP flow leads to instead of a host.
#ifndef MINI_SANDBOX_TESTS_FUZZ_FAR_SIDE_H_
#define MINI_SANDBOX_TESTS_FUZZ_FAR_SIDE_H_

#include <array>
#include <utility>

#include "base/bytes.h"
#include "netstack/flow/tcp_flow_table.h"
#include "script.h"

namespace mini::netstack {

// The byte at that place of a stream: a lost, doubled or swapped one is found wherever it arrives.
inline uint8_t ContentAt(uint32_t place) {
  return static_cast<uint8_t>((place * 2654435761u) >> 24 ^ place);
}

class FarSide final : public TcpFlow {
 public:
  // `place` leads to it while it lives.
  FarSide(TcpFlowTable& table, const FlowKey& key, FarSide*& place)
      : TcpFlow(table, key), place_(place) {
    place_ = this;
  }
  ~FarSide() override {
    if (place_ == this) place_ = nullptr;
  }

  void Service() override {
    if (phase() == Phase::kWaiting) {
      if (!answered_) return;
      ByteReader reader(kept_syn().subspan(kept_syn_transport() + 4));
      next_ = reader.U32() + 1;
      InjectKeptSyn();
      return;
    }
    if (phase() == Phase::kReset) {
      done_ = true;
      return;
    }
    stalled_ ? CompactReceived() : TakeAll();
    if (phase() == Phase::kOpen) SendWanted();
    if (finishing_ && wanted_ == 0) FinishSending();
    done_ = (fin_queued() || phase() == Phase::kClosed) && sandbox_finished() && !has_received();
  }
  void OnTick(TimePoint) override {}
  void Abandon() override {
    SetPhase(Phase::kReset);
    DropKeptSyn();
    done_ = true;
    MarkDirty();
  }
  ActivityClass activity_class() const override {
    return answered_ ? ActivityClass::kCarrying : ActivityClass::kConnecting;
  }

  void Answer() {
    if (std::exchange(answered_, true)) return;
    table().NoteConnected(*this);
    MarkDirty();
  }
  void Refuse() {
    if (phase() != Phase::kWaiting) return;
    table().AnswerReset(*this, kept_syn(), kept_syn_transport());
    Abandon();
  }
  void Write(size_t bytes, bool urgent) {
    if (finishing_) return;
    wanted_ += bytes;
    if (urgent) urgent_at_ = position_ + wanted_;
    MarkDirty();
  }
  void Finish() {
    finishing_ = true;
    MarkDirty();
  }
  void Break() {
    broken_ = true;
    MarkDirty();
  }
  void Stall(bool stalled) {
    stalled_ = stalled;
    MarkDirty();
  }

 protected:
  bool FarSideDone() const override { return done_; }

 private:
  void TakeAll() {
    while (has_received()) {
      std::array<iovec, 4> pieces;
      size_t size = 0;
      for (const iovec& piece : std::span(pieces).first(ReceivedPieces(pieces))) {
        const std::span bytes(static_cast<const uint8_t*>(piece.iov_base), piece.iov_len);
        for (const uint8_t byte : bytes) Require(byte == ContentAt(next_++));
        size += bytes.size();
      }
      ConsumeReceived(size);
    }
    (void)ReceivedBeforeUrgent();
  }
  void SendWanted() {
    if (broken_) {
      done_ = true;
      return Reset();
    }
    while (wanted_ > 0) {
      size_t size = std::min({wanted_, SendRoom(), size_t{4000}});
      if (size == 0) break;
      if (position_ + 1 == urgent_at_) {
        if (!SendUrgent(ContentAt(static_cast<uint32_t>(position_)))) return;
        size = 1;
      } else {
        if (position_ + size >= urgent_at_ && position_ < urgent_at_) {
          size = static_cast<size_t>(urgent_at_ - 1 - position_);
        }
        Bytes bytes(size);
        for (size_t i = 0; i < size; ++i) {
          bytes[i] = ContentAt(static_cast<uint32_t>(position_ + i));
        }
        if (!SendCopy(bytes)) return;
      }
      position_ += size;
      wanted_ -= size;
    }
    SendQueued();
  }

  FarSide*& place_;
  bool answered_ = false, stalled_ = false, finishing_ = false, broken_ = false, done_ = false;
  uint32_t next_ = 0;  // sequence number of the next byte from the sandbox
  uint64_t position_ = 0;
  uint64_t urgent_at_ = 0;  // behind the urgent byte
  size_t wanted_ = 0;
};

}  // namespace mini::netstack

#endif  // MINI_SANDBOX_TESTS_FUZZ_FAR_SIDE_H_
