// The options of both programs: names, what each does, and the words of --help.
#ifndef MINI_SANDBOX_CLI_OPTION_TABLE_H_
#define MINI_SANDBOX_CLI_OPTION_TABLE_H_

#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/status.h"
#include "cli/command_line.h"

namespace mini {

class Options;

// An option that only one program has, and why the other does not.
struct Exclusive {
  Product product;
  std::string_view why;
};

struct OptionEntry {
  char short_name;             // '\0': it has none
  std::string_view long_name;  // without the hyphens
  std::string_view value;      // what --help calls its value; empty: it takes none
  std::string_view group;
  std::string_view text;  // lines of at most 50 columns
  Status (*set)(Options& options, const std::string& value);
  std::optional<Exclusive> exclusive = std::nullopt;

  bool TakesValue() const { return !value.empty(); }
  bool IsOfferedBy(Product product) const { return !exclusive || exclusive->product == product; }
};

// In the order of --help.
std::span<const OptionEntry> OptionTable();

// The entry of "-w" or "--write", of whichever program; null when there is none.
const OptionEntry* FindOption(std::string_view name);

}  // namespace mini

#endif  // MINI_SANDBOX_CLI_OPTION_TABLE_H_
