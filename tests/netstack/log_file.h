// A verdict log in memory, read back line by line.
#ifndef MINI_SANDBOX_TESTS_NETSTACK_LOG_FILE_H_
#define MINI_SANDBOX_TESTS_NETSTACK_LOG_FILE_H_

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "base/strings.h"
#include "base/unique_fd.h"

namespace mini::netstack {

class LogFile {
 public:
  // For a stack to write to.
  UniqueFd Writer() const { return UniqueFd(fcntl(fd_.get(), F_DUPFD_CLOEXEC, 0)); }

  // Those of an event ("verdict", "close"), once whoever writes has written all.
  std::vector<nlohmann::json> Events(std::string_view event) const {
    std::string text(1 << 20, '\0');
    text.resize(static_cast<size_t>(pread(fd_.get(), text.data(), text.size(), 0)));
    std::vector<nlohmann::json> events;
    for (const std::string_view line : StrSplit(text, '\n')) {
      if (line.empty()) continue;
      nlohmann::json parsed = nlohmann::json::parse(line);
      if (parsed["event"] == event) events.push_back(std::move(parsed));
    }
    return events;
  }

 private:
  UniqueFd fd_{memfd_create("log", MFD_CLOEXEC)};
};

}  // namespace mini::netstack

#endif  // MINI_SANDBOX_TESTS_NETSTACK_LOG_FILE_H_
