#include "capi/stack_entry.h"

namespace mini::capi {

void RunIfStackProgram(std::span<const char* const>) {}

}  // namespace mini::capi
