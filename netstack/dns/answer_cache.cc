#include "netstack/dns/answer_cache.h"

namespace mini::netstack {
namespace {

// An estimate that counts what the answer's sender controls, and the nodes of the tables.
size_t BytesOf(const AnswerKey& key, const Answer& answer) {
  size_t bytes = 256 + 2 * key.first.size() + answer.addresses.size() * sizeof(IpAddress);
  for (const std::string& alias : answer.aliases) bytes += sizeof alias + alias.size();
  for (const DataRecord& record : answer.records) {
    bytes += sizeof record + record.target.size();
    for (const std::string& text : record.strings) bytes += sizeof text + text.size();
  }
  return bytes;
}

}  // namespace

std::optional<Answer> AnswerCache::Find(const AnswerKey& key, TimePoint now) {
  const auto entry = entries_.find(key);
  if (entry == entries_.end()) return std::nullopt;
  const auto left = std::chrono::floor<std::chrono::seconds>(entry->second.expires - now);
  if (left.count() < 1) {
    Erase(entry);
    return std::nullopt;
  }
  Answer answer = entry->second.answer;
  answer.ttl = left;
  return answer;
}

void AnswerCache::Add(const AnswerKey& key, const Answer& answer, TimePoint now) {
  const bool lasting = answer.rcode == Rcode::kNoError || answer.rcode == Rcode::kNxDomain;
  const size_t bytes = BytesOf(key, answer);
  if (!lasting || answer.ttl.count() < 1 || bytes > max_bytes_ / 16) return;
  if (const auto old = entries_.find(key); old != entries_.end()) Erase(old);
  while (bytes_ + bytes > max_bytes_) Erase(entries_.find(ages_.front()));
  const auto age = ages_.insert(ages_.end(), key);
  entries_.emplace(key, Entry{answer, now + answer.ttl, bytes, age});
  bytes_ += bytes;
}

void AnswerCache::Clear() {
  entries_.clear();
  ages_.clear();
  bytes_ = 0;
}

void AnswerCache::Erase(std::map<AnswerKey, Entry>::iterator entry) {
  bytes_ -= entry->second.bytes;
  ages_.erase(entry->second.age);
  entries_.erase(entry);
}

}  // namespace mini::netstack
