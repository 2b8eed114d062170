// A script for the TCP flows, whose far sides are made up here. It sends segments that are nearly
// right, so that they get past the parser; the bytes of both streams depend on their place alone.
#ifndef MINI_SANDBOX_TESTS_FUZZ_TCP_SCRIPT_H_
#define MINI_SANDBOX_TESTS_FUZZ_TCP_SCRIPT_H_

#include "script.h"

namespace mini::netstack {

void FuzzTcp(Script script);

}  // namespace mini::netstack

#endif  // MINI_SANDBOX_TESTS_FUZZ_TCP_SCRIPT_H_
