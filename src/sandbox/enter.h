// The way of a program into a sandbox of its own making (mini_sandbox_start()).
#ifndef MINI_SANDBOX_SANDBOX_ENTER_H_
#define MINI_SANDBOX_SANDBOX_ENTER_H_

#include <optional>
#include <span>
#include <string>

#include "base/status.h"
#include "policy/policy.h"

namespace mini {

struct EnterRequest {
  Policy policy;
  // Where to write what is done; unset: nowhere. Notices go there as well, nothing goes elsewhere.
  std::optional<std::string> debug_log = {};
  // The static program of src/capi/supervisor_main.cc.
  std::span<const unsigned char> supervisor;
};

// OK in the process inside alone, a copy of this one as fork(2) makes it, with the calling thread
// as its only one. This process then is the supervisor, by exec: it ends as the other one does. An
// error is returned in this process, which is as it was, and nothing is left of the sandbox.
//
// Other threads may run meanwhile; in the end they are gone, before the process inside goes on.
Status EnterSandbox(EnterRequest request);

}  // namespace mini

#endif  // MINI_SANDBOX_SANDBOX_ENTER_H_
