// What the supervisor that a library carries is told by the program whose place it takes: numbers
// of descriptors, as its arguments.
#ifndef MINI_SANDBOX_SANDBOX_HANDOVER_H_
#define MINI_SANDBOX_SANDBOX_HANDOVER_H_

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/status.h"

namespace mini {

struct ScratchHandover {
  int parent = -1;
  int directory = -1;
  int cleaner_socket = -1;
  pid_t cleaner = -1;
  std::string path;  // of the directory, for messages
  std::string name;  // in `parent`
  friend bool operator==(const ScratchHandover&, const ScratchHandover&) = default;
};

struct StackHandover {
  pid_t pid = -1;
  int pidfd = -1;
  int channel = -1;
  friend bool operator==(const StackHandover&, const StackHandover&) = default;
};

struct Handover {
  int pidfd = -1;    // of the sandbox's first process, a child of the supervisor
  int control = -1;  // the supervisor's end of its control socket
  int log = -1;      // -1: none
  int64_t log_begun = 0;
  std::optional<ScratchHandover> scratch;
  std::optional<StackHandover> stack;  // which serves already

  // The descriptors that are in use, to be changed one by one.
  std::vector<int*> Descriptors();

  // Without the name of the program.
  std::vector<std::string> ToArguments() const;
  // What ToArguments() has made; anything else is an error.
  static Result<Handover> FromArguments(std::span<const char* const> arguments);

  friend bool operator==(const Handover&, const Handover&) = default;
};

}  // namespace mini

#endif  // MINI_SANDBOX_SANDBOX_HANDOVER_H_
