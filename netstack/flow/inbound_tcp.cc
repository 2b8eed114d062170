#include "netstack/flow/inbound_tcp.h"

#include <sys/epoll.h>
#include <sys/socket.h>

#include <cerrno>
#include <utility>

#include "base/strings.h"
#include "netstack/flow/host_tcp_flow.h"

namespace mini::netstack {

namespace {

constexpr int kMaxAcceptsPerEvent = 64;
// A server inside that does not take its connections holds up no more than these.
constexpr size_t kMaxHandshakes = 512;
// Until descriptors may have become free again.
constexpr auto kDescriptorPause = std::chrono::milliseconds(100);

uint16_t RandomPort() { return static_cast<uint16_t>(RandomSipHashKey()[0]); }

}  // namespace

// Tells what became of the handshake inside, once.
class InboundTcpFlow final : public HostTcpFlow {
 public:
  InboundTcpFlow(TcpFlowTable& table, const FlowKey& key, UniqueFd connection, FlowRecord record,
                 InboundTcp& owner, InboundTcp::Listener& listener)
      : HostTcpFlow(table, key, std::move(connection), std::move(record)),
        owner_(owner),
        listener_(listener) {
    ++owner_.handshakes_;
  }
  ~InboundTcpFlow() override { EndHandshake(); }

  void Service() override {
    // Asked before the host's side is looked at: a client that went away is no refusal.
    if (handshaking_ && phase() == Phase::kReset && !was_open()) {
      record().Note(FlowEnding::kConnectFailed, ECONNREFUSED);
      owner_.OnRefused(listener_);
    }
    HostTcpFlow::Service();
    if (was_open()) listener_.hint_given = true;  // somebody listens: the hint would be wrong
    if (phase() != Phase::kHandshake) EndHandshake();
  }

 private:
  void EndHandshake() {
    if (std::exchange(handshaking_, false)) --owner_.handshakes_;
  }

  InboundTcp& owner_;
  InboundTcp::Listener& listener_;
  bool handshaking_ = true;
};

InboundTcp::InboundTcp(EpollLoop& loop, TcpFlowTable& table, AcceptInbound accept,
                       std::function<void(std::string_view)> on_notice)
    : loop_(loop),
      table_(table),
      accept_(std::move(accept)),
      on_notice_(std::move(on_notice)),
      source_ports_(RandomPort()) {}

InboundTcp::~InboundTcp() {
  loop_.CancelTimer(timer_);
  for (const Listener& listener : listeners_) loop_.Unwatch(listener.port.socket.get());
}

Status InboundTcp::Publish(PublishedPort port, const IpAddress& server, const IpAddress& gateway) {
  Listener& listener =
      listeners_.emplace_back(Listener{std::move(port), {server, 0}, gateway, false});
  listener.server.port = listener.port.port;
  // What accept4(2) returns has a listener's options from its first moment: there is none in which
  // a kill would end a connection in order that was never made inside.
  const int fd = listener.port.socket.get();
  SetHostSocketOptions(fd);
  return loop_.Watch(fd, EPOLLIN, [this, &listener](uint32_t) { OnConnections(listener); });
}

void InboundTcp::OnConnections(Listener& listener) {
  for (int i = 0; i < kMaxAcceptsPerEvent; ++i) {
    if (!HasRoom()) return Pause();
    sockaddr_storage client{};
    socklen_t length = sizeof client;
    UniqueFd connection(accept4(listener.port.socket.get(), reinterpret_cast<sockaddr*>(&client),
                                &length, SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (connection) {
      OpenFlow(listener, std::move(connection), client);
      continue;
    }
    if (errno == EAGAIN) return;
    // accept(2) also reports what is wrong with the connection that it took off the queue.
    const bool concerns_us =
        errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM;
    if (concerns_us) return PauseForAWhile();
  }
}

bool InboundTcp::HasRoom() { return handshakes_ < kMaxHandshakes && table_.MakeRoomForInbound(); }

void InboundTcp::OpenFlow(Listener& listener, UniqueFd connection, const sockaddr_storage& client) {
  FlowKey key{listener.server, {listener.gateway, 0}};
  const auto source = source_ports_.Next([&](uint16_t candidate) {
    key.remote.port = candidate;
    return table_.Contains(key);
  });
  if (!source) return;  // closing tells the client
  FlowRecord record = accept_(listener.port, FromSockaddr(client).value_or(Endpoint()));
  table_.AddInbound(std::make_unique<InboundTcpFlow>(table_, key, std::move(connection),
                                                     std::move(record), *this, listener));
}

void InboundTcp::OnBatchEnd() {
  if (paused_ && !waiting_ && HasRoom()) Resume();
}

void InboundTcp::Pause() {
  paused_ = true;
  for (const Listener& listener : listeners_) loop_.SetEvents(listener.port.socket.get(), 0);
}

void InboundTcp::PauseForAWhile() {
  Pause();
  if (std::exchange(waiting_, true)) return;
  timer_ = loop_.AddTimer(kDescriptorPause, [this] { waiting_ = false; });
}

void InboundTcp::Resume() {
  paused_ = false;
  for (const Listener& listener : listeners_) loop_.SetEvents(listener.port.socket.get(), EPOLLIN);
}

void InboundTcp::OnRefused(Listener& listener) {
  if (std::exchange(listener.hint_given, true)) return;
  on_notice_(StrCat("a connection to ", listener.port.host.ToString(),
                    " was refused inside: no server listens at ", listener.server.ToString(),
                    "; one that listens at ", listener.gateway.is_v4() ? "127.0.0.1" : "::1",
                    " only is not reached, ", listener.gateway.is_v4() ? "0.0.0.0" : "::", " is"));
}

}  // namespace mini::netstack
