#include <gtest/gtest.h>
#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <nlohmann/json.hpp>

#include "base/strings.h"
#include "doctor/bounded.h"
#include "doctor/checks.h"
#include "doctor/report.h"
#include "tests/unit/child_process.h"

namespace mini {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

Trial SetUp() {
  Trial trial;
  trial.end = Trial::End::kSetUp;
  return trial;
}

Trial FailedAt(Stage stage, int error, std::string message = "it failed") {
  Trial trial;
  trial.end = Trial::End::kFailed;
  trial.stage = stage;
  trial.error = error;
  trial.message = std::move(message);
  return trial;
}

Machine GoodMachine() {
  Machine machine;
  machine.kernel = "Linux 6.12.0 x86_64";
  machine.executable = "/usr/local/bin/mini-sandbox";
  machine.uid = 1000;
  machine.missing_calls.emplace();
  machine.seccomp_filters = true;
  machine.landlock_abi = 6;
  machine.cgroup = CgroupAccess::kWritable;
  machine.resolv_conf = "nameserver 192.0.2.53\n";
  machine.namespaces = machine.mounts = machine.proc = machine.overlay = SetUp();
  machine.memory_overlay = machine.tap = machine.default_mode = SetUp();
  return machine;
}

// Where namespaces are refused, nothing else can be tried.
Machine WithoutNamespaces(Stage stage, int error) {
  Machine machine = GoodMachine();
  machine.namespaces = machine.default_mode = FailedAt(stage, error);
  machine.mounts = machine.proc = machine.overlay = machine.memory_overlay = machine.tap = Trial();
  return machine;
}

const Finding* Find(const Diagnosis& diagnosis, std::string_view id) {
  for (const Finding& finding : diagnosis.findings) {
    if (finding.id == id) return &finding;
  }
  ADD_FAILURE() << "no finding " << id;
  static const Finding none;
  return &none;
}

std::string RemedyText(const Finding* finding) {
  std::string text;
  for (const std::string& line : finding->remedy) text += StrCat(line, "\n");
  return text;
}

Diagnosis DiagnoseSandbox(const Machine& machine) {
  return Diagnose("mini-sandbox", Network::kLoopback, machine);
}

TEST(DoctorReport, IsATableThatFitsATerminalWithRemediesBelowIt) {
  const Diagnosis diagnosis = {
      "mini-sandbox",
      {{.id = "kernel", .name = "kernel", .meaning = "Linux 6.12.0"},
       {.id = "proc",
        .name = "fresh /proc",
        .health = Health::kFails,
        .required = true,
        .meaning = "parts of it are covered, as containers do it, so that the kernel refuses",
        .remedy = {"# a comment", "podman run --security-opt unmask=ALL"}},
       {.id = "overlay", .name = "overlays", .health = Health::kPartly, .meaning = "less well"},
       {.id = "default-mode",
        .name = "a whole run",
        .health = Health::kFails,
        .required = true,
        .meaning = "mount"}}};
  EXPECT_EQ(ReportText(diagnosis),
            "kernel             -              Linux 6.12.0\n"
            "fresh /proc        does not work  parts of it are covered, as containers do it,\n"
            "                                  so that the kernel refuses\n"
            "overlays           works partly   less well\n"
            "a whole run        does not work  mount\n"
            "\n"
            "What helps\n"
            "\n"
            "fresh /proc:\n"
            "    # a comment\n"
            "    podman run --security-opt unmask=ALL\n"
            "\n"
            "mini-sandbox -x does not work on this machine: fresh /proc.\n");
}

TEST(DoctorReport, SaysARemedyOnceThatMendsTwoThings) {
  const std::vector<std::string> remedy = {"sudo modprobe everything"};
  const Diagnosis diagnosis = {
      "mini-sandbox",
      {{.id = "a", .name = "a", .remedy = remedy}, {.id = "b", .name = "b", .remedy = remedy}}};
  const std::string text = ReportText(diagnosis);
  EXPECT_EQ(text.find(remedy[0]), text.rfind(remedy[0]));
  EXPECT_NE(text.find(remedy[0]), std::string::npos);
}

TEST(DoctorReport, JsonSaysAllOfIt) {
  const Diagnosis diagnosis = {"mini-tapbox",
                               {{.id = "tun",
                                 .name = "/dev/net/tun",
                                 .health = Health::kFails,
                                 .required = true,
                                 .meaning = "a \"quoted\" \xff byte",
                                 .remedy = {"sudo modprobe tun"}}}};
  const auto json = nlohmann::json::parse(ReportJson(diagnosis));
  EXPECT_EQ(json["program"], "mini-tapbox");
  EXPECT_EQ(json["ready"], false);
  ASSERT_EQ(json["checks"].size(), 1u);
  const auto& check = json["checks"][0];
  EXPECT_EQ(check["id"], "tun");
  EXPECT_EQ(check["name"], "/dev/net/tun");
  EXPECT_EQ(check["state"], "fails");
  EXPECT_EQ(check["required"], true);
  EXPECT_EQ(check["meaning"], "a \"quoted\" \xEF\xBF\xBD byte");  // U+FFFD
  EXPECT_EQ(check["remedy"], nlohmann::json::array({"sudo modprobe tun"}));
}

TEST(Doctor, FindsAGoodMachineReady) {
  EXPECT_TRUE(DiagnoseSandbox(GoodMachine()).Ready());
  const Diagnosis diagnosis = Diagnose("mini-tapbox", Network::kStack, GoodMachine());
  EXPECT_TRUE(diagnosis.Ready());
  for (const Finding& finding : diagnosis.findings) {
    EXPECT_TRUE(finding.health == Health::kWorks || finding.health == Health::kInformation)
        << finding.id;
    EXPECT_TRUE(finding.remedy.empty()) << finding.id;
    EXPECT_FALSE(finding.meaning.empty()) << finding.id;
    EXPECT_LE(finding.name.size(), 18u) << finding.id;
  }
}

TEST(Doctor, NamesTheLimitThatForbidsNamespaces) {
  Machine machine = WithoutNamespaces(Stage::kClone, ENOSPC);
  machine.forbidden_namespaces = {"user.max_user_namespaces"};
  const Diagnosis diagnosis = DiagnoseSandbox(machine);
  EXPECT_FALSE(diagnosis.Ready());
  const Finding* finding = Find(diagnosis, "namespaces");
  EXPECT_EQ(finding->health, Health::kFails);
  EXPECT_NE(finding->meaning.find("user.max_user_namespaces is 0"), std::string::npos);
  EXPECT_EQ(RemedyText(finding),
            "echo user.max_user_namespaces=15000 | sudo tee -a /etc/sysctl.d/60-userns.conf\n"
            "sudo sysctl --system\n");
  EXPECT_EQ(Find(diagnosis, "proc")->health, Health::kNotTried);
}

TEST(Doctor, NamesDebiansSwitch) {
  Machine machine = WithoutNamespaces(Stage::kClone, EPERM);
  machine.userns_clone = "0";
  EXPECT_NE(RemedyText(Find(DiagnoseSandbox(machine), "namespaces"))
                .find("kernel.unprivileged_userns_clone=1"),
            std::string::npos);
}

TEST(Doctor, PrintsTheProfileWhereAppArmorRestricts) {
  Machine machine = WithoutNamespaces(Stage::kIdMaps, EACCES);
  machine.apparmor_restriction = "1";
  const Diagnosis diagnosis = DiagnoseSandbox(machine);
  EXPECT_FALSE(diagnosis.Ready());
  EXPECT_NE(Find(diagnosis, "namespaces")->meaning.find("see AppArmor"), std::string::npos);
  const Finding* finding = Find(diagnosis, "apparmor");
  EXPECT_EQ(finding->health, Health::kFails);
  EXPECT_EQ(RemedyText(finding),
            "# Whoever can write to the program gets what this gives: keep it where only root\n"
            "# can, such as /usr/local/bin, and name that path here.\n"
            "# /etc/apparmor.d/mini-sandbox:\n"
            "abi <abi/4.0>,\n"
            "include <tunables/global>\n"
            "\n"
            "profile mini-sandbox \"/usr/local/bin/mini-sandbox\" flags=(unconfined) {\n"
            "  userns,\n"
            "\n"
            "  include if exists <local/mini-sandbox>\n"
            "}\n"
            "# and then:\n"
            "sudo apparmor_parser -r /etc/apparmor.d/mini-sandbox\n");
}

TEST(Doctor, IsContentWithAppArmorWhereAProfileIsLoaded) {
  Machine machine = GoodMachine();
  machine.apparmor_restriction = "1";
  const Diagnosis diagnosis = DiagnoseSandbox(machine);
  EXPECT_TRUE(diagnosis.Ready());
  EXPECT_EQ(Find(diagnosis, "apparmor")->health, Health::kWorks);
}

TEST(Doctor, EscapesPatternsInTheProfilesPath) {
  const std::string profile = AppArmorProfile("mini-sandbox", "/opt/a b/{x}*[1]?/mini\"sandbox");
  EXPECT_NE(profile.find(R"("/opt/a b/\{x\}\*\[1\]\?/mini\"sandbox")"), std::string::npos)
      << profile;
}

TEST(Doctor, SendsWhoRunsInASandboxOfOursToTheOuterOne) {
  Machine machine = WithoutNamespaces(Stage::kClone, ENOSYS);
  machine.in_own_sandbox = machine.under_seccomp_filter = true;
  machine.missing_calls = {{"clone3"}};
  const Diagnosis diagnosis = DiagnoseSandbox(machine);
  EXPECT_NE(RemedyText(Find(diagnosis, "namespaces")).find("--nested"), std::string::npos);
  EXPECT_NE(RemedyText(Find(diagnosis, "system-calls")).find("--nested"), std::string::npos);
}

TEST(Doctor, BlamesTheFilterOfAContainer) {
  Machine machine = WithoutNamespaces(Stage::kClone, EPERM);
  machine.under_seccomp_filter = true;
  EXPECT_NE(RemedyText(Find(DiagnoseSandbox(machine), "namespaces")).find("seccomp=unconfined"),
            std::string::npos);
}

TEST(Doctor, TellsAMaskedProcFromOtherFailures) {
  Machine machine = GoodMachine();
  machine.proc = machine.default_mode = FailedAt(Stage::kMounts, EPERM, "new-filesystem proc");
  const Finding masked = *Find(DiagnoseSandbox(machine), "proc");
  EXPECT_EQ(masked.health, Health::kFails);
  EXPECT_NE(masked.meaning.find("covered"), std::string::npos);
  EXPECT_NE(RemedyText(&masked).find("systempaths=unconfined"), std::string::npos);
  machine.proc.error = ENOMEM;
  EXPECT_EQ(Find(DiagnoseSandbox(machine), "proc")->meaning, "new-filesystem proc");
}

TEST(Doctor, TakesMissingOverlaysForAFlawAndNotForAnObstacle) {
  Machine machine = GoodMachine();
  machine.memory_overlay.overlay_error = EINVAL;
  Diagnosis diagnosis = DiagnoseSandbox(machine);
  EXPECT_TRUE(diagnosis.Ready());
  EXPECT_EQ(Find(diagnosis, "overlay")->health, Health::kWorks);
  EXPECT_EQ(Find(diagnosis, "overlay-in-memory")->health, Health::kFails);
  machine.overlay = FailedAt(Stage::kMounts, ENODEV);
  diagnosis = DiagnoseSandbox(machine);
  EXPECT_TRUE(diagnosis.Ready());
  EXPECT_EQ(RemedyText(Find(diagnosis, "overlay")), "sudo modprobe overlay\n");
  EXPECT_EQ(Find(diagnosis, "overlay-in-memory")->health, Health::kNotTried);
}

TEST(Doctor, SaysWhatEachVersionOfLandlockAdds) {
  Machine machine = GoodMachine();
  const auto health_of = [&](int abi) {
    machine.landlock_abi = abi;
    const Diagnosis diagnosis = DiagnoseSandbox(machine);
    EXPECT_TRUE(diagnosis.Ready());
    return Find(diagnosis, "landlock")->health;
  };
  EXPECT_EQ(health_of(7), Health::kWorks);
  EXPECT_EQ(health_of(5), Health::kPartly);
  EXPECT_EQ(health_of(2), Health::kPartly);
  EXPECT_EQ(health_of(1), Health::kFails);
  EXPECT_EQ(health_of(0), Health::kFails);
}

TEST(Doctor, SaysWhetherAWeakerSandboxCouldBeMade) {
  Machine machine = GoodMachine();
  const auto health = [&] { return Find(DiagnoseSandbox(machine), "allow-degraded")->health; };
  EXPECT_EQ(health(), Health::kWorks);
  machine.landlock_abi = 5;
  EXPECT_EQ(health(), Health::kPartly);
  machine.landlock_abi = 2;
  EXPECT_EQ(health(), Health::kFails);
  machine.uid = 0;
  EXPECT_EQ(health(), Health::kInformation);
}

TEST(Doctor, KnowsWhyTheTunDeviceFails) {
  const auto remedy_for = [](int error, const char* container = "") {
    Machine machine = GoodMachine();
    machine.container = container;
    machine.tap = machine.default_mode = FailedAt(Stage::kNetwork, error);
    const Diagnosis diagnosis = Diagnose("mini-tapbox", Network::kStack, machine);
    EXPECT_FALSE(diagnosis.Ready());
    return RemedyText(Find(diagnosis, "tun"));
  };
  EXPECT_EQ(remedy_for(ENOENT), "sudo modprobe tun\n");
  EXPECT_EQ(remedy_for(EACCES), "sudo chmod 0666 /dev/net/tun\n");
  EXPECT_NE(remedy_for(ENOTTY).find("mknod"), std::string::npos);
  EXPECT_NE(remedy_for(ENOENT, "docker").find("--device /dev/net/tun"), std::string::npos);
  EXPECT_EQ(remedy_for(ENOMEM), "");
}

TEST(Doctor, AsksOnlyTheTapboxForTunAndResolver) {
  for (const Finding& finding : DiagnoseSandbox(GoodMachine()).findings) {
    EXPECT_NE(finding.id, "tun");
    EXPECT_NE(finding.id, "resolver");
  }
}

TEST(Doctor, TakesAMachineWithoutNameServerForUsable) {
  Machine machine = GoodMachine();
  for (const auto& text : {std::optional<std::string>(), std::optional<std::string>("# none\n")}) {
    machine.resolv_conf = text;
    const Diagnosis diagnosis = Diagnose("mini-tapbox", Network::kStack, machine);
    EXPECT_TRUE(diagnosis.Ready());
    EXPECT_EQ(Find(diagnosis, "resolver")->health, Health::kPartly);
  }
}

TEST(Bounded, ReturnsWhatTheBodyReturns) {
  const auto limit = milliseconds(10'000);
  EXPECT_EQ(RunBounded(limit, [] { return std::string("found\nout"); }), "found\nout");
  EXPECT_EQ(RunBounded(limit, [] { return std::string(); }), "");
  const std::string large(1 << 20, 'x');
  EXPECT_EQ(RunBounded(limit, [&] { return large; }), large);
}

TEST(Bounded, ReturnsNothingWhenTheBodyDies) {
  EXPECT_EQ(RunBounded(milliseconds(10'000),
                       [] {
                         raise(SIGKILL);
                         return std::string("unreached");
                       }),
            std::nullopt);
}

TEST(Bounded, EndsABodyThatHangs) {
  const auto begun = steady_clock::now();
  EXPECT_EQ(RunBounded(milliseconds(50),
                       [] {
                         for (;;) pause();
                         return std::string("unreached");
                       }),
            std::nullopt);
  EXPECT_LT(steady_clock::now() - begun, milliseconds(10'000));
}

TEST(Bounded, KeepsTheBodyFromPrinting) {
  EXPECT_EQ(RunInChild([] {
              int ends[2];
              if (pipe(ends) != 0 || dup2(ends[1], STDOUT_FILENO) < 0) return StrCat("no pipe");
              close(ends[1]);
              RunBounded(milliseconds(10'000), [] {
                (void)!write(STDOUT_FILENO, "noise", 5);
                return std::string();
              });
              close(STDOUT_FILENO);
              char buffer[16];
              return StrCat(read(ends[0], buffer, sizeof buffer));
            }),
            "0");
}

}  // namespace
}  // namespace mini
