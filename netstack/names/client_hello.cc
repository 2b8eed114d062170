#include "netstack/names/client_hello.h"

#include <algorithm>
#include <utility>

#include "base/bytes.h"

namespace mini::netstack {
namespace {

constexpr uint8_t kHandshakeRecord = 22;
constexpr uint8_t kMajorVersion = 3;  // SSL 3.0 to TLS 1.3
constexpr size_t kMaxRecord = size_t{1} << 14;
constexpr uint8_t kClientHello = 1;
constexpr size_t kMessageHeader = 4;
constexpr size_t kMaxSessionId = 32;
constexpr uint16_t kServerNameExtension = 0;  // RFC 6066, 3
constexpr uint8_t kHostNameType = 0;

size_t MessageSize(std::span<const uint8_t> header) {
  ByteReader reader(header);
  reader.Skip(1);
  const size_t high = reader.U8();
  return kMessageHeader + (high << 16 | reader.U16());
}

// One host name, as every library sends it. RFC 6066 knows no other type of name, and forbids two
// names of one type. An empty list or name tells a server nothing.
Reading ReadServerName(std::span<const uint8_t> extension, std::string& name) {
  if (extension.empty()) return Reading::kAsked;
  ByteReader reader(extension);
  const auto list = reader.Take(reader.U16());
  if (reader.failed() || reader.remaining() > 0) return Reading::kMalformed;
  if (list.empty()) return Reading::kAsked;
  ByteReader entries(list);
  const uint8_t type = entries.U8();
  const auto host = entries.Take(entries.U16());
  if (entries.failed() || entries.remaining() > 0 || type != kHostNameType ||
      host.size() > kMaxHost) {
    return Reading::kMalformed;
  }
  name.assign(host.begin(), host.end());
  return Reading::kAsked;
}

Reading ReadExtensions(std::span<const uint8_t> extensions, std::string& name) {
  ByteReader reader(extensions);
  bool named = false;
  while (reader.remaining() > 0) {
    const uint16_t type = reader.U16();
    const auto body = reader.Take(reader.U16());
    if (reader.failed()) return Reading::kMalformed;
    if (type != kServerNameExtension) continue;
    if (named) return Reading::kMalformed;
    named = true;
    if (ReadServerName(body, name) != Reading::kAsked) return Reading::kMalformed;
  }
  return Reading::kAsked;
}

Reading ReadHello(std::span<const uint8_t> body, std::string& name) {
  ByteReader reader(body);
  reader.Skip(2);   // legacy_version
  reader.Skip(32);  // random
  const auto session_id = reader.Take(reader.U8());
  const auto ciphers = reader.Take(reader.U16());
  const auto compression = reader.Take(reader.U8());
  if (reader.failed() || session_id.size() > kMaxSessionId || ciphers.empty() ||
      ciphers.size() % 2 != 0 || compression.empty()) {
    return Reading::kMalformed;
  }
  if (reader.remaining() == 0) return Reading::kAsked;  // as before TLS 1.3: no extensions
  const auto extensions = reader.Take(reader.U16());
  if (reader.failed() || reader.remaining() > 0) return Reading::kMalformed;
  return ReadExtensions(extensions, name);
}

}  // namespace

Reading ClientHelloReader::Read(std::span<const uint8_t>& bytes) {
  while (!bytes.empty()) {
    const Reading reading = record_left_ == 0 ? ReadRecordHeader(bytes) : ReadMessage(bytes);
    if (reading != Reading::kMore) return reading;
  }
  return Reading::kMore;
}

Reading ClientHelloReader::ReadRecordHeader(std::span<const uint8_t>& bytes) {
  header_[header_size_++] = bytes[0];
  bytes = bytes.subspan(1);
  // Servers skip an alert or an empty change of ciphers before a hello, and some take any version
  // of a record (RFC 8446, 5.1 has them ignore it): no client sends either.
  if (header_[0] != kHandshakeRecord || (header_size_ >= 2 && header_[1] != kMajorVersion)) {
    return Reading::kMalformed;
  }
  if (header_size_ < header_.size()) return Reading::kMore;
  header_size_ = 0;
  ByteReader reader(header_);
  reader.Skip(3);
  record_left_ = reader.U16();
  // RFC 8446, 5.1: handshake records are not empty.
  return record_left_ == 0 || record_left_ > kMaxRecord ? Reading::kMalformed : Reading::kMore;
}

Reading ClientHelloReader::ReadMessage(std::span<const uint8_t>& bytes) {
  const size_t whole = message_.size() < kMessageHeader ? kMessageHeader : MessageSize(message_);
  const size_t taken = std::min({whole - message_.size(), record_left_, bytes.size()});
  message_.insert(message_.end(), bytes.begin(), bytes.begin() + static_cast<ptrdiff_t>(taken));
  bytes = bytes.subspan(taken);
  record_left_ -= taken;
  if (message_.size() < whole) return Reading::kMore;
  if (whole == kMessageHeader) {
    if (message_[0] != kClientHello) return Reading::kMalformed;
    const size_t size = MessageSize(message_);
    return size > kMessageHeader && size <= kMaxFirstBytes ? Reading::kMore : Reading::kMalformed;
  }
  const std::vector<uint8_t> message = std::move(message_);
  return ReadHello(std::span(message).subspan(kMessageHeader), server_name_);
}

}  // namespace mini::netstack
