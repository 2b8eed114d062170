// --log: lines of JSON, read back with a parser.
#include "netstack/verdict_log.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <nlohmann/json.hpp>

#include "base/strings.h"
#include "netstack/filter/flow_record.h"

namespace mini::netstack {
namespace {

using nlohmann::json;
using std::chrono::milliseconds;
using std::chrono::seconds;

IpAddress Ip(std::string_view text) { return IpAddress::Parse(text).value(); }

// Each line has to be an object.
std::vector<json> Parse(std::string text) {
  std::vector<json> lines;
  if (text.empty()) return lines;
  EXPECT_EQ(text.back(), '\n');
  text.pop_back();
  for (const std::string_view line : StrSplit(text, '\n')) lines.push_back(json::parse(line));
  return lines;
}

class StoppedLoop final : public EventLoop {
 public:
  Status Watch(int, uint32_t, IoCallback) override { return OkStatus(); }
  void Unwatch(int) override {}
  TimerId AddTimer(Duration, TimerCallback) override { return 0; }
  void CancelTimer(TimerId) override {}
  TimePoint Now() const override { return now; }

  TimePoint now{std::chrono::hours(1)};
};

// A filter with a log in memory, and clocks that move when told.
class VerdictLogTest : public testing::Test {
 protected:
  VerdictLogTest() : fd_(memfd_create("log", MFD_CLOEXEC)), log_(Duplicate(), 77, Clocks()) {
    FilterOptions options;
    options.rules.emplace();
    EXPECT_TRUE(options.rules
                    ->AddText("allowed_ips",
                              "# rules\nallowed.example\n192.0.2.0/24:443\n*.wild.example\n"
                              "!198.51.100.9\n")
                    .ok());
    options.observer = &log_;
    filter_.emplace(std::move(options));
  }

  UniqueFd Duplicate() const { return UniqueFd(fcntl(fd_.get(), F_DUPFD_CLOEXEC, 0)); }
  VerdictLog::Clocks Clocks() {
    return {[this] { return loop_.now; }, [this] { return wall_; }};
  }
  Verdict Tcp(std::string_view address, uint16_t port) {
    return filter_->CheckFlow(Protocol::kTcp, {Ip(address), port}, loop_.now);
  }
  // What was written since the last call; each line has to be an object.
  std::vector<json> Lines() {
    EXPECT_TRUE(log_.Flush().ok());
    std::string text(1 << 20, '\0');
    const ssize_t length = pread(fd_.get(), text.data(), text.size(), offset_);
    EXPECT_GE(length, 0);
    text.resize(static_cast<size_t>(std::max<ssize_t>(length, 0)));
    offset_ += length;
    return Parse(std::move(text));
  }

  UniqueFd fd_;
  StoppedLoop loop_;
  std::chrono::system_clock::time_point wall_{milliseconds(1'795'323'360'123)};
  VerdictLog log_;
  std::optional<Filter> filter_;
  off_t offset_ = 0;
};

TEST_F(VerdictLogTest, SaysOfARefusedFlowWhatItWasWhyAndWhatWouldAllowIt) {
  EXPECT_FALSE(Tcp("203.0.113.5", 80).allowed);
  const auto lines = Lines();
  ASSERT_EQ(lines.size(), 1u);
  EXPECT_EQ(lines[0], json::parse(R"({"time":"2026-11-22T04:56:00.123Z","pid":77,
      "event":"verdict","verdict":"refused","subject":"flow","direction":"out","protocol":"tcp",
      "address":"203.0.113.5","port":80,"reason":"no rule names it","remedy":"203.0.113.5:80"})"));
}

TEST_F(VerdictLogTest, NamesTheRuleThatDecidedAndWhereItStands) {
  EXPECT_TRUE(Tcp("192.0.2.7", 443).allowed);
  EXPECT_FALSE(Tcp("198.51.100.9", 80).allowed);
  const auto lines = Lines();
  ASSERT_EQ(lines.size(), 2u);
  EXPECT_EQ(lines[0]["rule"], "192.0.2.0/24:443");
  EXPECT_EQ(lines[0]["rule_at"], "allowed_ips:3");
  EXPECT_EQ(lines[1]["rule"], "!198.51.100.9");
  EXPECT_FALSE(lines[1].contains("remedy")) << "no line helps against a refusing rule";
}

TEST_F(VerdictLogTest, TiesTheEndOfAFlowToItsVerdict) {
  for (int i = 0; i < 2; ++i) {
    const Verdict verdict = Tcp("192.0.2.7", 443);
    FlowRecord record(&log_, loop_, Protocol::kTcp, {Ip("192.0.2.7"), 443}, verdict);
    record.CountOut(1000);
    record.CountIn(20);
    record.CountOut(1);
    record.Note(FlowEnding::kConnectFailed, ECONNREFUSED);
    loop_.now += milliseconds(1500);
  }
  const auto lines = Lines();
  ASSERT_EQ(lines.size(), 4u);
  EXPECT_EQ(lines[0]["flow"], 1);
  EXPECT_EQ(lines[2]["flow"], 2);
  EXPECT_EQ(lines[3], json::parse(R"({"time":"2026-11-22T04:56:00.123Z","pid":77,"event":"close",
      "direction":"out","flow":2,"protocol":"tcp","address":"192.0.2.7","port":443,"bytes_out":1001,"bytes_in":20,
      "duration_ms":1500,"end":"connect-failed","error":"ECONNREFUSED"})"));
}

TEST_F(VerdictLogTest, AFlowEndsOnceHoweverOftenItIsTold) {
  FlowRecord record(&log_, loop_, Protocol::kUdp, {Ip("192.0.2.7"), 443}, Verdict());
  FlowRecord moved = std::move(record);
  moved.End();
  moved.End();
  EXPECT_EQ(Lines().size(), 1u);
}

TEST_F(VerdictLogTest, FollowsANameToTheFlowThatItAllows) {
  EXPECT_TRUE(filter_->CheckName("allowed.example").allowed);
  seconds ttl{60};
  filter_->AdmitAnswer("allowed.example", std::vector{Ip("198.51.100.10"), Ip("127.0.0.1")}, ttl,
                       loop_.now);
  EXPECT_TRUE(Tcp("198.51.100.10", 22).allowed);
  const auto lines = Lines();
  ASSERT_EQ(lines.size(), 3u);
  EXPECT_EQ(lines[0]["subject"], "name");
  EXPECT_EQ(lines[0]["verdict"], "allowed");
  EXPECT_EQ(lines[1]["subject"], "answer");
  EXPECT_EQ(lines[1]["verdict"], "refused");
  EXPECT_EQ(lines[1]["address"], "127.0.0.1");
  EXPECT_EQ(lines[2]["subject"], "flow");
  EXPECT_EQ(lines[2]["name"], "allowed.example");
}

TEST_F(VerdictLogTest, RepeatedVerdictsBecomeOneLineASecond) {
  for (int i = 0; i < 1000; ++i) Tcp("203.0.113.5", 80);
  for (int i = 0; i < 10; ++i) EXPECT_TRUE(filter_->CheckName("allowed.example").allowed);
  EXPECT_EQ(Lines().size(), 2u);
  log_.TellRepeated();
  auto lines = Lines();
  ASSERT_EQ(lines.size(), 2u);
  EXPECT_EQ(lines[0]["repeated"], 9);
  EXPECT_EQ(lines[1]["repeated"], 999);
  EXPECT_EQ(lines[1]["address"], "203.0.113.5");
  log_.TellRepeated();
  EXPECT_TRUE(Lines().empty());
  Tcp("203.0.113.5", 80);
  lines = Lines();
  ASSERT_EQ(lines.size(), 1u) << "after a quiet second it is new again";
  EXPECT_FALSE(lines[0].contains("repeated"));
}

TEST_F(VerdictLogTest, AllowedFlowsAreWrittenEach) {
  for (int i = 0; i < 2000; ++i) Tcp("192.0.2.7", 443);
  EXPECT_EQ(Lines().size(), 2000u);
}

TEST(VerdictLog, AFloodOfRefusalsCostsALimitedNumberOfLines) {
  const UniqueFd file(memfd_create("log", MFD_CLOEXEC));
  TimePoint now{std::chrono::hours(1)};
  VerdictLog log(UniqueFd(fcntl(file.get(), F_DUPFD_CLOEXEC, 0)), 1,
                 {[&] { return now; }, std::chrono::system_clock::now});
  FilterOptions options;
  options.rules.emplace();
  options.observer = &log;
  Filter filter(std::move(options));
  size_t asked = 0;
  for (int second = 0; second < 10; ++second) {
    for (int i = 0; i < 20'000; ++i) filter.CheckName(StrCat("n", asked++, ".example"));
    now += seconds(1);
    log.TellRepeated();
  }
  ASSERT_TRUE(log.Flush().ok());
  std::string text(16 << 20, '\0');
  text.resize(static_cast<size_t>(pread(file.get(), text.data(), text.size(), 0)));
  size_t lines = 0;
  size_t counted = 0;
  for (const std::string_view line : StrSplit(text, '\n')) {
    if (line.empty()) continue;
    const json object = json::parse(line);
    counted += object["event"] == "omitted" ? object["refused"].get<size_t>() : 1;
    ++lines;
  }
  EXPECT_EQ(counted, asked) << "what is not written one by one is counted";
  EXPECT_LT(lines, 1000u + 10 * 201);
}

TEST(VerdictLog, TextOfTheSandboxStaysText) {
  const UniqueFd file(memfd_create("log", MFD_CLOEXEC));
  VerdictLog log(UniqueFd(fcntl(file.get(), F_DUPFD_CLOEXEC, 0)), 1,
                 {[] { return TimePoint(); }, std::chrono::system_clock::now});
  const std::string hostile = "a\"b\\c\n\x1b[2J\xff\xc3\xa9\xe2\x80\xae\",\"verdict\":\"allowed";
  VerdictEvent event;
  event.subject = VerdictEvent::Subject::kName;
  event.name = hostile;
  Rule rule;
  rule.name = "x.example";
  rule.source = "r\xc3\xa8gles\"\x01";
  rule.line = 3;
  event.rule = &rule;
  log.OnVerdict(event);
  ASSERT_TRUE(log.Flush().ok());
  std::string text(4096, '\0');
  text.resize(static_cast<size_t>(pread(file.get(), text.data(), text.size(), 0)));
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 1);
  EXPECT_EQ(EscapeForTerminal(text.substr(0, text.size() - 1), text.size()) + "\n", text);
  const json line = json::parse(text);
  EXPECT_EQ(line["verdict"], "refused");
  EXPECT_EQ(line["name"], EscapeForTerminal(hostile));
  EXPECT_EQ(line["rule_at"], "r\xc3\xa8gles\"\\x01:3");
}

TEST(VerdictLog, CannotBeWrittenIsAnErrorThatStays) {
  VerdictLog log(UniqueFd(open("/dev/full", O_WRONLY | O_CLOEXEC)), 1,
                 {[] { return TimePoint(); }, std::chrono::system_clock::now});
  EXPECT_TRUE(log.Flush().ok()) << "nothing was to be written";
  log.OnFlowEnd({});
  const Status status = log.Flush();
  EXPECT_EQ(status.error_number(), ENOSPC);
  EXPECT_EQ(status.stage(), Stage::kNetwork);
  EXPECT_EQ(log.Flush().error_number(), ENOSPC);
}

TEST(VerdictLog, TimesAreUtcWithMilliseconds) {
  using std::chrono::system_clock;
  EXPECT_EQ(Rfc3339(system_clock::time_point(milliseconds(0))), "1970-01-01T00:00:00.000Z");
  EXPECT_EQ(Rfc3339(system_clock::time_point(milliseconds(951'782'400'007))),
            "2000-02-29T00:00:00.007Z");
  EXPECT_EQ(Rfc3339(system_clock::time_point(milliseconds(-1))), "1969-12-31T23:59:59.999Z");
}

TEST(Summary, CountsEachDistinctRefusalInTheOrderOfTheFirst) {
  FilterOptions options;
  options.rules.emplace();
  options.counts_refusals = true;
  Filter filter(std::move(options));
  for (int i = 0; i < 3; ++i) filter.CheckName("b.example");
  filter.CheckFlow(Protocol::kUdp, {Ip("203.0.113.5"), 7}, TimePoint());
  for (int i = 0; i < 2; ++i) filter.CheckName("a.example");
  EXPECT_EQ(SummaryLines(filter.refusals(), std::nullopt),
            (std::vector<std::string>{
                "refused name b.example, 3 times: no rule names it; to allow it: --allow b.example",
                "refused udp 203.0.113.5:7: no rule names it; to allow it: --allow "
                "udp/203.0.113.5:7",
                "refused name a.example, 2 times: no rule names it; to allow it: --allow "
                "a.example"}));
}

TEST(Summary, ShowsTwentyAndSaysHowManyMore) {
  FilterOptions options;
  options.rules.emplace();
  options.counts_refusals = true;
  Filter filter(std::move(options));
  for (int i = 0; i < 20; ++i) filter.CheckName(StrCat("n", i, ".example"));
  EXPECT_EQ(SummaryLines(filter.refusals(), std::nullopt).size(), 20u);
  filter.CheckName("n20.example");
  auto lines = SummaryLines(filter.refusals(), std::nullopt);
  ASSERT_EQ(lines.size(), 21u);
  EXPECT_EQ(lines.back(), "and 1 more; --log FILE lists all");
  for (int i = 0; i < 100'000; ++i) filter.CheckName(StrCat("n", i, ".example"));
  EXPECT_EQ(filter.refusals().entries.size(), 1024u) << "bounded";
  EXPECT_EQ(filter.refusals().unlisted, 100'000u - 1024);
  lines = SummaryLines(filter.refusals(), "net\n.log");
  EXPECT_EQ(lines.back(), "and more than 1004 more; net\\x0a.log lists all");
}

// A filter that counts, of a host with a search list.
class SearchSummary : public testing::Test {
 protected:
  SearchSummary() {
    FilterOptions options;
    options.rules.emplace();
    EXPECT_TRUE(options.rules
                    ->AddText("list",
                              "allowed.example\nintranet.lab.example\n!alias.corp.example\n"
                              "!secret.corp.example\n!ads.test\n*.open.example\n")
                    .ok());
    options.counts_refusals = true;
    options.search_domains = {"corp.example", "lab.example", "open.example"};
    filter_.emplace(std::move(options));
  }
  void Ask(std::initializer_list<const char*> names) {
    for (const char* name : names) filter_->CheckName(name);
  }
  std::vector<std::string> Lines() { return SummaryLines(filter_->refusals(), std::nullopt); }

  std::optional<Filter> filter_;
};

TEST_F(SearchSummary, WhatAClientMadeOfANameIsToldWithThatName) {
  // With a dot, the name itself is tried first; glibc asks for both families.
  for (int i = 0; i < 2; ++i) {
    Ask({"refused.example", "refused.example.corp.example", "refused.example.lab.example"});
  }
  Ask({"other.test", "other.test.corp.example"});
  EXPECT_EQ(Lines(),
            (std::vector<std::string>{
                "refused name refused.example, 2 times (and 2 names by the search list): no rule "
                "names it; to allow it: --allow refused.example",
                "refused name other.test (and other.test.corp.example by the search list): no rule "
                "names it; to allow it: --allow other.test"}));
}

TEST_F(SearchSummary, AShortNameIsAllowedByWhatItStandsFor) {
  Ask({"host.corp.example", "host.lab.example", "host"});
  Ask({"host.corp.example", "host.lab.example", "host"});
  EXPECT_EQ(Lines(), std::vector<std::string>{
                         "refused name host, 2 times (and 2 names by the search list): no rule "
                         "names it; to allow it: --allow host.corp.example"});
}

TEST_F(SearchSummary, WhatIsRefusedOnTheWayToAnAllowedNameIsOneLine) {
  Ask({"allowed.example.corp.example", "allowed.example"});  // a high ndots
  EXPECT_EQ(Lines(), std::vector<std::string>{"refused name allowed.example.corp.example by the "
                                              "search list: no rule names it"});
  Ask({"allowed.example", "allowed.example.lab.example"});  // it has no such record
  Ask({"allowed.example", "allowed.example.lab.example"});
  Ask({"intranet.corp.example", "intranet.lab.example"});  // found by the second domain
  EXPECT_EQ(Lines(), std::vector<std::string>{
                         "refused 3 names by the search list, the first "
                         "allowed.example.corp.example: no rule names them; --log FILE lists all"});
  Ask({"other.example"});
  for (int i = 0; i < 20; ++i) Ask({StrCat("n", i, ".example").c_str()});
  const auto lines = Lines();
  ASSERT_EQ(lines.size(), 22u);
  EXPECT_EQ(lines[20].substr(0, 38), "refused 3 names by the search list, th");
  EXPECT_EQ(lines[21], "and 1 more; --log FILE lists all");
}

TEST_F(SearchSummary, NothingHidesBehindANameThatIsNoEntryItself) {
  Ask({"a.corp.example", "a.open.example", "a.corp.example.lab.example"});  // behind one on the way
  Ask({"b.corp.example", "b", "b.corp.example.lab.example"});  // behind one that is told with "b"
  Ask({"c", "c.corp.example", "c.corp.example.lab.example"});
  const RefusalSummary summary = filter_->refusals();
  ASSERT_EQ(summary.entries.size(), 2u);
  EXPECT_EQ(summary.entries[0].event.searched, std::vector<std::string>{"b.corp.example"});
  EXPECT_EQ(summary.entries[1].event.searched, std::vector<std::string>{"c.corp.example"});
  EXPECT_EQ(summary.on_the_way,
            (std::vector<std::string>{"a.corp.example", "a.corp.example.lab.example",
                                      "b.corp.example.lab.example", "c.corp.example.lab.example"}));
}

TEST_F(SearchSummary, ANameThatARuleRefusesIsNeverLeftToAnotherLine) {
  const std::string by_rule =
      "refused name secret.corp.example: the rule \"!secret.corp.example\" (list:4) refuses it";
  Ask({"secret.corp.example", "secret.lab.example", "secret"});
  EXPECT_EQ(Lines(), (std::vector<std::string>{
                         by_rule,
                         "refused name secret (and secret.lab.example by the search list): no rule "
                         "names it; to allow it: --allow secret.lab.example"}));
}

TEST_F(SearchSummary, ANameThatARuleRefusesIsToldThoughItLedToAnAllowedOne) {
  Ask({"secret.corp.example", "secret.open.example", "probe.corp.example", "probe.open.example"});
  Ask({"late.open.example", "late", "late.corp.example"});
  EXPECT_EQ(Lines(),
            (std::vector<std::string>{"refused name secret.corp.example: the rule "
                                      "\"!secret.corp.example\" (list:4) refuses it",
                                      "refused name late (and late.corp.example by the search "
                                      "list): no rule names it; to allow it: --allow "
                                      "late.corp.example",
                                      "refused name probe.corp.example by the search list: no rule "
                                      "names it"}));
}

TEST_F(SearchSummary, TheRuleThatRefusesANameIsNotSaidToRefuseWhatWasMadeOfIt) {
  Ask({"ads.test", "ads.test.corp.example", "ads.test.lab.example"});
  EXPECT_EQ(Lines(), std::vector<std::string>{
                         "refused name ads.test: the rule \"!ads.test\" (list:5) refuses it; and 2 "
                         "names by the search list, which no rule names"});
}

TEST_F(SearchSummary, ANameBelowADomainThatWasAskedForItselfIsTold) {
  Ask({"ci.corp.example", "corp.example", "xcorp.example"});
  EXPECT_EQ(Lines().size(), 3u);
  EXPECT_EQ(Lines()[0],
            "refused name ci.corp.example: no rule names it; to allow it: --allow ci.corp.example");
}

TEST_F(SearchSummary, WhatIsRefusedForAnotherReasonIsTold) {
  Ask({"intranet.lab.example"});
  filter_->ReportRefusedName("intranet.lab.example", Reason::kWildcardLimit);
  Ask({"alias", "intranet.lab.example"});
  EXPECT_FALSE(filter_->CheckAlias("alias.corp.example").allowed) << "an alias of what is allowed";
  const auto lines = Lines();
  ASSERT_EQ(lines.size(), 3u);
  EXPECT_EQ(lines[0],
            "refused name intranet.lab.example: a wildcard allows no names as long or as many; to "
            "allow it: --allow intranet.lab.example");
  EXPECT_EQ(
      lines[2],
      "refused name alias.corp.example: the rule \"!alias.corp.example\" (list:3) refuses it");
}

TEST_F(SearchSummary, IsBoundedWhateverIsAsked) {
  for (int i = 0; i < 20'000; ++i) {
    const std::string name = StrCat("n", i, ".test");
    filter_->CheckName(name);
    filter_->CheckName(StrCat(name, ".corp.example"));
  }
  const RefusalSummary summary = filter_->refusals();
  EXPECT_EQ(summary.entries.size(), 1024u);
  EXPECT_EQ(summary.unlisted, 2 * (20'000u - 1024)) << "with those of the search list";
  EXPECT_EQ(summary.entries[7].event.searched, std::vector<std::string>{"n7.test.corp.example"});
}

TEST(Summary, IsNotKeptUnlessItIsAskedFor) {
  FilterOptions options;
  options.rules.emplace();
  Filter filter(std::move(options));
  filter.CheckName("a.example");
  EXPECT_TRUE(filter.refusals().entries.empty());
}

// A log whose reader is the other end of a pipe.
class VerdictPipeTest : public testing::Test {
 protected:
  VerdictPipeTest() {
    int ends[2];
    EXPECT_EQ(pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
    reader_.reset(ends[0]);
    EXPECT_GE(fcntl(ends[1], F_SETPIPE_SZ, 4096), 4096);
    log_.emplace(UniqueFd(ends[1]), 77,
                 VerdictLog::Clocks{[] { return TimePoint{}; }, std::chrono::system_clock::now},
                 VerdictLog::Reader::kMayMissLines);
  }

  // The flow's number tells them apart; with a name as long as wanted.
  void End(uint64_t flow, size_t name = 0) {
    const std::string text(name, 'x');
    FlowEnd end;
    end.flow = flow;
    end.name = text;
    log_->OnFlowEnd(end);
  }
  std::string Read() {
    std::string text(1 << 20, '\0');
    const ssize_t length = read(reader_.get(), text.data(), text.size());
    text.resize(static_cast<size_t>(std::max<ssize_t>(length, 0)));
    return text;
  }

  UniqueFd reader_;
  std::optional<VerdictLog> log_;
};

TEST_F(VerdictPipeTest, LosesWholeLinesAndSaysHowMany) {
  for (uint64_t flow = 1; flow <= 50; ++flow) End(flow, 200);
  EXPECT_TRUE(log_->Flush().ok());
  const auto taken = Parse(Read());
  ASSERT_GT(taken.size(), 5u);
  ASSERT_LT(taken.size(), 50u);
  for (size_t i = 0; i < taken.size(); ++i) EXPECT_EQ(taken[i]["flow"], i + 1);
  End(51);
  EXPECT_TRUE(log_->Flush().ok());
  const auto then = Parse(Read());
  ASSERT_EQ(then.size(), 2u);
  EXPECT_EQ(then[0]["event"], "lost");
  EXPECT_EQ(then[0]["lines"], 50 - taken.size());
  EXPECT_EQ(then[0]["pid"], 77);
  EXPECT_EQ(then[1]["flow"], 51);
}

TEST_F(VerdictPipeTest, AccountsForEveryLineHoweverItIsRead) {
  uint64_t told = 0;
  for (uint64_t flow = 1; flow <= 200; ++flow) {
    End(flow, flow * 37 % 500);
    EXPECT_TRUE(log_->Flush().ok());
    if (flow % 40 != 0) continue;
    for (const json& line : Parse(Read())) {
      told += line["event"] == "lost" ? line["lines"].get<uint64_t>() : 1;
    }
  }
  log_->TellRepeated();
  EXPECT_TRUE(log_->Flush().ok());
  for (const json& line : Parse(Read())) {
    EXPECT_EQ(line["event"], "lost");
    told += line["lines"].get<uint64_t>();
  }
  EXPECT_EQ(told, 200u);
}

TEST_F(VerdictPipeTest, TellsWhatWasLostOnceASecondThoughNothingFollows) {
  for (uint64_t flow = 1; flow <= 50; ++flow) End(flow, 200);
  EXPECT_TRUE(log_->Flush().ok());
  const size_t taken = Parse(Read()).size();
  ASSERT_LT(taken, 50u);
  EXPECT_TRUE(log_->Flush().ok());
  EXPECT_EQ(Read(), "") << "it tries in every round";
  log_->TellRepeated();
  EXPECT_TRUE(log_->Flush().ok());
  const auto lines = Parse(Read());
  ASSERT_EQ(lines.size(), 1u);
  EXPECT_EQ(lines[0]["lines"], 50 - taken);
}

// A write of more than PIPE_BUF bytes may be taken in part (pipe(7)).
TEST_F(VerdictPipeTest, FinishesALineThatWasTakenInPart) {
  End(1, 6000);
  EXPECT_TRUE(log_->Flush().ok());
  std::string text = Read();
  ASSERT_EQ(text.size(), 4096u);
  End(2);
  EXPECT_TRUE(log_->Flush().ok());
  const auto lines = Parse(text + Read());
  ASSERT_EQ(lines.size(), 2u);
  EXPECT_EQ(lines[0]["name"], std::string(6000, 'x'));
  EXPECT_EQ(lines[1]["flow"], 2);
}

TEST_F(VerdictPipeTest, IsNoErrorWhenItsReaderIsGone) {
  reader_.reset();
  sigset_t pipe;
  sigemptyset(&pipe);
  sigaddset(&pipe, SIGPIPE);  // blocked in the stack's process, too
  pthread_sigmask(SIG_BLOCK, &pipe, nullptr);
  End(1);
  EXPECT_TRUE(log_->Flush().ok());
  End(2);
  EXPECT_TRUE(log_->Flush().ok());
  const timespec none = {};
  EXPECT_EQ(sigtimedwait(&pipe, nullptr, &none), SIGPIPE);
  pthread_sigmask(SIG_UNBLOCK, &pipe, nullptr);
}

}  // namespace
}  // namespace mini::netstack
