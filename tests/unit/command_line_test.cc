#include "cli/command_line.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <initializer_list>
#include <string>
#include <vector>

#include "base/strings.h"

namespace mini {
namespace {

using std::chrono_literals::operator""ms;

Result<CommandLine> Parse(Product product, std::vector<const char*> words) {
  words.insert(words.begin(), ProductName(product));
  return ParseCommandLine(product, static_cast<int>(words.size()), words.data());
}
Result<CommandLine> Sandbox(std::vector<const char*> words) {
  return Parse(Product::kSandbox, std::move(words));
}
Result<CommandLine> Tapbox(std::vector<const char*> words) {
  return Parse(Product::kTapbox, std::move(words));
}

// "stage: error", or "parsed".
std::string Outcome(const Result<CommandLine>& line) {
  if (line.ok()) return "parsed";
  return StrCat(StageName(line.status().stage()), ": ", line.status().ToString());
}

// "word|word|", or the error.
std::string CommandOf(const Result<CommandLine>& line) {
  if (!line.ok()) return Outcome(line);
  std::string text;
  for (const std::string& word : line->command) text += StrCat(word, "|");
  return text;
}

// "source>target:w " for each bind.
std::string BindsOf(const Result<CommandLine>& line) {
  if (!line.ok()) return Outcome(line);
  std::string text;
  for (const BindRequest& bind : line->policy.binds) {
    text += StrCat(bind.source, ">", bind.target, bind.access == Access::kWritable ? ":w " : ":r ");
  }
  return text;
}

// The test's working directory, with a few things in it.
class CommandLineTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = std::filesystem::temp_directory_path() / "command_line_test.XXXXXX";
    directory_ = std::filesystem::canonical(mkdtemp(pattern.data()));
    before_ = std::filesystem::current_path();
    std::filesystem::current_path(directory_);
  }
  void TearDown() override {
    std::filesystem::current_path(before_);
    std::filesystem::remove_all(directory_);
  }
  std::string directory_;
  std::filesystem::path before_;
};

TEST(CommandLine, TheFirstWordThatIsNoOptionStartsTheCommand) {
  EXPECT_EQ(CommandOf(Sandbox({"-x", "ls", "-l", "--help", "-x"})), "ls|-l|--help|-x|");
  EXPECT_EQ(CommandOf(Sandbox({"-x", "-T", "5", "ls", "-T", "x"})), "ls|-T|x|");
  EXPECT_EQ(CommandOf(Sandbox({"-x", "-"})), "-|");
  EXPECT_EQ(CommandOf(Sandbox({"-x", "", "a"})), "|a|");
}

TEST(CommandLine, TwoHyphensEndTheOptionsOnce) {
  EXPECT_EQ(CommandOf(Sandbox({"-x", "--", "ls", "-l"})), "ls|-l|");
  EXPECT_EQ(CommandOf(Sandbox({"-x", "--", "-strange", "--"})), "-strange|--|");
  EXPECT_EQ(CommandOf(Sandbox({"-x", "git", "--", "a"})), "git|--|a|");
  EXPECT_EQ(CommandOf(Sandbox({"-x", "--", "--", "a"})), "--|a|");
}

TEST(CommandLine, TheCommandsWordsArriveAsTheyAre) {
  EXPECT_EQ(CommandOf(Sandbox({"-x", "echo", "[a,b]", "'q'", "a=b", "", "\xc3\xa4", "a b"})),
            "echo|[a,b]|'q'|a=b||\xc3\xa4|a b|");
}

TEST(CommandLine, LongNamesMeanTheSame) {
  const auto line = Sandbox({"--default", "--write", "/w", "--bind=/s", "--to", "/d", "--chdir=/c",
                             "--time-limit", "1", "--kill-delay=2", "true"});
  EXPECT_EQ(BindsOf(line), "/w>/w:w /s>/d:r ");
  ASSERT_TRUE(line.ok());
  EXPECT_EQ(line->policy.working_directory, "/c");
  EXPECT_EQ(line->policy.time_limit, 1000ms);
  EXPECT_EQ(line->policy.kill_delay, 2000ms);
}

TEST(CommandLine, ShortOptionsMayStickTogether) {
  const auto line = Sandbox({"-xT5", "-t0.25", "-w/w", "true"});
  EXPECT_EQ(CommandOf(line), "true|");
  EXPECT_EQ(BindsOf(line), "/w>/w:w ");
  ASSERT_TRUE(line.ok());
  EXPECT_EQ(line->policy.time_limit, 5000ms);
  EXPECT_EQ(line->policy.kill_delay, 250ms);
  EXPECT_EQ(CommandOf(Sandbox({"-xT", "5", "true"})), "true|");
}

TEST(CommandLine, AToBelongsToTheBindBeforeIt) {
  EXPECT_EQ(BindsOf(Sandbox({"-x", "-M", "/a", "-M", "/b", "-m", "/c", "-M", "/d", "true"})),
            "/a>/a:r /b>/c:r /d>/d:r ");
  EXPECT_EQ(BindsOf(Sandbox({"-x", "-M", "/a", "-T", "5", "-m", "/c", "true"})), "/a>/c:r ");
  EXPECT_EQ(BindsOf(Sandbox({"-x", "-M", "/a", "-w", "/b", "-m", "/c", "true"})),
            "/a>/c:r /b>/b:w ");
  EXPECT_EQ(Outcome(Sandbox({"-x", "-m", "/c", "-M", "/a", "true"})),
            "arguments: -m /c: there is no -M before it");
  EXPECT_EQ(Outcome(Sandbox({"-x", "-M", "/a", "-m", "/b", "-m", "/c", "true"})),
            "arguments: -m /c: there is no -M before it");
}

TEST_F(CommandLineTest, PathsWithBracketsCommasAndSpacesStayWhole) {
  EXPECT_EQ(BindsOf(Sandbox({"-x", "-w", "[a,b]", "-w", "/a b", "-w", "/-c", "true"})),
            StrCat(directory_, "/[a,b]>", directory_, "/[a,b]:w /a b>/a b:w /-c>/-c:w "));
}

TEST_F(CommandLineTest, RelativePathsCountFromTheWorkingDirectory) {
  std::filesystem::create_directory("sub");
  EXPECT_EQ(
      BindsOf(Sandbox({"-x", "-w", "sub", "-M", "./a", "-m", "b", "true"})),
      StrCat(directory_, "/sub>", directory_, "/sub:w ", directory_, "/a>", directory_, "/b:r "));
  const auto line = Sandbox({"-x", "-W", "sub", "true"});
  ASSERT_TRUE(line.ok()) << Outcome(line);
  EXPECT_EQ(line->policy.working_directory, directory_ + "/sub");
}

TEST_F(CommandLineTest, DotDotLeavesTheNameOfASymlinkForThePlanToSee) {
  std::filesystem::create_directory("sub");
  std::filesystem::create_directories("real/below");
  std::filesystem::create_directory_symlink("real", "link");
  const auto written = [&](const std::string& path) {
    const auto line = Sandbox({"-x", "-w", path.c_str(), "true"});
    return line.ok() ? line->policy.binds.at(0).source : Outcome(line);
  };
  EXPECT_EQ(written(".."), std::filesystem::path(directory_).parent_path());
  EXPECT_EQ(written("sub/../link"), directory_ + "/link");
  EXPECT_EQ(written("./link//./below/.././below/"), directory_ + "/link/below");
  EXPECT_EQ(written("sub/../../" + directory_.substr(directory_.rfind('/') + 1) + "/sub"),
            directory_ + "/sub");
  EXPECT_EQ(written(std::string(50, '/') + "../.." + directory_), directory_);
  EXPECT_EQ(written("sub/none/../.."), "plan: -w sub/none/../..: there is no such path");
  EXPECT_EQ(written("link/../none"), "plan: -w link/../none: there is no such path");
}

TEST_F(CommandLineTest, RefusesToGoUpFromASymlinkAndSaysWhereItLeads) {
  std::filesystem::create_directories("real/sub");
  std::filesystem::create_directory("real/my sibling");
  std::filesystem::create_directory_symlink("real/sub", "link");
  for (const char* path :
       {"link/../my sibling", "real/../link/./../my sibling/", "link/../../link/../my sibling"}) {
    const auto refused = [&](const char* option) {
      return StrCat("plan: ", option, " ", path, ": \"..\" goes up from ", directory_,
                    "/link, a symlink that a command may have made: if it is meant: ", option, " '",
                    directory_, "/real/my sibling'");
    };
    for (const char* option : {"-w", "-M", "-W", "-d"}) {
      EXPECT_EQ(Outcome(Sandbox({"-x", option, path, "true"})), refused(option));
    }
    EXPECT_EQ(Outcome(Sandbox({"-o", "/", "-k", path, "true"})), refused("-k"));
  }
  const std::string parent = std::filesystem::path(directory_).parent_path();
  EXPECT_EQ(Outcome(Sandbox({"-x", "-w", "/proc/self/cwd/..", "true"})),
            StrCat("plan: -w /proc/self/cwd/..: \"..\" goes up from /proc/self/cwd, a symlink that "
                   "a command may have made: if it is meant: -w ",
                   parent));
}

TEST(CommandLine, SecondsMayHaveDecimals) {
  const auto limit = [](const char* text) {
    const auto line = Sandbox({"-x", "-T", text, "true"});
    return line.ok() ? StrCat(line->policy.time_limit->count(), " ms") : Outcome(line);
  };
  EXPECT_EQ(limit("2"), "2000 ms");
  EXPECT_EQ(limit("0.5"), "500 ms");
  EXPECT_EQ(limit(".25"), "250 ms");
  EXPECT_EQ(limit("0.0001"), "1 ms") << "never rounded down to nothing";
  EXPECT_EQ(limit("0"), "arguments: the time limit must be more than 0 seconds");
  for (const char* bad : {"", "x", "5s", "-1", "1e3", "inf", "nan", "1.2.3", " 5", "0x10"}) {
    EXPECT_EQ(limit(bad), StrCat("arguments: -T ", bad, ": not a number of seconds"));
  }
  EXPECT_EQ(limit("1000000001"), "arguments: -T 1000000001: that is more than 30 years");
}

// What an accepted command line says, or the error.
template <typename Get>
std::string Asked(const Result<CommandLine>& line, Get get) {
  return line.ok() ? std::string(get(line->policy)) : Outcome(line);
}

TEST(CommandLine, WithoutAModeItIsReadOnly) {
  const auto mode = [](const Policy& policy) {
    constexpr std::string_view kNames[] = {"read-only", "default", "custom", "hermetic"};
    return StrCat(kNames[static_cast<size_t>(policy.mode)], " ",
                  policy.root_directory.value_or(""));
  };
  EXPECT_EQ(Asked(Sandbox({"true"}), mode), "read-only ");
  EXPECT_EQ(Asked(Tapbox({"-T", "5", "true"}), mode), "read-only ");
  EXPECT_EQ(Asked(Sandbox({"-x", "-x", "true"}), mode), "default ");
  EXPECT_EQ(Asked(Sandbox({"-o", "/root", "true"}), mode), "custom /root");
  EXPECT_EQ(Asked(Sandbox({"--custom=/root", "true"}), mode), "custom /root");
  EXPECT_EQ(Asked(Tapbox({"-h", "/root", "true"}), mode), "hermetic /root");
  EXPECT_EQ(Asked(Sandbox({"--hermetic", "/root", "true"}), mode), "hermetic /root");
}

TEST(CommandLine, ModesExcludeEachOther) {
  const std::string refusal = "arguments: only one of -x, -o and -h can be given, and once";
  EXPECT_EQ(Outcome(Sandbox({"-x", "-o", "/r", "true"})), refusal);
  EXPECT_EQ(Outcome(Sandbox({"-x", "-h", "/r", "true"})), refusal);
  EXPECT_EQ(Outcome(Sandbox({"-h", "/r", "-x", "true"})), refusal);
  EXPECT_EQ(Outcome(Sandbox({"-h", "/r", "-o", "/r", "true"})), refusal);
  EXPECT_EQ(Outcome(Sandbox({"-o", "/r", "-o", "/s", "true"})), refusal);
}

TEST(CommandLine, OverlaysAndScratchBelongToTheirModes) {
  const auto line = Sandbox({"-o", "/r", "-k", "/a", "--overlay=/b", "-d", "/disk",
                             "--scratch-size", "2M", "-e", "/c", "--tmpfs", "/d", "true"});
  ASSERT_TRUE(line.ok()) << Outcome(line);
  EXPECT_EQ(line->policy.overlays, (std::vector<std::string>{"/a", "/b"}));
  EXPECT_EQ(line->policy.empty_directories, (std::vector<std::string>{"/c", "/d"}));
  EXPECT_EQ(line->policy.scratch_directory, "/disk");
  EXPECT_EQ(line->policy.scratch_size, uint64_t{2} << 20);
  EXPECT_EQ(Outcome(Sandbox({"-x", "-k", "/a", "true"})),
            "arguments: -k needs custom mode: -o ROOT");
  EXPECT_EQ(Outcome(Sandbox({"-h", "/r", "--overlay", "/a", "true"})),
            "arguments: -k needs custom mode: -o ROOT");
  EXPECT_EQ(Outcome(Sandbox({"-d", "/disk", "true"})),
            "arguments: -d needs a mode with overlays: -x or -o ROOT");
  EXPECT_EQ(Outcome(Sandbox({"-x", "-d", "/a", "--scratch-dir", "/b", "true"})),
            "arguments: -d can be given once");
}

TEST(CommandLine, SizesCountInPowersOf1024) {
  const auto size = [](const char* text) {
    return Asked(Sandbox({"-x", "--scratch-size", text, "true"}),
                 [](const Policy& policy) { return StrCat(*policy.scratch_size); });
  };
  EXPECT_EQ(size("1"), "1");
  EXPECT_EQ(size("4k"), "4096");
  EXPECT_EQ(size("4K"), "4096");
  EXPECT_EQ(size("512M"), "536870912");
  EXPECT_EQ(size("3g"), "3221225472");
  EXPECT_EQ(size("18446744073709551615"), "18446744073709551615");
  EXPECT_EQ(size("17179869183G"), "18446744072635809792");
  for (const char* bad : {"", "K", "M1", "1KB", "1T", "-1", "+1", "1.5G", " 1", "1 ", "0x10"}) {
    EXPECT_EQ(size(bad), StrCat("arguments: --scratch-size ", bad,
                                ": not a size: bytes, or with K, M or G behind, as in 512M"));
  }
  for (const char* large : {"18446744073709551616", "17179869184G", "99999999999999999999999K"}) {
    EXPECT_EQ(size(large),
              StrCat("arguments: --scratch-size ", large, ": more bytes than 64 bits can count"));
  }
  EXPECT_EQ(size("0"), "arguments: the scratch size must be more than 0 bytes");
  EXPECT_EQ(size("0G"), "arguments: the scratch size must be more than 0 bytes");
}

TEST(CommandLine, TheNetworkIsNoneOrTheHosts) {
  const auto network = [](std::vector<const char*> words) {
    return Asked(Sandbox(std::move(words)), [](const Policy& policy) {
      constexpr std::string_view kNames[] = {"loopback", "none", "host", "stack"};
      return kNames[static_cast<size_t>(policy.network)];
    });
  };
  EXPECT_EQ(network({"-x", "true"}), "loopback");
  EXPECT_EQ(network({"-x", "-n", "true"}), "none");
  EXPECT_EQ(network({"--no-loopback", "true"}), "none");
  EXPECT_EQ(network({"-xN", "true"}), "host");
  EXPECT_EQ(network({"--share-network", "true"}), "host");
  EXPECT_EQ(network({"-n", "-N", "true"}), "arguments: -n and -N exclude each other");
  EXPECT_EQ(network({"-N", "-n", "true"}), "arguments: -n and -N exclude each other");
}

TEST(CommandLine, IdentityHostNameAndTerminal) {
  const auto line = Sandbox({"-x", "-R", "-H", "-P", "-i", "--nested", "--allow-degraded", "true"});
  ASSERT_TRUE(line.ok()) << Outcome(line);
  EXPECT_EQ(line->policy.identity, Identity::kRoot);
  EXPECT_EQ(line->policy.host_name, HostName::kLocalhost);
  EXPECT_TRUE(line->policy.terminal);
  EXPECT_TRUE(line->policy.interrupt_terminates);
  EXPECT_EQ(line->policy.nesting, Nesting::kAllowed);
  EXPECT_EQ(line->policy.degraded, Degraded::kAllowed);
  const auto named = Tapbox({"--nobody", "--localhost", "--pty", "--interrupt-terminates", "true"});
  ASSERT_TRUE(named.ok()) << Outcome(named);
  EXPECT_EQ(named->policy.identity, Identity::kNobody);
  EXPECT_EQ(named->policy.host_name, HostName::kLocalhost);
  EXPECT_TRUE(named->policy.terminal);
  EXPECT_TRUE(named->policy.interrupt_terminates);
  EXPECT_EQ(Sandbox({"--root", "true"})->policy.identity, Identity::kRoot);
  const auto plain = Sandbox({"-x", "true"});
  EXPECT_EQ(plain->policy.identity, Identity::kCaller);
  EXPECT_EQ(plain->policy.host_name, HostName::kOfHost);
  EXPECT_FALSE(plain->policy.terminal);
  EXPECT_FALSE(plain->policy.interrupt_terminates);
  EXPECT_EQ(plain->policy.nesting, Nesting::kRefused);
  EXPECT_EQ(plain->policy.degraded, Degraded::kRefused);
  EXPECT_EQ(Outcome(Sandbox({"-R", "-U", "true"})), "arguments: -R and -U exclude each other");
  EXPECT_EQ(Outcome(Sandbox({"-UR", "true"})), "arguments: -R and -U exclude each other");
}

TEST(CommandLine, VariablesAreSetRemovedAndKept) {
  const auto line = Sandbox({"-x", "--setenv", "A=1", "--unsetenv", "B", "--setenv=C=x=y",
                             "--setenv", "D=", "--keep-env", "TOKEN", "true"});
  ASSERT_TRUE(line.ok()) << Outcome(line);
  std::string changes;
  for (const EnvironmentChange& change : line->policy.environment) {
    changes += StrCat(change.name, change.value ? "=" + *change.value : " removed", "|");
  }
  EXPECT_EQ(changes, "A=1|B removed|C=x=y|D=|");
  EXPECT_EQ(line->policy.kept_variables, std::vector<std::string>{"TOKEN"});
  EXPECT_EQ(Outcome(Sandbox({"--setenv", "A", "true"})),
            "arguments: --setenv A: it has no value: give NAME=VALUE");
  EXPECT_EQ(Outcome(Sandbox({"--setenv", "=1", "true"})),
            "arguments: --setenv : not a name of a variable");
  EXPECT_EQ(Outcome(Sandbox({"--unsetenv", "A=1", "true"})),
            "arguments: --unsetenv A=1: not a name of a variable");
  EXPECT_EQ(Outcome(Sandbox({"--keep-env", "", "true"})),
            "arguments: --keep-env : not a name of a variable");
}

TEST(CommandLine, TheDebugLogIsNamedAsGiven) {
  EXPECT_EQ(Sandbox({"-x", "-D", "log", "true"})->debug_log, "log");
  EXPECT_EQ(Tapbox({"-x", "--debug-log=/l", "true"})->debug_log, "/l");
  EXPECT_EQ(Sandbox({"-x", "true"})->debug_log, std::nullopt);
  EXPECT_EQ(Outcome(Sandbox({"-x", "-D", "", "true"})), "arguments: -D: the path is empty");
}

TEST(CommandLine, TapboxSaysWhyItSharesNoNetwork) {
  for (const char* name : {"-N", "--share-network"}) {
    EXPECT_EQ(Outcome(Tapbox({"-x", name, "true"})),
              StrCat("arguments: ", name,
                     ": the host's network would bypass the allow-list: run mini-sandbox"));
  }
  for (const char* name : {"-n", "--no-loopback"}) {
    EXPECT_EQ(Outcome(Tapbox({"-x", name, "true"})),
              StrCat("arguments: ", name,
                     ": without a network there is nothing to allow: run mini-sandbox"));
  }
  EXPECT_EQ(Outcome(Tapbox({"-x", "--allow-degraded", "true"})),
            "arguments: --allow-degraded: without namespaces there is no network stack: run "
            "mini-sandbox");
}

TEST(CommandLine, TheNumberOfConnectionsIsANumberOfTapboxs) {
  EXPECT_EQ(Tapbox({"-x", "--max-connections", "12", "true"})->policy.max_connections, 12u);
  EXPECT_FALSE(Tapbox({"-x", "true"})->policy.max_connections);
  for (const char* bad : {"0", "", "-1", "1000001", "x", "1.5", "99999999999999999999"}) {
    EXPECT_EQ(Outcome(Tapbox({"-x", "--max-connections", bad, "true"})),
              StrCat("arguments: --max-connections ", bad, ": not a number from 1 to 1000000"));
  }
  EXPECT_EQ(Outcome(Sandbox({"-x", "--max-connections", "1", "true"})),
            "arguments: --max-connections: it needs the network stack: run mini-tapbox");
}

TEST(CommandLine, TheVerdictLogIsTapboxs) {
  const auto line = Tapbox({"-x", "-q", "--log", "net.log", "true"});
  ASSERT_TRUE(line.ok());
  EXPECT_EQ(line->policy.verdict_log, "net.log");
  EXPECT_TRUE(line->policy.quiet);
  EXPECT_FALSE(Tapbox({"-x", "true"})->policy.verdict_log);
  EXPECT_FALSE(Tapbox({"-x", "true"})->policy.quiet);
  EXPECT_EQ(Outcome(Tapbox({"-x", "--log", "", "true"})), "arguments: --log: the path is empty");
  EXPECT_EQ(Outcome(Sandbox({"-x", "--log", "net.log", "true"})),
            "arguments: --log: a log needs the network stack: run mini-tapbox");
}

TEST(CommandLine, PublishesPortsInTheOrderGiven) {
  const auto line = Tapbox({"-x", "-p", "8080:80", "--publish=[::1]:0:53/udp", "-p8000", "true"});
  ASSERT_TRUE(line.ok()) << line.status().ToString();
  std::vector<std::string> ports;
  for (const PortRequest& port : line->policy.published) ports.push_back(port.ToString());
  EXPECT_EQ(ports, (std::vector<std::string>{"tcp 127.0.0.1:8080 to 80", "udp [::1]:0 to 53",
                                             "tcp 127.0.0.1:8000 to 8000"}));
  EXPECT_EQ(Outcome(Tapbox({"-x", "-p", "x", "true"})),
            "arguments: -p x: \"x\" is not a port: give [ADDR:]HOSTPORT:PORT, as in 8080:80 or "
            "127.0.0.1:5353:53/udp");
  EXPECT_EQ(Outcome(Sandbox({"-x", "-p", "8080", "true"})),
            "arguments: -p: publishing a port needs the network stack: run mini-tapbox");
}

TEST(CommandLine, MistakesAreNamed) {
  EXPECT_EQ(Outcome(Sandbox({"-x", "-Q", "true"})), "arguments: unknown option -Q");
  EXPECT_EQ(Outcome(Sandbox({"-xQ", "true"})), "arguments: unknown option -Q");
  EXPECT_EQ(Outcome(Sandbox({"--quick=1", "true"})), "arguments: unknown option --quick");
  EXPECT_EQ(Outcome(Sandbox({"-x", "--def", "true"})), "arguments: unknown option --def");
  EXPECT_EQ(Outcome(Sandbox({"-x", "-\x1b[31m", "true"})), "arguments: unknown option -\\x1b");
  EXPECT_EQ(Outcome(Sandbox({"-x", "-w"})), "arguments: -w: a value is missing");
  EXPECT_EQ(Outcome(Sandbox({"-x", "--write=", "true"})),
            "arguments: --write=: a value is missing");
  EXPECT_EQ(Outcome(Sandbox({"--default=1", "true"})), "arguments: --default=1: it takes no value");
  EXPECT_EQ(Outcome(Sandbox({"-x", "-w", "", "true"})), "arguments: -w: the path is empty");
  EXPECT_EQ(Outcome(Sandbox({"-x"})), "arguments: no command was given");
  EXPECT_EQ(Outcome(Sandbox({"-x", "--"})), "arguments: no command was given");
  EXPECT_EQ(Outcome(Sandbox({})), "arguments: no command was given");
}

TEST(CommandLine, AnAtSignBehindTheOptionsIsTheCommands) {
  EXPECT_EQ(CommandOf(Sandbox({"-x", "--", "@options"})), "@options|");
  EXPECT_EQ(CommandOf(Sandbox({"-x", "mail", "@home"})), "mail|@home|");
  EXPECT_EQ(BindsOf(Sandbox({"-x", "-w", "/a/@b", "true"})), "/a/@b>/a/@b:w ");
}

TEST(CommandLine, TheFirstMistakeCounts) {
  EXPECT_EQ(Outcome(Sandbox({"-x", "-T", "x", "-t", "y", "true"})),
            "arguments: -T x: not a number of seconds");
}

// The first column of --help, sorted: "-x, --default".
std::vector<std::string> HelpEntries(const std::string& help) {
  std::vector<std::string> entries;
  for (const std::string_view row : StrSplit(help, '\n')) {
    const std::string_view text = StripBlanks(row);
    if (!text.starts_with('-') || row.starts_with(std::string(10, ' '))) continue;
    entries.emplace_back(text.substr(0, text.find("  ")));
  }
  std::sort(entries.begin(), entries.end());
  return entries;
}

TEST(CommandLine, HelpNamesEveryOption) {
  const std::vector<std::string> both = {"-x, --default",
                                         "-o, --custom ROOT",
                                         "-h, --hermetic ROOT",
                                         "-w, --write PATH",
                                         "-M, --bind SRC",
                                         "-m, --to DST",
                                         "-e, --tmpfs DIR",
                                         "-k, --overlay PATH",
                                         "-d, --scratch-dir DIR",
                                         "--scratch-size SIZE",
                                         "-H, --localhost",
                                         "-W, --chdir DIR",
                                         "-R, --root",
                                         "-U, --nobody",
                                         "-P, --pty",
                                         "--nested",
                                         "--setenv NAME=VALUE",
                                         "--unsetenv NAME",
                                         "--keep-env NAME",
                                         "-T, --time-limit S",
                                         "-t, --kill-delay S",
                                         "-i, --interrupt-terminates",
                                         "-q, --quiet",
                                         "-D, --debug-log FILE",
                                         "--print-plan",
                                         "--help",
                                         "--version"};
  std::vector<std::string> sandbox = both;
  sandbox.insert(sandbox.end(), {"-n, --no-loopback", "-N, --share-network", "--allow-degraded"});
  std::vector<std::string> tapbox = both;
  tapbox.insert(tapbox.end(), {"-F, --rules FILE", "--allow RULE", "--log FILE", "--strict-names",
                               "--max-connections N", "-p, --publish SPEC"});
  std::sort(sandbox.begin(), sandbox.end());
  EXPECT_EQ(HelpEntries(*Sandbox({"--help"})->text_only), sandbox);
  std::sort(tapbox.begin(), tapbox.end());
  EXPECT_EQ(HelpEntries(*Tapbox({"--help"})->text_only), tapbox);
}

TEST(CommandLine, HelpFitsEightyColumns) {
  for (const Product product : {Product::kSandbox, Product::kTapbox}) {
    const std::string text = *Parse(product, {"--help"})->text_only;
    EXPECT_TRUE(text.starts_with(StrCat(UsageLine(product), "\n"))) << text;
    for (const std::string_view row : StrSplit(text, '\n')) {
      EXPECT_LE(row.size(), 80u) << row;
      EXPECT_FALSE(row.ends_with(' ')) << row;
    }
  }
}

TEST(CommandLine, HelpAndVersionNeedNothingElse) {
  EXPECT_TRUE(Sandbox({"--help"})->text_only.has_value());
  EXPECT_TRUE(Tapbox({"-x", "--version"})->text_only->starts_with("mini-tapbox "));
  EXPECT_FALSE(Sandbox({"-x", "ls", "--help"})->text_only.has_value());
}

TEST(CommandLine, PrintPlanIsAFlag) {
  EXPECT_TRUE(Sandbox({"-x", "--print-plan", "true"})->print_plan);
  EXPECT_FALSE(Sandbox({"-x", "true"})->print_plan);
}

TEST(CommandLine, OnlyTapboxHasANetwork) {
  EXPECT_EQ(Sandbox({"-x", "true"})->policy.network, Network::kLoopback);
  EXPECT_EQ(Tapbox({"-x", "true"})->policy.network, Network::kStack);
  EXPECT_EQ(Outcome(Sandbox({"-x", "-F", "f", "true"})),
            "arguments: -F: an allow-list needs the network stack: run mini-tapbox");
  EXPECT_EQ(Outcome(Sandbox({"-x", "--allow", "example.com", "true"})),
            "arguments: --allow: an allow-list needs the network stack: run mini-tapbox");
}

TEST(CommandLine, WithoutAnAllowListTheNetworkIsOpen) {
  EXPECT_FALSE(Tapbox({"-x", "true"})->policy.rules.has_value());
}

TEST_F(CommandLineTest, RulesComeFromFilesAndOptionsTogether) {
  std::ofstream("one") << "one.example\r\n# comment\n\n192.0.2.0/24:443\n";
  std::ofstream("two") << "*.two.example";
  const auto line = Tapbox({"-x", "-F", "one", "--allow", "three.example", "--rules=two", "true"});
  ASSERT_TRUE(line.ok()) << Outcome(line);
  ASSERT_TRUE(line->policy.rules);
  EXPECT_EQ(line->policy.rules->size(), 4u);
  EXPECT_EQ(line->policy.rules->MatchName("a.two.example").size(), 1u);
  EXPECT_EQ(line->policy.rules->MatchName("three.example").size(), 1u);
}

TEST_F(CommandLineTest, AFileWithoutARuleRefusesEverything) {
  std::ofstream("empty") << "";
  const auto line = Tapbox({"-x", "-F", "empty", "true"});
  ASSERT_TRUE(line.ok()) << Outcome(line);
  ASSERT_TRUE(line->policy.rules) << "not the open mode";
  EXPECT_EQ(line->policy.rules->size(), 0u);
}

TEST_F(CommandLineTest, AnAllowListThatCannotBeReadIsNoUsageMistake) {
  ASSERT_EQ(mkfifo("fifo", 0600), 0);
  EXPECT_EQ(Outcome(Tapbox({"-x", "-F", "none", "true"})),
            "rules: open none: No such file or directory (ENOENT)");
  EXPECT_EQ(Outcome(Tapbox({"-x", "-F", ".", "true"})), "rules: read .: it is a directory");
  EXPECT_EQ(Outcome(Tapbox({"-x", "-F", "fifo", "true"})),
            "rules: read fifo: it is a FIFO, not a regular file");
  std::ofstream("huge") << "";
  ASSERT_EQ(truncate("huge", (64 << 20) + 1), 0);
  EXPECT_EQ(Outcome(Tapbox({"-x", "-F", "huge", "true"})),
            "rules: read huge: it is larger than 67108864 bytes");
}

TEST_F(CommandLineTest, ABadLineIsNamedWithItsFile) {
  std::ofstream("rules") << "good.example\nbad_rule:99999999\n";
  const std::string outcome = Outcome(Tapbox({"-x", "-F", "rules", "true"}));
  EXPECT_TRUE(outcome.starts_with("rules: ")) << outcome;
  EXPECT_NE(outcome.find("rules:2"), std::string::npos) << outcome;
}

TEST(CommandLine, ABadAllowIsAUsageMistake) {
  const std::string outcome = Outcome(Tapbox({"-x", "--allow", "exa mple", "true"}));
  EXPECT_TRUE(outcome.starts_with("arguments: --allow")) << outcome;
}

TEST_F(CommandLineTest, TenThousandRulesAreAllThere) {
  std::ofstream file("many");
  for (int i = 0; i < 10'000; ++i) file << "host" << i << ".example:443\n";
  file.close();
  const auto line = Tapbox({"-x", "-F", "many", "true"});
  ASSERT_TRUE(line.ok()) << Outcome(line);
  EXPECT_EQ(line->policy.rules->size(), 10'000u);
}

}  // namespace
}  // namespace mini
