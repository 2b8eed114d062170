"""TCP through the stack: half-close, reset, back-pressure, many connections, bounded memory."""

import time

import harness
import linux
import payload
import tapbox
import world_tcp

HOSTS = ("198.51.100.10", "2001:db8:a::10")


class Flows(tapbox.TapboxTest):
    rules = HOSTS

    def test_half_close_from_inside(self):
        for host in HOSTS:
            for size in (0, 1, 3_000_000):
                with self.subTest(host=host, size=size):
                    outcome = self.client("half-close", host, world_tcp.HALF_CLOSE, size)
                    expected = payload.sha256_of(size)
                    self.assertEqual(outcome.out, f"{expected} {expected}\n", outcome)

    def test_half_close_from_outside(self):
        outcome = self.client("after-fin", HOSTS[0], world_tcp.EARLY_FIN, 2_000_000)
        first, digest = outcome.out.rsplit(" ", 1)
        self.assertEqual(first, "that is all", outcome)
        harness.wait_until(lambda: f"early-fin {digest.strip()}" in self.logged("tcp.log"), 5,
                           "the server has everything")

    def test_a_reset_arrives_as_a_reset(self):
        outcome = self.client("read-all", HOSTS[0], world_tcp.RESET, "x")
        self.assertEqual(outcome.out, "0 ECONNRESET\n", outcome)

    def test_a_reset_from_inside_arrives_as_a_reset(self):
        for count, host in enumerate(HOSTS, 1):
            with self.subTest(host=host):
                self.client("abort", host, world_tcp.HOW_IT_ENDS, "hello" * count)
                harness.wait_until(lambda: f"ends {5 * count} ECONNRESET" in self.logged("tcp.log"),
                                   5, "the server is reset")

    def test_urgent_bytes_are_urgent_at_the_other_end(self):
        for host in HOSTS:
            with self.subTest(host=host):
                outcome = self.client("urgent", host, world_tcp.URGENT)
                self.assertEqual(outcome.out, "abc U end V\n", outcome)

    def test_a_close_at_once_is_an_orderly_end(self):
        outcome = self.client("read-all", HOSTS[0], world_tcp.HANG_UP)
        self.assertEqual(outcome.out, "0 end\n", outcome)

    def test_a_slow_reader_outside_gets_everything(self):
        size = 8 << 20
        outcome = self.client("half-close", HOSTS[0], world_tcp.SLOW_READER, size)
        expected = payload.sha256_of(size)
        self.assertEqual(outcome.out, f"{expected} {expected}\n", outcome)

    def test_a_slow_writer_outside(self):
        outcome = self.client("read-all", HOSTS[0], world_tcp.SLOW_WRITER)
        self.assertEqual(outcome.out, "50 end\n", outcome)
        self.assertLess(outcome.seconds, 5)

    def test_a_reader_outside_that_never_reads_stops_the_writer(self):
        outcome = self.client("fill", HOSTS[0], world_tcp.NEVER_READS, 5)
        self.assertLess(int(outcome.out), 64 << 20, "there is no back-pressure")

    def test_a_sandbox_that_never_reads_stops_the_server(self):
        process = self.start_sandbox(harness.PYTHON, "client.py", "leave-unread", HOSTS[0],
                                     str(world_tcp.FIREHOSE), "20",
                                     options=self.allowing(*self.rules))
        self.assertEqual(process.stdout.readline(), b"holding\n")
        steady = harness.resident_memory(tapbox.stack_of(process))
        time.sleep(2)  # how much accumulates in a while, is what is asked
        self.assertLess(harness.resident_memory(tapbox.stack_of(process)) - steady, 32 << 20)
        process.terminate()
        process.wait(5)

    def test_hundreds_of_connections_at_once(self):
        for host in HOSTS:
            with self.subTest(host=host):
                outcome = self.client("echo-many", host, world_tcp.ECHO, 500)
                self.assertEqual(outcome.out, "500\n", outcome)

    def test_thousands_of_short_connections(self):
        outcome = self.client("hang-up-many", HOSTS[0], world_tcp.HANG_UP, 3000, timeout=29)
        self.assertEqual(outcome.out, "3000\n", outcome)

    def test_datagrams_of_both_families(self):
        for host in HOSTS:
            for size in (1, 1400):
                with self.subTest(host=host, size=size):
                    outcome = self.client("udp", host, world_tcp.ECHO, "x" * size)
                    self.assertEqual(outcome.out.split()[0], "x" * size, outcome)

    def test_loopback_inside_is_the_sandboxs_own(self):
        script = ("python3 -m http.server -b 127.0.0.1 8000 >/dev/null 2>&1 & "
                  "for i in $(seq 100); do curl -sf -o /dev/null http://127.0.0.1:8000/payload.py "
                  "&& break; sleep 0.05; done; curl -s http://127.0.0.1:8000/payload.py | wc -c")
        outcome = self.tapbox_shell(script)
        self.assertEqual(int(outcome.out), (self.work / "payload.py").stat().st_size, outcome)


@harness.as_root_too
class Ends(tapbox.TapboxTest):
    def test_the_supervisors_death_leaves_nothing(self):
        process = self.start_sandbox("sh", "-c", "echo ready; exec sleep 1000", options=self.allowing(
            *self.rules), stderr=None)
        self.assertEqual(process.stdout.readline(), b"ready\n")
        process.kill()
        process.wait()
        harness.wait_until(lambda: not harness.strangers(), 2, "the sandbox ends")

    def test_the_last_bytes_of_a_command_that_ends_arrive(self):
        outcome = self.tapbox("sh", "-c", "python3 client.py after-fin allowed.example 7008 500000; "
                              "exit 6")
        self.assert_code(outcome, 6)
        digest = outcome.out.split()[-1]
        harness.wait_until(lambda: f"early-fin {digest}" in self.logged("tcp.log"), 5,
                           "the server has everything")

    def test_exit_codes_pass(self):
        self.assert_code(self.tapbox_shell("exit 42"), 42)
        self.assert_code(self.tapbox_shell("kill -9 $$"), 137)
        self.assert_code(self.tapbox("/nonexistent"), 127)

    def test_without_the_tun_device_nothing_runs(self):
        self.mount_tmpfs("/dev/net")
        self.assert_setup_error(self.tapbox_shell("echo ran"), 125, "/dev/net/tun")
