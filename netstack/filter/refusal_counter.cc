#include "netstack/filter/refusal_counter.h"

#include <algorithm>

#include "base/strings.h"

namespace mini::netstack {
namespace {

std::string NameKey(std::string_view name) {
  VerdictEvent event;
  event.subject = VerdictEvent::Subject::kName;
  event.name = name;
  return SubjectKey(event);
}

}  // namespace

std::vector<std::string_view> RefusalCounter::StemsOf(std::string_view name) const {
  std::vector<std::string_view> stems;
  for (const std::string& domain : search_domains_) {
    if (name.size() < domain.size() + 2 || !name.ends_with(domain)) continue;
    const std::string_view stem = name.substr(0, name.size() - domain.size());
    if (stem.ends_with('.')) stems.push_back(stem.substr(0, stem.size() - 1));
  }
  return stems;
}

void RefusalCounter::Remember(std::string_view name) {
  const auto [entry, is_new] = asked_.emplace(name);
  if (!is_new) return;
  asked_order_.push_back(entry);
  if (asked_order_.size() <= kMaxAsked) return;
  asked_.erase(asked_order_.front());
  asked_order_.pop_front();
}

void RefusalCounter::NoteAsked(std::string_view name, bool allowed) {
  if (search_domains_.empty()) return;
  refused_query_ = allowed ? std::string_view() : name;
  std::vector<std::string_view> found = {name};
  if (allowed) {
    for (const std::string_view stem : StemsOf(name)) found.push_back(stem);
  }
  for (const std::string_view stem : found) {
    Remember(stem);
    const auto [first, last] = unclaimed_.equal_range(stem);
    for (auto next = first; next != last; ++next) {
      Entry& entry = entries_[next->second];
      if (entry.place == Entry::Place::kItsOwn) entry.place = Entry::Place::kOnTheWay;
    }
  }
}

bool RefusalCounter::Attach(std::string_view stem, const std::string& name) {
  const auto known = counted_.find(NameKey(stem));
  if (known == counted_.end()) return false;
  // At most one for each domain of the list.
  std::vector<std::string>& searched = entries_[known->second].shown.event.searched;
  if (std::find(searched.begin(), searched.end(), name) == searched.end()) searched.push_back(name);
  return true;
}

void RefusalCounter::Add(const std::string& key, const VerdictEvent& event,
                         const std::vector<std::string_view>& stems) {
  if (entries_.size() == kMaxEntries) {
    ++unlisted_;
    return;
  }
  const size_t index = entries_.size();
  counted_.emplace(key, index);
  entries_.push_back({{Explain(event)}});
  const bool was_asked = std::any_of(stems.begin(), stems.end(),
                                     [&](std::string_view stem) { return WasAsked(stem); });
  if (was_asked) entries_.back().place = Entry::Place::kOnTheWay;
  for (const std::string_view stem : stems) unclaimed_.emplace(stem, index);
}

void RefusalCounter::Count(const std::string& key, const VerdictEvent& event) {
  const bool is_name = event.subject == VerdictEvent::Subject::kName;
  if (const auto known = counted_.find(key); known != counted_.end()) {
    ++entries_[known->second].shown.times;
  } else {
    // Not an alias, and not a name that is allowed but has too many like it.
    const bool is_query = is_name && !refused_query_.empty() && event.name == refused_query_;
    const bool may_be_made = is_query && event.rule == nullptr;
    const auto stems = may_be_made ? StemsOf(event.name) : std::vector<std::string_view>();
    for (const std::string_view stem : stems) {
      if (WasAsked(stem) && Attach(stem, std::string(event.name))) return;
    }
    Add(key, event, stems);
  }
  if (!is_name) return;
  // Those that were refused on its behalf before.
  const auto [first, last] = unclaimed_.equal_range(event.name);
  for (auto next = first; next != last; ++next) {
    Entry& entry = entries_[next->second];
    if (Attach(event.name, entry.shown.event.name)) entry.place = Entry::Place::kWithAnother;
  }
}

RefusalSummary RefusalCounter::Summary() const {
  RefusalSummary summary;
  summary.unlisted = unlisted_;
  for (const Entry& entry : entries_) {
    const RefusalEvent& event = entry.shown.event;
    if (entry.place == Entry::Place::kItsOwn) {
      summary.entries.push_back(entry.shown);
      continue;
    }
    if (entry.place == Entry::Place::kOnTheWay) summary.on_the_way.push_back(event.name);
    // And what was made of that in turn, which no client does by itself.
    summary.on_the_way.insert(summary.on_the_way.end(), event.searched.begin(),
                              event.searched.end());
  }
  return summary;
}

}  // namespace mini::netstack
