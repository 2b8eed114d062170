#include "netstack/flow/host_tcp_flow.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <memory>
#include <utility>

#include "netstack/flow/tcp_flow_table.h"

namespace mini::netstack {

namespace {

constexpr auto kIdleTimeout = std::chrono::hours(2) + std::chrono::minutes(4);  // RFC 5382, REQ-5
constexpr size_t kMaxBlocksPerRead = 4;
constexpr int kMaxReadsPerService = 4;
constexpr size_t kMaxPieces = 64;
// What is copied rather than held in a block of its own.
constexpr size_t kMaxCopy = 16 * 1024;

}  // namespace

HostTcpFlow::HostTcpFlow(TcpFlowTable& table, const FlowKey& key, FlowRecord record)
    : TcpFlow(table, key), record_(std::move(record)), last_activity_(table.loop().Now()) {}

HostTcpFlow::~HostTcpFlow() { CloseHost(); }

void HostTcpFlow::Service() {
  switch (dial_) {
    case Dial::kNotStarted:
      StartDial();
      return;
    case Dial::kUnderWay:
      if (readable_ || host_failed_) FinishDial();
      return;
    case Dial::kDone:
      break;
  }
  if (!socket_) return;
  if (phase() == Phase::kReset || host_failed_) {
    ResetHost();
    Reset();
    return;
  }
  FlushToHost();
  if (socket_) PullFromHost();
  if (!socket_) return;
  if (host_finished_) FinishSending();
  if (host_finished_ && write_shut_) {
    CloseHost();
  } else {
    WatchHost();
  }
}

void HostTcpFlow::StartDial() {
  dial_ = Dial::kUnderWay;
  table().NotePendingConnect(1);
  sockaddr_storage address;
  const socklen_t length = ToSockaddr(key().remote, address);
  socket_ = UniqueFd(::socket(address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!socket_) return DialFailed(errno);
  // The sandbox's kernel has decided what makes a segment.
  const int on = 1;
  setsockopt(socket_.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  if (::connect(socket_.get(), reinterpret_cast<sockaddr*>(&address), length) == 0) {
    readable_ = true;
  } else if (errno != EINPROGRESS) {
    return DialFailed(errno);
  }
  const Status watched = table().loop().Watch(socket_.get(), EPOLLOUT,
                                              [this](uint32_t events) { OnHostEvent(events); });
  if (!watched.ok()) return DialFailed(watched.error_number());
  if (readable_) FinishDial();
}

void HostTcpFlow::FinishDial() {
  int error = 0;
  socklen_t length = sizeof error;
  if (getsockopt(socket_.get(), SOL_SOCKET, SO_ERROR, &error, &length) != 0) error = errno;
  if (error != 0) return DialFailed(error);
  dial_ = Dial::kDone;
  table().NotePendingConnect(-1);
  readable_ = false;
  host_failed_ = false;
  last_activity_ = table().loop().Now();
  // Nothing is read before the sandbox has finished its handshake.
  table().loop().SetEvents(socket_.get(), 0);
  InjectKeptSyn();
}

void HostTcpFlow::DialFailed(int error) {
  record_.Note(FlowEnding::kConnectFailed, error);
  switch (error) {
    case ETIMEDOUT:
      break;
    case ENETUNREACH:
    case ENETDOWN:
    case EAFNOSUPPORT:
    case EADDRNOTAVAIL:
      table().AnswerUnreachable(*this, kept_syn(), Unreachable::kNetwork);
      break;
    case EHOSTUNREACH:
    case EHOSTDOWN:
      table().AnswerUnreachable(*this, kept_syn(), Unreachable::kHost);
      break;
    case EACCES:
    case EPERM:
      table().AnswerUnreachable(*this, kept_syn(), Unreachable::kProhibited);
      break;
    default:
      table().AnswerReset(*this, kept_syn(), kept_syn_transport());
      break;
  }
  Abandon();
}

void HostTcpFlow::Abandon() {
  if (dial_ == Dial::kUnderWay) table().NotePendingConnect(-1);
  dial_ = Dial::kDone;
  SetPhase(Phase::kReset);
  DropKeptSyn();
  CloseHost();
  MarkDirty();
}

void HostTcpFlow::OnHostEvent(uint32_t events) {
  if (dial_ == Dial::kUnderWay) {
    readable_ = true;
  } else {
    if ((events & EPOLLIN) != 0) readable_ = true;
    if ((events & EPOLLOUT) != 0) write_blocked_ = false;
    // EPOLLHUP comes when both directions have ended, with or without an error: reading tells.
    if ((events & (EPOLLERR | EPOLLHUP)) != 0) {
      int error = 0;
      socklen_t length = sizeof error;
      getsockopt(socket_.get(), SOL_SOCKET, SO_ERROR, &error, &length);
      if (error != 0) host_failed_ = true;
      readable_ = true;
      write_blocked_ = false;
      // While there is no room to read, the same event would come again and again.
      if (starved_) table().loop().Unwatch(socket_.get());
    }
  }
  MarkDirty();
}

void HostTcpFlow::FlushToHost() {
  while (has_received() && !write_blocked_) {
    std::array<iovec, kMaxPieces> pieces;
    msghdr message{};
    message.msg_iov = pieces.data();
    message.msg_iovlen = ReceivedPieces(pieces);
    const ssize_t sent = sendmsg(socket_.get(), &message, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent >= 0) {
      last_activity_ = table().loop().Now();
      record_.CountOut(static_cast<size_t>(sent));
      ConsumeReceived(static_cast<size_t>(sent));
    } else if (errno == EAGAIN) {
      write_blocked_ = true;
    } else if (errno != EINTR) {
      ResetHost();
      Reset();
      return;
    }
  }
  if (has_received()) {
    CompactReceived();
  } else if (sandbox_finished() && !write_shut_) {
    write_shut_ = true;
    shutdown(socket_.get(), SHUT_WR);
  }
}

void HostTcpFlow::PullFromHost() {
  if (phase() == Phase::kClosed) {
    // The sandbox has our FIN: the host had finished before.
    host_finished_ = true;
    return;
  }
  if (phase() != Phase::kOpen || host_finished_ || !(readable_ || starved_)) return;
  for (int reads = 0; reads < kMaxReadsPerService; ++reads) {
    const size_t room = SendRoom();
    // Rather a large read later than a small one now, unless there is never more room.
    if (room < std::min(TxBlock::kCapacity, table().budget().FlowLimit() / 2)) {
      starved_ = true;
      readable_ = false;
      return;
    }
    starved_ = false;
    if (!(room >= TxBlock::kCapacity ? PullBlocks(room) : PullSmall(room))) return;
  }
}

// Whether to read on: what was asked for came whole.
bool HostTcpFlow::HostRead(ssize_t length, size_t wanted) {
  if (length < 0) {
    if (errno == EINTR) return true;
    readable_ = false;
    if (errno != EAGAIN) {
      ResetHost();
      Reset();
    }
    return false;
  }
  last_activity_ = table().loop().Now();
  record_.CountIn(static_cast<size_t>(length));
  if (length == 0) host_finished_ = true;
  if (static_cast<size_t>(length) == wanted) return true;
  readable_ = false;
  return false;
}

bool HostTcpFlow::PullBlocks(size_t room) {
  std::array<TxBlock*, kMaxBlocksPerRead> blocks{};
  std::array<iovec, kMaxBlocksPerRead> pieces{};
  const size_t count = std::min(room / TxBlock::kCapacity, kMaxBlocksPerRead);
  for (size_t i = 0; i < count; ++i) {
    blocks[i] = table().tx_blocks().Get();
    pieces[i] = {blocks[i]->bytes, TxBlock::kCapacity};
  }
  const ssize_t length = readv(socket_.get(), pieces.data(), static_cast<int>(count));
  size_t left = length > 0 ? static_cast<size_t>(length) : 0;
  for (size_t i = 0; i < count; ++i) {
    const size_t filled = std::min(left, TxBlock::kCapacity);
    left -= filled;
    if (filled > kMaxCopy) {
      SendBlock(blocks[i], filled);
      continue;
    }
    if (filled > 0) SendCopy({blocks[i]->bytes, filled});
    table().tx_blocks().Put(blocks[i]);
  }
  const bool more = HostRead(length, count * TxBlock::kCapacity);
  SendQueued();
  return more;
}

bool HostTcpFlow::PullSmall(size_t room) {
  TxBlock* block = table().tx_blocks().Get();
  const size_t wanted = std::min(room, kMaxCopy);
  const ssize_t length = recv(socket_.get(), block->bytes, wanted, MSG_DONTWAIT);
  if (length > 0) SendCopy({block->bytes, static_cast<size_t>(length)});
  table().tx_blocks().Put(block);
  const bool more = HostRead(length, wanted);
  SendQueued();
  return more;
}

void HostTcpFlow::WatchHost() {
  uint32_t events = 0;
  if (!host_finished_ && !starved_ && phase() == Phase::kOpen) events |= EPOLLIN;
  if (write_blocked_) events |= EPOLLOUT;
  if (events == 0 || table().loop().IsWatched(socket_.get())) {
    table().loop().SetEvents(socket_.get(), events);
    return;
  }
  const Status watched =
      table().loop().Watch(socket_.get(), events, [this](uint32_t e) { OnHostEvent(e); });
  if (!watched.ok()) {
    ResetHost();
    Reset();
  }
}

void HostTcpFlow::CloseHost() {
  record_.End();
  if (!socket_) return;
  table().loop().Unwatch(socket_.get());
  socket_.reset();
}

void HostTcpFlow::ResetHost() {
  record_.Note(FlowEnding::kReset);
  if (!socket_) return;
  // socket(7): close() with a linger time of zero resets the connection.
  const linger now{1, 0};
  setsockopt(socket_.get(), SOL_SOCKET, SO_LINGER, &now, sizeof now);
  CloseHost();
}

void HostTcpFlow::OnTick(TimePoint now) {
  if (dial_ != Dial::kDone || !socket_ || now - last_activity_ < kIdleTimeout) return;
  record_.Note(FlowEnding::kIdle);
  host_failed_ = true;
  MarkDirty();
}

}  // namespace mini::netstack
