// Theory of operation
//
// The arguments are the descriptors that every sandbox has and when the log began, then a word and
// what belongs to it for each part that not every one has, always in the same order.
#include "sandbox/handover.h"

#include <algorithm>
#include <string_view>

#include "base/strings.h"
#include "sandbox/handed_number.h"

namespace mini {
namespace {

constexpr std::string_view kScratch = "scratch";
constexpr std::string_view kStack = "stack";

// The arguments that are left.
class ArgumentReader {
 public:
  explicit ArgumentReader(std::span<const char* const> arguments) : left_(arguments) {}

  template <typename Number>
  bool TakeNumber(Number& number) {
    if (left_.empty() || !ParseHandedNumber(left_[0], number)) return false;
    left_ = left_.subspan(1);
    return true;
  }
  bool TakeNumbers(std::initializer_list<int*> numbers) {
    return std::all_of(numbers.begin(), numbers.end(),
                       [&](int* number) { return TakeNumber(*number); });
  }
  bool TakeText(std::string& text) {
    if (left_.empty()) return false;
    text = left_[0];
    left_ = left_.subspan(1);
    return true;
  }
  bool TakeWord(std::string_view word) {
    if (left_.empty() || left_[0] != word) return false;
    left_ = left_.subspan(1);
    return true;
  }
  bool empty() const { return left_.empty(); }

 private:
  std::span<const char* const> left_;
};

bool Take(ArgumentReader& reader, ScratchHandover& scratch) {
  return reader.TakeNumbers(
             {&scratch.parent, &scratch.directory, &scratch.cleaner_socket, &scratch.cleaner}) &&
         reader.TakeText(scratch.path) && reader.TakeText(scratch.name);
}

bool Take(ArgumentReader& reader, StackHandover& stack) {
  return reader.TakeNumbers({&stack.pid, &stack.pidfd, &stack.channel}) && stack.pid > 0 &&
         stack.pidfd >= 0 && stack.channel >= 0;
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
  if (stack) {
    for (int* descriptor : {&stack->pidfd, &stack->channel}) descriptors.push_back(descriptor);
  }
  return descriptors;
}

std::vector<std::string> Handover::ToArguments() const {
  std::vector<std::string> arguments = {StrCat(pidfd), StrCat(control), StrCat(log),
                                        StrCat(log_begun)};
  if (scratch) {
    arguments.emplace_back(kScratch);
    for (const int number :
         {scratch->parent, scratch->directory, scratch->cleaner_socket, scratch->cleaner}) {
      arguments.push_back(StrCat(number));
    }
    arguments.push_back(scratch->path);
    arguments.push_back(scratch->name);
  }
  if (stack) {
    arguments.emplace_back(kStack);
    for (const int number : {stack->pid, stack->pidfd, stack->channel}) {
      arguments.push_back(StrCat(number));
    }
  }
  return arguments;
}

Result<Handover> Handover::FromArguments(std::span<const char* const> arguments) {
  const Status refused =
      InvalidArgument(Stage::kArguments, "this program is started by its library only");
  ArgumentReader reader(arguments);
  Handover handover;
  if (!reader.TakeNumbers({&handover.pidfd, &handover.control, &handover.log}) ||
      !reader.TakeNumber(handover.log_begun)) {
    return refused;
  }
  // Only the log may be missing.
  if (handover.pidfd < 0 || handover.control < 0) return refused;
  if (reader.TakeWord(kScratch) && !Take(reader, handover.scratch.emplace())) return refused;
  if (reader.TakeWord(kStack) && !Take(reader, handover.stack.emplace())) return refused;
  if (!reader.empty()) return refused;
  return handover;
}

}  // namespace mini
