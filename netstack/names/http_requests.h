// The servers that the requests of an HTTP/1 client name (RFC 9112).
//
// Theory of operation. A connection is a row of requests, and each may name another server; so each
// head is read, and each body followed to its end. A head is gathered line by line and judged when
// it is whole; a body is let through as it comes. What a lenient server might take in another way
// than we do would hide a request: what the standard calls an error is one here, and so are message
// lengths that it leaves to the server's choice.
//
// What is no request ends the reading: it is another protocol, which may also follow a CONNECT or a
// request for an upgrade. Whether something is a request is decided far more generously than
// whether it is a good one, since servers are generous: anything before and between the words that
// may be white space to them, any method, any word for the protocol, a URL or path without one
// (HTTP/0.9). So the text protocols that begin with a word are none, as long as no path follows,
// nor one word after "GET". A control character that nobody takes for white space is a sign of no
// text at all.
#ifndef MINI_SANDBOX_NETSTACK_NAMES_HTTP_REQUESTS_H_
#define MINI_SANDBOX_NETSTACK_NAMES_HTTP_REQUESTS_H_

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "netstack/names/asked_name.h"

namespace mini::netstack {

class HttpRequestsReader {
 public:
  // Takes what it reads off the front of `bytes`, and stops between requests and where a head ends:
  // kAsked. kOther: what stands where a request should is none. Not to be called again after
  // kMalformed and kOther.
  Reading Read(std::span<const uint8_t>& bytes);
  // The client sends no more. kMore: between requests.
  Reading Finish() const;
  // After kAsked: the names in the Host field and in the request's target, without empty ones. The
  // port is set behind a CONNECT: it is that of the tunnel, which leads to another server than the
  // connection does. Requests behind it ask twice, with the tunnel's port and without one.
  const std::vector<AskedName>& asked() const { return asked_; }
  // Nothing of a request has been read since the last one ended.
  bool between_requests() const { return part_ == Part::kMethod && line_.empty(); }
  // The next byte belongs to a head, to its request line.
  bool in_head() const { return part_ < Part::kBody; }
  bool in_request_line() const { return part_ < Part::kFields; }
  std::optional<uint16_t> tunnel_port() const { return tunnel_port_; }
  // The last head that was read allows another protocol to follow.
  bool may_switch() const { return connect_ || upgrade_; }
  size_t stored() const { return line_.capacity(); }

 private:
  enum class Part : uint8_t {
    kMethod,
    kRestOfRequestLine,
    kFields,
    kBody,  // from here on the head has ended
    kChunkSize,
    kChunk,
    kChunkEnd,
    kTrailer,
  };

  Reading ReadRequestLine(std::span<const uint8_t>& bytes);
  Reading TakeMethodByte(char c);
  Reading JudgeRequestLine();
  Reading ReadTarget(std::string_view method, std::string_view target);
  void Ask(std::string_view host);
  Reading ReadFieldLine(std::span<const uint8_t>& bytes);
  Reading ReadField(std::string_view line);
  Reading ReadLength(std::string_view value);
  Reading EndHead();
  Reading ReadBody(std::span<const uint8_t>& bytes);
  Reading ReadChunkLine(std::span<const uint8_t>& bytes);
  Reading EndChunkLine(std::string_view line);
  void NextRequest();
  bool GatherLine(std::span<const uint8_t>& bytes);

  Part part_ = Part::kMethod;
  std::string line_;  // without its LF
  std::vector<AskedName> asked_;
  bool host_seen_ = false;
  bool chunked_ = false;
  bool old_version_ = false;  // HTTP/1.0
  bool connect_ = false;
  bool upgrade_ = false;
  std::optional<uint64_t> length_;
  uint64_t body_left_ = 0;  // of the body or the chunk
  size_t trailer_bytes_ = 0;
  std::optional<uint16_t> tunnel_port_;
};

}  // namespace mini::netstack

#endif  // MINI_SANDBOX_NETSTACK_NAMES_HTTP_REQUESTS_H_
