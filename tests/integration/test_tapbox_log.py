"""--log FILE and the summary at the end: every verdict is seen, and by nobody changed."""

import contextlib
import json
import os
import select
import signal
import stat
import subprocess
import time

import harness
import linux
import tapbox
import world

REFUSED = ("python3 -c 'import socket; [socket.socket().connect_ex((\"203.0.113.9\", 80)) "
           "for _ in range(3)]'")


class LogTest(tapbox.TapboxTest):
    def setUp(self):
        super().setUp()
        self.log = self.work / "net.log"

    def logged_shell(self, script, *options, log=None, **more):
        return self.shell(script, options=(*self.allowing(*self.rules), "--log",
                                           str(log or self.log), *options), **more)

    def entries(self):
        return [json.loads(line) for line in self.log.read_text(encoding="utf-8").splitlines()]


@harness.as_root_too
class Log(LogTest):
    def test_ties_the_end_of_a_flow_to_its_verdict(self):
        before = time.time()
        self.assert_code(self.logged_shell("curl -sS http://allowed.example/ && sleep 0.1"), 0)
        entries = self.entries()
        name, flow, server = (entry for entry in entries if entry["event"] == "verdict"
                              and "repeated" not in entry)
        self.assertEqual((server["verdict"], server["subject"], server["name"], server["port"]),
                         ("allowed", "server", "allowed.example", 80))
        self.assertEqual((name["verdict"], name["subject"], name["name"], name["rule_at"]),
                         ("allowed", "name", "allowed.example", "--allow:1"))
        self.assertEqual((flow["direction"], flow["flow"]), ("out", 1))
        self.assertEqual((flow["verdict"], flow["subject"], flow["name"], flow["protocol"],
                          flow["port"], flow["rule"]),
                         ("allowed", "flow", "allowed.example", "tcp", 80, "allowed.example"))
        close, = (entry for entry in entries if entry["event"] == "close")
        self.assertEqual((close["flow"], close["address"], close["end"]),
                         (flow["flow"], flow["address"], "closed"))
        self.assertGreater(close["bytes_out"], 40)
        self.assertGreater(close["bytes_in"], len("Hello from allowed.example\n"))
        self.assertLess(close["duration_ms"], 5000)
        for entry in entries:
            at = time.mktime(time.strptime(entry["time"][:19], "%Y-%m-%dT%H:%M:%S")) - time.timezone
            self.assertLessEqual(abs(at - before), 10, entry)

    def test_counts_datagrams_both_ways(self):
        outcome = self.logged_shell(f"python3 client.py udp {world.UNNAMED_V4} 7007", "--allow",
                                    f"udp/{world.UNNAMED_V4}")
        self.assertEqual(outcome.out.split()[0], "hello", outcome)
        close, = (entry for entry in self.entries() if entry["event"] == "close")
        self.assertEqual((close["protocol"], close["bytes_out"], close["bytes_in"]),
                         ("udp", len("hello"), len("hello")))

    def test_tells_refusals_with_their_number_and_what_would_allow_them(self):
        self.logged_shell(REFUSED)
        verdicts = [entry for entry in self.entries() if entry["event"] == "verdict"]
        self.assertEqual(sum(entry.get("repeated", 1) for entry in verdicts), 3)
        for entry in verdicts:
            self.assertEqual((entry["verdict"], entry["address"], entry["port"], entry["remedy"]),
                             ("refused", "203.0.113.9", 80, "203.0.113.9:80"))

    def test_is_for_its_owner_alone_and_goes_on_where_the_last_run_ended(self):
        for _ in range(2):
            self.logged_shell(REFUSED)
        self.assertEqual(stat.S_IMODE(self.log.stat().st_mode), 0o600)
        self.assertEqual(len({entry["pid"] for entry in self.entries()}), 2)

    def test_the_command_can_neither_read_nor_change_it(self):
        self.make_file(self.log, '{"of":"the last run"}\n')
        outcome = self.logged_shell(
            f"{REFUSED}; cat net.log; true > net.log; echo forged >> net.log; rm -f net.log; "
            "mv net.log other; ln net.log second; cp /dev/null net.log; ls; ls /proc/self/fd")
        self.assertNotIn("last run", outcome.out, outcome)
        self.assertEqual([word for word in outcome.out.split() if word.startswith("net")],
                         ["net.log"], outcome)
        self.assertEqual(outcome.out.split()[-4:], ["0", "1", "2", "3"])  # 3: ls's own
        text = self.log.read_text(encoding="utf-8")
        self.assertTrue(text.startswith('{"of":"the last run"}\n'), text)
        self.assertIn("203.0.113.9", text)
        self.assertNotIn("forged", text)

    def test_one_below_what_the_command_may_rename_is_refused(self):
        below = self.make_directory(self.work / "logs")
        outcome = self.logged_shell("touch ran", log=below / "net.log")
        self.assert_setup_error(outcome, 125, "could put another file in its place")
        self.assertFalse((self.work / "ran").exists())
        readable = self.make_directory(self.scratch / "logs")
        self.assert_code(self.logged_shell("true", log=readable / "net.log"), 0)

    def test_one_that_a_nested_sandbox_could_replace_is_refused(self):
        outcome = self.logged_shell("touch ran", "--nested")
        self.assert_setup_error(outcome, 125, "could put another file in its place",
                                "with --nested")
        self.assertFalse((self.work / "ran").exists())
        readable = self.make_directory(self.scratch / "logs")
        self.assert_code(self.logged_shell("true", "--nested", log=readable / "net.log"), 0)

    def test_one_that_is_shared_keeps_its_readers(self):
        self.make_file(self.log, "", 0o640)
        self.logged_shell(REFUSED)
        self.assertEqual(stat.S_IMODE(self.log.stat().st_mode), 0o640)
        self.assertGreater(len(self.entries()), 0)

    def test_is_not_the_debug_log_too(self):
        self.make_file(self.log, "as it was\n")
        for same in ("net.log", str(self.log)):
            outcome = self.logged_shell("touch ran", "-D", same)
            self.assert_setup_error(outcome, 125, "--log and -D name the same file")
        self.assertFalse((self.work / "ran").exists())
        self.assertEqual(self.log.read_text(), "as it was\n")

    def test_the_debug_log_stays_where_it_cannot_be_opened(self):
        debug = self.make_file(self.work / "debug", "of the last run\n")
        outcome = self.logged_shell("true", "-D", str(debug), log="missing/log")
        self.assert_setup_error(outcome, 125, "verdict log")
        self.assertEqual(debug.read_text(), "of the last run\n")

    def test_what_is_no_file_of_the_callers_ends_the_run_before_it_starts(self):
        victim = self.make_file(self.scratch / "victim", "as it was\n")
        os.symlink(victim, self.work / "link")
        os.symlink(self.scratch, self.work / "elsewhere")
        os.link(victim, self.work / "hard")
        for name in ("link", "hard", "elsewhere/victim", ".", "missing/log", "/dev/null"):
            with self.subTest(name=name):
                outcome = self.logged_shell("touch ran", log=name)
                self.assert_setup_error(outcome, 125, "verdict log")
                self.assertFalse((self.work / "ran").exists())
        self.assertEqual(victim.read_text(), "as it was\n")

    def test_holds_nothing_of_what_was_sent(self):
        self.logged_shell("curl -sS -H 'X-Token: hunter2' 'http://allowed.example/path?secret=1'",
                          env={"API_TOKEN": "value-one"})
        text = self.log.read_text(encoding="utf-8")
        for secret in ("hunter2", "secret", "path", "value-one", "Hello"):
            self.assertNotIn(secret, text)

    def test_a_flood_of_refusals_does_not_fill_the_disk(self):
        script = ("python3 - <<'END'\nimport socket\ns = socket.socket(socket.AF_INET, "
                  "socket.SOCK_DGRAM)\nfor i in range(30000):\n    s.sendto(b'x', "
                  "('203.0.113.%d' % (i % 250), 1000 + i % 20000))\nEND")
        outcome = self.logged_shell(script)
        self.assert_code(outcome, 0)
        self.assertLess(self.log.stat().st_size, 1_000_000)
        told = [entry.get("repeated", 1) if entry["event"] == "verdict" else entry["refused"]
                for entry in self.entries()]
        self.assertGreater(sum(told), 10_000, "what is not written one by one is counted")


@harness.as_root_too
class FullDisk(LogTest):
    def test_one_that_cannot_be_written_ends_the_run(self):
        disk = self.scratch / "disk"
        disk.mkdir()
        linux.mount("full", str(disk), "tmpfs", data="size=4k,mode=0777")
        self.addCleanup(linux.umount_lazily, str(disk))
        outcome = self.logged_shell("for i in $(seq 40); do curl -s http://allowed.example/ "
                                    ">/dev/null; done; touch survived", log=disk / "net.log")
        self.assert_setup_error(outcome, 125, "write the verdict log", "No space left")
        self.assertFalse((self.work / "survived").exists())


@harness.as_root_too
class Summary(LogTest):
    LINE = ("mini-tapbox: refused tcp 203.0.113.9:80, 3 times: no rule names it; "
            "to allow it: --allow 203.0.113.9:80")

    def test_tells_each_distinct_refusal_once_after_all_output(self):
        outcome = self.tapbox_shell(f"{REFUSED}; echo last of the command >&2")
        self.assertEqual(outcome.err.splitlines()[-2:], ["last of the command", self.LINE], outcome)

    def test_comes_after_a_signal_and_after_the_time_limit(self):
        killed = self.tapbox_shell(f"{REFUSED}; kill -9 $$")
        self.assert_code(killed, 128 + signal.SIGKILL)
        self.assertIn(self.LINE, killed.err.splitlines())
        late = self.sandbox("sh", "-c", f"{REFUSED}; sleep 60",
                            options=(*self.allowing(*self.rules), "-T", "1"))
        self.assertIn(self.LINE, late.err.splitlines(), late)
        process = self.start_sandbox("sh", "-c", f"{REFUSED}; echo up; exec sleep 60",
                                     options=self.allowing(*self.rules))
        self.assertEqual(process.stdout.readline(), b"up\n")
        process.send_signal(signal.SIGTERM)
        _, told = process.communicate(timeout=5)
        self.assertIn(self.LINE, told.decode().splitlines())

    def test_shows_twenty_and_says_how_many_more(self):
        script = ("python3 -c 'import socket; [socket.socket().connect_ex((\"203.0.113.9\", 1000 + "
                  "i)) for i in range(25)]'")
        outcome = self.tapbox_shell(script)
        self.assertEqual(len(outcome.verdicts()), 20, outcome)
        self.assertEqual(outcome.err.splitlines()[-1],
                         "mini-tapbox: and 5 more; --log FILE lists all")
        outcome = self.logged_shell(script)
        self.assertEqual(outcome.err.splitlines()[-1],
                         f"mini-tapbox: and 5 more; {self.log} lists all")
        self.assertEqual(len(self.entries()), 25)

    def test_quiet_silences_it_and_notices_but_no_error(self):
        outcome = self.shell(REFUSED, options=("-x", "-q", "--allow", "allowed.example"),
                             env={"API_TOKEN": "x"})
        self.assertEqual(outcome.err, "", outcome)
        self.assertEqual(self.shell("true", options=("-x", "-q")).err, "")
        failed = self.sandbox("no-such-command-here", options=("-x", "-q"))
        self.assert_code(failed, 127)
        self.assertIn("no-such-command-here", failed.err)

    def full_pipe(self):
        reader, writer = os.pipe()
        for end in (reader, writer):
            self.addCleanup(os.close, end)
        os.set_blocking(writer, False)
        with contextlib.suppress(BlockingIOError):
            while True:
                os.write(writer, b"x" * 65536)
        os.set_blocking(writer, True)
        return reader, writer

    def test_a_notice_waits_for_a_reader_that_takes_nothing_for_a_while(self):
        crowd = ("python3 -c 'import socket; kept = [socket.socket() for _ in range(3)]; "
                 f"[s.connect_ex((\"{world.UNNAMED_V4}\", 80)) for s in kept]'")
        for wakes in ("while it runs", "as it ends"):
            with self.subTest(wakes=wakes):
                reader, writer = self.full_pipe()
                process = self.start_sandbox(
                    "sh", "-c", f"exec 2>/dev/null; {crowd}; curl -sS http://{world.UNNAMED_V4}/ "
                    ">/dev/null && echo served; read x", stdin=subprocess.PIPE, stderr=writer,
                    options=(*self.allowing(world.UNNAMED_V4), "--max-connections", "2"))
                self.assertEqual(process.stdout.readline(), b"served\n")
                if wakes == "as it ends":
                    process.stdin.write(b"\n")
                    process.stdin.flush()
                told = b""
                while b"too many TCP connections" not in told:
                    self.assertTrue(select.select([reader], [], [], 10)[0], "nothing comes")
                    told = (told + os.read(reader, 65536)).lstrip(b"x")
                self.assertNotIn(b"lost", told)
                with contextlib.suppress(BrokenPipeError):
                    process.communicate(b"\n", timeout=10)
                self.assertEqual(process.returncode, 0)

    def test_a_reader_that_takes_nothing_holds_nobody_up(self):
        _, writer = self.full_pipe()
        begun = time.monotonic()
        process = self.start_sandbox(
            "sh", "-c", f"exec 2>/dev/null; {REFUSED}; curl -sS http://allowed.example/",
            options=self.allowing(*self.rules), stderr=writer)
        out, _ = process.communicate(timeout=20)
        self.assertEqual(out, b"Hello from allowed.example\n")
        self.assertEqual(process.returncode, 0)
        self.assertLess(time.monotonic() - begun, 10)
