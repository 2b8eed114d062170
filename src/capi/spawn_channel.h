// What the supervisor of a spawned command tells the library (AF_UNIX, SOCK_SEQPACKET).
#ifndef MINI_SANDBOX_CAPI_SPAWN_CHANNEL_H_
#define MINI_SANDBOX_CAPI_SPAWN_CHANNEL_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/status.h"
#include "base/unique_fd.h"

namespace mini::capi {

// In this order: kBegun, after which the supervisor waits for its go; then kStarted and kEnded, or
// kEnded alone (the command could not be executed, or was over at once), or kFailed.
enum class SpawnMessageKind : uint8_t {
  kBegun,    // carries the supervisor's own pidfd
  kStarted,  // the command has been executed; carries the pidfd of the sandbox's first process
  kFailed,   // the sandbox could not be set up, and nothing is left of it; with words
  kEnded,    // the command ended with `wait_status`; with words, if the sandbox failed instead
};

struct SpawnMessage {
  SpawnMessageKind kind = SpawnMessageKind::kEnded;
  Stage stage = Stage::kSupervise;  // of kFailed
  int wait_status = 0;              // of kEnded
  std::string words = {};
  UniqueFd descriptor = {};
};

// Places of the supervisor's descriptors, after the standard streams. What follows is there if
// SpawnRequest says so: the rules (sandbox/rules_file.h), then where the events go.
inline constexpr int kChannelPlace = 3;
inline constexpr int kRequestPlace = 4;
inline constexpr int kFurtherPlaces = 5;

// The name of the program is followed by this word.
inline constexpr const char* kSpawnWord = "--spawn";

// False: it was not sent, as to a reader that is gone. `descriptor` -1: none.
bool SendSpawnMessage(int channel, const SpawnMessage& message, int descriptor = -1);

// The next message; nothing where there is none, which is not waited for. It stays there to be read
// again unless it is taken: so kEnded can be read by every process that has the channel.
enum class Taking { kTake, kLeave };
std::optional<SpawnMessage> ReceiveSpawnMessage(int channel, Taking taking);

// The other way: the library has the descriptor that kBegun carried, so it can end the supervisor.
void SendSpawnGo(int channel);
// Waits for it. False: the library does not want it any more, or is gone.
bool WaitForSpawnGo(int channel);

}  // namespace mini::capi

#endif  // MINI_SANDBOX_CAPI_SPAWN_CHANNEL_H_
