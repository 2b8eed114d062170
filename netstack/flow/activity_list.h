// Flows in the order of their last activity.
//
// A doubly linked list through the flows themselves: noting activity, and finding who has been idle
// for longest, cost the same however many flows there are.
#ifndef MINI_SANDBOX_NETSTACK_FLOW_ACTIVITY_LIST_H_
#define MINI_SANDBOX_NETSTACK_FLOW_ACTIVITY_LIST_H_

#include <cstddef>

#include "netstack/event_loop.h"

namespace mini::netstack {

class ActivityList;

// What is in at most one list; it leaves that when it is destroyed.
class ActivityLink {
 public:
  ActivityLink() = default;
  ~ActivityLink() { Leave(); }
  ActivityLink(const ActivityLink&) = delete;
  ActivityLink& operator=(const ActivityLink&) = delete;

  ActivityList* list() const { return list_; }
  TimePoint last_activity() const { return last_activity_; }
  void Leave();

 private:
  friend class ActivityList;
  ActivityList* list_ = nullptr;
  ActivityLink* older_ = nullptr;
  ActivityLink* newer_ = nullptr;
  TimePoint last_activity_;
};

class ActivityList {
 public:
  ActivityList() = default;
  ActivityList(const ActivityList&) = delete;
  ActivityList& operator=(const ActivityList&) = delete;

  size_t size() const { return size_; }
  // From now on also counts in `total`, which lists may share and which outlives them. Of an empty
  // list.
  void CountIn(size_t& total) { total_ = &total; }
  ActivityLink* oldest() const { return oldest_; }
  // The oldest, if it has been idle for at least `time`; else null.
  ActivityLink* IdleFor(Duration time, TimePoint now) const {
    return oldest_ != nullptr && now - oldest_->last_activity() >= time ? oldest_ : nullptr;
  }

  // Out of the list it is in, and in here as the newest.
  void Touch(ActivityLink& link, TimePoint now) {
    link.last_activity_ = now;
    if (newest_ == &link) return;
    link.Leave();
    link.list_ = this;
    link.older_ = newest_;
    (newest_ != nullptr ? newest_->newer_ : oldest_) = &link;
    newest_ = &link;
    ++size_;
    if (total_ != nullptr) ++*total_;
  }

 private:
  friend class ActivityLink;
  ActivityLink* oldest_ = nullptr;
  ActivityLink* newest_ = nullptr;
  size_t size_ = 0;
  size_t* total_ = nullptr;
};

inline void ActivityLink::Leave() {
  if (list_ == nullptr) return;
  (older_ != nullptr ? older_->newer_ : list_->oldest_) = newer_;
  (newer_ != nullptr ? newer_->older_ : list_->newest_) = older_;
  --list_->size_;
  if (list_->total_ != nullptr) --*list_->total_;
  list_ = nullptr;
  older_ = newer_ = nullptr;
}

}  // namespace mini::netstack

#endif  // MINI_SANDBOX_NETSTACK_FLOW_ACTIVITY_LIST_H_
