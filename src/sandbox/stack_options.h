// What netstack::Stack is made with.
#ifndef MINI_SANDBOX_SANDBOX_STACK_OPTIONS_H_
#define MINI_SANDBOX_SANDBOX_STACK_OPTIONS_H_

#include <string>
#include <vector>

#include "base/status.h"
#include "netstack/stack.h"
#include "sandbox/stack_request.h"
#include "sandbox/stack_voice.h"

namespace mini {

// In the stack's process, before it confines itself: everything but the link. Takes from the
// request what the stack is to own.
Result<netstack::StackOptions> MakeStackOptions(const StackRequest& request, StackVoice& voice);

// What may still be opened afterwards (ConfinementOptions).
std::vector<std::string> FilesOfTheResolver();

}  // namespace mini

#endif  // MINI_SANDBOX_SANDBOX_STACK_OPTIONS_H_
