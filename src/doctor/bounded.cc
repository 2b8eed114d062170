#include "doctor/bounded.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/unique_fd.h"

namespace mini {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

namespace {

[[noreturn]] void RunBody(int answer, pid_t parent, const std::function<std::string()>& body) {
  if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) != 0 || getppid() != parent) _exit(1);
  const int null = open("/dev/null", O_RDWR | O_CLOEXEC);
  for (int stream = 0; stream <= 2; ++stream) {
    if (null < 0 || dup2(null, stream) < 0) _exit(1);
  }
  std::string text = body();
  text += '.';  // so that an answer, even an empty one, differs from a child that died
  for (size_t written = 0; written < text.size();) {
    const ssize_t count = write(answer, text.data() + written, text.size() - written);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) _exit(1);
    written += static_cast<size_t>(count);
  }
  _exit(0);
}

// Until the other end is closed, which is when the child and what it started are gone. False: the
// deadline came first.
bool ReadUntil(int fd, steady_clock::time_point deadline, std::string& text) {
  for (;;) {
    const auto left = std::chrono::ceil<milliseconds>(deadline - steady_clock::now()).count();
    pollfd descriptor = {fd, POLLIN, 0};
    const int ready = poll(&descriptor, 1, static_cast<int>(std::max<milliseconds::rep>(left, 0)));
    if (ready == 0) return false;
    if (ready < 0 && errno != EINTR) return false;
    if (ready < 0) continue;
    char buffer[4096];
    const ssize_t count = read(fd, buffer, sizeof buffer);
    if (count == 0) return true;
    if (count > 0) text.append(buffer, static_cast<size_t>(count));
  }
}

}  // namespace

std::optional<std::string> RunBounded(milliseconds limit,
                                      const std::function<std::string()>& body) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return std::nullopt;
  const UniqueFd answer(ends[0]);
  UniqueFd child_end(ends[1]);
  const pid_t parent = getpid();
  const pid_t pid = fork();
  if (pid < 0) return std::nullopt;
  if (pid == 0) RunBody(child_end.get(), parent, body);
  child_end.reset();

  std::string text;
  const bool ended = ReadUntil(answer.get(), steady_clock::now() + limit, text);
  if (!ended) {
    kill(pid, SIGKILL);
    // A process that waits for a dead file server does not even die: it is left to process 1.
    std::string late;
    if (!ReadUntil(answer.get(), steady_clock::now() + milliseconds(1000), late)) {
      return std::nullopt;
    }
  }
  while (waitpid(pid, nullptr, 0) < 0 && errno == EINTR) {
  }
  if (!ended || !text.ends_with('.')) return std::nullopt;
  text.pop_back();
  return text;
}

}  // namespace mini
