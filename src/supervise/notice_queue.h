// Sentences for standard error whose reader may take nothing for a while, or ever.
#ifndef MINI_SANDBOX_SUPERVISE_NOTICE_QUEUE_H_
#define MINI_SANDBOX_SUPERVISE_NOTICE_QUEUE_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace mini {

// Each is told as soon as poll(2) says that the descriptor takes it, in order. There is room for
// kMost; the others are counted.
class NoticeQueue {
 public:
  using Tell = std::function<void(std::string_view)>;
  static constexpr size_t kMost = 64;

  // Borrows the descriptor, which is where `tell` writes to.
  explicit NoticeQueue(int descriptor) : descriptor_(descriptor) {}

  // `tell` outlives this.
  void Add(const Tell& tell, std::string sentence);
  void CountLost(uint64_t sentences) { lost_ += sentences; }

  bool empty() const { return waiting_.empty(); }
  // What to poll for POLLOUT while it is not empty.
  int descriptor() const { return descriptor_; }
  // Tells what is taken without waiting.
  void Deliver();

  // What nobody has taken, and how many found no room. Leaves it empty.
  std::vector<std::string> TakeRest();

 private:
  struct Waiting {
    const Tell* tell;
    std::string sentence;
  };

  int descriptor_;
  std::deque<Waiting> waiting_;
  uint64_t lost_ = 0;
};

}  // namespace mini

#endif  // MINI_SANDBOX_SUPERVISE_NOTICE_QUEUE_H_
