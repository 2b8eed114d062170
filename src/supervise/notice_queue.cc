#include "supervise/notice_queue.h"

#include <poll.h>

#include <utility>

#include "base/strings.h"

namespace mini {

void NoticeQueue::Add(const Tell& tell, std::string sentence) {
  if (waiting_.size() == kMost) {
    ++lost_;
  } else {
    waiting_.push_back({&tell, std::move(sentence)});
  }
  Deliver();
}

// A pipe that poll(2) says is writable takes PIPE_BUF bytes at once (pipe(7)). One whose reader has
// gone is "ready" as well: its sentences are told to nobody.
void NoticeQueue::Deliver() {
  pollfd reader = {descriptor_, POLLOUT, 0};
  while (!waiting_.empty() && poll(&reader, 1, 0) == 1) {
    const Waiting next = std::move(waiting_.front());
    waiting_.pop_front();
    (*next.tell)(next.sentence);
  }
}

std::vector<std::string> NoticeQueue::TakeRest() {
  std::vector<std::string> rest;
  for (Waiting& waiting : std::exchange(waiting_, {})) rest.push_back(std::move(waiting.sentence));
  const uint64_t lost = std::exchange(lost_, 0);
  if (lost > 0) rest.push_back(StrCat(lost, " more notices were lost, since nobody took them"));
  return rest;
}

}  // namespace mini
