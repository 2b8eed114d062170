// The host's resolver, asked through c-ares. Internal to dns/.
#ifndef MINI_SANDBOX_NETSTACK_DNS_UPSTREAM_H_
#define MINI_SANDBOX_NETSTACK_DNS_UPSTREAM_H_

#include <ares.h>

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/status.h"
#include "netstack/dns/answer.h"
#include "netstack/dns/dns_server.h"
#include "netstack/dns/resolver_sockets.h"
#include "netstack/event_loop.h"

namespace mini::netstack {

// Theory of operation. c-ares owns its sockets and says through the socket-state callback what to
// watch them for; our loop watches, and calls it back when something happens. Retries and time-outs
// are c-ares' own: after every call into it, one timer is set to the next of them. Each query is
// built anew from a normalized name and a type: nothing else of what the sandbox sent leaves. A
// question that all servers and attempts leave unanswered for kPatience is given up, as the clients
// inside do at about that time.
//
// Forged answers (RFC 5452): each query has a socket, thus a source port, and an id of its own, and
// a cookie (RFC 7873) where the server knows them; c-ares takes an answer only if all of these and
// the question match. Not by 0x20, letters of random case: c-ares drops what a resolver that does
// not keep the case answers, so that behind such a one, as some home routers are, nothing would
// resolve.
class Upstream {
 public:
  using Callback = std::function<void(const Answer& answer)>;

  static Result<std::unique_ptr<Upstream>> Create(const ResolverConfig& config, EventLoop* loop);
  ~Upstream();  // outstanding callbacks are dropped, not called
  Upstream(const Upstream&) = delete;
  Upstream& operator=(const Upstream&) = delete;

  // Calls back exactly once, possibly before it returns; a failure is an answer with kServFail.
  void Resolve(const std::string& name, uint16_t type, Callback callback);
  // From now on these. What is under way at a server that is no longer there is asked anew.
  void SetServers(const std::vector<NameServer>& servers);
  // Questions that c-ares still has, those that were given up included.
  size_t outstanding() const { return outstanding_; }

  static constexpr std::chrono::seconds kPatience{10};

 private:
  struct Request;

  Upstream(const ResolverConfig& config, EventLoop* loop)
      : loop_(loop), sockets_(config.interface_index) {}
  static void OnSocketState(void* self, ares_socket_t fd, int readable, int writable);
  static void OnAnswer(void* request, ares_status_t status, size_t timeouts,
                       const ares_dns_record_t* record);
  void OnReady(int fd, uint32_t epoll_events);
  void SetTimer();
  int TakeServers(const std::vector<NameServer>& servers);  // c-ares' status

  EventLoop* loop_;
  ResolverSockets sockets_;
  ares_channel_t* channel_ = nullptr;
  std::optional<EventLoop::TimerId> timer_;
  size_t outstanding_ = 0;
  bool closing_ = false;
};

// Follows the CNAMEs of a reply from `name` and collects the records of the type at their end.
Answer ReadAnswer(const ares_dns_record_t* record, const std::string& name, uint16_t type);

}  // namespace mini::netstack

#endif  // MINI_SANDBOX_NETSTACK_DNS_UPSTREAM_H_
