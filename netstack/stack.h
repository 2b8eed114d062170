// The user-space network stack: the sandbox's only way out.
//
// One thread runs Run(); everything the stack owns is touched by that thread alone. See
// docs/architecture.md, "One packet's path".
#ifndef MINI_SANDBOX_NETSTACK_STACK_H_
#define MINI_SANDBOX_NETSTACK_STACK_H_

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string_view>

#include "base/status.h"
#include "base/unique_fd.h"
#include "netstack/dns/dns_server.h"
#include "netstack/filter/filter.h"
#include "netstack/flow/tcp_limits.h"
#include "netstack/link/link.h"
#include "netstack/published_port.h"

namespace mini::netstack {

// Bounds on what the sandbox can make the host hold.
struct StackLimits : TcpLimits {
  size_t max_buffered_bytes = size_t{6} << 20;  // over all flows, both directions
};

inline constexpr std::chrono::milliseconds kDeliveryTime{800};

struct StackOptions {
  LinkOptions link;  // without a descriptor: it comes later, by Attach()
  FilterOptions filter;
  ResolverConfig resolver;
  StackLimits limits;
  InboundOptions inbound;
  // Borrowed; readable, or its other end closed, when all is over inside. Run() then returns when
  // what the sandbox had sent is delivered, and at the latest after kDeliveryTime.
  int stop_descriptor = -1;
  // Open for appending: every verdict and every flow's end is written there (verdict_log.h), with
  // `log_pid`. Not valid: nothing is.
  UniqueFd verdict_log;
  // It is a pipe (O_NONBLOCK) whose reader is not waited for: VerdictLog::Reader::kMayMissLines.
  bool may_lose_verdicts = false;
  int64_t log_pid = 0;
  // What the user should know besides refusals: a sentence, once each. It must not wait for a
  // reader: all traffic would.
  std::function<void(std::string_view)> on_notice;
};

class Stack {
 public:
  // At most one Stack may exist in a process: lwIP's state is global. A second is kUnsupported.
  static Result<std::unique_ptr<Stack>> Create(StackOptions options);
  virtual ~Stack() = default;

  // The link of a stack that was made without one. Once, before Run(); needs no system call but
  // epoll_ctl(2).
  virtual Status Attach(LinkOptions link) = 0;

  // Serves until Stop(), then ends every flow. Called once. An error means that the stack can no
  // longer serve (the TAP failed, epoll failed, the log could not be written): the run has to end,
  // never to go on without it.
  virtual Status Run() = 0;

  // What was refused, if options.filter.counts_refusals; not while Run() runs elsewhere.
  virtual RefusalSummary refusals() const = 0;

  // From any thread or signal handler; Run() then returns OK soon.
  virtual void Stop() = 0;
};

}  // namespace mini::netstack

#endif  // MINI_SANDBOX_NETSTACK_STACK_H_
