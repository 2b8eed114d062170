// Whether a flow that a name opened goes to a server of an allowed name.
//
// Theory of operation. Behind one address there may be many servers, and the connection says which
// it means in its first bytes (names/). They are held until they are whole and the filter has said
// yes to what they name; then they go on at once, in the same batch. Of requests that follow on an
// HTTP connection, each head is held the same way, while bodies pass; anything else in their place
// is refused, but for what follows a CONNECT or an upgrade: that names no server. A client that
// waits for the server to speak first (SSH, SMTP) speaks neither TLS nor HTTP, and is not read at
// all.
//
// What is held stays in the flow's buffers, charged to the budget like everything that the host has
// not taken, and is bounded by kMaxFirstBytes. It is held for kPatience at most, as servers do.
#ifndef MINI_SANDBOX_NETSTACK_FLOW_SERVER_NAME_CHECK_H_
#define MINI_SANDBOX_NETSTACK_FLOW_SERVER_NAME_CHECK_H_

#include <sys/uio.h>

#include <chrono>
#include <span>

#include "base/ip_address.h"
#include "netstack/filter/filter.h"
#include "netstack/flow/memory_budget.h"
#include "netstack/names/server_name_reader.h"

namespace mini::netstack {

class ServerNameCheck {
 public:
  static constexpr auto kPatience = std::chrono::seconds(60);

  enum class State : uint8_t {
    kReading,
    kDone,     // nothing more will be named: everything may pass
    kRefused,  // reported; the flow has to end
  };

  // `filter` and `budget` outlive it. For a TCP flow to `destination`.
  ServerNameCheck(Filter& filter, MemoryBudget& budget, const Endpoint& destination)
      : filter_(filter), budget_(budget), destination_(destination) {}
  ~ServerNameCheck() { budget_.Release(charged_); }
  ServerNameCheck(const ServerNameCheck&) = delete;
  ServerNameCheck& operator=(const ServerNameCheck&) = delete;

  // `held` is what the sandbox has sent and the host has not been given, from its first byte on, as
  // far as it is at hand. Whatever has not been seen yet is read. Then may_pass() bytes of it may.
  State Read(std::span<const iovec> held, TimePoint now);
  size_t may_pass() const { return seen_ - reader_.undecided(); }
  size_t seen() const { return seen_; }
  // The first `bytes` of what is held were given to the host.
  void Passed(size_t bytes) { seen_ -= bytes; }
  // Everything that is held has been seen, and the sandbox sends no more.
  State Finish(TimePoint now);
  // The host's server has spoken.
  State ServerSpoke(TimePoint now);
  // Looks at the clock.
  State OnTick(TimePoint now);

 private:
  State ReadPiece(std::span<const uint8_t> bytes, TimePoint now);
  State CheckAsked(TimePoint now);
  State CheckOther(TimePoint now);
  State CheckUnnamed(TimePoint now);
  State Refuse(TimePoint now);

  Filter& filter_;
  MemoryBudget& budget_;
  const Endpoint destination_;
  ServerNameReader reader_;
  size_t seen_ = 0;     // of what is held
  size_t charged_ = 0;  // for the reader's own copy
  bool any_seen_ = false;
  bool waiting_ = false;  // something is undecided
  TimePoint waiting_since_;
};

}  // namespace mini::netstack

#endif  // MINI_SANDBOX_NETSTACK_FLOW_SERVER_NAME_CHECK_H_
