// What the library asks of the supervisor that it starts for a command, as the bytes of a file.
#ifndef MINI_SANDBOX_CAPI_SPAWN_REQUEST_H_
#define MINI_SANDBOX_CAPI_SPAWN_REQUEST_H_

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/status.h"

namespace mini::capi {

struct SpawnRequest {
  std::vector<std::string> options;  // of the command line (cli/option_table.h)
  std::vector<std::string> command;
  std::optional<std::vector<std::string>> environment = {};  // Policy::whole_environment
  // What comes at kFurtherPlaces of spawn_channel.h: whatever else is open there is the host's.
  bool has_rules = false;
  bool has_events = false;

  std::string Encode() const;
  // What Encode() has made, of whatever length; anything else is an error.
  static Result<SpawnRequest> Decode(std::span<const uint8_t> bytes);

  friend bool operator==(const SpawnRequest&, const SpawnRequest&) = default;
};

}  // namespace mini::capi

#endif  // MINI_SANDBOX_CAPI_SPAWN_REQUEST_H_
