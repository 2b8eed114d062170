// From the calls to a program that finds out which one it is about.
//
// Theory of operation. The program is laid out here, because installing a filter costs time: for
// its cache of calls that are always allowed, the kernel runs the program once for every call
// number of every architecture it serves (kernel/seccomp.c, seccomp_cache_prepare). So the numbers
// are cut into intervals of equal treatment, and an optimal binary search tree over them, weighted
// by how many calls an interval holds, keeps that sum small, and the way to calls that no cache
// answers short. The kernel also translates and compiles every instruction, so equal code is there
// once, wherever jumps reach it.
#ifndef MINI_SANDBOX_SYS_SECCOMP_GENERATOR_SEARCH_TREE_H_
#define MINI_SANDBOX_SYS_SECCOMP_GENERATOR_SEARCH_TREE_H_

#include "sys/seccomp_generator/call_table.h"

namespace mini::seccomp {

// Expects the call number in the accumulator.
Code SearchTreeOf(const CallTable& table);

}  // namespace mini::seccomp

#endif  // MINI_SANDBOX_SYS_SECCOMP_GENERATOR_SEARCH_TREE_H_
