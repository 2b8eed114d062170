#include "sandbox/stack_thread.h"

#include <sys/eventfd.h>

#include <cerrno>

namespace mini {

StackThread::StackThread(std::unique_ptr<netstack::Stack> stack, UniqueFd failed)
    : stack_(std::move(stack)), failed_(std::move(failed)), thread_([this] {
        failure_ = stack_->Run();
        // After an ordinary stop nobody looks any more.
        (void)eventfd_write(failed_.get(), 1);
      }) {}

Result<std::unique_ptr<StackThread>> StackThread::Start(netstack::StackOptions options) {
  MINI_ASSIGN_OR_RETURN(auto stack, netstack::Stack::Create(std::move(options)));
  UniqueFd failed(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!failed.valid()) return SystemError(Stage::kNetwork, errno, "watch the network stack");
  return std::unique_ptr<StackThread>(new StackThread(std::move(stack), std::move(failed)));
}

StackThread::~StackThread() {
  stack_->Stop();
  if (thread_.joinable()) thread_.join();
}

Status StackThread::Finish() {
  stack_->Stop();
  thread_.join();
  return std::move(failure_);
}

Status StackThread::TakeFailure() {
  thread_.join();
  if (failure_.ok()) {
    return Status(StatusCode::kSystem, Stage::kNetwork, "the network stack stopped by itself");
  }
  return std::move(failure_);
}

}  // namespace mini
