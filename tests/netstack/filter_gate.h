// A filter over rules that a test writes down.
#ifndef MINI_SANDBOX_TESTS_NETSTACK_FILTER_GATE_H_
#define MINI_SANDBOX_TESTS_NETSTACK_FILTER_GATE_H_

#include <gtest/gtest.h>

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "netstack/filter/filter.h"

namespace mini::netstack {

inline IpAddress Ip(std::string_view text) {
  const auto address = IpAddress::Parse(text);
  EXPECT_TRUE(address) << text;
  return address.value_or(IpAddress());
}

// A filter over the lines given, its refusals, and a clock that moves when told.
class Gate {
 public:
  explicit Gate(std::optional<std::string> lines, FilterOptions options = {})
      : lines_(std::move(lines)) {
    if (lines_) {
      options.rules.emplace();
      const Status status = options.rules->AddText("allowed_ips", *lines_);
      EXPECT_TRUE(status.ok()) << status.ToString();
    }
    options.on_refusal = [this](const RefusalEvent& event) { refusals.push_back(event); };
    options.on_unnamed = [this](const UnnamedEvent& event) { unnamed.push_back(event); };
    filter.emplace(std::move(options));
  }

  bool Resolves(std::string_view name) { return filter->CheckName(name).allowed; }
  Verdict Tcp(std::string_view address, uint16_t port) {
    return filter->CheckFlow(Protocol::kTcp, {Ip(address), port}, now);
  }
  Verdict Udp(std::string_view address, uint16_t port) {
    return filter->CheckFlow(Protocol::kUdp, {Ip(address), port}, now);
  }
  Verdict Ping(std::string_view address) {
    return filter->CheckFlow(Protocol::kIcmp, {Ip(address), 0}, now);
  }
  Verdict Server(std::string_view asked, std::string_view address, uint16_t port) {
    return filter->CheckServerName(Protocol::kTcp, asked, {Ip(address), port}, now);
  }
  // The admitted addresses as one text.
  std::string Answer(std::string_view name, const std::vector<std::string_view>& addresses,
                     std::chrono::seconds ttl = std::chrono::seconds(60)) {
    std::vector<IpAddress> parsed;
    for (const auto address : addresses) parsed.push_back(Ip(address));
    last_ttl = ttl;
    std::string text;
    for (const IpAddress& address : filter->AdmitAnswer(name, parsed, last_ttl, now)) {
      text += (text.empty() ? "" : " ") + address.ToString();
    }
    return text;
  }

  std::optional<std::string> lines_;
  std::optional<Filter> filter;
  std::vector<RefusalEvent> refusals;
  std::vector<UnnamedEvent> unnamed;
  TimePoint now{std::chrono::hours(1)};
  std::chrono::seconds last_ttl{0};
};

}  // namespace mini::netstack

#endif  // MINI_SANDBOX_TESTS_NETSTACK_FILTER_GATE_H_
