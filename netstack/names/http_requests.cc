#include "netstack/names/http_requests.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include "base/strings.h"

namespace mini::netstack {
namespace {

constexpr size_t kMaxChunkLine = 4096;
constexpr size_t kMaxChunkDigits = 15;
constexpr std::string_view kHttp2Preface = "PRI * HTTP/2.0";  // RFC 9113, 3.4

bool IsDigit(char c) { return c >= '0' && c <= '9'; }
bool IsLetter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

// White space in Latin-1: what Python's str.split() takes for it.
bool IsWhiteSpace(char c) {
  const auto byte = static_cast<uint8_t>(c);
  return byte == ' ' || (byte >= '\t' && byte <= '\r') || (byte >= 0x1c && byte <= 0x1f) ||
         byte == 0x85 || byte == 0xa0;
}

// What some server might take for white space: the bytes above 0x7f may be some in UTF-8.
bool MayBeBlank(char c) { return IsWhiteSpace(c) || static_cast<uint8_t>(c) >= 0x80; }

// No server skips it, and protocols that are not text soon have one.
bool IsControl(char c) { return (static_cast<uint8_t>(c) < ' ' || c == 0x7f) && !IsWhiteSpace(c); }

// RFC 9110, 5.6.2.
bool IsTokenCharacter(char c) {
  return IsDigit(c) || IsLetter(c) ||
         (c != '\0' && std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos);
}

bool IsToken(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, IsTokenCharacter);
}

// Whether the line speaks of HTTP, in any form that some server might take for it. RTSP and Icecast
// have the same requests, and libraries that read them all for HTTP.
bool SpeaksOfHttp(std::string_view line) {
  const std::string lower = AsciiLower(line);
  for (const std::string_view protocol : {"http/", "rtsp/", "ice/"}) {
    for (size_t at = lower.find(protocol); at != std::string::npos;
         at = lower.find(protocol, at + 1)) {
      const size_t end = at + protocol.size();
      const bool in_word = at > 0 && IsLetter(lower[at - 1]) && protocol != "http/";
      if (end < lower.size() && IsDigit(lower[end]) && !in_word) return true;
    }
  }
  return false;
}

// The line from its first word on, and the length of that.
std::pair<std::string_view, size_t> SkipToMethod(std::string_view line) {
  const auto begin = std::ranges::find_if_not(line, MayBeBlank);
  line.remove_prefix(static_cast<size_t>(begin - line.begin()));
  const auto end = std::ranges::find_if_not(line, IsTokenCharacter);
  return {line, static_cast<size_t>(end - line.begin())};
}

// Whether some server might take the line for a request: it says so, or it is one of HTTP/0.9,
// behind which there are servers that heed a Host. That is a word and a path, a URL or "*"; behind
// GET any single word (Python's server), behind CONNECT an authority (Node's).
bool MightBeRequest(std::string_view line) {
  const auto [text, method] = SkipToMethod(line);
  std::string_view rest = text.substr(method);
  const auto target = std::ranges::find_if_not(rest, MayBeBlank);
  if (method == 0 || target == rest.begin()) return false;
  rest.remove_prefix(static_cast<size_t>(target - rest.begin()));
  const auto target_end = std::ranges::find_if(rest, MayBeBlank);
  const bool one_word =
      !rest.empty() && std::all_of(target_end, rest.end(), [](char c) { return MayBeBlank(c); });
  const std::string_view word = text.substr(0, method);
  return rest.starts_with('/') || rest.starts_with('*') ||
         rest.find("://") != std::string_view::npos ||
         (one_word && (word == "GET" || word == "CONNECT")) || SpeaksOfHttp(line);
}

// Whether the line begins with a word like the methods there are. That of git's protocol has
// digits.
bool BeginsWithMethod(std::string_view line) {
  const auto [text, size] = SkipToMethod(line);
  return size >= 3 && std::ranges::all_of(text.substr(0, size), [](char c) {
           return IsLetter(c) || c == '-' || c == '_';
         });
}

// The authority of "scheme://authority/path" (RFC 9112, 3.2.2).
std::optional<std::string_view> AuthorityOf(std::string_view target) {
  const size_t scheme = target.find("://");
  if (scheme == std::string_view::npos || !IsToken(target.substr(0, scheme))) return std::nullopt;
  const std::string_view rest = target.substr(scheme + 3);
  return rest.substr(0, rest.find_first_of("/?#"));
}

}  // namespace

Reading HttpRequestsReader::Read(std::span<const uint8_t>& bytes) {
  const bool began_in_head = in_head();
  while (!bytes.empty()) {
    Reading reading = Reading::kMore;
    switch (part_) {
      case Part::kMethod:
      case Part::kRestOfRequestLine:
        reading = ReadRequestLine(bytes);
        break;
      case Part::kFields:
        reading = ReadFieldLine(bytes);
        break;
      case Part::kBody:
      case Part::kChunk:
        reading = ReadBody(bytes);
        break;
      case Part::kChunkSize:
      case Part::kChunkEnd:
      case Part::kTrailer:
        reading = ReadChunkLine(bytes);
        break;
    }
    if (reading != Reading::kMore) return reading;
    if (!began_in_head && in_head()) break;  // the body has ended
  }
  return Reading::kMore;
}

// Appends to the line; true when it is whole and its LF taken.
bool HttpRequestsReader::GatherLine(std::span<const uint8_t>& bytes) {
  const auto end = std::ranges::find(bytes, uint8_t{'\n'});
  line_.append(bytes.begin(), end);
  const bool whole = end != bytes.end();
  bytes = bytes.subspan(static_cast<size_t>(end - bytes.begin()) + (whole ? 1 : 0));
  return whole;
}

Reading HttpRequestsReader::ReadRequestLine(std::span<const uint8_t>& bytes) {
  while (part_ == Part::kMethod && !bytes.empty()) {
    const char c = static_cast<char>(bytes[0]);
    if (!line_.empty() && IsTokenCharacter(line_.back()) && MayBeBlank(c)) {
      part_ = Part::kRestOfRequestLine;
      break;
    }
    const Reading reading = TakeMethodByte(c);
    if (reading != Reading::kMore) return reading;
    bytes = bytes.subspan(1);
  }
  if (part_ == Part::kMethod) return Reading::kMore;
  const size_t before = line_.size();
  const bool whole = GatherLine(bytes);
  // The rest of the line may never come, so this has to be decided by what stands before it.
  if (std::any_of(line_.begin() + static_cast<ptrdiff_t>(before), line_.end(), IsControl)) {
    return BeginsWithMethod(line_) ? Reading::kMalformed : Reading::kOther;
  }
  return whole ? JudgeRequestLine() : Reading::kMore;
}

// A byte of the method, or of what stands before it: that is malformed, but no reason to look away.
Reading HttpRequestsReader::TakeMethodByte(char c) {
  const bool begun = !line_.empty() && IsTokenCharacter(line_.back());
  // RFC 9112, 2.2: empty lines before a request are skipped. Some servers skip blank ones too.
  if (!begun && (c == '\n' || (c == '\r' && line_.empty()))) {
    if (!std::ranges::all_of(line_, IsWhiteSpace)) return Reading::kOther;
    line_.clear();
    return Reading::kMore;
  }
  // Behind an upgrade these are frames of WebSocket, whose rest need not have an end of line.
  const bool blank = may_switch() ? IsWhiteSpace(c) : MayBeBlank(c);
  if (!IsTokenCharacter(c) && !blank) return Reading::kOther;
  line_ += c;
  return Reading::kMore;
}

Reading HttpRequestsReader::Finish() const {
  if (between_requests()) return Reading::kMore;
  return !in_request_line() || MightBeRequest(line_) ? Reading::kMalformed : Reading::kOther;
}

Reading HttpRequestsReader::JudgeRequestLine() {
  std::string_view line = line_;
  if (line.ends_with('\r')) line.remove_suffix(1);
  if (line == kHttp2Preface || !MightBeRequest(line)) return Reading::kOther;
  const size_t first = line.find(' ');
  const size_t last = line.rfind(' ');
  if (first == last) return Reading::kMalformed;
  const std::string_view method = line.substr(0, first);
  const std::string_view target = line.substr(first + 1, last - first - 1);
  const std::string_view version = line.substr(last + 1);
  const auto is_visible = [](char c) {
    return c > ' ' ? c != 0x7f : static_cast<uint8_t>(c) > 0x7f;
  };
  if (!IsToken(method) || target.empty() || !std::ranges::all_of(target, is_visible) ||
      version.size() != 8 || !version.starts_with("HTTP/1.") || !IsDigit(version[7])) {
    return Reading::kMalformed;
  }
  asked_.clear();
  host_seen_ = chunked_ = upgrade_ = false;
  length_.reset();
  old_version_ = version[7] == '0';
  connect_ = method == "CONNECT";
  const Reading reading = ReadTarget(method, target);
  line_.clear();
  part_ = Part::kFields;
  return reading;
}

Reading HttpRequestsReader::ReadTarget(std::string_view method, std::string_view target) {
  if (connect_) {
    auto asked = ParseAuthority(target);
    if (!asked || asked->host.empty() || !asked->port) return Reading::kMalformed;
    tunnel_port_ = asked->port;
    asked_.push_back(*std::move(asked));
    return Reading::kMore;
  }
  if (target[0] == '/' || (target == "*" && method == "OPTIONS")) return Reading::kMore;
  const auto authority = AuthorityOf(target);
  if (!authority) return Reading::kMalformed;
  const auto asked = ParseAuthority(*authority);
  if (!asked || asked->host.empty()) return Reading::kMalformed;
  Ask(asked->host);
  return Reading::kMore;
}

// Behind a CONNECT nobody knows whether the proxy took it: if not, the connection's own server
// reads what follows.
void HttpRequestsReader::Ask(std::string_view host) {
  asked_.push_back({std::string(host), tunnel_port_});
  if (tunnel_port_ && !connect_) asked_.push_back({std::string(host), std::nullopt});
}

Reading HttpRequestsReader::ReadFieldLine(std::span<const uint8_t>& bytes) {
  if (!GatherLine(bytes)) return Reading::kMore;
  std::string_view line = line_;
  if (line.ends_with('\r')) line.remove_suffix(1);
  if (line.empty()) return EndHead();
  const Reading reading = ReadField(line);
  line_.clear();
  return reading;
}

// RFC 9112, 5: no blank before the colon, no line that continues the one before it.
Reading HttpRequestsReader::ReadField(std::string_view line) {
  const size_t colon = line.find(':');
  if (colon == std::string_view::npos || !IsToken(line.substr(0, colon)) ||
      line.find('\0') != std::string_view::npos || line.find('\r') != std::string_view::npos) {
    return Reading::kMalformed;
  }
  const std::string name = AsciiLower(line.substr(0, colon));
  const std::string_view value = StripBlanks(line.substr(colon + 1));
  if (name == "host") {
    if (std::exchange(host_seen_, true)) return Reading::kMalformed;
    const auto asked = ParseAuthority(value);
    if (!asked) return Reading::kMalformed;
    if (!asked->host.empty()) Ask(asked->host);
  } else if (name == "upgrade") {
    // RFC 9110, 7.8: not from a client of HTTP/1.0.
    upgrade_ = !value.empty() && !old_version_;
  } else if (name == "transfer-encoding") {
    if (std::exchange(chunked_, true) || AsciiLower(value) != "chunked") return Reading::kMalformed;
  } else if (name == "content-length") {
    return ReadLength(value);
  }
  return Reading::kMore;
}

Reading HttpRequestsReader::ReadLength(std::string_view value) {
  length_ = length_ ? std::nullopt : ParseDecimal(value, INT64_MAX);
  return length_ ? Reading::kMore : Reading::kMalformed;
}

Reading HttpRequestsReader::EndHead() {
  std::string().swap(line_);
  // RFC 9112, 6.1 and 6.3: two lengths, or chunks from a client of HTTP/1.0, are an attack.
  if (chunked_ && (length_ || old_version_)) return Reading::kMalformed;
  body_left_ = length_.value_or(0);
  // RFC 9110, 9.3.6: a CONNECT has no content. Else the tunnel would be taken for it.
  if (connect_ && (chunked_ || body_left_ > 0)) return Reading::kMalformed;
  if (chunked_) {
    part_ = Part::kChunkSize;
  } else if (body_left_ > 0) {
    part_ = Part::kBody;
  } else {
    NextRequest();
  }
  return Reading::kAsked;
}

void HttpRequestsReader::NextRequest() {
  std::string().swap(line_);
  trailer_bytes_ = 0;
  part_ = Part::kMethod;
}

Reading HttpRequestsReader::ReadBody(std::span<const uint8_t>& bytes) {
  const auto taken = static_cast<size_t>(std::min<uint64_t>(body_left_, bytes.size()));
  bytes = bytes.subspan(taken);
  body_left_ -= taken;
  if (body_left_ > 0) return Reading::kMore;
  if (part_ == Part::kChunk) {
    part_ = Part::kChunkEnd;
  } else {
    NextRequest();
  }
  return Reading::kMore;
}

// RFC 9112, 7.1. These lines end with CR LF and nothing else: their readers differ most.
Reading HttpRequestsReader::ReadChunkLine(std::span<const uint8_t>& bytes) {
  const bool whole = GatherLine(bytes);
  if (line_.size() > (part_ == Part::kTrailer ? kMaxFirstBytes : kMaxChunkLine) ||
      (part_ == Part::kChunkEnd && !std::string_view("\r").starts_with(line_))) {
    return Reading::kMalformed;
  }
  if (!whole) return Reading::kMore;
  if (!line_.ends_with('\r')) return Reading::kMalformed;
  line_.pop_back();
  const Reading reading = EndChunkLine(line_);
  line_.clear();
  return reading;
}

Reading HttpRequestsReader::EndChunkLine(std::string_view line) {
  if (part_ == Part::kChunkEnd) {
    part_ = Part::kChunkSize;
    return line.empty() ? Reading::kMore : Reading::kMalformed;
  }
  if (part_ == Part::kTrailer) {
    trailer_bytes_ += line.size() + 2;
    if (line.empty()) {
      NextRequest();
      return Reading::kMore;
    }
    const bool good = IsToken(line.substr(0, line.find(':'))) &&
                      line.find('\r') == std::string_view::npos && trailer_bytes_ <= kMaxFirstBytes;
    return good ? Reading::kMore : Reading::kMalformed;
  }
  const auto is_hex = [](char c) {
    return IsDigit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
  };
  const auto end = std::ranges::find_if_not(line, is_hex);
  const std::string_view digits = line.substr(0, static_cast<size_t>(end - line.begin()));
  const std::string_view extension = StripBlanks(line.substr(digits.size()));
  const auto is_control = [](char c) { return static_cast<uint8_t>(c) < ' ' && c != '\t'; };
  if (digits.empty() || digits.size() > kMaxChunkDigits ||
      (!extension.empty() && extension[0] != ';') || std::ranges::any_of(extension, is_control)) {
    return Reading::kMalformed;
  }
  std::from_chars(digits.data(), digits.data() + digits.size(), body_left_, 16);
  part_ = body_left_ > 0 ? Part::kChunk : Part::kTrailer;
  return Reading::kMore;
}

}  // namespace mini::netstack
