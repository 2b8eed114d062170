"""Invariants 5 and 6: what the command learns from its environment."""

import harness

TOLD = "not passed on, as they hold credentials or lead to sockets of this host: "
OF_THE_HOST = {"SSH_AUTH_SOCK": "/tmp/agent", "GITHUB_TOKEN": "value-of-the-token",
               "https_proxy": "http://me:value-of-the-password@192.0.2.1:3128", "PLAIN": "plain"}


@harness.as_root_too
class Environment(harness.SandboxTest):
    def variables(self, *options, env=None):
        """What the command gets, and what was said on stderr."""
        outcome = self.sandbox("env", "-0", options=(*self.options, *options),
                               env=OF_THE_HOST if env is None else env)
        self.assert_code(outcome, 0)
        found = dict(entry.split("=", 1) for entry in outcome.out.split("\0") if entry)
        return found, outcome.err

    def test_credentials_and_sockets_stay_outside_and_the_user_is_told_once_by_name(self):
        found, told = self.variables()
        self.assertEqual({name: found.get(name) for name in OF_THE_HOST},
                         {"SSH_AUTH_SOCK": None, "GITHUB_TOKEN": None, "https_proxy": None,
                          "PLAIN": "plain"})
        self.assertEqual(told, f"{self.program}: {TOLD}GITHUB_TOKEN, SSH_AUTH_SOCK, https_proxy "
                         "(--keep-env NAME passes one on)\n")

    def test_nothing_is_said_when_nothing_was_left_out(self):
        found, told = self.variables(env={"PLAIN": "plain"})
        self.assertEqual(found["PLAIN"], "plain")
        self.assertEqual(found["HOME"], self.identity.home)
        self.assertEqual(told, "")

    def test_what_the_user_keeps_is_there(self):
        found, told = self.variables("--keep-env", "GITHUB_TOKEN", "--keep-env", "https_proxy",
                                     "--keep-env", "SSH_AUTH_SOCK")
        self.assertEqual({name: found.get(name) for name in OF_THE_HOST}, OF_THE_HOST)
        self.assertEqual(told, "")

    def test_set_and_unset_are_carried_out_in_order(self):
        found, _ = self.variables("--setenv", "A=1", "--unsetenv", "PLAIN", "--setenv", "A=2=3",
                                  "--setenv", "API_KEY=for the sandbox")
        self.assertEqual((found["A"], found.get("PLAIN"), found["API_KEY"]),
                         ("2=3", None, "for the sandbox"))

    def test_the_command_is_found_in_the_path_it_gets(self):
        tool = self.make_file(self.work / "tool", "#!/bin/sh\necho found\n", 0o755)
        outcome = self.sandbox("tool", options=(*self.options, "--setenv", f"PATH={tool.parent}"))
        self.assertEqual(outcome.out, "found\n", outcome)

    def test_no_value_can_be_read_from_another_process(self):
        """Neither from the process 1 of the sandbox nor in the plan."""
        outcome = self.shell("cat /proc/*/environ; cat /proc/*/cmdline", env=OF_THE_HOST)
        self.assertNotIn("value-of", outcome.out)
        outcome = self.sandbox("true", options=(*self.options, "--print-plan"), env=OF_THE_HOST)
        self.assertIn("unset GITHUB_TOKEN\n", outcome.out)
        self.assertNotIn("value-of", outcome.out)
