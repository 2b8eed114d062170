#include "cli/help.h"

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "base/strings.h"

namespace mini {
namespace {

// Where the descriptions start.
constexpr size_t kColumn = 30;

std::string Summary(Product product) {
  return StrCat(product == Product::kSandbox
                    ? "Runs a command in a sandbox, with no network unless -N shares the host's.\n"
                    : "Runs a command in a sandbox that reaches only what an allow-list names.\n",
                "No root, no daemon, nothing to configure: what is not made writable here does\n"
                "not change on the host.\n");
}

std::string Footer(Product product) {
  if (product == Product::kSandbox) {
    return "Exit code: the command's own; 128+n when signal n ended it; 2 wrong usage; 125\n"
           "no sandbox could be set up; 126 the command cannot be executed; 127 not found.\n"
           "\n"
           "Example: build what you do not trust, in this directory and nowhere else\n"
           "  mini-sandbox -x -M ~/.gitconfig -- make test\n";
  }
  return "A rule: example.com, *.example.com, 192.0.2.7, 2001:db8::/32, any of these with\n"
         ":443 or :8000-8010, or ! in front to refuse. Without -F and --allow the command\n"
         "may reach every public address.\n"
         "\n"
         "Exit code: the command's own; 128+n when signal n ended it; 2 wrong usage; 125\n"
         "no sandbox could be set up; 126 the command cannot be executed; 127 not found.\n"
         "\n"
         "Example: fetch dependencies from one place\n"
         "  mini-tapbox -x --allow '*.example.org:443' -- ./fetch-dependencies\n";
}

// "  -w, --write PATH", "      --setenv NAME=VALUE"
std::string NamesColumn(const CLI::Option& option) {
  std::string names = "  ";
  const std::vector<std::string>& short_names = option.get_snames();
  names += short_names.empty() ? "    " : StrCat("-", short_names[0], ", ");
  names += StrCat("--", option.get_lnames().at(0));
  // Of a flag it is empty.
  if (!option.get_option_text().empty()) names += StrCat(" ", option.get_option_text());
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

class Formatter : public CLI::FormatterBase {
 public:
  explicit Formatter(Product product) : product_(product) {}

  std::string make_help(const CLI::App* app, std::string, CLI::AppFormatMode) const override {
    std::string help = StrCat(UsageLine(product_), "\n\n", Summary(product_));
    for (const std::string& group : app->get_groups()) {
      const auto options = app->get_options([&](const CLI::Option* option) {
        return option->get_group() == group && !option->get_lnames().empty();
      });
      if (options.empty()) continue;
      help += StrCat("\n", group, "\n");
      for (const CLI::Option* option : options) {
        help += Row(NamesColumn(*option), option->get_description());
      }
    }
    help += Row("      @FILE", "options from FILE, one word a line");
    return StrCat(help, "\n", Footer(product_));
  }

 private:
  Product product_;
};

}  // namespace

std::shared_ptr<CLI::FormatterBase> HelpFormatter(Product product) {
  return std::make_shared<Formatter>(product);
}

}  // namespace mini
