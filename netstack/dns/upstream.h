// The host's resolver, asked through c-ares. Internal to dns/.
#ifndef MINI_SANDBOX_NETSTACK_DNS_UPSTREAM_H_
#define MINI_SANDBOX_NETSTACK_DNS_UPSTREAM_H_

#include <ares.h>

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "base/status.h"
#include "netstack/dns/answer.h"
#include "netstack/dns/dns_server.h"
#include "netstack/event_loop.h"

namespace mini::netstack {

// Theory of operation. c-ares owns its sockets and says through the socket-state callback what to
// watch them for; our loop watches, and calls it back when something happens. Retries and time-outs
// are c-ares' own: after every call into it, one timer is set to the next of them. Each query is
// built anew from a normalized name and a type: nothing else of what the sandbox sent leaves.
class Upstream {
 public:
  using Callback = std::function<void(const Answer& answer)>;

  static Result<std::unique_ptr<Upstream>> Create(const ResolverConfig& config, EventLoop* loop);
  ~Upstream();  // outstanding callbacks are dropped, not called
  Upstream(const Upstream&) = delete;
  Upstream& operator=(const Upstream&) = delete;

  // Calls back exactly once, possibly before it returns; a failure is an answer with kServFail.
  void Resolve(const std::string& name, uint16_t type, Callback callback);

 private:
  struct Request;

  explicit Upstream(EventLoop* loop) : loop_(loop) {}
  static void OnSocketState(void* self, ares_socket_t fd, int readable, int writable);
  static void OnAnswer(void* request, ares_status_t status, size_t timeouts,
                       const ares_dns_record_t* record);
  void OnReady(int fd, uint32_t epoll_events);
  void SetTimer();

  EventLoop* loop_;
  ares_channel_t* channel_ = nullptr;
  std::optional<EventLoop::TimerId> timer_;
  bool closing_ = false;
};

// Follows the CNAMEs of a reply from `name` and collects the records of the type at their end.
Answer ReadAnswer(const ares_dns_record_t* record, const std::string& name, uint16_t type);

}  // namespace mini::netstack

#endif  // MINI_SANDBOX_NETSTACK_DNS_UPSTREAM_H_
