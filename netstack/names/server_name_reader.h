// Which servers a client asks for, in the bytes that it sends on one connection, whatever protocol
// it turns out to speak.
//
// Theory of operation. The first bytes tell: a record is TLS, a line that some server might take
// for a request is HTTP, everything else is another protocol and not read any further. TLS is
// opaque behind its hello. Requests are followed to the end, and where one should begin there may
// be another protocol instead, TLS among them (RFC 2817, a tunnel).
#ifndef MINI_SANDBOX_NETSTACK_NAMES_SERVER_NAME_READER_H_
#define MINI_SANDBOX_NETSTACK_NAMES_SERVER_NAME_READER_H_

#include <span>
#include <vector>

#include "netstack/names/client_hello.h"
#include "netstack/names/http_requests.h"

namespace mini::netstack {

class ServerNameReader {
 public:
  // Takes what it reads off the front of `bytes`: all of it, or up to the end of a hello or head
  // (kAsked: asked() says what it names). kOther: nothing more will be found. After that, and after
  // kMalformed, it is not to be called again. However the stream is cut, the findings are the same.
  Reading Read(std::span<const uint8_t>& bytes);
  // The client sends no more. kMore: nothing has been begun. Else kMalformed, or kOther for a word
  // of another protocol.
  Reading Finish() const;

  const std::vector<AskedName>& asked() const { return asked_; }
  // Bytes read last that belong to a hello or head that has not ended.
  size_t undecided() const { return undecided_; }
  // kAsked has been returned.
  bool any_asked() const { return any_asked_; }
  // A hello has been read: nothing behind it can be.
  bool opaque() const { return protocol_ == Protocol::kOpaque; }
  // The last request may be followed by another protocol.
  bool may_switch() const { return requests_.may_switch(); }
  size_t stored() const { return hello_.stored() + requests_.stored(); }

 private:
  Reading ReadHead(std::span<const uint8_t>& bytes);
  Reading ReadHello(std::span<const uint8_t>& bytes);
  Reading ReadRequests(std::span<const uint8_t>& bytes);

  enum class Protocol : uint8_t { kUnknown, kTls, kHttp, kOpaque };

  Protocol protocol_ = Protocol::kUnknown;
  ClientHelloReader hello_;
  HttpRequestsReader requests_;
  std::vector<AskedName> asked_;
  size_t undecided_ = 0;
  bool any_asked_ = false;
};

}  // namespace mini::netstack

#endif  // MINI_SANDBOX_NETSTACK_NAMES_SERVER_NAME_READER_H_
