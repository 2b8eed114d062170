#include "capi/stack_entry.h"

namespace mini::capi {

Product ThisProduct() { return Product::kSandbox; }

StackStarter ThisStackStarter() { return nullptr; }

void RunIfStackProgram(std::span<const char* const>) {}

}  // namespace mini::capi
