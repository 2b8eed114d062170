#include "policy/port_request.h"

#include <optional>

#include "base/strings.h"

namespace mini {
namespace {

Result<uint16_t> ParsePort(std::string_view text, uint16_t lowest) {
  const auto number = ParseDecimal(text, 65535);
  if (number && *number >= lowest) return static_cast<uint16_t>(*number);
  return InvalidArgument(Stage::kArguments,
                         text.empty() ? "a port is missing"
                                      : StrCat("\"", EscapeForTerminal(text), "\" is not a port"));
}

// Whether `text` begins with an address (it has a dot or a bracket, which ports have not), which is
// then cut off with its colon.
Result<std::optional<IpAddress>> TakeAddress(std::string_view& text) {
  const auto bad = [](std::string_view address) {
    return InvalidArgument(
        Stage::kArguments,
        StrCat("\"", EscapeForTerminal(address), "\" is not an address; names are not looked up"));
  };
  std::string_view address;
  if (text.starts_with('[')) {
    const size_t end = text.find("]:");
    if (end == std::string_view::npos) {
      return InvalidArgument(Stage::kArguments, "\"]:\" and a port are missing");
    }
    address = text.substr(1, end - 1);
    text.remove_prefix(end + 2);
    const auto parsed = IpAddress::Parse(address);
    if (!parsed || !parsed->is_v6()) return bad(address);
    return parsed;
  }
  const size_t colon = text.find(':');
  if (colon == std::string_view::npos) return std::optional<IpAddress>();
  for (const std::string_view bare : {text, text.substr(0, text.rfind(':'))}) {
    const auto parsed = IpAddress::Parse(bare);
    if (parsed && parsed->is_v6()) {
      return InvalidArgument(Stage::kArguments, "an IPv6 address stands in brackets, [::1]:8080");
    }
  }
  address = text.substr(0, colon);
  if (address.find_first_not_of("0123456789") == std::string_view::npos) {
    return std::optional<IpAddress>();
  }
  const auto parsed = IpAddress::Parse(address);
  if (!parsed) return bad(address);
  text.remove_prefix(colon + 1);
  return parsed;
}

Status ParseInto(std::string_view text, PortRequest& request) {
  const size_t slash = text.find('/');
  if (slash != std::string_view::npos) {
    const std::string_view protocol = text.substr(slash + 1);
    if (protocol != "tcp" && protocol != "udp") {
      return InvalidArgument(Stage::kArguments, StrCat("\"/", EscapeForTerminal(protocol),
                                                       "\" is neither /tcp nor /udp"));
    }
    if (protocol == "udp") request.protocol = netstack::Protocol::kUdp;
    text = text.substr(0, slash);
  }
  MINI_ASSIGN_OR_RETURN(const std::optional<IpAddress> address, TakeAddress(text));
  if (address) request.host.address = *address;
  const size_t colon = text.find(':');
  if (colon == std::string_view::npos) {
    MINI_ASSIGN_OR_RETURN(request.port, ParsePort(text, 1));
    request.host.port = request.port;
    return OkStatus();
  }
  MINI_ASSIGN_OR_RETURN(request.host.port, ParsePort(text.substr(0, colon), 0));
  MINI_ASSIGN_OR_RETURN(request.port, ParsePort(text.substr(colon + 1), 1));
  return OkStatus();
}

}  // namespace

std::string PortRequest::ToString() const {
  return StrCat(netstack::ProtocolName(protocol), " ", host.ToString(), " to ", port);
}

Result<PortRequest> ParsePortRequest(std::string_view text) {
  PortRequest request;
  const Status parsed = ParseInto(text, request);
  if (parsed.ok()) return request;
  return InvalidArgument(Stage::kArguments,
                         StrCat("-p ", EscapeForTerminal(text), ": ", parsed.message()))
      .WithHint("give [ADDR:]HOSTPORT:PORT, as in 8080:80 or 127.0.0.1:5353:53/udp");
}

}  // namespace mini
