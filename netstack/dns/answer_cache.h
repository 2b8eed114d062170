// Answers of the resolver, for as long as they live. Internal to dns/.
#ifndef MINI_SANDBOX_NETSTACK_DNS_ANSWER_CACHE_H_
#define MINI_SANDBOX_NETSTACK_DNS_ANSWER_CACHE_H_

#include <cstddef>
#include <list>
#include <map>
#include <optional>
#include <string>
#include <utility>

#include "netstack/dns/answer.h"
#include "netstack/event_loop.h"

namespace mini::netstack {

// A name and a type of query.
using AnswerKey = std::pair<std::string, uint16_t>;

// Bounded in bytes; the oldest answers go first. Ordered, not hashed: the sandbox chooses the keys.
class AnswerCache {
 public:
  explicit AnswerCache(size_t max_bytes) : max_bytes_(max_bytes) {}

  // With the time-to-live that is left, at least one second.
  std::optional<Answer> Find(const AnswerKey& key, TimePoint now);
  // Keeps an answer that lives for a second or more and is no failure.
  void Add(const AnswerKey& key, const Answer& answer, TimePoint now);

  void Clear();

  size_t size() const { return entries_.size(); }
  size_t bytes() const { return bytes_; }

 private:
  struct Entry {
    Answer answer;
    TimePoint expires;
    size_t bytes;
    std::list<AnswerKey>::iterator age;
  };
  void Erase(std::map<AnswerKey, Entry>::iterator entry);

  size_t max_bytes_;
  size_t bytes_ = 0;
  std::map<AnswerKey, Entry> entries_;
  std::list<AnswerKey> ages_;  // oldest first
};

}  // namespace mini::netstack

#endif  // MINI_SANDBOX_NETSTACK_DNS_ANSWER_CACHE_H_
