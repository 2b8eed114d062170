// That both ways from settings to a policy lead to the same one: ToPolicy(), for the rest of this
// program, and the words of ToOptions(), for a command.
#include "capi/settings.h"

#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <filesystem>
#include <functional>

#include "capi/library.h"
#include "cli/command_line.h"

namespace mini::capi {
namespace {

Network network_of_the_library = Network::kLoopback;

}  // namespace

Network LibraryNetwork() { return network_of_the_library; }

namespace {

// What either can set.
std::string TextOf(const Policy& policy) {
  std::string text = std::to_string(static_cast<int>(policy.mode)) + " root " +
                     policy.root_directory.value_or("none") + " network " +
                     std::to_string(static_cast<int>(policy.network));
  for (const BindRequest& bind : policy.binds) {
    text += " bind " + bind.source + " on " + bind.target +
            (bind.access == Access::kWritable ? " writable" : " read-only");
  }
  for (const std::string& path : policy.overlays) text += " overlay " + path;
  for (const std::string& path : policy.empty_directories) text += " empty " + path;
  text += " scratch " + policy.scratch_directory.value_or("none") + " in " +
          policy.working_directory.value_or("here");
  if (policy.max_connections) text += " at most " + std::to_string(*policy.max_connections);
  return text;
}

class SettingsTest : public testing::Test {
 protected:
  SettingsTest() {
    EXPECT_NE(mkdtemp(directory_.data()), nullptr);
    for (const char* name : {"root", "overlays", "-w", "with space"}) {
      EXPECT_EQ(mkdir(In(name).c_str(), 0755), 0);
    }
  }
  ~SettingsTest() override {
    network_of_the_library = Network::kLoopback;
    std::filesystem::remove_all(directory_);
  }
  std::string In(const std::string& name) const { return directory_ + "/" + name; }

  static CommandLine LineOf(const Settings& settings, Product product) {
    std::vector<const char*> words = {"program"};
    const std::vector<std::string> options = settings.ToOptions();
    for (const std::string& option : options) words.push_back(option.c_str());
    words.insert(words.end(), {"--", "true", nullptr});
    Result<CommandLine> line =
        ParseCommandLine(product, static_cast<int>(words.size()) - 1, words.data());
    EXPECT_TRUE(line.ok()) << line.status().ToString();
    return line.ok() ? std::move(*line) : CommandLine();
  }
  static void ExpectTheSame(const Settings& settings) {
    const Result<Policy> policy = settings.ToPolicy();
    ASSERT_TRUE(policy.ok()) << policy.status().ToString();
    const bool is_tapbox = policy->network == Network::kStack;
    const CommandLine line = LineOf(settings, is_tapbox ? Product::kTapbox : Product::kSandbox);
    EXPECT_EQ(TextOf(line.policy), TextOf(*policy));
    EXPECT_EQ(line.command, std::vector<std::string>{"true"});
    EXPECT_EQ(line.debug_log, settings.log());
  }

  std::string directory_ = testing::TempDir() + "settings-XXXXXX";
};

TEST_F(SettingsTest, OfEveryModeBecomeTheSamePolicyByWords) {
  const std::vector<std::function<Error(Settings&)>> modes = {
      [](Settings&) { return Done(); },
      [](Settings& settings) { return settings.SetupReadOnly(); },
      [](Settings& settings) { return settings.SetupDefault(); },
      [this](Settings& settings) { return settings.SetupHermetic(In("root").c_str()); },
      [this](Settings& settings) { return settings.SetupCustom(nullptr, In("root").c_str()); },
      [this](Settings& settings) {
        return settings.SetupCustom(In("overlays").c_str(), In("root").c_str());
      }};
  for (const auto& set_mode : modes) {
    Settings settings;
    ASSERT_TRUE(set_mode(settings).ok());
    ExpectTheSame(settings);
  }
}

TEST_F(SettingsTest, OfFilesNetworkAndLogBecomeTheSamePolicyByWords) {
  Settings settings;
  ASSERT_TRUE(settings.SetupCustom(nullptr, In("root").c_str()).ok());
  ASSERT_TRUE(settings.MountWrite(In("-w").c_str()).ok());
  ASSERT_TRUE(settings.MountBind(In("with space").c_str()).ok());
  ASSERT_TRUE(settings.MountBind("/etc").ok());
  ASSERT_TRUE(settings.MountOverlay("/usr").ok());
  ASSERT_TRUE(settings.MountTmpfs(In("overlays").c_str()).ok());
  ASSERT_TRUE(settings.SetWorkingDirectory(In("-w").c_str()).ok());
  ASSERT_TRUE(settings.ShareNetwork().ok());
  ASSERT_TRUE(settings.EnableLog("-log").ok());
  ExpectTheSame(settings);
}

TEST_F(SettingsTest, OfTheStackBecomeTheSamePolicyByWords) {
  network_of_the_library = Network::kStack;
  Settings settings;
  ASSERT_TRUE(settings.SetupDefault().ok());
  ASSERT_TRUE(settings.network().AllowMaxConnections(7).ok());
  ExpectTheSame(settings);
}

TEST_F(SettingsTest, ThatTurnOutWrongAreNamedByTheirFunctions) {
  Settings settings;
  ASSERT_TRUE(settings.MountTmpfs("/").ok());
  EXPECT_EQ(settings.ToPolicy().status().ToString(),
            "mini_sandbox_mount_tmpfs /: an empty root is hermetic mode, "
            "mini_sandbox_setup_hermetic");
}

TEST_F(SettingsTest, TellWhichModeWasThereBefore) {
  Settings settings;
  ASSERT_TRUE(settings.SetupHermetic(In("root").c_str()).ok());
  EXPECT_EQ(settings.SetupDefault().message,
            "another mode was set up before, by mini_sandbox_setup_hermetic");
  EXPECT_EQ(settings.SetupHermetic(In("root").c_str()).message,
            In("root") + ": this mode was set up before, with this root");
}

TEST_F(SettingsTest, TellNullFromAnEmptyPath) {
  Settings settings;
  EXPECT_EQ(settings.MountBind(nullptr).message, "the path is NULL");
  EXPECT_EQ(settings.MountBind("").message, "the path is empty");
  EXPECT_EQ(settings.network().AllowConnections(nullptr).message, "the path is NULL");
  EXPECT_EQ(settings.MountBind(nullptr).code, MINI_SANDBOX_NOT_ABSOLUTE);
  EXPECT_EQ(settings.network().AllowConnections("").code, MINI_SANDBOX_NOT_ABSOLUTE);
}

}  // namespace
}  // namespace mini::capi
