// What verdicts say to a person: reasons, refusals with the line that would allow them, the
// summary.
#include <algorithm>

#include "base/strings.h"
#include "netstack/filter/filter.h"
#include "netstack/filter/observer.h"

namespace mini::netstack {
namespace {

// As narrow as what was refused. TCP's port stands without a protocol: short, and for a web server
// the same port is that of QUIC.
std::string PortRule(Protocol protocol, std::string_view target, uint16_t port) {
  const std::string rule = port == 0 ? std::string(target) : StrCat(target, ":", port);
  return protocol == Protocol::kUdp ? StrCat("udp/", rule) : rule;
}

// What the name's rule allows, of an address.
std::string AnswerRule(const IpAddress& address, const Rule* name_rule) {
  Rule rule;
  rule.kind = TargetKind::kAddress;
  rule.prefix = {address, static_cast<uint8_t>(8 * address.bytes().size())};
  if (name_rule != nullptr) {
    rule.protocol = name_rule->protocol;
    rule.ports = name_rule->ports;
  }
  return rule.ToString();
}

// An address rule is what opens a way for clients that name no server.
bool IsUnnamed(Reason reason) {
  return reason == Reason::kNoServerName || reason == Reason::kBadServerName;
}

// The allow-list line that would have allowed it.
std::string RemedyFor(const VerdictEvent& event) {
  const Endpoint& to = event.destination;
  // A rule would open the host's own loopback, and help nobody: a connection to such an address
  // stays inside, with the sandbox's.
  if (event.reason == Reason::kProtectedRange && to.address.is_loopback()) return "";
  switch (event.subject) {
    case VerdictEvent::Subject::kName:
      return std::string(event.name);
    case VerdictEvent::Subject::kAnswer:
      return event.reason == Reason::kPrivateRange ? std::string(event.name)
                                                   : AnswerRule(to.address, event.name_rule);
    case VerdictEvent::Subject::kServerName:
      return PortRule(event.protocol, event.name, to.port);
    case VerdictEvent::Subject::kFlow:
      break;
  }
  const std::string address = to.address.ToString();
  if (event.protocol == Protocol::kIcmp) return StrCat("icmp/", address);
  if (!event.name.empty() && !IsUnnamed(event.reason) && event.reason != Reason::kProtectedRange) {
    return PortRule(event.protocol, event.name, to.port);
  }
  const bool brackets = to.address.is_v6() && to.port != 0;
  return PortRule(event.protocol, brackets ? StrCat("[", address, "]") : address, to.port);
}

// A remedy is only worth giving when it is a line that the grammar takes.
std::string ValidOrNothing(std::string line) {
  return RuleSet().AddRule("remedy", line).ok() ? std::move(line) : std::string();
}

}  // namespace

std::string_view ReasonText(Reason reason) {
  switch (reason) {
    case Reason::kRule:
      return "a rule decides";
    case Reason::kPin:
      return "an allowed name leads there";
    case Reason::kOpenMode:
      return "public addresses are open without an allow-list";
    case Reason::kNoRule:
      return "no rule names it";
    case Reason::kProtectedRange:
      return "it is the host itself, its link or another protected range";
    case Reason::kPrivateRange:
      return "private ranges need a rule with that very name or address";
    case Reason::kWildcardLimit:
      return "a wildcard allows no names as long or as many";
    case Reason::kNoServerName:
      return "it does not say which server it means (--strict-names)";
    case Reason::kBadServerName:
      return "which server it means cannot be read";
    case Reason::kPublished:
      return "the port is published (-p)";
    case Reason::kNoRoom:
      return "too many connections at once";
  }
  return "unknown";
}

std::string MoreConnectionsOption(Protocol protocol, size_t max_connections) {
  if (max_connections == 0 || max_connections >= kMostConnections) return "";
  // Datagrams have a quarter of it: less than eight would give them no second flow.
  const size_t least = protocol == Protocol::kUdp ? 8 : 0;
  return StrCat("--max-connections ",
                std::min(std::max(2 * max_connections, least), kMostConnections));
}

namespace {

// "host.corp.example by the search list", "2 names by the search list".
std::string BySearchList(const std::vector<std::string>& names) {
  if (names.empty()) return "";
  return names.size() == 1 ? StrCat(names[0], " by the search list")
                           : StrCat(names.size(), " names by the search list");
}

// Nobody has written them, so no line to allow them.
std::string OnTheWayText(const std::vector<std::string>& names, std::string_view all) {
  const std::string text =
      StrCat("refused ", names.size() == 1 ? "name " : "", BySearchList(names));
  if (names.size() == 1) return StrCat(text, ": no rule names it");
  return StrCat(text, ", the first ", names[0], ": no rule names them; ", all);
}

// Many flows to many places, and one reason.
std::string NoRoomText(const RefusalEvent& refusal, uint64_t times) {
  const std::string far_side = refusal.protocol == Protocol::kIcmp
                                   ? refusal.destination.address.ToString()
                                   : refusal.destination.ToString();
  std::string text = StrCat("refused ", ProtocolName(refusal.protocol), " ", far_side);
  if (times > 1) {
    text = StrCat("refused ", times, " ", ProtocolName(refusal.protocol), " flows, the first ",
                  refusal.published.empty() ? "to " : "from ", far_side);
  }
  if (!refusal.published.empty()) text += StrCat(" to the published port ", refusal.published);
  text += StrCat(": ", ReasonText(refusal.reason));
  return refusal.option.empty() ? text : StrCat(text, "; to allow more: ", refusal.option);
}

}  // namespace

std::string RefusalEvent::ToString(uint64_t times) const {
  if (reason == Reason::kNoRoom) return NoRoomText(*this, times);
  std::string text = "refused ";
  if (kind == Kind::kName && left_out) {
    text += StrCat("address ", left_out->ToString(), " of ", name);
  } else if (kind == Kind::kName) {
    text += StrCat("name ", name);
  } else {
    const bool icmp = protocol == Protocol::kIcmp;
    text += StrCat(ProtocolName(protocol), " ",
                   icmp ? destination.address.ToString() : destination.ToString());
    if (kind == Kind::kServerName) {
      text += StrCat(" for ", name);
    } else if (!name.empty()) {
      text += StrCat(" (", name, ")");
    }
  }
  if (times > 1) text += StrCat(", ", times, " times");
  const std::string more = BySearchList(searched);
  if (!refused_by.empty()) {
    text += StrCat(": the rule ", refused_by, " refuses it");
    return more.empty() ? text : StrCat(text, "; and ", more, ", which no rule names");
  }
  if (!more.empty()) text += StrCat(" (and ", more, ")");
  text += StrCat(": ", ReasonText(reason));
  // A name of one label is nobody's; what it stands for is below a domain.
  const bool is_short = !searched.empty() && name.find('.') == std::string::npos;
  const std::string& line = is_short ? searched[0] : remedy;
  if (!line.empty()) {
    text += StrCat(
        closes_others ? "; to allow it and nothing else: --allow " : "; to allow it: --allow ",
        ShellWord(line));
  }
  return text;
}

std::vector<std::string> SummaryLines(const RefusalSummary& summary,
                                      const std::optional<std::string>& log_file, size_t most) {
  std::vector<std::string> lines;
  for (const RefusalSummary::Entry& entry : summary.entries) {
    if (lines.size() == most) break;
    lines.push_back(entry.event.ToString(entry.times));
  }
  const size_t more = summary.entries.size() - lines.size();
  const std::string all =
      StrCat(log_file ? EscapeForTerminal(*log_file) : "--log FILE", " lists all");
  if (!summary.on_the_way.empty()) lines.push_back(OnTheWayText(summary.on_the_way, all));
  if (more == 0 && summary.unlisted == 0) return lines;
  // What found no room may have been any number of different ones.
  lines.push_back(StrCat("and ", summary.unlisted > 0 ? "more than " : "", more, " more; ", all));
  return lines;
}

std::string SubjectKey(const VerdictEvent& event) {
  switch (event.subject) {
    case VerdictEvent::Subject::kName:
      return StrCat("name ", event.name);
    case VerdictEvent::Subject::kAnswer:
      return StrCat("answer ", event.name, " ", event.destination.address.ToString());
    case VerdictEvent::Subject::kServerName:
    case VerdictEvent::Subject::kFlow:
      break;
  }
  const bool is_server = event.subject == VerdictEvent::Subject::kServerName;
  const bool is_room = event.reason == Reason::kNoRoom;
  std::string key = StrCat(is_server || IsUnnamed(event.reason) ? "server "
                           : is_room                            ? "room "
                                                                : "flow ",
                           ProtocolName(event.protocol), " ", event.destination.address.ToString(),
                           " ", event.destination.port);
  return is_server ? StrCat(key, " ", event.name) : key;
}

RefusalEvent Explain(const VerdictEvent& event) {
  RefusalEvent refusal;
  const bool is_server = event.subject == VerdictEvent::Subject::kServerName;
  const bool is_flow = is_server || event.subject == VerdictEvent::Subject::kFlow;
  refusal.kind = is_server ? RefusalEvent::Kind::kServerName
                 : is_flow ? RefusalEvent::Kind::kFlow
                           : RefusalEvent::Kind::kName;
  refusal.name = std::string(event.name);
  refusal.reason = event.reason;
  refusal.closes_others = event.open_mode;
  if (event.subject == VerdictEvent::Subject::kAnswer) {
    refusal.left_out = event.destination.address;
  } else if (is_flow) {
    refusal.protocol = event.protocol;
    refusal.destination = event.destination;
  }
  if (event.reason == Reason::kNoRoom) {
    refusal.option = MoreConnectionsOption(event.protocol, event.max_connections);
    refusal.published = std::string(event.published);
    return refusal;
  }
  if (event.rule && event.rule->action == RuleAction::kRefuse) {
    // No further line helps against "!".
    refusal.refused_by = StrCat("\"", event.rule->ToString(), "\" (",
                                EscapeForTerminal(event.rule->source), ":", event.rule->line, ")");
    return refusal;
  }
  refusal.remedy = ValidOrNothing(RemedyFor(event));
  return refusal;
}

std::string UnnamedEvent::ToString() const {
  return StrCat(ProtocolName(protocol), " ", destination.ToString(), " (", name,
                ") does not say which server it means");
}

}  // namespace mini::netstack
