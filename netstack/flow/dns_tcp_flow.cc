#include "netstack/flow/dns_tcp_flow.h"

#include <algorithm>
#include <array>
#include <utility>

#include "base/bytes.h"
#include "netstack/flow/tcp_flow_table.h"

namespace mini::netstack {

namespace {

constexpr auto kIdleTimeout = std::chrono::seconds(10);  // RFC 7766, 6.2.3: seconds
constexpr size_t kLengthPrefix = 2;
// Room for a question and an OPT record with whatever options a client may send: a longer message
// is no query.
constexpr size_t kMaxQuery = 4096;
constexpr size_t kMaxInput = kLengthPrefix + kMaxQuery;
// With that much to send, no further query is taken.
constexpr size_t kMaxReplyBytes = 65536;

}  // namespace

DnsTcpFlow::DnsTcpFlow(TcpFlowTable& table, const FlowKey& key, DnsServer& server)
    : TcpFlow(table, key),
      server_(server),
      self_(std::make_shared<DnsTcpFlow*>(this)),
      last_activity_(table.loop().Now()) {}

void DnsTcpFlow::Service() {
  if (phase() == Phase::kWaiting) {
    InjectKeptSyn();
    return;
  }
  if (phase() != Phase::kOpen) return;
  if (give_up_) {
    Reset();
    return;
  }
  TakeInput();
  AskQueries();
  if (phase() != Phase::kOpen) return;
  SendReplies();
  const bool answered = outstanding_ == 0 && replies_.empty() && !has_received();
  if (!answered || !(sandbox_finished() || idle_)) return;
  FinishSending();
}

void DnsTcpFlow::TakeInput() {
  while (has_received() && input_.size() < kMaxInput) {
    std::array<iovec, 1> piece;
    ReceivedPieces(piece);
    const size_t taken = std::min(piece[0].iov_len, kMaxInput - input_.size());
    const auto* bytes = static_cast<const uint8_t*>(piece[0].iov_base);
    input_.insert(input_.end(), bytes, bytes + taken);
    ConsumeReceived(taken);
    last_activity_ = table().loop().Now();
  }
}

void DnsTcpFlow::AskQueries() {
  size_t used = 0;
  while (outstanding_ + replies_.size() < kMaxOutstanding && reply_bytes_ < kMaxReplyBytes) {
    ByteReader reader(std::span<const uint8_t>(input_).subspan(used));
    const size_t length = reader.U16();
    if (!reader.failed() && length > kMaxQuery) return Reset();
    const auto query = reader.Take(length);
    if (reader.failed()) break;
    used += kLengthPrefix + query.size();
    ++outstanding_;
    server_.HandleQuery(query, DnsTransport::kTcp,
                        [weak = std::weak_ptr(self_)](std::vector<uint8_t> message) {
                          if (const auto self = weak.lock()) (*self)->OnReply(std::move(message));
                        });
  }
  input_.erase(input_.begin(), input_.begin() + static_cast<ptrdiff_t>(used));
}

// Possibly from within HandleQuery(): takes note only.
void DnsTcpFlow::OnReply(std::vector<uint8_t> message) {
  --outstanding_;
  last_activity_ = table().loop().Now();
  MarkDirty();
  if (message.empty() || message.size() > 0xffff) return;
  const auto length = static_cast<uint16_t>(message.size());
  const std::array<uint8_t, kLengthPrefix> prefix = {static_cast<uint8_t>(length >> 8),
                                                     static_cast<uint8_t>(length)};
  message.insert(message.begin(), prefix.begin(), prefix.end());
  reply_bytes_ += message.size();
  replies_.push_back(std::move(message));
}

void DnsTcpFlow::SendReplies() {
  while (!replies_.empty()) {
    const auto left = std::span<const uint8_t>(replies_.front()).subspan(reply_sent_);
    const size_t now = std::min({left.size(), SendRoom(), size_t{16384}});
    if (now == 0) break;  // an acknowledgment brings us back
    if (!SendCopy(left.first(now))) return;
    reply_sent_ += now;
    if (now < left.size()) continue;
    reply_bytes_ -= replies_.front().size();
    replies_.pop_front();
    reply_sent_ = 0;
    MarkDirty();  // there may be room for another query
  }
  SendQueued();
}

void DnsTcpFlow::Abandon() {
  SetPhase(Phase::kReset);
  DropKeptSyn();
  MarkDirty();
}

void DnsTcpFlow::OnTick(TimePoint now) {
  if (outstanding_ > 0 || now - last_activity_ < kIdleTimeout) return;
  // First a FIN; who does not close in turn, or does not take its answers, is reset.
  give_up_ = idle_;
  idle_ = true;
  last_activity_ = now;
  MarkDirty();
}

}  // namespace mini::netstack
