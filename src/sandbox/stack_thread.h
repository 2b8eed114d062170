// The network stack in its thread.
#ifndef MINI_SANDBOX_SANDBOX_STACK_THREAD_H_
#define MINI_SANDBOX_SANDBOX_STACK_THREAD_H_

#include <memory>
#include <thread>

#include "base/status.h"
#include "base/unique_fd.h"
#include "netstack/stack.h"

namespace mini {

class StackThread {
 public:
  // Builds the stack on the calling thread, so that a mistake is known before anything runs, then
  // starts it. Signals are blocked in the new thread as they are in this one.
  static Result<std::unique_ptr<StackThread>> Start(netstack::StackOptions options);
  ~StackThread();  // stops the stack and joins
  StackThread(const StackThread&) = delete;
  StackThread& operator=(const StackThread&) = delete;

  // Ends it, and returns why if it could not end in order. At most once, instead of TakeFailure().
  Status Finish();
  // What it refused; after Finish() or TakeFailure().
  const netstack::RefusalSummary& refusals() const { return stack_->refusals(); }

  // Readable once the stack has ended by itself.
  int failure_descriptor() const { return failed_.get(); }
  // Why; only after failure_descriptor() became readable. Joins.
  Status TakeFailure();

 private:
  StackThread(std::unique_ptr<netstack::Stack> stack, UniqueFd failed);

  std::unique_ptr<netstack::Stack> stack_;
  UniqueFd failed_;
  Status failure_;
  std::thread thread_;
};

}  // namespace mini

#endif  // MINI_SANDBOX_SANDBOX_STACK_THREAD_H_
