// The rest of this program, confined.
//
//   c++ -std=c++17 -o confined confined.cc $(pkg-config --cflags --libs libmini-sandbox)
#include <mini_sandbox.h>

#include <cerrno>
#include <fstream>
#include <iostream>
#include <stdexcept>
#include <system_error>

namespace {

void Check(int code) {
  if (code != MINI_SANDBOX_OK) throw std::runtime_error(mini_sandbox_get_last_error_msg());
}

}  // namespace

int main() try {
  std::cout << "outside\n";
  Check(mini_sandbox_setup_default());
  Check(mini_sandbox_start());
  if (!std::ofstream("/usr/local/planted")) {
    std::cout << "planted: " << std::generic_category().message(errno) << "\n";
  }
  if (!(std::ofstream("result") << "done\n")) return 1;  // the working directory is writable
  std::cout << "inside: " << mini_sandbox_is_running() << "\n";
  return 7;
} catch (const std::exception& error) {
  std::cerr << "no sandbox: " << error.what() << "\n";
  return 1;
}
