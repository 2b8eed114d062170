#include "plan/environment.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <functional>
#include <sstream>

#include "plan/plan.h"

namespace mini {
namespace {

using Strings = std::vector<std::string>;

Policy PolicyWith(const std::function<void(PolicyBuilder&)>& settings) {
  PolicyBuilder builder;
  EXPECT_TRUE(builder.SetDefaultMode().ok());
  settings(builder);
  return std::move(*builder.Build());
}

Policy PlainPolicy() {
  return PolicyWith([](PolicyBuilder&) {});
}

// One real name for each pattern, and some more; what they are for is in docs/environment.md.
const std::vector<std::string_view> kSensitiveNames = {"SSH_AUTH_SOCK",
                                                       "SSH_AGENT_PID",
                                                       "GPG_AGENT_INFO",
                                                       "GNOME_KEYRING_CONTROL",
                                                       "GNOME_KEYRING_PID",
                                                       "DBUS_SESSION_BUS_ADDRESS",
                                                       "DBUS_SESSION_BUS_PID",
                                                       "DBUS_SYSTEM_BUS_ADDRESS",
                                                       "DBUS_STARTER_ADDRESS",
                                                       "AT_SPI_BUS_ADDRESS",
                                                       "DISPLAY",
                                                       "XAUTHORITY",
                                                       "ICEAUTHORITY",
                                                       "SESSION_MANAGER",
                                                       "WAYLAND_DISPLAY",
                                                       "WAYLAND_SOCKET",
                                                       "SWAYSOCK",
                                                       "I3SOCK",
                                                       "HYPRLAND_INSTANCE_SIGNATURE",
                                                       "PULSE_SERVER",
                                                       "PULSE_COOKIE",
                                                       "PIPEWIRE_REMOTE",
                                                       "DOCKER_HOST",
                                                       "CONTAINER_HOST",
                                                       "BUILDKIT_HOST",
                                                       "LISTEN_FDS",
                                                       "LISTEN_FDNAMES",
                                                       "LISTEN_PID",
                                                       "NOTIFY_SOCKET",
                                                       "TMUX",
                                                       "STY",
                                                       "ZELLIJ",
                                                       "ZELLIJ_SESSION_NAME",
                                                       "KITTY_LISTEN_ON",
                                                       "WEZTERM_UNIX_SOCKET",
                                                       "ALACRITTY_SOCKET",
                                                       "KONSOLE_DBUS_SERVICE",
                                                       "NVIM",
                                                       "NVIM_LISTEN_ADDRESS",
                                                       "EMACS_SOCKET_NAME",
                                                       "VSCODE_IPC_HOOK_CLI",
                                                       "VSCODE_GIT_IPC_HANDLE",
                                                       "KEYCHAIN_SOCK",
                                                       "RSPAMD_SOCKET",
                                                       "GITHUB_TOKEN",
                                                       "GH_TOKEN",
                                                       "TOKEN",
                                                       "AWS_SESSION_TOKEN",
                                                       "CI_JOB_TOKEN",
                                                       "NPM_TOKEN",
                                                       "npm_config_//registry.example/:_authToken",
                                                       "AWS_WEB_IDENTITY_TOKEN_FILE",
                                                       "CI_JOB_JWT",
                                                       "CI_JOB_JWT_V2",
                                                       "CLIENT_SECRET",
                                                       "SECRET_KEY_BASE",
                                                       "db_password",
                                                       "ANSIBLE_VAULT_PASSWORD_FILE",
                                                       "PGPASSWORD",
                                                       "MYSQL_ROOT_PASSWD",
                                                       "GPG_PASSPHRASE",
                                                       "DB_PASS",
                                                       "SSHPASS",
                                                       "GOOGLE_APPLICATION_CREDENTIALS",
                                                       "CREDENTIALS_DIRECTORY",
                                                       "AWS_SHARED_CREDENTIALS_FILE",
                                                       "GIT_CREDENTIAL_X",
                                                       "OPENAI_API_KEY",
                                                       "APIKEY",
                                                       "MAPS_APIKEY",
                                                       "LLM_API_KEYS",
                                                       "MAILGUN_API_KEY_FILE",
                                                       "AWS_ACCESS_KEY_ID",
                                                       "AWS_SECRET_ACCESS_KEY",
                                                       "SSH_PRIVATE_KEY",
                                                       "APP_PRIVATE_KEY_B64",
                                                       "COOKIE_SIGNING_KEY",
                                                       "DATA_ENCRYPTION_KEY",
                                                       "RAILS_MASTER_KEY",
                                                       "CI_DEPLOY_KEY",
                                                       "HOST_SSH_KEY",
                                                       "STORAGE_ACCOUNT_KEY",
                                                       "TS_AUTH_KEY",
                                                       "MAXMIND_LICENSE_KEY",
                                                       "COMPOSER_AUTH",
                                                       "npm_config__auth",
                                                       "DOCKER_AUTH_CONFIG",
                                                       "X_BEARER",
                                                       "ERLANG_COOKIE",
                                                       "GITHUB_PAT",
                                                       "STORAGE_CONNECTION_STRING",
                                                       "SLACK_WEBHOOK_URL",
                                                       "AWS_ENCRYPT_KEYFILE",
                                                       "AWS_CONFIG_FILE",
                                                       "AZURE_CLIENT_ID",
                                                       "ARM_CLIENT_CERTIFICATE_PATH",
                                                       "CLOUDSDK_CONFIG",
                                                       "KUBECONFIG",
                                                       "VAULT_ADDR",
                                                       "TF_TOKEN_app_example_com",
                                                       "OP_SESSION_team",
                                                       "BW_SESSION",
                                                       "SOPS_AGE_KEY_FILE",
                                                       "ACTIONS_RUNTIME_URL",
                                                       "ACTIONS_ID_TOKEN_REQUEST_URL",
                                                       "MYSQL_PWD",
                                                       "PGPASSFILE",
                                                       "PGSERVICEFILE",
                                                       "REDISCLI_AUTH",
                                                       "KRB5CCNAME",
                                                       "KRB5_KTNAME",
                                                       "NETRC"};

TEST(SensitiveVariables, HoldTheNamesOfCredentialsAndSockets) {
  for (const std::string_view name : kSensitiveNames) {
    EXPECT_TRUE(IsSensitiveVariable(name, "x")) << name;
  }
}

TEST(SensitiveVariables, AreThoseOfTheDocument) {
  std::ifstream file(MINI_DOCS_DIR "/environment.md");
  std::stringstream text;
  text << file.rdbuf();
  for (const std::string_view pattern : SensitiveVariables()) {
    EXPECT_NE(text.str().find("`" + std::string(pattern) + "`"), std::string::npos) << pattern;
  }
}

TEST(SensitiveVariables, LeaveWhatBuildsAndShellsNeed) {
  for (const std::string_view name : {"PATH",
                                      "HOME",
                                      "USER",
                                      "LOGNAME",
                                      "SHELL",
                                      "PWD",
                                      "OLDPWD",
                                      "INIT_CWD",
                                      "TERM",
                                      "COLORTERM",
                                      "LANG",
                                      "LC_ALL",
                                      "TZ",
                                      "EDITOR",
                                      "PAGER",
                                      "LS_COLORS",
                                      "TMPDIR",
                                      "XDG_RUNTIME_DIR",
                                      "XDG_CONFIG_HOME",
                                      "XDG_SESSION_ID",
                                      "SSH_CONNECTION",
                                      "SSH_TTY",
                                      "SSH_ASKPASS",
                                      "GIT_ASKPASS",
                                      "GPG_TTY",
                                      "GIT_AUTHOR_NAME",
                                      "GIT_AUTHOR_EMAIL",
                                      "GIT_CONFIG_COUNT",
                                      "GIT_CONFIG_KEY_0",
                                      "CC",
                                      "CXX",
                                      "CFLAGS",
                                      "LDFLAGS",
                                      "MAKEFLAGS",
                                      "CMAKE_PREFIX_PATH",
                                      "PKG_CONFIG_PATH",
                                      "LD_LIBRARY_PATH",
                                      "PYTHONPATH",
                                      "PYTHONHASHSEED",
                                      "VIRTUAL_ENV",
                                      "TOKENIZERS_PARALLELISM",
                                      "NODE_OPTIONS",
                                      "NODE_ENV",
                                      "npm_config_cache",
                                      "CARGO_HOME",
                                      "RUSTFLAGS",
                                      "GOPATH",
                                      "GOFLAGS",
                                      "JAVA_HOME",
                                      "CI",
                                      "GITHUB_ACTIONS",
                                      "GITHUB_WORKSPACE",
                                      "GITLAB_CI",
                                      "CI_PROJECT_DIR",
                                      "AWS_REGION",
                                      "AWS_PROFILE",
                                      "KEYMAP",
                                      "KEYBOARD_LAYOUT",
                                      "KEY",
                                      "PUBLIC_KEY",
                                      "HOSTKEYALIAS",
                                      "BYPASS",
                                      "COMPASS",
                                      "AUTHOR",
                                      "OAUTHLIB_RELAXED_SCOPE",
                                      "SOCKS_VERSION",
                                      "MONKEY",
                                      "CCACHE_DIR",
                                      "SOURCE_DATE_EPOCH",
                                      "PS1",
                                      "_",
                                      "SHLVL",
                                      "DISPLAY_NAME",
                                      "SSL_CERT_FILE",
                                      "http_proxy",
                                      "PIP_INDEX_URL"}) {
    EXPECT_FALSE(IsSensitiveVariable(name, "x")) << name;
  }
}

TEST(SensitiveVariables, LookAtTheValueForPasswordsInUrlsAndForKeys) {
  for (const std::string_view value :
       {"https://u:p@proxy.example:3128", "http://__token__:abc@pypi.example/simple/",
        "a https://pypi.example/ https://user:pass@pypi.example/", "postgres://u:p@db/x?sslmode=on",
        "--proxy=socks5h://user:pass@192.0.2.1:1080", "https://:p@host/", "http://u:p@x@host/",
        "git+ssh://u:p@[2001:db8::1]:22/x", "https://a@b:c@host",
        "-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA", "x\n-----BEGIN RSA PRIVATE KEY-----"}) {
    EXPECT_TRUE(IsSensitiveVariable("X", value)) << value;
  }
  for (const std::string_view value :
       {"", "://", "://a:b@c", "https://proxy.example:3128", "ssh://git@github.example/x",
        "https://user:@host/", "https://host:80/path@2", "https://host/a:b@c", "git@host.example:x",
        "https://host?u:p@x", "https://[2001:db8::1]:80/", "a:b@c", "user:password",
        "-----BEGIN PUBLIC KEY-----", "PRIVATE KEY-----"}) {
    EXPECT_FALSE(IsSensitiveVariable("X", value)) << value;
  }
}

TEST(CommandEnvironment, IsTheHostsWithoutWhatIsSensitive) {
  const CommandEnvironment made = MakeCommandEnvironment(
      PlainPolicy(), {"PATH=/bin", "SSH_AUTH_SOCK=/tmp/agent", "A=1", "http_proxy=http://u:p@h",
                      "HOME=/home/u", "XDG_RUNTIME_DIR=/run/user/1"});
  EXPECT_EQ(made.variables,
            (Strings{"PATH=/bin", "A=1", "HOME=/home/u", "XDG_RUNTIME_DIR=/run/user/1"}));
  EXPECT_EQ(made.removed, (Strings{"SSH_AUTH_SOCK", "http_proxy"}));
}

TEST(CommandEnvironment, KeepsWhatTheUserNamesExactly) {
  const Policy policy = PolicyWith([](PolicyBuilder& builder) {
    EXPECT_TRUE(builder.KeepVariable("GITHUB_TOKEN").ok());
    EXPECT_TRUE(builder.KeepVariable("NOT_THERE").ok());
  });
  const CommandEnvironment made =
      MakeCommandEnvironment(policy, {"GITHUB_TOKEN=a", "github_token=b", "XGITHUB_TOKEN=d"});
  EXPECT_EQ(made.variables, (Strings{"GITHUB_TOKEN=a"}));
  EXPECT_EQ(made.removed, (Strings{"XGITHUB_TOKEN", "github_token"}));
}

TEST(CommandEnvironment, CarriesOutTheUsersChangesInOrder) {
  const Policy policy = PolicyWith([](PolicyBuilder& builder) {
    EXPECT_TRUE(builder.SetVariable("A", "1").ok());
    EXPECT_TRUE(builder.SetVariable("B", "x=y").ok());
    EXPECT_TRUE(builder.UnsetVariable("A").ok());
    EXPECT_TRUE(builder.UnsetVariable("C").ok());
    EXPECT_TRUE(builder.SetVariable("C", "").ok());
    EXPECT_TRUE(builder.UnsetVariable("NOT_THERE").ok());
    EXPECT_TRUE(builder.SetVariable("B", "last").ok());
  });
  const CommandEnvironment made = MakeCommandEnvironment(policy, {"A=0", "C=0", "D=0"});
  EXPECT_EQ(made.variables, (Strings{"D=0", "C=", "B=last"}));
  EXPECT_TRUE(made.removed.empty());
}

TEST(CommandEnvironment, TakesASensitiveVariableThatTheUserSets) {
  const Policy policy = PolicyWith([](PolicyBuilder& builder) {
    EXPECT_TRUE(builder.SetVariable("API_TOKEN", "for the sandbox").ok());
    EXPECT_TRUE(builder.UnsetVariable("OTHER_TOKEN").ok());
  });
  const CommandEnvironment made =
      MakeCommandEnvironment(policy, {"API_TOKEN=of the host", "OTHER_TOKEN=x"});
  EXPECT_EQ(made.variables, (Strings{"API_TOKEN=for the sandbox"}));
  EXPECT_TRUE(made.removed.empty()) << "the user decided about both: there is nothing to tell";
}

TEST(CommandEnvironment, UnsetsWhatIsAlsoKept) {
  const Policy policy = PolicyWith([](PolicyBuilder& builder) {
    EXPECT_TRUE(builder.KeepVariable("A_TOKEN").ok());
    EXPECT_TRUE(builder.UnsetVariable("A_TOKEN").ok());
  });
  EXPECT_TRUE(MakeCommandEnvironment(policy, {"A_TOKEN=x"}).variables.empty());
}

TEST(CommandEnvironment, TakesEveryCopyOfADuplicatedVariable) {
  const Policy policy = PolicyWith([](PolicyBuilder& builder) {
    EXPECT_TRUE(builder.UnsetVariable("A").ok());
    EXPECT_TRUE(builder.SetVariable("B", "3").ok());
  });
  const CommandEnvironment made = MakeCommandEnvironment(
      policy, {"A=1", "GH_TOKEN=1", "B=1", "A=2", "GH_TOKEN=2", "B=2", "C=1", "C=2"});
  EXPECT_EQ(made.variables, (Strings{"C=1", "C=2", "B=3"}));
  EXPECT_EQ(made.removed, (Strings{"GH_TOKEN"}));
}

TEST(CommandEnvironment, LeavesOutStringsThatAreNoVariable) {
  const CommandEnvironment made =
      MakeCommandEnvironment(PlainPolicy(), {"GITHUB_TOKEN", "", "=", "=x=y", "A=", "B==", "x"});
  EXPECT_EQ(made.variables, (Strings{"A=", "B=="}));
  EXPECT_TRUE(made.removed.empty());
}

TEST(CommandEnvironment, TellsNamesOnlyAndEscapesThem) {
  const CommandEnvironment made =
      MakeCommandEnvironment(PlainPolicy(), {"Z_TOKEN=hidden", "A\x1b[2J\n_TOKEN=hidden"});
  EXPECT_EQ(RemovedVariablesNotice(made.removed),
            "not passed on, as they hold credentials or lead to sockets of this host: "
            "A\\x1b[2J\\x0a_TOKEN, Z_TOKEN (--keep-env NAME passes one on)");
}

TEST(CommandEnvironment, TellsEveryNameOfManyWithoutCuttingTheLine) {
  Strings host;
  for (int i = 0; i < 3000; ++i) host.push_back("V" + std::to_string(i) + "_TOKEN=x");
  const CommandEnvironment made = MakeCommandEnvironment(PlainPolicy(), host);
  EXPECT_EQ(made.removed.size(), 3000u);
  EXPECT_NE(RemovedVariablesNotice(made.removed).find(", V9_TOKEN (--keep-env"), std::string::npos);
}

TEST(CommandEnvironment, IsMadeInTimeFromAVeryLongName) {
  const std::string name(100'000, '_');
  EXPECT_FALSE(IsSensitiveVariable(name, "x"));
}

HostFacts SmallHost() {
  HostFacts facts;
  facts.uid = facts.gid = 1000;
  facts.homes = {"/home/u"};
  facts.working_directory = "/srv/app";
  facts.mounts = {{254, 1, "/", "/", "ext4"}};
  facts.paths = {{"/dev", {PathKind::kDirectory, "/dev"}},
                 {"/proc", {PathKind::kDirectory, "/proc"}}};
  return facts;
}

TEST(MakePlan, SaysOnceWhichVariablesItRemovesAndNothingWhenNone) {
  HostFacts facts = SmallHost();
  facts.environment = {"PATH=/bin", "A_TOKEN=value-1", "B_TOKEN=value-2"};
  Result<Plan> plan = MakePlan(PlainPolicy(), facts, {"true"});
  ASSERT_TRUE(plan.ok());
  EXPECT_EQ(plan->environment, (Strings{"PATH=/bin"}));
  EXPECT_EQ(plan->notices, (Strings{RemovedVariablesNotice({"A_TOKEN", "B_TOKEN"})}));
  EXPECT_NE(plan->ToString().find("\nunset A_TOKEN\nunset B_TOKEN\n"), std::string::npos);
  EXPECT_EQ(plan->ToString().find("value-"), std::string::npos);

  facts.environment = {"PATH=/bin"};
  plan = MakePlan(PlainPolicy(), facts, {"true"});
  ASSERT_TRUE(plan.ok());
  EXPECT_TRUE(plan->notices.empty());
}

TEST(MakePlan, LooksTheCommandUpInThePathThatTheCommandGets) {
  HostFacts facts = SmallHost();
  facts.environment = {"PATH=/host/bin"};
  const Policy policy = PolicyWith(
      [](PolicyBuilder& builder) { EXPECT_TRUE(builder.SetVariable("PATH", "/a:/b").ok()); });
  const Result<Plan> plan = MakePlan(policy, facts, {"tool"});
  ASSERT_TRUE(plan.ok());
  EXPECT_EQ(plan->candidates, (Strings{"/a/tool", "/b/tool"}));
}

TEST(Environment, ThatIsGivenWholeStaysAsItIs) {
  Policy policy = PlainPolicy();
  policy.whole_environment = Strings{"API_TOKEN=mine", "no variable", "TMPDIR=/elsewhere"};
  const CommandEnvironment environment = MakeCommandEnvironment(policy, {"HOME=/home/user"});
  EXPECT_EQ(environment.variables, *policy.whole_environment);
  EXPECT_EQ(environment.removed, Strings());
}

}  // namespace
}  // namespace mini
