// A command in a sandbox of its own, while this program stays where it is.
//
//   c++ -std=c++17 -o command command.cc $(pkg-config --cflags --libs libmini-sandbox)
#include <mini_sandbox.h>
#include <sys/wait.h>

#include <iostream>
#include <memory>
#include <new>
#include <stdexcept>
#include <string>
#include <vector>

namespace {

void Check(int code) {
  if (code != MINI_SANDBOX_OK) throw std::runtime_error(mini_sandbox_get_last_error_msg());
}

struct Free {
  void operator()(mini_sandbox_t* sandbox) const { mini_sandbox_free(sandbox); }
  void operator()(mini_sandbox_process_t* process) const { mini_sandbox_process_free(process); }
};
using Sandbox = std::unique_ptr<mini_sandbox_t, Free>;
using Process = std::unique_ptr<mini_sandbox_process_t, Free>;

Process Spawn(const Sandbox& sandbox, const std::vector<std::string>& words) {
  std::vector<const char*> argv;
  for (const std::string& word : words) argv.push_back(word.c_str());
  argv.push_back(nullptr);
  mini_sandbox_command command = {};
  command.size = sizeof command;
  command.argv = argv.data();
  for (int stream : {0, 1, 2}) command.stdio[stream] = stream;
  mini_sandbox_process_t* process = nullptr;
  Check(mini_sandbox_spawn(sandbox.get(), &command, &process));
  return Process(process);
}

}  // namespace

int main() try {
  const Sandbox sandbox(mini_sandbox_new());
  if (!sandbox) throw std::bad_alloc();
  Check(mini_sandbox_object_setup_default(sandbox.get()));
  const Process process =
      Spawn(sandbox, {"sh", "-c", "touch /usr/local/planted 2>/dev/null || echo refused; exit 5"});
  int status = 0;
  Check(mini_sandbox_wait(process.get(), -1, &status));
  if (WIFSIGNALED(status)) std::cout << "signal " << WTERMSIG(status) << "\n";
  if (WIFEXITED(status)) std::cout << "exit code " << WEXITSTATUS(status) << "\n";
  return 0;
} catch (const std::exception& error) {
  std::cerr << "no sandbox: " << error.what() << "\n";
  return 1;
}
