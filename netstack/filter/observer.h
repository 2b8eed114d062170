// Who is told of every verdict and of every flow's end: the seam behind --log.
//
// All calls come from Stack::Run(). Where nobody observes the pointer is null, and nothing is
// made for telling. Views and pointers are valid during the call only.
#ifndef MINI_SANDBOX_NETSTACK_FILTER_OBSERVER_H_
#define MINI_SANDBOX_NETSTACK_FILTER_OBSERVER_H_

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/ip_address.h"
#include "netstack/event_loop.h"
#include "netstack/filter/filter.h"

namespace mini::netstack {

enum class Direction : uint8_t { kOut, kIn };         // of a flow: who has begun it
std::string_view DirectionText(Direction direction);  // "out"

struct VerdictEvent {
  enum class Subject : uint8_t {
    kName,        // may it be resolved?
    kAnswer,      // may the name lead to this address? Told when refused only
    kFlow,        // may a flow go there?
    kServerName,  // may a flow that a name opened be meant for this server?
  };
  Subject subject = Subject::kFlow;
  bool allowed = false;
  bool open_mode = false;                 // there is no allow-list
  Protocol protocol = Protocol::kTcp;     // kFlow
  std::string_view name;                  // for kFlow the name behind the address, if known
  Endpoint destination;                   // kFlow: the far side; kAnswer: without port
  Direction direction = Direction::kOut;  // kFlow
  std::string_view published;             // kIn: the port that it came to
  size_t max_connections = 0;             // kNoRoom, where that many are there; else 0
  Reason reason = Reason::kNoRule;
  const Rule* rule = nullptr;       // the deciding one, if one did
  const Rule* name_rule = nullptr;  // kAnswer: what allows the name, if all that does is alike
  uint64_t flow = 0;                // ties an allowed flow to its end; 0: none
};

// What a refusal says to a person.
RefusalEvent Explain(const VerdictEvent& event);

// The same text for verdicts about the same: subject, name, address, protocol and port.
std::string SubjectKey(const VerdictEvent& event);

enum class FlowEnding : uint8_t {
  kClosed,         // both sides had finished, or the run ended
  kReset,          // by either side
  kIdle,           // nothing was carried for too long
  kRefused,        // for the server that it named, or named not (Filter::CheckServerName)
  kConnectFailed,  // the host could not reach it; `error` says why
};
std::string_view FlowEndingText(FlowEnding ending);  // "closed"

struct FlowEnd {
  Direction direction = Direction::kOut;
  uint64_t flow = 0;  // of its verdict
  Protocol protocol = Protocol::kTcp;
  std::string_view name;
  Endpoint remote;
  uint64_t bytes_out = 0;  // payload that the host's kernel took
  uint64_t bytes_in = 0;   // payload that it gave
  Duration duration{};
  FlowEnding ending = FlowEnding::kClosed;
  int error = 0;  // an errno, or 0
};

class Observer {
 public:
  virtual ~Observer() = default;
  virtual void OnVerdict(const VerdictEvent& event) = 0;
  virtual void OnFlowEnd(const FlowEnd& end) = 0;
};

}  // namespace mini::netstack

#endif  // MINI_SANDBOX_NETSTACK_FILTER_OBSERVER_H_
