#include "cli/program.h"

int main(int argc, char** argv) {
  return mini::RunProgram(mini::Product::kSandbox, argc, argv, nullptr);
}
