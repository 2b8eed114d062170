#include "netstack/flow/host_tcp_flow.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <memory>
#include <utility>

#include "netstack/flow/tcp_flow_table.h"

namespace mini::netstack {

namespace {

// A peer that has vanished is noticed some twenty minutes later: tcp(7) has 9 probes, 75 s apart.
constexpr int kKeepAliveIdleSeconds = 600;
// Most connections do not live that long: what asks for these probes is left until then.
constexpr std::chrono::seconds kIdleForKeepAlive{60};
constexpr size_t kMaxBlocksPerRead = 4;
constexpr size_t kMaxPieces = 64;
// What is copied rather than held in a block of its own.
constexpr size_t kMaxCopy = 16 * 1024;

void SetOption(int fd, int level, int option, int value) {
  // Without it the connection still works.
  setsockopt(fd, level, option, &value, sizeof value);
}

// socket(7): close() with a linger time of zero resets the connection, also when it is the kernel
// that closes, for a process that was killed.
void SetResetAtClose(int fd, bool on) {
  const linger now{on ? 1 : 0, 0};
  setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
}

// Leaves the first `bytes`; how many pieces that are.
size_t Shorten(std::span<iovec> pieces, size_t count, uint64_t bytes) {
  for (size_t i = 0; i < count; ++i) {
    if (pieces[i].iov_len >= bytes) {
      pieces[i].iov_len = static_cast<size_t>(bytes);
      return i + 1;
    }
    bytes -= pieces[i].iov_len;
  }
  return count;
}

// Whether the host has an address of its own from which it would reach that one: connecting a
// datagram socket sends nothing (connect(2)).
bool HasSourceAddress(const sockaddr_storage& address, socklen_t length) {
  const UniqueFd probe(::socket(address.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  return probe && ::connect(probe.get(), reinterpret_cast<const sockaddr*>(&address), length) == 0;
}

}  // namespace

void SetHostSocketOptions(int fd) {
  // The sandbox's kernel has decided what makes a segment.
  SetOption(fd, IPPROTO_TCP, TCP_NODELAY, 1);
  // tcp(7): else the urgent byte would be taken out of what we read.
  SetOption(fd, SOL_SOCKET, SO_OOBINLINE, 1);
  SetResetAtClose(fd, true);
}

HostTcpFlow::HostTcpFlow(TcpFlowTable& table, const FlowKey& key, FlowRecord record,
                         std::unique_ptr<ServerNameCheck> check)
    : TcpFlow(table, key), record_(std::move(record)), check_(std::move(check)) {}

HostTcpFlow::HostTcpFlow(TcpFlowTable& table, const FlowKey& key, UniqueFd accepted,
                         FlowRecord record)
    : TcpFlow(table, key),
      socket_(std::move(accepted)),
      record_(std::move(record)),
      dial_(Dial::kAccepted) {}

HostTcpFlow::~HostTcpFlow() { CloseHost(); }

void HostTcpFlow::Service() {
  switch (dial_) {
    case Dial::kNotStarted:
      StartDial();
      return;
    case Dial::kAccepted:
      StartInward();
      return;
    case Dial::kUnderWay:
      if (readable_ || host_failed_) FinishDial();
      return;
    case Dial::kDone:
      break;
  }
  if (!socket_) return;
  if (phase() == Phase::kReset || host_failed_) {
    // What the sandbox sent before its reset, the host would have had by then.
    if (!host_failed_) FlushToHost();
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
  sockaddr_storage address;
  const socklen_t length = ToSockaddr(key().remote, address);
  const int type = SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC;
  socket_ = UniqueFd(::socket(address.ss_family, type, 0));
  if (!socket_ && (errno == EMFILE || errno == ENFILE) && table().EvictIdle()) {
    socket_ = UniqueFd(::socket(address.ss_family, type, 0));
  }
  if (!socket_) return DialFailed(errno);
  const int fd = socket_.get();
  SetHostSocketOptions(fd);
  table().source_ports().Narrow(fd);
  int error = Connect(address, length);
  if (error == EADDRNOTAVAIL) {
    SourcePorts::Widen(fd);
    error = Connect(address, length);
  }
  if (error == EADDRNOTAVAIL && HasSourceAddress(address, length)) {
    error = ETIMEDOUT;  // every port is in use or in TIME-WAIT: the next SYN may find one
  }
  if (error != 0 && error != EINPROGRESS) return DialFailed(error);
  if (error == 0) readable_ = true;
  const Status watched = table().loop().Watch(fd, EPOLLOUT | EPOLLONESHOT,
                                              [this](uint32_t events) { OnHostEvent(events); });
  if (!watched.ok()) return DialFailed(watched.error_number());
  if (readable_) FinishDial();
}

int HostTcpFlow::Connect(const sockaddr_storage& address, socklen_t length) {
  const auto* generic = reinterpret_cast<const sockaddr*>(&address);
  return ::connect(socket_.get(), generic, length) == 0 ? 0 : errno;
}

void HostTcpFlow::StartInward() {
  dial_ = Dial::kDone;
  // For its going away (EPOLLERR, EPOLLHUP) only: nothing is read before the sandbox has answered.
  const Status watched =
      table().loop().Watch(socket_.get(), 0, [this](uint32_t events) { OnHostEvent(events); });
  if (watched.ok()) return ConnectInside();
  ResetHost();
  SetPhase(Phase::kReset);
  MarkDirty();
}

void HostTcpFlow::FinishDial() {
  int error = 0;
  socklen_t length = sizeof error;
  if (getsockopt(socket_.get(), SOL_SOCKET, SO_ERROR, &error, &length) != 0) error = errno;
  if (error != 0) return DialFailed(error);
  dial_ = Dial::kDone;
  table().NoteConnected(*this);
  readable_ = false;
  host_failed_ = false;
  // Nothing is read before the sandbox has finished its handshake; what was waited for came once.
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
  dial_ = Dial::kDone;
  SetPhase(Phase::kReset);
  DropKeptSyn();
  CloseHost();
  MarkDirty();
}

void HostTcpFlow::Evict() {
  record_.Note(FlowEnding::kIdle);
  if (dial_ != Dial::kDone) return DialFailed(ECONNREFUSED);
  ResetHost();
  Abandon();
}

void HostTcpFlow::OnHostEvent(uint32_t events) {
  if (dial_ == Dial::kUnderWay) {
    readable_ = true;
  } else {
    if ((events & (EPOLLIN | EPOLLPRI)) != 0) readable_ = true;
    if ((events & EPOLLPRI) != 0) urgent_ahead_ = true;
    if ((events & EPOLLOUT) != 0) write_blocked_ = false;
    if ((events & EPOLLERR) != 0) {
      int error = 0;
      socklen_t length = sizeof error;
      getsockopt(socket_.get(), SOL_SOCKET, SO_ERROR, &error, &length);
      if (error != 0) host_failed_ = true;
    }
    // EPOLLHUP comes when both directions have ended, with or without an error: reading tells.
    if ((events & (EPOLLERR | EPOLLHUP)) != 0) {
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
    const size_t count = check_ ? PassablePieces(pieces) : ReceivedPieces(pieces);
    if (count == 0) break;
    const ssize_t sent = SendPieces(std::span(pieces).first(count));
    if (sent >= 0) {
      table().NoteActivity(*this);
      const auto taken = static_cast<size_t>(sent);
      record_.CountOut(taken);
      ConsumeReceived(taken);
      checked_bytes_ -= std::min(checked_bytes_, taken);
      if (check_) check_->Passed(taken);
    } else if (errno == EAGAIN) {
      write_blocked_ = true;
    } else if (errno != EINTR) {
      ResetHost();
      Reset();
      return;
    }
  }
  if (!socket_) return;
  if (!has_received() && sandbox_finished() && !write_shut_) {
    write_shut_ = true;
    SetResetAtClose(socket_.get(), false);
    shutdown(socket_.get(), SHUT_WR);
  }
}

// The urgent byte goes alone: MSG_OOB marks the last byte that was taken, and of more only a part
// may be (send(2)).
ssize_t HostTcpFlow::SendPieces(std::span<iovec> pieces) {
  msghdr message{};
  message.msg_iov = pieces.data();
  message.msg_iovlen = pieces.size();
  int flags = MSG_NOSIGNAL | MSG_DONTWAIT;
  const auto before = ReceivedBeforeUrgent();
  if (before && !check_ && *before >= checked_bytes_) {
    if (*before == 0) flags |= MSG_OOB;
    message.msg_iovlen = Shorten(pieces, message.msg_iovlen, std::max<uint64_t>(*before, 1));
  }
  return sendmsg(socket_.get(), &message, flags);
}

// What the check lets pass of what is received.
size_t HostTcpFlow::PassablePieces(std::span<iovec> pieces) {
  const TimePoint now = table().loop().Now();
  size_t count = 0;
  size_t seen = 0;
  do {
    // The second time round: what is undecided lies in more pieces than fit.
    if (count == pieces.size()) CompactReceived();
    count = ReceivedPieces(pieces);
    seen = check_->seen();
    Follow(check_->Read(pieces.first(count), now));
    if (!check_) return socket_ ? count : 0;
  } while (check_->may_pass() == 0 && check_->seen() > seen);
  if (sandbox_finished() && check_->seen() == received_bytes()) {
    Follow(check_->Finish(now));
    if (!check_) return socket_ ? count : 0;
  }
  return check_->may_pass() > 0 ? Shorten(pieces, count, check_->may_pass()) : 0;
}

void HostTcpFlow::Follow(ServerNameCheck::State state) {
  if (state == ServerNameCheck::State::kReading) return;
  checked_bytes_ = check_->seen();
  check_.reset();
  if (state == ServerNameCheck::State::kDone) return;
  record_.Note(FlowEnding::kRefused);
  ResetHost();
  Reset();
}

void HostTcpFlow::PullFromHost() {
  if (phase() == Phase::kClosed) {
    // The sandbox has our FIN: the host had finished before.
    host_finished_ = true;
    return;
  }
  if (phase() != Phase::kOpen || host_finished_ || !(readable_ || starved_)) return;
  for (size_t reads = 0; reads < table().reads_per_service(); ++reads) {
    const size_t room = SendRoom();
    // Rather a large read later than a small one now, unless there is never more room.
    if (room < std::min(TxBlock::kCapacity, SendLimit() / 2)) {
      starved_ = true;
      readable_ = false;
      return;
    }
    starved_ = false;
    if (urgent_ahead_ && PullUrgent()) continue;
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
  table().NoteActivity(*this);
  record_.CountIn(static_cast<size_t>(length));
  if (length == 0) {
    host_finished_ = true;
  } else if (check_) {
    Follow(check_->ServerSpoke(table().loop().Now()));
    if (!socket_) return false;
  }
  if (static_cast<size_t>(length) == wanted) return true;
  readable_ = false;
  return false;
}

// A read ends before the urgent byte, or starts with it (tcp(7)). Whether that byte was read.
bool HostTcpFlow::PullUrgent() {
  int at_mark = 0;
  if (ioctl(socket_.get(), SIOCATMARK, &at_mark) != 0 || at_mark == 0) return false;
  urgent_ahead_ = false;
  uint8_t byte;
  const ssize_t length = recv(socket_.get(), &byte, 1, MSG_DONTWAIT);
  if (length == 1) SendUrgent(byte);
  const bool read = HostRead(length, 1) && length == 1;
  SendQueued();
  return read;
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
  if (length > 0) SendQueued();
  return more;
}

bool HostTcpFlow::PullSmall(size_t room) {
  TxBlock* block = table().tx_blocks().Get();
  const size_t wanted = std::min(room, kMaxCopy);
  const ssize_t length = recv(socket_.get(), block->bytes, wanted, MSG_DONTWAIT);
  if (length > 0) SendCopy({block->bytes, static_cast<size_t>(length)});
  table().tx_blocks().Put(block);
  const bool more = HostRead(length, wanted);
  if (length > 0) SendQueued();
  return more;
}

void HostTcpFlow::WatchHost() {
  uint32_t events = 0;
  if (!host_finished_ && !starved_ && phase() == Phase::kOpen) events |= EPOLLIN | EPOLLPRI;
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
  table().loop().Close(std::move(socket_));
}

void HostTcpFlow::ResetHost() {
  record_.Note(FlowEnding::kReset);
  if (!socket_) return;
  SetResetAtClose(socket_.get(), true);
  CloseHost();
}

void HostTcpFlow::OnTick(TimePoint now) {
  if (dial_ != Dial::kDone || !socket_) return;
  if (check_ && check_->OnTick(now) == ServerNameCheck::State::kRefused) {
    record_.Note(FlowEnding::kRefused);
    host_failed_ = true;
    MarkDirty();
    return;
  }
  if (!keeps_alive_ && now - last_activity() >= kIdleForKeepAlive) {
    keeps_alive_ = true;
    SetOption(socket_.get(), IPPROTO_TCP, TCP_KEEPIDLE, kKeepAliveIdleSeconds);
    SetOption(socket_.get(), SOL_SOCKET, SO_KEEPALIVE, 1);
  }
  const TcpLimits& limits = table().limits();
  const bool half_closed = host_finished_ || sandbox_finished();
  if (now - last_activity() < (half_closed ? limits.half_closed_timeout : limits.idle_timeout)) {
    return;
  }
  record_.Note(FlowEnding::kIdle);
  host_failed_ = true;
  MarkDirty();
}

}  // namespace mini::netstack
