// The server name in the first message of a TLS client (SNI).
//
// Theory of operation. A ClientHello (RFC 8446, 4.1.2; RFC 5246, 7.4.1.2) comes in one or more
// handshake records (5.1), which may be cut anywhere, and the records come in segments that are cut
// elsewhere. The message is gathered out of its records and read once it is whole. Nothing behind
// it is read. Where the standards leave no choice we are as strict as they are: what a lenient
// server might take in another way than we do would be a way around the check.
#ifndef MINI_SANDBOX_NETSTACK_NAMES_CLIENT_HELLO_H_
#define MINI_SANDBOX_NETSTACK_NAMES_CLIENT_HELLO_H_

#include <array>
#include <span>
#include <string>
#include <vector>

#include "netstack/names/asked_name.h"

namespace mini::netstack {

class ClientHelloReader {
 public:
  // Takes what it reads off the front of `bytes`: kMore, kAsked or kMalformed. Not to be called
  // again after anything but kMore.
  Reading Read(std::span<const uint8_t>& bytes);
  // After kAsked. Empty: the hello names no server.
  const std::string& server_name() const { return server_name_; }
  size_t stored() const { return message_.capacity(); }

 private:
  Reading ReadRecordHeader(std::span<const uint8_t>& bytes);
  Reading ReadMessage(std::span<const uint8_t>& bytes);

  std::array<uint8_t, 5> header_{};
  size_t header_size_ = 0;  // bytes of it that are there
  size_t record_left_ = 0;  // behind the header
  std::vector<uint8_t> message_;
  std::string server_name_;
};

}  // namespace mini::netstack

#endif  // MINI_SANDBOX_NETSTACK_NAMES_CLIENT_HELLO_H_
