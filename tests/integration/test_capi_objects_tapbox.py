"""libmini-tapbox: commands behind the allow-list of an object, and what their networks tell."""

import json
import os
import signal

import harness
import linux
import test_capi
import world

ALLOWED_V4 = "198.51.100.10"
INVALID_ARGUMENT, NETWORK_CONFLICT, NOT_ABSOLUTE, SYSTEM_ERROR = -12, -10, -6, -100
# A connection of the shell's own, so that it needs no program of the host's.
CONNECT = "exec 9<>/dev/tcp/{}/{}"


def connections(*places):
    """A script that makes them one after the other and says which were made."""
    return "; ".join(f"bash -c '{CONNECT.format(host, port)}' 2>/dev/null && echo {host} connected"
                     f" || echo {host} failed" for host, port in places)


class NetworkObjectsTest(test_capi.ClientTest):
    client = "capi-objects-tapbox"
    needs = ("namespaces", "tun")


@harness.as_root_too
class ACommandBehindAnAllowList(NetworkObjectsTest):
    def events(self, rule, script, log=""):
        said, outcome = self.scenario("events", rule, log, script)
        self.assertEqual(said["end"], "exit 0", outcome)
        lines = [json.loads(line) for line in outcome.lines() if line.startswith("{")]
        return said, outcome, lines

    def test_reaches_what_is_allowed_and_tells_what_it_tried(self):
        said, outcome, lines = self.events(f"{ALLOWED_V4}:80", connections(
            (ALLOWED_V4, 80), (world.UNNAMED_V4, 80)))
        self.assertIn(f"{ALLOWED_V4} connected", outcome.lines())
        self.assertIn(f"{world.UNNAMED_V4} failed", outcome.lines())
        self.assertEqual(said["flags"], "1 1", outcome)
        verdicts = {(line["address"], line["verdict"]): line for line in lines
                    if line["event"] == "verdict"}
        self.assertEqual(set(verdicts), {(ALLOWED_V4, "allowed"), (world.UNNAMED_V4, "refused")},
                         outcome)
        self.assertEqual(verdicts[ALLOWED_V4, "allowed"]["rule_at"], "mini_sandbox_allow_rule:1")
        self.assertEqual({str(line["pid"]) for line in lines}, {said["pid"]}, outcome)
        self.assertEqual([line["address"] for line in lines if line["event"] == "close"],
                         [ALLOWED_V4], outcome)

    def test_reaches_public_addresses_alone_without_a_list(self):
        _, outcome, lines = self.events("", connections(("127.0.0.1", 1), (ALLOWED_V4, 80)))
        self.assertIn(f"{ALLOWED_V4} connected", outcome.lines())
        self.assertIn("127.0.0.1 failed", outcome.lines())
        self.assertTrue(lines, outcome)

    def test_has_its_refusals_in_the_log_too(self):
        log = self.make_file(self.scratch / "log", mode=0o600)
        said, _, _ = self.events("192.0.2.1", connections((ALLOWED_V4, 80)), log)
        refusals = [line for line in log.read_text().splitlines()
                    if f"verdict: refused tcp {ALLOWED_V4}:80" in line]
        self.assertEqual(len(refusals), 1)
        self.assertEqual(refusals[0].split()[0], said["pid"])

    def test_has_its_rules_in_the_log_although_only_the_stack_needs_them(self):
        log = self.make_file(self.scratch / "log", mode=0o600)
        self.events("tcp/192.0.2.1:80-90", "true", log)
        lines = log.read_text().splitlines()
        plan = [line.split(maxsplit=3)[-1] for line in lines if "192.0.2.1" in line]
        self.assertEqual(len(plan), 1, lines)
        self.assertIn("tcp/192.0.2.1:80-90", plan[0])
        self.assertIn("mini_sandbox_allow_rule:1", plan[0])

    def test_is_not_held_up_by_a_host_that_reads_no_events(self):
        # Each of these is a line: more than a pipe takes (64 KiB).
        script = f"for i in $(seq 150); do bash -c '{CONNECT.format(ALLOWED_V4, 80)}'; done"
        said, outcome = self.scenario("unread_events", f"{ALLOWED_V4}:80", "", script)
        self.assertEqual(said, {"end": "exit 0", "whole lines": "1"}, outcome)


class AFailedNetwork(NetworkObjectsTest):
    def test_ends_the_command_and_says_so(self):
        process = self.start_scenario("network_that_fails", "192.0.2.1", "", "sleep 100")
        supervisor = int(process.stdout.readline().decode().partition(": ")[2])
        stacks = [child for child in linux.children_of(supervisor)
                  if test_capi.proc_text(child, "comm") == "network-stack\n"]
        self.assertEqual(len(stacks), 1)
        os.kill(stacks[0], signal.SIGKILL)
        said = dict(line.split(": ", 1) for line in process.stdout.read().decode().splitlines())
        self.assertEqual((said["wait"], said["status"], said["again"]),
                         (str(SYSTEM_ERROR), "125", str(SYSTEM_ERROR)), said)
        self.assertIn("network stack", said["message"])


class Settings(NetworkObjectsTest):
    def test_of_the_network_have_the_codes_that_those_of_the_process_have(self):
        rules = self.make_file(self.work / "rules", "allowed.example\n")
        said, outcome = self.scenario("object_network_settings", rules)
        invalid = f"0 {INVALID_ARGUMENT}"
        self.assertEqual(said, {
            "connections": f"0 {NOT_ABSOLUTE}", "max": invalid, "ipv4": invalid,
            "ipv4_subnet": invalid, "ipv6": invalid, "ipv6_subnet": invalid, "domain": invalid,
            "rule": invalid, "all": f"{NETWORK_CONFLICT} {INVALID_ARGUMENT}"}, outcome)


class TheRest(test_capi.ClientTest):
    """What is no network's affair works with this library as with the other one."""
    client = "capi-objects-tapbox"
    needs = ("namespaces", "tun")

    def test_spawns_from_ten_threads_at_once(self):
        said, outcome = self.scenario("ten_threads")
        self.assertEqual(said.pop("descriptors after"), said.pop("descriptors before"), outcome)
        self.assertEqual(said, {"wrong": "0", "last error here": "0", "children": "none"}, outcome)

    def test_is_gone_with_its_network_when_it_is_given_up_or_killed(self):
        for how in ("free", "kill"):
            with self.subTest(how):
                said, outcome = self.scenario("free_or_kill", how)
                self.assertEqual((said["pipe"], said["children"]), ("0", "none"), outcome)

    def test_leaves_nothing_when_it_fails(self):
        said, outcome = self.scenario("fail_in_the_plan", self.work)
        self.assertEqual((said["overlay on a file"], said["children"]),
                         (str(SYSTEM_ERROR), "none"), outcome)
        self.assertEqual(said["descriptors after"], said["descriptors before"], outcome)
