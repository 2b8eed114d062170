#include "netstack/flow/tcp_flow.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "netstack/flow/tcp_flow_table.h"

namespace mini::netstack {

namespace {

constexpr size_t kInitialWindow = 256 * 1024;
// What is worth cutting a segment for; a smaller window is about to grow.
constexpr uint32_t kMinPiece = 512;
// Buffers that short segments are gathered in: as large as what the flow holds, within these.
constexpr size_t kMinGathered = 1024;
constexpr size_t kMaxGathered = 16 * 1024;
// What is offered however little the budget grants: some segments, so that the sandbox's kernel
// learns of a loss by the ones behind it. At first what a kernel sends before it has heard more
// than the SYN-ACK: ten segments (RFC 6928).
constexpr size_t kMinWindow = 8 * 1024;
constexpr size_t kMinInitialWindow = 16 * 1024;
// Segments that lwIP queues for one connection; it refuses more than TCP_SND_QUEUELEN pbufs.
constexpr uint16_t kMaxQueuedPbufs = 512;
constexpr size_t kPbufsPerSegment = 2;
// Linux takes no smaller TCP_MAXSEG (TCP_MIN_MSS). Without a limit one byte could be asked for, and
// cost a frame.
constexpr uint16_t kMinSegment = 88;

}  // namespace

TcpFlow::TcpFlow(TcpFlowTable& table, const FlowKey& key) : table_(table), key_(key) {
  activity_.flow = this;
}

TcpFlow::~TcpFlow() {
  DropReceived();
  ReleaseBlocks(written_);
  table_.budget().Release(written_ - acknowledged_);
}

void TcpFlow::MarkDirty() { table_.MarkDirty(*this); }

void TcpFlow::KeepSyn(std::span<const uint8_t> ip_packet, size_t transport_offset) {
  kept_syn_.assign(ip_packet.begin(), ip_packet.end());
  kept_syn_transport_ = transport_offset;
}

void TcpFlow::DropKeptSyn() { std::vector<uint8_t>().swap(kept_syn_); }

void TcpFlow::InjectKeptSyn() {
  phase_ = Phase::kHandshake;
  table_.InjectSyn(*this, std::span<const uint8_t>(kept_syn_).subspan(kept_syn_transport_));
  DropKeptSyn();
}

void TcpFlow::NoteState() {
  if (phase_ == Phase::kHandshake && lists_.empty()) {
    // The sandbox reset the half-open connection, or it timed out, or memory was short.
    phase_ = Phase::kReset;
    MarkDirty();
  }
  if (pcb_ != nullptr && pcb_->state == TIME_WAIT) {
    // lwIP forgets it without a callback: from here on it is not ours to touch.
    pcb_ = nullptr;
    phase_ = Phase::kClosed;
    MarkDirty();
  }
}

err_t TcpFlow::AcceptCallback(void* flow, tcp_pcb* pcb, err_t error) {
  if (error != ERR_OK || pcb == nullptr || flow == nullptr) return ERR_VAL;
  static_cast<TcpFlow*>(flow)->OnOpen(pcb);
  return ERR_OK;
}

err_t TcpFlow::ConnectedCallback(void* flow, tcp_pcb* pcb, err_t error) {
  (void)error;  // always ERR_OK (tcp_connect() in tcp.c); failures come to ErrorCallback
  static_cast<TcpFlow*>(flow)->OnOpen(pcb);
  return ERR_OK;
}

void TcpFlow::OnOpen(tcp_pcb* pcb) {
  pcb_ = pcb;
  phase_ = Phase::kOpen;
  tcp_recv(pcb, ReceiveCallback);
  tcp_sent(pcb, SentCallback);
  tcp_err(pcb, ErrorCallback);
  tcp_nagle_disable(pcb);
  pcb->mss = std::max<u16_t>(pcb->mss, kMinSegment);
  pcb->keep_idle = static_cast<u32_t>(table_.limits().probe_after.count());
  ip_set_option(pcb, SOF_KEEPALIVE);
  if ((pcb->flags & TF_WND_SCALE) != 0) {
    // The SYN or SYN-ACK offered 65535 bytes, being unscaled; lwIP would offer all of TCP_WND next.
    // When memory is short it is less than was offered: the first acknowledgment says so.
    pcb->rcv_wnd = pcb->rcv_ann_wnd = static_cast<tcpwnd_size_t>(
        std::clamp(table_.budget().FlowLimit(), kMinInitialWindow, kInitialWindow));
    pcb->rcv_ann_right_edge = pcb->rcv_nxt + std::min<u32_t>(pcb->rcv_wnd, 0xffff);
    // Segments of any size: the kernel inside cuts them, if it has to (segmentation offload). Not
    // for a peer that wants smaller segments than its device takes.
    if (pcb->mss >= table_.SegmentSize(key_.remote.address)) pcb->mss = TCP_MSS;
  }
  window_ = pcb->rcv_wnd;
  MarkDirty();
}

// In the scope of this flow's lists, which are empty: so no other connection is in the way of
// tcp_bind(), and tcp_connect() puts this one where the scope takes it from.
void TcpFlow::ConnectInside() {
  phase_ = Phase::kHandshake;
  const bool v4 = key_.remote.address.is_v4();
  tcp_pcb* pcb = tcp_new_ip_type(v4 ? IPADDR_TYPE_V4 : IPADDR_TYPE_V6);
  if (pcb == nullptr) return Reset();
  tcp_arg(pcb, this);
  tcp_err(pcb, ErrorCallback);
  const ip_addr_t source = ToLwipAddress(key_.remote.address);
  const ip_addr_t server = ToLwipAddress(key_.sandbox.address);
  if (tcp_bind(pcb, &source, key_.remote.port) != ERR_OK ||
      tcp_connect(pcb, &server, key_.sandbox.port, ConnectedCallback) != ERR_OK) {
    tcp_abandon(pcb, 0);  // calls ErrorCallback
  }
}

err_t TcpFlow::ReceiveCallback(void* flow, tcp_pcb* pcb, pbuf* data, err_t error) {
  (void)pcb;
  (void)error;
  TcpFlow& self = *static_cast<TcpFlow*>(flow);
  self.MarkDirty();
  if (data == nullptr) {
    self.sandbox_finished_ = true;
    return ERR_OK;
  }
  RxBuffer* buffer = RxBufferPool::FromPbuf(data);
  buffer->begin =
      static_cast<uint32_t>(static_cast<const uint8_t*>(data->payload) - buffer->bytes().data());
  buffer->length = data->len;
  self.received_bytes_ += buffer->length;
  self.received_total_ += buffer->length;
  self.AppendReceived(buffer);
  return ERR_OK;
}

err_t TcpFlow::SentCallback(void* flow, tcp_pcb* pcb, u16_t length) {
  TcpFlow& self = *static_cast<TcpFlow*>(flow);
  self.acknowledged_ += length;
  self.table_.budget().Release(length);
  self.ReleaseBlocks(self.acknowledged_);
  if (self.sent_urgent_end_ && TCP_SEQ_GEQ(pcb->lastack, *self.sent_urgent_end_)) {
    self.sent_urgent_end_.reset();
  }
  self.MarkDirty();
  return ERR_OK;
}

void TcpFlow::ErrorCallback(void* flow, err_t error) {
  TcpFlow& self = *static_cast<TcpFlow*>(flow);
  self.pcb_ = nullptr;
  // ERR_CLSD: the sandbox has acknowledged our FIN, after having sent its own.
  self.phase_ = error == ERR_CLSD ? Phase::kClosed : Phase::kReset;
  self.MarkDirty();
}

// A program's own keep-alive is told from it by its sequence number, the one before the next
// (RFC 9293, 3.8.4).
bool TcpFlow::IsProbeAnswer(const Packet& segment) const {
  return pcb_ != nullptr && pcb_->keep_cnt_sent > 0 && segment.tcp_flags == kTcpAck &&
         segment.payload_length == 0 && segment.tcp_sequence == pcb_->rcv_nxt;
}

bool TcpFlow::IsNext(const Packet& segment) const {
  return pcb_ != nullptr && pcb_->state == ESTABLISHED && segment.tcp_sequence == pcb_->rcv_nxt &&
         (segment.payload_length > 0 || (segment.tcp_flags & kTcpFin) != 0);
}

void TcpFlow::NoteUrgent(uint32_t sequence) {
  if (pcb_ == nullptr) return;
  const auto ahead = static_cast<int32_t>(sequence - pcb_->rcv_nxt);
  // Of several that wait, the last counts, as for a kernel (RFC 9293, 3.8.5).
  if (ahead < 0 || ahead > int32_t{TCP_WND}) return;
  const uint64_t position = received_total_ + static_cast<uint32_t>(ahead);
  urgent_position_ = std::max(urgent_position_.value_or(0), position);
}

std::optional<uint64_t> TcpFlow::ReceivedBeforeUrgent() const {
  const uint64_t consumed = received_total_ - received_bytes_;
  if (!urgent_position_ || *urgent_position_ < consumed) return std::nullopt;
  return *urgent_position_ - consumed;
}

size_t TcpFlow::ReceivedPieces(std::span<iovec> pieces) {
  size_t count = 0;
  for (RxBuffer* b = received_head_; b != nullptr && count < pieces.size(); b = b->next) {
    pieces[count++] = {b->left().data(), b->left().size()};
  }
  return count;
}

void TcpFlow::ConsumeReceived(size_t bytes) {
  received_bytes_ -= bytes;
  while (bytes > 0) {
    RxBuffer* buffer = received_head_;
    const auto taken = static_cast<uint32_t>(std::min<size_t>(bytes, buffer->length));
    buffer->begin += taken;
    buffer->length -= taken;
    bytes -= taken;
    if (buffer->length > 0) break;
    received_head_ = buffer->next;
    if (received_head_ == nullptr) received_tail_ = nullptr;
    FreeReceived(buffer);
  }
  OpenWindow();
}

void TcpFlow::CompactReceived() {
  RxBuffer* buffer = std::exchange(received_head_, nullptr);
  received_tail_ = nullptr;
  while (buffer != nullptr) {
    RxBuffer* next = buffer->next;
    if (buffer->capacity == RxBufferPool::kFrameCapacity &&
        buffer->length < RxBufferPool::kFrameCapacity / 2) {
      Gather(buffer);
    } else {
      AppendReceived(buffer);
    }
    RxBuffer* kept = received_tail_;
    if (!std::exchange(kept->charged, true)) table_.budget().Charge(kept->charge());
    buffer = next;
  }
}

// A short segment holds a whole frame's buffer: short ones share one of fitting size.
void TcpFlow::Gather(RxBuffer* segment) {
  RxBuffer* tail = received_tail_;
  if (tail == nullptr || tail->capacity - tail->begin - tail->length < segment->length) {
    const size_t fitting = std::clamp(received_bytes_, kMinGathered, kMaxGathered);
    tail = RxBufferPool::New(std::max(segment->length, static_cast<uint32_t>(fitting)));
    AppendReceived(tail);
  }
  std::memcpy(tail->bytes().data() + tail->begin + tail->length, segment->left().data(),
              segment->length);
  tail->length += segment->length;
  FreeReceived(segment);
}

void TcpFlow::AppendReceived(RxBuffer* buffer) {
  buffer->next = nullptr;
  (received_tail_ != nullptr ? received_tail_->next : received_head_) = buffer;
  received_tail_ = buffer;
}

void TcpFlow::FreeReceived(RxBuffer* buffer) {
  if (buffer->charged) table_.budget().Release(buffer->charge());
  RxBufferPool::Put(buffer);
}

void TcpFlow::DropReceived() {
  while (received_head_ != nullptr) {
    RxBuffer* next = received_head_->next;
    FreeReceived(received_head_);
    received_head_ = next;
  }
  received_tail_ = nullptr;
  received_bytes_ = 0;
}

void TcpFlow::OpenWindow() {
  if (pcb_ == nullptr || sandbox_finished_) return;
  const size_t max = TCP_WND_MAX(pcb_);
  const size_t limit = std::max(table_.budget().FlowLimit(), kMinWindow);
  // The host keeps up: offer more; it never shrinks while bytes are on the way.
  if (received_head_ == nullptr) window_ *= 2;
  window_ = std::min({window_, max, limit});
  size_t room = window_ > received_bytes_ ? window_ - received_bytes_ : 0;
  while (room > pcb_->rcv_wnd) {
    const size_t more = std::min<size_t>(room - pcb_->rcv_wnd, 0xffff);
    tcp_recved(pcb_, static_cast<u16_t>(more));
  }
  // At once only when the sandbox may be about to wait for it: else the next segment says it, and
  // for a short request that is the answer.
  const auto offered = static_cast<int32_t>(pcb_->rcv_ann_right_edge - pcb_->rcv_nxt);
  const bool waits_soon =
      received_total_ >= kMinInitialWindow || offered < static_cast<int32_t>(kMinInitialWindow);
  if (waits_soon && offered <= static_cast<int32_t>(pcb_->rcv_wnd / 2)) {
    pcb_->rcv_ann_wnd = pcb_->rcv_wnd;
    SendAckNow();
  }
}

void TcpFlow::SendAckNow() {
  if (pcb_ == nullptr) return;
  tcp_ack_now(pcb_);
  tcp_output(pcb_);
}

void TcpFlow::RetryOutput() {
  // Before accept lwIP knows the connection, and we don't: its SYN-ACK waits.
  if (tcp_active_pcbs != nullptr) tcp_output(tcp_active_pcbs);
}

// What SendRoom() is when nothing is on its way.
size_t TcpFlow::SendLimit() const {
  const size_t limit = table_.budget().FlowLimit();
  // Segments of a size that the sandbox asked for.
  if (pcb_ == nullptr || pcb_->mss >= TCP_MSS) return limit;
  return std::min(limit, kMaxQueuedPbufs / kPbufsPerSegment * pcb_->mss);
}

// tcp_write() of lwIP 2.2.1 appends to the last unsent segment, and takes two things for granted:
// - That this is the end of the stream. After a fast retransmission that the link has not taken yet
//   it is a segment from the middle, and behind it something else belongs.
// - That it is no longer than segments are made now. At most half of the largest window: that may
//   have been 0, which counts as no limit, when this one was made.
// Otherwise what is unsent goes first, and its acknowledgment brings us back.
bool TcpFlow::MayAppend() const {
  const tcp_seg* last = pcb_->unsent;
  if (last == nullptr) return true;
  while (last->next != nullptr) last = last->next;
  const size_t half_window = pcb_->snd_wnd_max / 2;
  const size_t largest = half_window > 0 ? std::min<size_t>(pcb_->mss, half_window) : pcb_->mss;
  const size_t size = size_t{last->len} + LWIP_TCP_OPT_LENGTH(last->flags);
  return size <= largest && lwip_ntohl(last->tcphdr->seqno) + TCP_TCPLEN(last) == pcb_->snd_lbb;
}

size_t TcpFlow::SendRoom() {
  if (pcb_ == nullptr || phase_ != Phase::kOpen || fin_queued_) return 0;
  if (!MayAppend()) return 0;
  if (pcb_->snd_queuelen > kMaxQueuedPbufs) return 0;
  const size_t outstanding = written_ - acknowledged_;
  const size_t limit = SendLimit();
  if (outstanding >= limit) return 0;
  return std::min<size_t>(limit - outstanding, pcb_->snd_buf);
}

void TcpFlow::SendBlock(TxBlock* block, size_t length) {
  written_ += length;
  block->end = written_;
  block->slack = TxBlock::kCapacity - length;
  slack_charge_ += block->slack;
  table_.budget().Charge(TxBlock::kCapacity);
  block->next = nullptr;
  (blocks_tail_ != nullptr ? blocks_tail_->next : blocks_head_) = block;
  blocks_tail_ = block;
  // Within SendRoom(), lwIP refuses only when malloc() does.
  if (tcp_write(pcb_, block->bytes, static_cast<u16_t>(length), 0) != ERR_OK) Reset();
}

bool TcpFlow::SendCopy(std::span<const uint8_t> bytes) {
  written_ += bytes.size();
  table_.budget().Charge(bytes.size());
  if (tcp_write(pcb_, bytes.data(), static_cast<u16_t>(bytes.size()), TCP_WRITE_FLAG_COPY) ==
      ERR_OK) {
    return true;
  }
  Reset();
  return false;
}

bool TcpFlow::SendUrgent(uint8_t byte) {
  if (!SendCopy({&byte, 1})) return false;
  sent_urgent_end_ = pcb_->snd_lbb;
  return true;
}

void TcpFlow::SendQueued() {
  if (pcb_ == nullptr) return;
  tcp_output(pcb_);
  FillSmallWindow();
}

// lwIP sends whole segments, and ours are large: to a reader with a small buffer, whose window
// never takes one, it would send a piece only when its persist timer fires.
void TcpFlow::FillSmallWindow() {
  if (pcb_ == nullptr || pcb_->unsent == nullptr || pcb_->unacked != nullptr) return;
  const uint32_t window = std::min(pcb_->snd_wnd, pcb_->cwnd);
  if (window < kMinPiece || pcb_->unsent->len <= window) return;
  if (tcp_split_unsent_seg(pcb_, static_cast<u16_t>(window)) == ERR_OK) tcp_output(pcb_);
}

void TcpFlow::ReleaseBlocks(uint64_t up_to) {
  while (blocks_head_ != nullptr && blocks_head_->end <= up_to) {
    TxBlock* block = blocks_head_;
    blocks_head_ = block->next;
    if (blocks_head_ == nullptr) blocks_tail_ = nullptr;
    slack_charge_ -= block->slack;
    table_.budget().Release(block->slack);
    table_.tx_blocks().Put(block);
  }
}

void TcpFlow::FinishSending() {
  if (fin_queued_ || pcb_ == nullptr) return;
  // The FIN waits for SentCallback until all data is on its way, so that it is a segment of its
  // own:
  // - lwIP would add it to the last unsent segment, and when it splits that one for a small window
  //   (tcp_split_unsent_seg() in 2.2.1) it leaves the FIN on the first part as well, behind which
  //   the sandbox takes nothing more: the end of the stream would be lost.
  // - In LAST-ACK lwIP gives up after two MSL without a segment from the sandbox, and it enters
  //   that state when the FIN is queued, not when it is sent.
  if (pcb_->unsent != nullptr) return;
  if (tcp_shutdown(pcb_, 0, 1) == ERR_OK) fin_queued_ = true;
}

void TcpFlow::Reset() {
  phase_ = Phase::kReset;
  pcb_ = nullptr;
  MarkDirty();
  // In the scope of this flow's lists, so before accept as well.
  if (tcp_active_pcbs == nullptr) return;
  tcp_err(tcp_active_pcbs, nullptr);
  tcp_abort(tcp_active_pcbs);
}

}  // namespace mini::netstack
