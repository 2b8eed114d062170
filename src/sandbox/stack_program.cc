#include "sandbox/stack_program.h"

#include <unistd.h>

#include <string_view>
#include <utility>

#include "base/strings.h"
#include "base/unique_fd.h"
#include "sandbox/handed_number.h"
#include "sandbox/rules_file.h"
#include "supervise/debug_log.h"
#include "sys/spawn_program.h"

namespace mini {
namespace {

constexpr const char* kName = "network-stack";
constexpr std::string_view kWord = "--stack";
// Above the standard streams, which the process makes /dev/null.
constexpr int kFirstPlace = 3;
constexpr size_t kNumbers = 10;  // and when the log began

}  // namespace

std::vector<std::string> StackArguments::ToArguments() const {
  std::vector<std::string> arguments = {kName, std::string(kWord)};
  for (const int number :
       {static_cast<int>(supervisor), channel, rules, debug_log, verdict_log,
        may_lose_verdicts ? 1 : 0, shares_debug_log ? 1 : 0, host_name == HostName::kOfHost ? 1 : 0,
        server_names == ServerNames::kRequired ? 1 : 0}) {
    arguments.push_back(StrCat(number));
  }
  arguments.push_back(StrCat(max_connections.value_or(0)));
  arguments.push_back(StrCat(debug_log_begun));
  return arguments;
}

Result<StackArguments> StackArguments::FromArguments(std::span<const char* const> arguments) {
  const Status refused =
      InvalidArgument(Stage::kArguments, "this program is started by libmini-tapbox only");
  if (!IsStackProgram(arguments) || arguments.size() != 1 + kNumbers + 1) return refused;
  StackArguments result;
  int may_lose = 0;
  int shares_log = 0;
  int of_host = 0;
  int strict = 0;
  int most = 0;
  int* const numbers[kNumbers] = {
      &result.supervisor, &result.channel, &result.rules, &result.debug_log, &result.verdict_log,
      &may_lose,          &shares_log,     &of_host,      &strict,           &most};
  for (size_t i = 0; i < kNumbers; ++i) {
    if (!ParseHandedNumber(arguments[1 + i], *numbers[i])) return refused;
  }
  if (!ParseHandedNumber(arguments[1 + kNumbers], result.debug_log_begun)) return refused;
  if (result.supervisor <= 0 || result.channel < 0 || most < 0) return refused;
  result.may_lose_verdicts = may_lose == 1;
  result.shares_debug_log = shares_log == 1;
  result.host_name = of_host == 1 ? HostName::kOfHost : HostName::kLocalhost;
  result.server_names = strict == 1 ? ServerNames::kRequired : ServerNames::kAsTheyCome;
  if (most > 0) result.max_connections = static_cast<uint32_t>(most);
  return result;
}

bool IsStackProgram(std::span<const char* const> arguments) {
  return !arguments.empty() && arguments[0] == kWord;
}

Result<std::unique_ptr<StackProcess>> SpawnStack(int program, const StackRequest& request) {
  const Policy& policy = request.policy;
  if (!policy.published.empty()) {
    return Status(StatusCode::kUnsupported, Stage::kNetwork, "a library publishes no ports");
  }
  UniqueFd written;
  if (policy.rules) {
    MINI_ASSIGN_OR_RETURN(written, WriteRulesFile(*policy.rules));
  }
  const int rules = written ? written.get() : request.rules_file;
  const auto start = [&](int channel) -> Result<pid_t> {
    ProgramRequest spawn;
    spawn.program = program;
    spawn.first_place = kFirstPlace;
    const auto place = [&](int descriptor) {
      if (descriptor < 0) return -1;
      spawn.descriptors.push_back(descriptor);
      return kFirstPlace + static_cast<int>(spawn.descriptors.size()) - 1;
    };
    StackArguments arguments;
    arguments.supervisor = getpid();
    arguments.channel = place(channel);
    arguments.rules = place(rules);
    arguments.debug_log = place(request.log ? request.log->descriptor() : -1);
    arguments.verdict_log = place(request.verdict_log);
    arguments.may_lose_verdicts = request.may_lose_verdicts;
    arguments.shares_debug_log = request.log && request.log->is_shared();
    arguments.debug_log_begun = request.log ? request.log->begun() : 0;
    arguments.host_name = policy.host_name;
    arguments.server_names = policy.server_names;
    arguments.max_connections = policy.max_connections;
    spawn.arguments = arguments.ToArguments();
    const Spawned spawned = SpawnProgram(spawn);
    if (spawned.pid >= 0) return spawned.pid;
    return SystemError(Stage::kNetwork, spawned.error, "start a process for the network stack");
  };
  return StackProcess::Start(start, StackProcess::ReapedBy::kAnybody);
}

}  // namespace mini
