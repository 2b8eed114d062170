// network_load VERB...: what bench/compare puts on the contenders. One line of figures on stdout;
// exit code 1 when it could not be put on at all.
#include <sys/resource.h>

#include <cstdio>
#include <cstdlib>
#include <span>

#include "network_load.h"

namespace {

int Usage() {
  std::fputs(
      "usage: network_load serve\n"
      "       network_load connect-rate MILLISECONDS THREADS HOST,...\n"
      "       network_load round-trips MILLISECONDS HOST\n"
      "       network_load hold COUNT HOST,... [MILLISECONDS]\n"
      "       network_load refused COUNT HOST PORT\n"
      "       network_load send MILLISECONDS SIZE HOST PORT\n"
      "       network_load sink MILLISECONDS PORT\n"
      "       network_load source MILLISECONDS SIZE PORT\n"
      "       network_load receive MILLISECONDS HOST PORT\n"
      "       network_load serve-names\n"
      "       network_load ask-new|ask-again COUNT SERVER\n",
      stderr);
  return 2;
}

}  // namespace

int main(int argc, char** argv) {
  using namespace mini::network_load;
  rlimit files = {};
  if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
  }
  const std::vector<std::string> words(argv + 1, argv + argc);
  const std::string verb = words.empty() ? "" : words[0];
  const auto number = [&](size_t at) { return std::strtoull(words[at].c_str(), nullptr, 10); };
  const auto port = [&](size_t at) { return static_cast<uint16_t>(number(at)); };
  const auto duration = [&]() { return std::chrono::milliseconds(number(1)); };
  const auto is = [&](const char* name, size_t count) {
    return verb == name && words.size() == count + 1;
  };
  if (is("serve", 0)) return mini::load::Serve();
  if (is("connect-rate", 3)) return ConnectRate(duration(), number(2), words[3]);
  if (is("round-trips", 2)) return RoundTrips(duration(), words[2]);
  if (is("hold", 2)) return Hold(number(1), words[2], std::chrono::hours(1));
  if (is("hold", 3)) return Hold(number(1), words[2], std::chrono::milliseconds(number(3)));
  if (is("refused", 3)) return Refused(number(1), words[2], port(3));
  if (is("send", 4)) return SendDatagrams(duration(), number(2), words[3], port(4));
  if (is("sink", 2)) return SinkDatagrams(duration(), port(2));
  if (is("source", 3)) return SourceDatagrams(duration(), number(2), port(3));
  if (is("receive", 3)) return ReceiveDatagrams(duration(), words[2], port(3));
  if (is("serve-names", 0)) return ServeNames();
  if (is("ask-new", 2)) return AskNames(words[2], number(1), true);
  if (is("ask-again", 2)) return AskNames(words[2], number(1), false);
  return Usage();
}
