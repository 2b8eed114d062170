#include "netstack/verdict_log.h"

#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <utility>

#include "base/strings.h"

namespace mini::netstack {

namespace {

// Members of an object, each with a comma before it.
class Members {
 public:
  template <typename Number>
  Members& Add(std::string_view key, Number value) {
    text_ += StrCat(",\"", key, "\":", value);
    return *this;
  }
  Members& AddText(std::string_view key, std::string_view value) {
    text_ += StrCat(",\"", key, "\":\"");
    // What is left of ASCII and UTF-8 has no control characters.
    for (const char c : EscapeForTerminal(value, value.size())) {
      if (c == '"' || c == '\\') text_ += '\\';
      text_ += c;
    }
    text_ += '"';
    return *this;
  }
  std::string Take() { return std::move(text_); }

 private:
  std::string text_;
};

std::string_view SubjectText(VerdictEvent::Subject subject) {
  switch (subject) {
    case VerdictEvent::Subject::kName:
      return "name";
    case VerdictEvent::Subject::kAnswer:
      return "answer";
    case VerdictEvent::Subject::kFlow:
      return "flow";
    case VerdictEvent::Subject::kServerName:
      return "server";
  }
  return "unknown";
}

void AddEndpoint(Members& members, Protocol protocol, const Endpoint& endpoint) {
  members.AddText("protocol", ProtocolName(protocol));
  members.AddText("address", endpoint.address.ToString());
  if (protocol != Protocol::kIcmp) members.Add("port", endpoint.port);
}

std::string VerdictTail(const VerdictEvent& event) {
  Members members;
  members.AddText("event", "verdict").AddText("verdict", event.allowed ? "allowed" : "refused");
  members.AddText("subject", SubjectText(event.subject));
  if (event.subject == VerdictEvent::Subject::kFlow) {
    members.AddText("direction", DirectionText(event.direction));
  }
  if (event.flow != 0) members.Add("flow", event.flow);
  if (!event.name.empty()) members.AddText("name", event.name);
  if (event.subject == VerdictEvent::Subject::kFlow ||
      event.subject == VerdictEvent::Subject::kServerName) {
    AddEndpoint(members, event.protocol, event.destination);
  } else if (event.subject == VerdictEvent::Subject::kAnswer) {
    members.AddText("address", event.destination.address.ToString());
  }
  if (!event.published.empty()) members.AddText("published", event.published);
  members.AddText("reason", ReasonText(event.reason));
  if (event.rule) {
    members.AddText("rule", event.rule->ToString());
    members.AddText("rule_at", StrCat(event.rule->source, ":", event.rule->line));
  }
  if (!event.allowed) {
    const RefusalEvent refusal = Explain(event);
    if (!refusal.remedy.empty()) members.AddText("remedy", refusal.remedy);
    if (!refusal.option.empty()) members.AddText("option", refusal.option);
  }
  return members.Take();
}

}  // namespace

// Not by gmtime(3) and strftime(3): they look for the time zone's file.
std::string Rfc3339(std::chrono::system_clock::time_point time) {
  using namespace std::chrono;
  const auto day = floor<days>(time);
  const year_month_day date(day);
  const hh_mm_ss clock(floor<milliseconds>(time - day));
  std::array<char, 40> text{};
  std::snprintf(text.data(), text.size(), "%04d-%02u-%02uT%02d:%02d:%02d.%03dZ",
                static_cast<int>(date.year()), static_cast<unsigned>(date.month()),
                static_cast<unsigned>(date.day()), static_cast<int>(clock.hours().count()),
                static_cast<int>(clock.minutes().count()),
                static_cast<int>(clock.seconds().count()),
                static_cast<int>(clock.subseconds().count()));
  return text.data();
}

VerdictLog::VerdictLog(UniqueFd file, int64_t pid, Clocks clocks, Reader reader)
    : file_(std::move(file)),
      pid_(pid),
      clocks_(std::move(clocks)),
      reader_(reader),
      new_lines_(kNewPerSecond, kNewBurst) {}

std::string VerdictLog::Head() const {
  return StrCat("{\"time\":\"", Rfc3339(clocks_.wall()), "\",\"pid\":", pid_);
}

void VerdictLog::Append(std::string_view tail) { buffer_ += StrCat(Head(), tail, "}\n"); }

void VerdictLog::OnVerdict(const VerdictEvent& event) {
  if (event.allowed && event.subject == VerdictEvent::Subject::kFlow) {
    return Append(VerdictTail(event));
  }
  std::string key = StrCat(event.allowed ? "+" : "-", SubjectKey(event));
  if (const auto known = repeated_.find(key); known != repeated_.end()) {
    ++known->second.times;
    return;
  }
  if (repeated_.size() == kMaxRepeated || !new_lines_.Take(clocks_.steady())) {
    ++(event.allowed ? omitted_.allowed : omitted_.refused);
    return;
  }
  std::string tail = VerdictTail(event);
  Append(tail);
  repeated_.emplace(std::move(key), Repeated{std::move(tail)});
}

void VerdictLog::OnFlowEnd(const FlowEnd& end) {
  using std::chrono::duration_cast;
  using std::chrono::milliseconds;
  Members members;
  members.AddText("event", "close").AddText("direction", DirectionText(end.direction));
  members.Add("flow", end.flow);
  if (!end.name.empty()) members.AddText("name", end.name);
  AddEndpoint(members, end.protocol, end.remote);
  members.Add("bytes_out", end.bytes_out).Add("bytes_in", end.bytes_in);
  members.Add("duration_ms", duration_cast<milliseconds>(end.duration).count());
  members.AddText("end", FlowEndingText(end.ending));
  if (const char* error = end.error == 0 ? nullptr : strerrorname_np(end.error)) {
    members.AddText("error", error);
  }
  Append(members.Take());
}

void VerdictLog::TellRepeated() {
  tries_again_ = true;
  for (auto next = repeated_.begin(); next != repeated_.end();) {
    Repeated& repeated = next->second;
    if (repeated.times == 0) {
      next = repeated_.erase(next);
      continue;
    }
    Append(StrCat(repeated.tail, ",\"repeated\":", std::exchange(repeated.times, 0)));
    ++next;
  }
  const Omitted omitted = std::exchange(omitted_, {});
  if (omitted.allowed + omitted.refused == 0) return;
  Members members;
  members.AddText("event", "omitted").Add("allowed", omitted.allowed);
  members.Add("refused", omitted.refused);
  Append(members.Take());
}

bool VerdictLog::FinishLine() {
  while (!unfinished_.empty()) {
    const ssize_t count = write(file_.get(), unfinished_.data(), unfinished_.size());
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return false;
    unfinished_.erase(0, static_cast<size_t>(count));
  }
  return true;
}

bool VerdictLog::BeginLine(std::string_view line) {
  if (!FinishLine()) return false;
  unfinished_ = line;
  if (FinishLine() || unfinished_.size() < line.size()) return true;
  unfinished_.clear();
  return false;
}

// Of a reader that is gone all lines are lost, which nobody will ask about.
void VerdictLog::FlushWhatFits() {
  // Not in every round of the loop again: the pipe may be full for long.
  if (buffer_.empty() && !std::exchange(tries_again_, false)) return;
  bool fits = FinishLine();
  if (fits && lost_ > 0) {
    fits = BeginLine(
        StrCat(Head(), Members().AddText("event", "lost").Add("lines", lost_).Take(), "}\n"));
    if (fits) lost_ = 0;
  }
  std::string_view left = buffer_;
  while (!left.empty()) {
    const std::string_view line = left.substr(0, left.find('\n') + 1);
    fits = fits && BeginLine(line);
    if (!fits) ++lost_;
    left.remove_prefix(line.size());
  }
  buffer_.clear();
}

Status VerdictLog::Flush() {
  if (reader_ == Reader::kMayMissLines) {
    FlushWhatFits();
    return OkStatus();
  }
  std::string_view left = buffer_;
  while (failure_.ok() && !left.empty()) {
    const ssize_t count = write(file_.get(), left.data(), left.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) {
      failure_ =
          SystemError(Stage::kNetwork, errno, "write the verdict log")
              .WithHint("what cannot be logged is not allowed: make room, or leave out --log");
    } else {
      left.remove_prefix(static_cast<size_t>(count));
    }
  }
  buffer_.clear();
  return failure_;
}

}  // namespace mini::netstack
