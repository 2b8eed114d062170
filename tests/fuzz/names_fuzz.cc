// What a client sends, cut by the first two bytes of the input: however a stream is cut, the same
// is found in it at the same places; what is held is bounded; what passes was found to ask for
// something; and the filter takes any name that is found.
#include <algorithm>
#include <cstdlib>
#include <string>
#include <vector>

#include "base/strings.h"
#include "netstack/filter/filter.h"
#include "netstack/names/server_name_reader.h"

namespace mini::netstack {
namespace {

void Require(bool condition) {
  if (!condition) std::abort();
}

// Judges every name that is found, and never lets a name out of another domain pass.
void Judge(const AskedName& asked, Filter& filter) {
  const Endpoint to{IpAddress::V4(192, 0, 2, 7), asked.port.value_or(443)};
  const Verdict verdict = filter.CheckServerName(Protocol::kTcp, asked.host, to, TimePoint());
  if (!verdict.allowed || IpAddress::Parse(asked.host)) return;
  std::string host = AsciiLower(asked.host);
  if (host.ends_with('.')) host.pop_back();
  Require(host == "a.example" || host.ends_with(".wild.example"));
}

// What is found, as text. Pieces of `first` and `second` bytes in turn.
std::string Found(std::span<const uint8_t> stream, size_t first, size_t second, Filter& filter) {
  ServerNameReader reader;
  std::string found;
  size_t seen = 0;
  bool use_first = true;
  while (seen < stream.size()) {
    const size_t wanted = use_first ? first : second;
    use_first = !use_first;
    // A copy of its own, so that a sanitizer sees a read past its end.
    const auto from = stream.subspan(seen, std::min(wanted, stream.size() - seen));
    const std::vector<uint8_t> piece(from.begin(), from.end());
    std::span<const uint8_t> left(piece);
    while (!left.empty()) {
      const size_t before = left.size();
      const Reading reading = reader.Read(left);
      seen += before - left.size();
      if (reading == Reading::kMalformed) return found + "malformed";
      if (reading == Reading::kOther) return found + "other";
      Require(reader.undecided() <= seen && reader.undecided() <= kMaxFirstBytes);
      Require(reader.stored() <= 3 * kMaxFirstBytes);
      if (reading == Reading::kMore) {
        Require(left.empty());
        continue;
      }
      Require(reader.undecided() == 0 && before > left.size());
      found += StrCat(seen, ":");
      for (const AskedName& asked : reader.asked()) {
        Require(!asked.host.empty() && asked.host.size() <= kMaxHost);
        Judge(asked, filter);
        found += StrCat(asked.host, ",", asked.port.value_or(0), ";");
      }
    }
  }
  found += StrCat("held ", reader.undecided());
  return found + (reader.Finish() == Reading::kMalformed ? " malformed" : "");
}

}  // namespace
}  // namespace mini::netstack

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace mini::netstack;
  if (size < 2) return 0;
  const std::span<const uint8_t> stream(data + 2, size - 2);
  FilterOptions options;
  options.rules.emplace();
  Require(options.rules->AddText("fuzz", "a.example\n*.wild.example\n!no.wild.example\n").ok());
  Filter filter(std::move(options));
  const std::string whole = Found(stream, std::max<size_t>(stream.size(), 1), 1, filter);
  Require(Found(stream, size_t{data[0]} + 1, size_t{data[1]} + 1, filter) == whole);
  if (stream.size() <= 4096) Require(Found(stream, 1, 1, filter) == whole);
  return 0;
}
