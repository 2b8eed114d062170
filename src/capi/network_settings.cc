#include "capi/network_settings.h"

#include <cerrno>
#include <utility>

#include "base/strings.h"
#include "netstack/filter/rules.h"
#include "sys/read_file.h"

namespace mini::capi {
namespace {

using netstack::Rule;
using netstack::RuleAction;
using netstack::TargetKind;

// As on the command line: a list of a million rules is some 30 MB.
constexpr size_t kMaxRulesFile = 64 << 20;

// A target alone, for every protocol and port.
bool IsBare(const Rule& rule, std::string_view text) {
  return rule.action == RuleAction::kAllow && !rule.protocol && !rule.ports &&
         text.find_first_of("[]") == std::string_view::npos;
}

// Programs give an address here, too: a subnet of one.
bool IsSubnet(const Rule& rule, std::string_view text, IpFamily family) {
  return IsBare(rule, text) && rule.kind == TargetKind::kAddress &&
         rule.prefix.address.family() == family;
}

bool IsAddress(const Rule& rule, std::string_view text, IpFamily family) {
  return IsSubnet(rule, text, family) && text.find('/') == std::string_view::npos;
}

}  // namespace

Error NetworkSettings::CheckConflict() const {
  if (!allows_all_domains_) return Done();
  return {MINI_SANDBOX_NETWORK_CONFLICT,
          "mini_sandbox_allow_all_domains() was called before: there is no list to add to"};
}

Error NetworkSettings::AddRule(const char* function, const char* text, std::string_view wanted,
                               bool (*fits)(const Rule& rule, std::string_view text)) {
  if (Error error = CheckConflict(); !error.ok()) return error;
  const std::string rule = text ? text : "";
  const int number = rule_count_ + 1;
  netstack::RuleSet parsed;
  const Status status = parsed.AddRule(function, rule, number);
  if (!status.ok()) return {MINI_SANDBOX_INVALID_ARGUMENT, status.ToString()};
  if (!fits(parsed.rules().front(), rule)) {
    return Refuse(MINI_SANDBOX_INVALID_ARGUMENT, rule, StrCat("not ", wanted));
  }
  sources_.push_back({function, rule, number});
  rule_count_ = number;
  return Done();
}

Error NetworkSettings::AllowConnections(const char* path) {
  if (Error error = CheckConflict(); !error.ok()) return error;
  if (Error error = CheckAbsolute(path); !error.ok()) return error;
  const std::string name = path;
  Result<std::string> text = ReadTextFile(name, kMaxRulesFile, Stage::kRules);
  if (!text.ok()) {
    const int error = text.status().error_number();
    if (error == ENOENT || error == ENOTDIR) {
      return Refuse(MINI_SANDBOX_NO_SUCH_PATH, name, "no such file or directory");
    }
    return SystemErrorOf(text.status());
  }
  const Status status = netstack::RuleSet().AddText(name, *text);
  if (!status.ok()) return {MINI_SANDBOX_INVALID_ARGUMENT, status.ToString()};
  sources_.push_back({name, std::move(*text), 0});
  return Done();
}

Error NetworkSettings::AllowIpv4(const char* address) {
  return AddRule(
      "mini_sandbox_allow_ipv4", address, "an IPv4 address",
      [](const Rule& rule, std::string_view text) { return IsAddress(rule, text, IpFamily::kV4); });
}

Error NetworkSettings::AllowIpv4Subnet(const char* subnet) {
  return AddRule(
      "mini_sandbox_allow_ipv4_subnet", subnet, "an IPv4 subnet (ADDRESS/LENGTH)",
      [](const Rule& rule, std::string_view text) { return IsSubnet(rule, text, IpFamily::kV4); });
}

Error NetworkSettings::AllowIpv6(const char* address) {
  return AddRule(
      "mini_sandbox_allow_ipv6", address, "an IPv6 address without brackets",
      [](const Rule& rule, std::string_view text) { return IsAddress(rule, text, IpFamily::kV6); });
}

Error NetworkSettings::AllowIpv6Subnet(const char* subnet) {
  return AddRule(
      "mini_sandbox_allow_ipv6_subnet", subnet, "an IPv6 subnet (ADDRESS/LENGTH) without brackets",
      [](const Rule& rule, std::string_view text) { return IsSubnet(rule, text, IpFamily::kV6); });
}

Error NetworkSettings::AllowDomain(const char* name) {
  return AddRule("mini_sandbox_allow_domain", name, "a name alone, or \"*.\" and a name",
                 [](const Rule& rule, std::string_view text) {
                   return IsBare(rule, text) && rule.kind != TargetKind::kAddress;
                 });
}

Error NetworkSettings::AllowRule(const char* rule) {
  return AddRule("mini_sandbox_allow_rule", rule, "a rule",
                 [](const Rule&, std::string_view) { return true; });
}

Error NetworkSettings::AllowAllDomains() {
  if (!sources_.empty()) {
    return {MINI_SANDBOX_NETWORK_CONFLICT,
            "mini_sandbox_allow_all_domains(): there are rules already, and what they do not name "
            "is refused"};
  }
  allows_all_domains_ = true;
  return Done();
}

Error NetworkSettings::AllowMaxConnections(int connections) {
  if (connections < 1 || static_cast<uint32_t>(connections) > PolicyBuilder::kMostConnections) {
    return {MINI_SANDBOX_INVALID_ARGUMENT,
            StrCat(connections, ": not a number from 1 to ", PolicyBuilder::kMostConnections)};
  }
  max_connections_ = static_cast<uint32_t>(connections);
  return Done();
}

Status NetworkSettings::AddTo(PolicyBuilder& builder) const {
  for (const Source& source : sources_) {
    MINI_RETURN_IF_ERROR(source.number == 0
                             ? builder.AddRulesText(source.name, source.text)
                             : builder.AddRule(source.text, source.name, source.number));
  }
  return max_connections_ ? builder.SetMaxConnections(*max_connections_) : OkStatus();
}

}  // namespace mini::capi
