#include "capi/spawn_channel.h"

#include <sys/socket.h>

#include <cerrno>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/descriptor_passing.h"

namespace mini::capi {
namespace {

// Less than a socket takes at least in one piece. What is longer is about a path or a rule that is.
constexpr size_t kMostWords = 32 << 10;

std::optional<SpawnMessage> Decode(std::span<const uint8_t> bytes) {
  ByteReader reader(bytes);
  const uint8_t kind = reader.U8();
  const uint8_t stage = reader.U8();
  SpawnMessage message;
  message.kind = static_cast<SpawnMessageKind>(kind);
  message.stage = static_cast<Stage>(stage);
  message.wait_status = static_cast<int>(reader.U32());
  const auto words = reader.Take(reader.remaining());
  message.words.assign(words.begin(), words.end());
  if (reader.failed() || kind > static_cast<uint8_t>(SpawnMessageKind::kEnded) ||
      stage > static_cast<uint8_t>(Stage::kSupervise)) {
    return std::nullopt;
  }
  return message;
}

}  // namespace

bool SendSpawnMessage(int channel, const SpawnMessage& message, int descriptor) {
  std::string bytes;
  ByteAppender appender(bytes);
  appender.U8(static_cast<uint8_t>(message.kind));
  appender.U8(static_cast<uint8_t>(message.stage));
  appender.U32(static_cast<uint32_t>(message.wait_status));
  appender.Text(std::string_view(message.words).substr(0, kMostWords));
  if (message.words.size() > kMostWords) appender.Text("...");
  if (descriptor >= 0) {
    return SendWithDescriptors(channel, bytes.data(), bytes.size(), &descriptor, 1);
  }
  ssize_t sent;
  while ((sent = send(channel, bytes.data(), bytes.size(), MSG_NOSIGNAL)) < 0 && errno == EINTR) {
  }
  return sent >= 0;
}

std::optional<SpawnMessage> ReceiveSpawnMessage(int channel, Taking taking) {
  ssize_t size;
  // The second error comes once, in front of what a supervisor said last that ended without having
  // read our go (unix_release_sock() in net/unix/af_unix.c).
  while ((size = recv(channel, nullptr, 0, MSG_PEEK | MSG_TRUNC | MSG_DONTWAIT)) < 0 &&
         (errno == EINTR || errno == ECONNRESET)) {
  }
  if (size <= 0) return std::nullopt;
  std::vector<uint8_t> bytes(static_cast<size_t>(size));
  UniqueFd descriptor;
  if (taking == Taking::kTake) {
    int received[kMostPassedDescriptors];
    const ReceivedMessage message =
        ReceiveWithDescriptors(channel, bytes.data(), bytes.size(), received);
    if (message.descriptor_count > 0) descriptor.reset(received[0]);
    size = message.size;
  } else {
    while ((size = recv(channel, bytes.data(), bytes.size(), MSG_PEEK | MSG_DONTWAIT)) < 0 &&
           errno == EINTR) {
    }
  }
  if (size < 0 || static_cast<size_t>(size) != bytes.size()) return std::nullopt;
  std::optional<SpawnMessage> message = Decode(bytes);
  if (message) message->descriptor = std::move(descriptor);
  return message;
}

void SendSpawnGo(int channel) {
  constexpr char kGo = 0;
  while (send(channel, &kGo, sizeof kGo, MSG_NOSIGNAL) < 0 && errno == EINTR) {
  }
}

bool WaitForSpawnGo(int channel) {
  char go;
  ssize_t size;
  while ((size = recv(channel, &go, sizeof go, 0)) < 0 && errno == EINTR) {
  }
  return size == sizeof go;
}

}  // namespace mini::capi
