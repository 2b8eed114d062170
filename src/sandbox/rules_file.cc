// Theory of operation
//
// How many rules there are (as all numbers in 32 bits, most significant byte first), and one record
// for each: its line, the length of its source and of its text, the source, the text. Where the
// source is the one of the rule before, its length is 0: a list of a million rules names its file
// once.
#include "sandbox/rules_file.h"

#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/strings.h"
#include "sys/memory_file.h"

namespace mini {
namespace {

std::string_view TakeText(ByteReader& reader, size_t size) {
  const auto bytes = reader.Take(size);
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

}  // namespace

Result<UniqueFd> WriteRulesFile(const netstack::RuleSet& rules) {
  std::string encoded;
  ByteAppender bytes(encoded);
  bytes.U32(static_cast<uint32_t>(rules.size()));
  std::string_view last_source;
  for (const netstack::Rule& rule : rules.rules()) {
    const std::string_view source =
        rule.source == last_source ? std::string_view() : std::string_view(rule.source);
    const std::string text = rule.ToString();
    if (source.size() > std::numeric_limits<uint32_t>::max()) {
      return InvalidArgument(Stage::kRules, "the name of an allow-list is too long");
    }
    bytes.U32(static_cast<uint32_t>(rule.line));
    bytes.U32(static_cast<uint32_t>(source.size()));
    bytes.U32(static_cast<uint32_t>(text.size()));
    bytes.Text(source);
    bytes.Text(text);
    last_source = rule.source;
  }
  return MakeMemoryFile(
      "the allow-list",
      std::span(reinterpret_cast<const unsigned char*>(encoded.data()), encoded.size()),
      MemoryFileUse::kData);
}

Result<netstack::RuleSet> ReadRulesFile(int file) {
  MINI_ASSIGN_OR_RETURN(const std::vector<uint8_t> bytes,
                        ReadMemoryFile("the rules", file, Stage::kRules));
  ByteReader reader(bytes);
  constexpr size_t kNumbersOfRecord = 3 * sizeof(uint32_t);
  const uint32_t count = reader.U32();
  const Status in_part = InvalidArgument(Stage::kRules, "the allow-list was handed over in part");
  if (reader.failed() || count > reader.remaining() / kNumbersOfRecord) return in_part;
  netstack::RuleSet rules;
  rules.Reserve(count);
  netstack::RuleSource source;
  for (uint32_t left = count; left > 0; --left) {
    const uint32_t line = reader.U32();
    const uint32_t source_size = reader.U32();
    const uint32_t text_size = reader.U32();
    if (source_size > 0) source = netstack::RuleSource(TakeText(reader, source_size));
    const std::string_view text = TakeText(reader, text_size);
    if (reader.failed() || line > static_cast<uint32_t>(std::numeric_limits<int>::max())) {
      return in_part;
    }
    MINI_RETURN_IF_ERROR(rules.AddRule(source, text, static_cast<int>(line)));
  }
  return reader.remaining() == 0 ? Result<netstack::RuleSet>(std::move(rules)) : in_part;
}

}  // namespace mini
