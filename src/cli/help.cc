#include "cli/help.h"

#include <string_view>
#include <utility>

#include "base/strings.h"
#include "cli/option_table.h"

namespace mini {
namespace {

// Where the descriptions start.
constexpr size_t kColumn = 30;

std::string Summary(Product product) {
  return StrCat(product == Product::kSandbox
                    ? "Runs a command in a sandbox, with no network unless -N shares the host's.\n"
                    : "Runs a command in a sandbox that reaches only what an allow-list names.\n",
                "No root, no daemon, nothing to configure: what is not made writable here does\n"
                "not change on the host. `doctor` examines what this machine can do.\n");
}

std::string Footer(Product product) {
  if (product == Product::kSandbox) {
    return "Exit code: the command's own; 128+n when signal n ended it; 2 wrong usage; 125\n"
           "no sandbox could be set up; 126 the command cannot be executed; 127 not found.\n"
           "\n"
           "Example: build what you do not trust, in this directory and nowhere else\n"
           "  mini-sandbox -x -T 600 -- make test\n";
  }
  return "A rule: example.com, *.example.com, 192.0.2.7, 2001:db8::/32, any of these with\n"
         ":443 or :8000-8010, or ! in front to refuse. Without -F and --allow the command\n"
         "may reach every public address.\n"
         "\n"
         "Exit code: the command's own; 128+n when signal n ended it; 2 wrong usage; 125\n"
         "no sandbox could be set up or kept up; 126 the command cannot be executed; 127\n"
         "not found.\n"
         "\n"
         "Example: fetch dependencies from one place\n"
         "  mini-tapbox -x --allow '*.example.org:443' -- ./fetch-dependencies\n";
}

// "  -w, --write PATH", "      --setenv NAME=VALUE"
std::string NamesColumn(const OptionEntry& option) {
  std::string names = "  ";
  if (option.short_name != '\0') {
    names += StrCat("-", option.short_name, ", ");
  } else {
    names += "    ";
  }
  names += StrCat("--", option.long_name);
  if (option.TakesValue()) names += StrCat(" ", option.value);
  return names;
}

// Names that leave no room have a line of their own.
std::string Row(std::string names, std::string_view description) {
  if (names.size() + 2 > kColumn) names += StrCat("\n", std::string(kColumn, ' '));
  std::string row = std::move(names);
  row.append(row.size() < kColumn ? kColumn - row.size() : 0, ' ');
  for (const char c : description) {
    row += c;
    if (c == '\n') row.append(kColumn, ' ');
  }
  return row + '\n';
}

}  // namespace

std::string HelpText(Product product) {
  std::string help = StrCat(UsageLine(product), "\n       ", ProductName(product),
                            " doctor [--json]\n\n", Summary(product));
  std::string_view group;
  for (const OptionEntry& option : OptionTable()) {
    if (!option.IsOfferedBy(product)) continue;
    if (option.group != group) help += StrCat("\n", option.group, "\n");
    group = option.group;
    help += Row(NamesColumn(option), option.text);
  }
  help += Row("      @FILE", "options from FILE, one word a line");
  return StrCat(help, "\n", Footer(product));
}

}  // namespace mini
