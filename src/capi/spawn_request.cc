// Theory of operation
//
// Three lists: of options, of the command and of its environment. A list is the number of its
// texts, a text the number of its bytes and the bytes; numbers have 32 bits, big-endian. Whether
// there is an environment is one byte before it.
#include "capi/spawn_request.h"

#include "base/bytes.h"

namespace mini::capi {
namespace {

void AppendNumber(std::string& bytes, size_t number) {
  for (const int shift : {24, 16, 8, 0}) bytes += static_cast<char>(number >> shift & 0xff);
}

void AppendList(std::string& bytes, const std::vector<std::string>& texts) {
  AppendNumber(bytes, texts.size());
  for (const std::string& text : texts) {
    AppendNumber(bytes, text.size());
    bytes += text;
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
  std::string bytes;
  AppendList(bytes, options);
  AppendList(bytes, command);
  bytes += static_cast<char>(environment ? 1 : 0);
  if (environment) AppendList(bytes, *environment);
  return bytes;
}

Result<SpawnRequest> SpawnRequest::Decode(std::span<const uint8_t> bytes) {
  ByteReader reader(bytes);
  SpawnRequest request;
  request.options = ReadList(reader);
  request.command = ReadList(reader);
  const uint8_t has_environment = reader.U8();
  if (has_environment == 1) request.environment = ReadList(reader);
  if (reader.failed() || reader.remaining() != 0 || has_environment > 1) {
    return InvalidArgument(Stage::kArguments, "this program is started by the library only");
  }
  return request;
}

}  // namespace mini::capi
