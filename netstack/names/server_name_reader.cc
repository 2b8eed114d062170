#include "netstack/names/server_name_reader.h"

#include <algorithm>

namespace mini::netstack {
namespace {

// RFC 8446, 5.1 and RFC 6520: change_cipher_spec, alert, handshake, application_data, heartbeat.
// Only a handshake begins a connection, but a server may put up with others before it.
bool IsTlsRecordType(uint8_t byte) { return byte >= 20 && byte <= 24; }

}  // namespace

Reading ServerNameReader::Read(std::span<const uint8_t>& bytes) {
  while (!bytes.empty()) {
    if (protocol_ == Protocol::kOpaque) return Reading::kOther;
    if (undecided_ == 0 && protocol_ != Protocol::kTls && requests_.between_requests()) {
      protocol_ = IsTlsRecordType(bytes[0]) ? Protocol::kTls : Protocol::kHttp;
    }
    const Reading reading = protocol_ == Protocol::kTls || requests_.in_head()
                                ? ReadHead(bytes)
                                : requests_.Read(bytes);
    if (reading != Reading::kMore) return reading;
  }
  return Reading::kMore;
}

Reading ServerNameReader::ReadHead(std::span<const uint8_t>& bytes) {
  std::span<const uint8_t> head = bytes.first(std::min(bytes.size(), kMaxFirstBytes - undecided_));
  const size_t given = head.size();
  const Reading reading = protocol_ == Protocol::kTls ? ReadHello(head) : ReadRequests(head);
  const size_t taken = given - head.size();
  bytes = bytes.subspan(taken);
  if (reading == Reading::kMore) {
    undecided_ += taken;
    return undecided_ == kMaxFirstBytes ? Reading::kMalformed : Reading::kMore;
  }
  undecided_ = 0;
  if (reading == Reading::kAsked) any_asked_ = true;
  return reading;
}

Reading ServerNameReader::ReadHello(std::span<const uint8_t>& bytes) {
  const Reading reading = hello_.Read(bytes);
  if (reading != Reading::kAsked) return reading;
  asked_.clear();
  if (!hello_.server_name().empty()) {
    asked_.push_back({hello_.server_name(), requests_.tunnel_port()});
  }
  protocol_ = Protocol::kOpaque;
  return reading;
}

Reading ServerNameReader::ReadRequests(std::span<const uint8_t>& bytes) {
  const Reading reading = requests_.Read(bytes);
  if (reading == Reading::kAsked) asked_ = requests_.asked();
  return reading;
}

Reading ServerNameReader::Finish() const {
  if (undecided_ == 0) return Reading::kMore;
  return protocol_ == Protocol::kTls ? Reading::kMalformed : requests_.Finish();
}

}  // namespace mini::netstack
