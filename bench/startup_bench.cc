// Times how long commands take from spawn to exit, interleaved: every round runs every contender,
// in an order that moves on by one each round, so that drift of the machine hits all alike.
//
//   startup_bench ROUNDS BURST NAME COMMAND ARG... [::: NAME COMMAND ARG...]...
//
// Prints one line a run, tab-separated: round, name, wall nanoseconds, CPU nanoseconds (user and
// system, descendants that were waited for included). A command that does not exit with 0 ends the
// measurement with an error: a sandbox that failed early would look fast.
#include <fcntl.h>
#include <spawn.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <string>
#include <vector>

namespace {

struct Contender {
  std::string name;
  std::vector<char*> argv;  // ends with nullptr
};

struct Sample {
  int64_t wall_ns = 0;
  int64_t cpu_ns = 0;
};

[[noreturn]] void Die(const std::string& message) {
  std::fprintf(stderr, "startup_bench: %s\n", message.c_str());
  std::exit(1);
}

int64_t NowNs() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

int64_t ToNs(const timeval& value) {
  return int64_t{value.tv_sec} * 1'000'000'000 + int64_t{value.tv_usec} * 1'000;
}

int ParseCount(const char* text) {
  char* end = nullptr;
  const long value = std::strtol(text, &end, 10);
  if (*text == '\0' || *end != '\0' || value < 1 || value > 1'000'000) {
    Die(std::string("not a count: ") + text);
  }
  return static_cast<int>(value);
}

std::vector<Contender> ParseContenders(char** words) {
  std::vector<Contender> contenders;
  while (*words != nullptr) {
    Contender contender{.name = *words++, .argv = {}};
    while (*words != nullptr && std::strcmp(*words, ":::") != 0) contender.argv.push_back(*words++);
    if (contender.argv.empty()) Die("no command for " + contender.name);
    contender.argv.push_back(nullptr);
    contenders.push_back(std::move(contender));
    if (*words != nullptr) ++words;
  }
  if (contenders.empty()) Die("usage: startup_bench ROUNDS BURST NAME COMMAND... [::: ...]");
  return contenders;
}

// Standard input is /dev/null, so that no contender waits on a terminal; output goes where ours
// goes for errors, since stdout carries the samples.
Sample Run(const Contender& contender, const posix_spawn_file_actions_t& actions) {
  pid_t pid = 0;
  const int64_t begin = NowNs();
  const int error =
      posix_spawnp(&pid, contender.argv[0], &actions, nullptr, contender.argv.data(), environ);
  if (error != 0) Die(contender.name + ": " + std::strerror(error));
  int status = 0;
  rusage usage{};
  while (wait4(pid, &status, 0, &usage) < 0) {
    if (errno != EINTR) Die(std::string("wait4: ") + std::strerror(errno));
  }
  const int64_t end = NowNs();
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
    Die(contender.name + " failed, wait status " + std::to_string(status));
  }
  return {.wall_ns = end - begin, .cpu_ns = ToNs(usage.ru_utime) + ToNs(usage.ru_stime)};
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 5) Die("usage: startup_bench ROUNDS BURST NAME COMMAND... [::: ...]");
  const int rounds = ParseCount(argv[1]);
  const int burst = ParseCount(argv[2]);
  const std::vector<Contender> contenders = ParseContenders(argv + 3);

  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&actions, STDERR_FILENO, STDOUT_FILENO);

  // Round -1 warms the page cache and is not printed.
  for (int round = -1; round < rounds; ++round) {
    for (size_t turn = 0; turn < contenders.size(); ++turn) {
      const Contender& contender =
          contenders[(static_cast<size_t>(round + 1) + turn) % contenders.size()];
      for (int i = 0; i < burst; ++i) {
        const Sample sample = Run(contender, actions);
        if (round < 0) continue;
        std::printf("%d\t%s\t%lld\t%lld\n", round, contender.name.c_str(),
                    static_cast<long long>(sample.wall_ns), static_cast<long long>(sample.cpu_ns));
      }
    }
  }
  posix_spawn_file_actions_destroy(&actions);
  return 0;
}
