#include "netstack/names/asked_name.h"

#include "base/ip_address.h"
#include "base/strings.h"

namespace mini::netstack {

std::optional<AskedName> ParseAuthority(std::string_view text) {
  AskedName asked;
  std::string_view host = text;
  std::string_view port;
  if (text.starts_with('[')) {
    const size_t end = text.find(']');
    if (end == std::string_view::npos) return std::nullopt;
    host = text.substr(1, end - 1);
    const auto address = IpAddress::Parse(host);
    if (!address || !address->is_v6()) return std::nullopt;
    port = text.substr(end + 1);
    if (!port.empty() && port[0] != ':') return std::nullopt;
  } else if (const size_t colon = text.find(':'); colon != std::string_view::npos) {
    host = text.substr(0, colon);
    port = text.substr(colon);
  }
  if (host.size() > kMaxHost || host.find('@') != std::string_view::npos) return std::nullopt;
  if (port.size() > 1) {  // the digits may be missing
    const auto number = ParseDecimal(port.substr(1), 65535);
    if (!number) return std::nullopt;
    asked.port = static_cast<uint16_t>(*number);
  }
  asked.host = std::string(host);
  return asked;
}

}  // namespace mini::netstack
