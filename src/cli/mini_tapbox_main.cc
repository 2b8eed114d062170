#include "cli/program.h"
#include "sandbox/stack_service.h"

int main(int argc, char** argv) {
  return mini::RunProgram(mini::Product::kTapbox, argc, argv, mini::ForkStack);
}
