"""A flood from inside costs the flood: the host's memory and descriptors stay bounded, and what is
allowed goes on working."""

import contextlib
import os
import resource
import subprocess

import harness
import linux
import tapbox
import world
import world_tcp

HOST = "198.51.100.10"
MEGABYTE = 1 << 20


class Floods(tapbox.TapboxTest):
    rules = (HOST, world.BLACKHOLE_V4)

    def start_script(self, script):
        """The sandboxed shell; each `read x` in the script waits for self.go()."""
        return self.start_sandbox("sh", "-c", script, options=self.allowing(*self.rules),
                                  stdin=subprocess.PIPE, stderr=None)

    def line(self, process, expected):
        self.assertEqual(process.stdout.readline().decode().strip(), expected)

    @staticmethod
    def go(process):
        process.stdin.write(b"\n")
        process.stdin.flush()

    @staticmethod
    def descriptors(pid):
        """Linux 6.2 has their number as the directory's size; what they are is nobody's business."""
        path = f"/proc/{pid}/fd"
        return os.stat(path).st_size or len(os.listdir(path))

    def assert_flat(self, load, expected):
        """Runs the load twice: the second time must add nothing to what the first one left."""
        process = self.start_script(f"{load}; read x; {load}; read x; python3 client.py connect "
                                    f"{HOST} 80")
        self.line(process, expected)
        stack = tapbox.stack_of(process)
        memory = harness.resident_memory(stack)
        self.go(process)
        self.line(process, expected)
        self.assertLess(harness.resident_memory(stack) - memory, 2 * MEGABYTE)
        with contextlib.suppress(AssertionError):  # what is closing may need a moment
            harness.wait_until(lambda: self.descriptors(stack) <= 40, 3, "sockets close")
        self.assertLessEqual(self.descriptors(stack), 40)
        self.go(process)
        self.assertTrue(process.stdout.readline().startswith(b"connected"))

    def test_short_connections(self):
        self.assert_flat(f"python3 client.py hang-up-many {HOST} {world_tcp.HANG_UP} 2000", "2000")

    def test_refused_connections(self):
        self.assert_flat("python3 client.py refused-many 203.0.113.9 80 5000 | cut -d' ' -f1",
                         "5000")

    def test_connections_that_are_never_answered_keep_nobody_out(self):
        outcome = self.client("pend-and-connect", world.BLACKHOLE_V4, 80, 900, HOST, 80)
        self.assertIn("connected", outcome.out, outcome)
        self.assertLess(int(outcome.lines()[1].split()[1]), 1000, outcome)

    def test_datagrams_to_everywhere(self):
        process = self.start_script(f"python3 client.py spray {HOST} 20000; read x; "
                                    f"python3 client.py spray {HOST} 20000; read x; "
                                    f"for i in $(seq 30); do r=$(python3 client.py udp {HOST} "
                                    f"{world_tcp.ECHO}); case $r in hello*) break;; esac; "
                                    f"sleep 0.5; done; echo $r; python3 client.py connect {HOST} 80")
        self.line(process, "sprayed")
        memory = harness.resident_memory(tapbox.stack_of(process))
        self.go(process)
        self.line(process, "sprayed")
        self.assertLess(harness.resident_memory(tapbox.stack_of(process)) - memory, 4 * MEGABYTE)
        self.go(process)
        self.assertTrue(process.stdout.readline().startswith(b"hello"))
        self.assertTrue(process.stdout.readline().startswith(b"connected"))

    def test_without_descriptors_connections_fail_and_the_stack_lives(self):
        def few():
            resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))

        script = ("for i in 1 2 3 4; do python3 client.py echo-many $0 $1 30 2>/dev/null & done; "
                  "wait; python3 client.py connect $0 80")
        outcome = self.tapbox("sh", "-c", script, HOST, str(world_tcp.ECHO), before_exec=few)
        self.assertTrue(outcome.lines()[-1].startswith("connected"), outcome)


class OddHosts(tapbox.TapboxTest):
    """Hosts that lack something."""

    def test_one_without_a_route_to_ipv6(self):
        route = ["-6", "route", "del", "default", "via", world.WORLD_V6]
        subprocess.run(["ip", *route], check=True)
        self.addCleanup(subprocess.run, ["ip", "-6", "route", "add", "default", "via",
                                         world.WORLD_V6], check=True)
        outcome = self.client("connect", "2001:db8:a::10", 80, rules=("2001:db8:a::10",))
        answer, took = outcome.out.split()
        self.assertIn(answer, ("ENETUNREACH", "EHOSTUNREACH", "EACCES", "ECONNREFUSED"), outcome)
        self.assertLess(int(took), 1000)
        outcome = self.tapbox("curl", "-sS", "http://allowed.example/")
        self.assertEqual(outcome.out, "Hello from allowed.example\n", outcome)
        self.assertLess(outcome.seconds, 2, outcome)

    def test_one_whose_resolver_is_down(self):
        nowhere = self.make_file(self.scratch / "resolv.conf", f"nameserver {world.HOST_V4}\n")
        linux.mount(str(nowhere), os.path.realpath("/etc/resolv.conf"),
                            flags=linux.MS_BIND)
        self.addCleanup(linux.umount_lazily, os.path.realpath("/etc/resolv.conf"))
        outcome = self.client("resolve", "allowed.example")
        self.assertRegex(outcome.out, "^allowed.example gaierror", outcome)
        outcome = self.client("connect", HOST, 80, rules=(HOST,))
        self.assertIn("connected", outcome.out, outcome)

    def test_one_whose_resolver_file_is_empty(self):
        empty = self.make_file(self.scratch / "resolv.conf", "")
        linux.mount(str(empty), os.path.realpath("/etc/resolv.conf"),
                            flags=linux.MS_BIND)
        self.addCleanup(linux.umount_lazily, os.path.realpath("/etc/resolv.conf"))
        outcome = self.client("connect", HOST, 80, rules=(HOST,))
        self.assertIn("connected", outcome.out, outcome)
