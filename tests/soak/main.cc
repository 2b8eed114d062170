// load VERB...: the load of tests/soak/run. One line of figures on stdout; exit code 1 when it
// could not be put on at all.
#include <sys/resource.h>

#include <cstdio>
#include <cstdlib>

#include "load.h"

namespace {

int Usage() {
  std::fputs(
      "usage: load serve\n"
      "       load short|refused COUNT AT_ONCE HOST,...\n"
      "       load mixed|streams SECONDS AT_ONCE HOST,...\n"
      "       load datagrams|connects|steady SECONDS HOST,...\n",
      stderr);
  return 2;
}

}  // namespace

int main(int argc, char** argv) {
  using namespace mini::load;
  if (argc < 2) return Usage();
  rlimit files = {};
  if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
  }
  const std::string verb = argv[1];
  if (verb == "serve") return Serve();
  if (argc < 4) return Usage();
  const uint64_t number = std::strtoull(argv[2], nullptr, 10);
  const std::chrono::seconds duration(number);
  const std::string hosts = argv[argc - 1];
  if (argc == 4 && verb == "datagrams") return FloodDatagrams(duration, hosts);
  if (argc == 4 && verb == "connects") return FloodConnects(duration, hosts);
  if (argc == 4 && verb == "steady") return Steady(duration, hosts);
  if (argc != 5) return Usage();
  const size_t at_once = std::strtoull(argv[3], nullptr, 10);
  if (verb == "short") return Connections(number, at_once, hosts, Kind::kEcho);
  if (verb == "refused") return Connections(number, at_once, hosts, Kind::kConnectOnly);
  if (verb == "mixed") return Mixed(duration, at_once, hosts, true);
  if (verb == "streams") return Mixed(duration, at_once, hosts, false);
  return Usage();
}
