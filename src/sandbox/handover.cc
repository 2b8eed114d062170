#include "sandbox/handover.h"

#include <charconv>
#include <string_view>

#include "base/strings.h"

namespace mini {
namespace {

constexpr size_t kNumbers = 3;
constexpr size_t kScratchNumbers = 4;
constexpr size_t kScratchTexts = 2;
constexpr size_t kWithScratch = kNumbers + kScratchNumbers + kScratchTexts;

bool ParseNumber(std::string_view text, int& number) {
  const char* end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, number);
  return error == std::errc() && rest == end && number >= -1;
}

}  // namespace

std::vector<int*> Handover::Descriptors() {
  std::vector<int*> descriptors = {&pidfd, &control};
  if (log >= 0) descriptors.push_back(&log);
  if (scratch) {
    for (int* descriptor : {&scratch->parent, &scratch->directory, &scratch->cleaner_socket}) {
      descriptors.push_back(descriptor);
    }
  }
  return descriptors;
}

std::vector<std::string> Handover::ToArguments() const {
  std::vector<std::string> arguments = {StrCat(pidfd), StrCat(control), StrCat(log)};
  if (scratch) {
    for (const int number :
         {scratch->parent, scratch->directory, scratch->cleaner_socket, scratch->cleaner}) {
      arguments.push_back(StrCat(number));
    }
    arguments.push_back(scratch->path);
    arguments.push_back(scratch->name);
  }
  return arguments;
}

Result<Handover> Handover::FromArguments(std::span<const char* const> arguments) {
  const Status refused =
      InvalidArgument(Stage::kArguments, "this program is started by libmini-sandbox only");
  if (arguments.size() != kNumbers && arguments.size() != kWithScratch) return refused;
  Handover handover;
  std::vector<int*> numbers = {&handover.pidfd, &handover.control, &handover.log};
  if (arguments.size() == kWithScratch) {
    ScratchHandover& scratch = handover.scratch.emplace();
    numbers.insert(numbers.end(), {&scratch.parent, &scratch.directory, &scratch.cleaner_socket,
                                   &scratch.cleaner});
    scratch.path = arguments[kWithScratch - 2];
    scratch.name = arguments[kWithScratch - 1];
  }
  for (size_t i = 0; i < numbers.size(); ++i) {
    if (!ParseNumber(arguments[i], *numbers[i])) return refused;
  }
  // Only the log may be missing.
  if (handover.pidfd < 0 || handover.control < 0) return refused;
  return handover;
}

}  // namespace mini
