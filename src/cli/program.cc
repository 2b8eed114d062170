#include "cli/program.h"

#include <fcntl.h>
#include <poll.h>
#include <termios.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/strings.h"
#include "base/unique_fd.h"
#include "child/streams.h"
#include "doctor/doctor.h"
#include "sandbox/sandbox.h"
#include "supervise/outcome.h"
#include "supervise/stream.h"

namespace mini {
namespace {

constexpr std::chrono::seconds kSummaryPatience{1};

// A write that the reader does not take (EPIPE, a full disk) is the only failure.
bool WriteAll(int fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t count = write(fd, text.data(), text.size());
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return false;
    text.remove_prefix(static_cast<size_t>(count));
  }
  return true;
}

// While the command has a terminal of its own (-P), the user's moves to the next line and no more.
const char* EndOfLine(int fd) {
  termios settings;
  return tcgetattr(fd, &settings) == 0 && (settings.c_oflag & OPOST) == 0 ? "\r\n" : "\n";
}

// One write(2) a line, so that lines of the stack's process and of this one do not mix. Sentences
// name paths, which somebody hostile may have made: none reaches the terminal as it is.
void Say(Product product, std::string_view sentence) {
  (void)WriteAll(STDERR_FILENO,
                 StrCat(ProductName(product), ": ", EscapeForTerminal(sentence, sentence.size()),
                        EndOfLine(STDERR_FILENO)));
}

// What nobody takes is given up: the command has ended, and whoever waits for it must not wait for
// a reader of these lines.
void SaySummary(Product product, const std::vector<std::string>& lines) {
  using std::chrono::steady_clock;
  if (lines.empty()) return;
  std::string text;
  for (const std::string& line : lines) {
    text += StrCat(ProductName(product), ": ", EscapeForTerminal(line, line.size()),
                   EndOfLine(STDERR_FILENO));
  }
  Stream stream(STDERR_FILENO, Stream::Direction::kWrite);
  const auto deadline = steady_clock::now() + kSummaryPatience;
  std::string_view left = text;
  while (!left.empty()) {
    const auto time = std::chrono::ceil<std::chrono::milliseconds>(deadline - steady_clock::now());
    pollfd writable = {stream.fd(), POLLOUT, 0};
    if (time.count() <= 0 || poll(&writable, 1, static_cast<int>(time.count())) <= 0) return;
    const Transfer written = stream.Write(left);
    if (written.state == Transfer::State::kEnded) return;
    left.remove_prefix(written.count);
  }
}

// A standard stream that the caller closed would be given to the next file that is opened, and then
// to the command. open(2) takes the lowest free number.
Result<child::StandardStreams> OpenStandardStreams() {
  const child::StandardStreams found = child::LookAtStandardStreams();
  const auto is_closed = [](const child::StandardStream& stream) { return stream.flags < 0; };
  const auto closed = std::count_if(found.begin(), found.end(), is_closed);
  if (closed == 0) return found;
  for (auto left = closed; left > 0; --left) {
    UniqueFd null(open("/dev/null", O_RDWR));  // no O_CLOEXEC: the command gets it
    if (!null) return SystemError(Stage::kProbe, errno, "open /dev/null for a closed stream");
    (void)null.release();
  }
  return child::LookAtStandardStreams();
}

int Fail(Product product, const Status& error) {
  const int code = ExitCodeFor(error);
  Say(product, error.ToString());
  if (error.stage() == Stage::kArguments) {
    (void)WriteAll(STDERR_FILENO, StrCat(UsageLine(product), " (--help for more)\n"));
  }
  return code;
}

int Print(Product product, std::string_view text) {
  if (WriteAll(STDOUT_FILENO, text)) return 0;
  return Fail(product, SystemError(Stage::kProbe, errno, "write to standard output"));
}

// As the first word only: behind an option or "--" it is a command.
bool AsksForDoctor(int argc, const char* const* argv) {
  return argc > 1 && std::string_view(argv[1]) == "doctor";
}

int Examine(Product product, int argc, const char* const* argv, StackStarter start_stack) {
  const Result<DoctorAnswer> answer =
      RunDoctor(ProductName(product), start_stack, {argv + 2, argv + argc});
  if (!answer.ok()) return Fail(product, answer.status());
  const int printed = Print(product, answer.value().text);
  return printed != 0 ? printed : answer.value().exit_code;
}

}  // namespace

int RunProgram(Product product, int argc, const char* const* argv, StackStarter start_stack) {
  const Result<child::StandardStreams> streams = OpenStandardStreams();
  if (!streams.ok()) return Fail(product, streams.status());
  if (AsksForDoctor(argc, argv)) return Examine(product, argc, argv, start_stack);
  Result<CommandLine> line = ParseCommandLine(product, argc, argv);
  if (!line.ok()) return Fail(product, line.status());
  if (line->text_only) return Print(product, *line->text_only);
  const bool quiet = line->policy.quiet;
  if (!quiet && line->policy.network == Network::kStack && !line->policy.rules) {
    Say(product, "no allow-list: the command may reach every public address (-F, --allow)");
  }
  if (line->print_plan) {
    const Result<Plan> plan = PlanRun(line->policy, line->command);
    return plan.ok() ? Print(product, plan->ToString()) : Fail(product, plan.status());
  }
  RunRequest request{.policy = std::move(line->policy),
                     .argv = std::move(line->command),
                     .on_notice = [](std::string_view) {},
                     .on_problem = [product](std::string_view sentence) { Say(product, sentence); },
                     .start_stack = start_stack,
                     .debug_log = std::move(line->debug_log),
                     .streams = *streams,
                     .process_ends = true};
  if (!quiet) {
    request.on_notice = request.on_problem;
    request.on_summary = [product](const auto& lines) { SaySummary(product, lines); };
  }
  const Result<Outcome> outcome = Run(std::move(request));
  return outcome.ok() ? ExitCodeFor(*outcome) : Fail(product, outcome.status());
}

}  // namespace mini
