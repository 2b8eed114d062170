// Theory of operation
//
// One byte of flags, then lists: of options, of the command and, with its flag, of the environment.
// A list is the number of its texts, a text the number of its bytes and the bytes; numbers have 32
// bits, big-endian.
#include "capi/spawn_request.h"

#include "base/bytes.h"

namespace mini::capi {
namespace {

constexpr unsigned kEnvironment = 1;
constexpr unsigned kRules = 2;
constexpr unsigned kEvents = 4;
constexpr unsigned kAll = kEnvironment | kRules | kEvents;

void AppendList(ByteAppender& bytes, const std::vector<std::string>& texts) {
  bytes.U32(static_cast<uint32_t>(texts.size()));
  for (const std::string& text : texts) {
    bytes.U32(static_cast<uint32_t>(text.size()));
    bytes.Text(text);
  }
}

std::vector<std::string> ReadList(ByteReader& reader) {
  std::vector<std::string> texts;
  for (uint32_t left = reader.U32(); left > 0 && !reader.failed(); --left) {
    const auto text = reader.Take(reader.U32());
    texts.emplace_back(text.begin(), text.end());
  }
  return texts;
}

}  // namespace

std::string SpawnRequest::Encode() const {
  std::string encoded;
  ByteAppender bytes(encoded);
  bytes.U8(static_cast<uint8_t>((environment ? kEnvironment : 0) | (has_rules ? kRules : 0) |
                                (has_events ? kEvents : 0)));
  AppendList(bytes, options);
  AppendList(bytes, command);
  if (environment) AppendList(bytes, *environment);
  return encoded;
}

Result<SpawnRequest> SpawnRequest::Decode(std::span<const uint8_t> bytes) {
  ByteReader reader(bytes);
  const unsigned flags = reader.U8();
  SpawnRequest request;
  request.options = ReadList(reader);
  request.command = ReadList(reader);
  if ((flags & kEnvironment) != 0) request.environment = ReadList(reader);
  request.has_rules = (flags & kRules) != 0;
  request.has_events = (flags & kEvents) != 0;
  if (reader.failed() || reader.remaining() != 0 || (flags & ~kAll) != 0) {
    return InvalidArgument(Stage::kArguments, "this program is started by the library only");
  }
  return request;
}

}  // namespace mini::capi
