// What was refused so far, for the summary.
#ifndef MINI_SANDBOX_NETSTACK_FILTER_REFUSAL_COUNTER_H_
#define MINI_SANDBOX_NETSTACK_FILTER_REFUSAL_COUNTER_H_

#include <deque>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "netstack/filter/observer.h"

namespace mini::netstack {

// Theory of operation. Each distinct refusal, by its key, is one entry with a number; the sandbox
// can make any number of distinct ones, so there is room for kMaxEntries, and the rest is a number.
//
// Who looks up "host" with a search list asks for host.corp.example, host.lab.example and host, in
// an order that differs between clients (resolv.conf(5)). Nobody has written the first two. So a
// name below a domain of the list that no rule names is told with another one where what stands
// before the domain was asked for, too: with that name, if it was refused; or else, and where that
// led to an allowed name below another domain, as one of RefusalSummary::on_the_way. Each is told
// somewhere, since a sandbox may ask for a name just to hide another. One that a rule refuses is
// an entry always: somebody has written it. What was asked for is remembered for the last kMaxAsked
// names, and it comes within moments.
class RefusalCounter {
 public:
  static constexpr size_t kMaxEntries = 1024;
  static constexpr size_t kMaxAsked = 1024;

  explicit RefusalCounter(std::vector<std::string> search_domains)
      : search_domains_(std::move(search_domains)) {}

  // Of each name that is asked for, before Count(). Normalized.
  void NoteAsked(std::string_view name, bool allowed);
  void Count(const std::string& key, const VerdictEvent& event);

  RefusalSummary Summary() const;

 private:
  struct Entry {
    RefusalSummary::Entry shown;
    enum class Place : uint8_t {
      kItsOwn,
      kOnTheWay,     // to an allowed name
      kWithAnother,  // told with what stands before the domain
    } place = Place::kItsOwn;
  };

  // What stands before each search domain that the name lies below.
  std::vector<std::string_view> StemsOf(std::string_view name) const;
  bool WasAsked(std::string_view name) const { return asked_.contains(name); }
  void Remember(std::string_view name);
  // Says of `stem`, if it has an entry, that `name` was asked for on its behalf.
  bool Attach(std::string_view stem, const std::string& name);
  // Makes one of `event`, if there is room, of a name that was made of one of `stems`, if of any.
  void Add(const std::string& key, const VerdictEvent& event,
           const std::vector<std::string_view>& stems);

  const std::vector<std::string> search_domains_;
  std::vector<Entry> entries_;
  std::map<std::string, size_t, std::less<>> counted_;  // key to index
  uint64_t unlisted_ = 0;
  std::set<std::string, std::less<>> asked_;
  std::deque<std::set<std::string, std::less<>>::iterator> asked_order_;
  std::string refused_query_;  // the name that was asked for last, if it was refused
  // By stem: the entries of names that were refused before it was asked for.
  std::multimap<std::string, size_t, std::less<>> unclaimed_;
};

}  // namespace mini::netstack

#endif  // MINI_SANDBOX_NETSTACK_FILTER_REFUSAL_COUNTER_H_
