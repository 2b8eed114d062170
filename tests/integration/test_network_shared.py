"""-N shares the host's network, and that only; -n leaves the command without even loopback."""

import os
import pathlib
import shutil
import socket

import harness
import host_services
import linux
import world

HERE = pathlib.Path(__file__).resolve().parent
NOTICE = "the host's network is shared"


@harness.as_root_too
class SharedNetwork(harness.SandboxTest):
    options = ("-x", "-N")

    def setUp(self):
        super().setUp()
        for name in ("client.py", "payload.py"):
            shutil.copy(HERE / name, self.work / name)

    def client(self, *arguments):
        return self.sandbox("python3", "client.py", *arguments)

    def test_what_the_host_reaches_is_reached_and_the_user_is_told_once(self):
        for target in ((world.HOST_V4, host_services.TCP_PORT), ("198.51.100.10", 80),
                       ("127.0.0.1", host_services.TCP_PORT)):
            outcome = self.client("connect", *map(str, target))
            self.assertTrue(outcome.out.startswith("connected "), outcome)
            self.assertEqual(outcome.err.count(NOTICE), 1, outcome)
            self.assertEqual(len(outcome.err.splitlines()), 1, outcome)

    def test_names_resolve_as_on_the_host(self):
        outcome = self.client("resolve", "allowed.example", "fromhosts.example")
        outside = harness.run_bounded(
            ["/usr/bin/python3", "client.py", "resolve", "allowed.example", "fromhosts.example"],
            identity=self.identity, cwd=self.work)
        self.assertIn("198.51.100.", outside.out)
        self.assertEqual(outcome.out, outside.out)

    def test_abstract_sockets_of_the_host_are_out_of_reach(self):
        control = harness.run_bounded([harness.stage.bin_dir / "probe", "connect-unix",
                                       f"@{host_services.ABSTRACT_NAME}"],
                                      identity=self.identity, cwd=self.work)
        self.assertEqual(control.out, "connect-unix: allowed\n", "the control: outside it is there")
        shutil.copy(harness.stage.bin_dir / "probe", self.work / "probe")
        outcome = self.sandbox("./probe", "connect-unix", f"@{host_services.ABSTRACT_NAME}")
        if "abstract UNIX sockets of its programs" in outcome.err:
            self.skipTest("this kernel's landlock does not know abstract sockets; the notice says so")
        self.assertEqual(outcome.out, "connect-unix: refused EPERM\n", outcome)

    def test_abstract_datagrams_do_not_reach_the_host(self):
        receiver = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.addCleanup(receiver.close)
        receiver.bind(b"\0mini-test-datagrams")
        receiver.settimeout(0)
        script = ("import socket; s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM); "
                  "s.sendto(b'x', b'\\0mini-test-datagrams')")
        outcome = self.sandbox("python3", "-c", script)
        if "abstract UNIX sockets of its programs" in outcome.err:
            self.skipTest("this kernel's landlock does not know abstract sockets; the notice says so")
        self.assertNotEqual(outcome.code, 0, outcome)
        with self.assertRaises(BlockingIOError):
            receiver.recv(10)

    def test_abstract_sockets_of_the_sandbox_itself_work(self):
        script = ("import socket; a = socket.socket(socket.AF_UNIX); a.bind(b'\\0mini-test-own'); "
                  "a.listen(); b = socket.socket(socket.AF_UNIX); b.connect(b'\\0mini-test-own'); "
                  "print('connected')")
        self.assertEqual(self.sandbox("python3", "-c", script).out, "connected\n")

    def test_sockets_in_the_file_system_stay_hidden(self):
        path = host_services.unix_path(harness.stage.run_dir)
        shutil.copy(harness.stage.bin_dir / "probe", self.work / "probe")
        outcome = self.sandbox("./probe", "connect-unix", path)
        self.assertIn("connect-unix: refused", outcome.out, outcome)

    def test_the_network_cannot_be_changed(self):
        outcome = self.shell("ip link add mini-test type dummy; ip address add 192.0.2.99/24 dev lo; "
                             "ip route add 203.0.113.77 dev lo; echo 1 > /proc/sys/net/ipv4/ip_forward;"
                             "ip address show; ip route show")
        self.assertNotIn("mini-test", outcome.out)
        self.assertNotIn("192.0.2.99", outcome.out)
        self.assertNotIn("203.0.113.77", outcome.out)
        self.assertIn(world.HOST_V4, outcome.out, "the control: the host's devices show")

    def test_tapbox_knows_no_such_option(self):
        outcome = self.sandbox("true", program="mini-tapbox")
        self.assert_code(outcome, 2)


class ResolversInRun(harness.SandboxTest):
    needs_root = True  # to change /etc, in the tests' own mount namespace

    def test_names_resolve_where_resolv_conf_leads_into_run(self):
        for part in ("etc", "etc-work"):
            (self.scratch / part).mkdir(mode=0o755)
        linux.mount("etc", "/etc", "overlay", data=f"lowerdir=/etc,upperdir={self.scratch}/etc,"
                                                   f"workdir={self.scratch}/etc-work")
        self.addCleanup(linux.umount_lazily, "/etc")
        linux.mount("run", "/run", "tmpfs", data="mode=0755")
        self.addCleanup(linux.umount_lazily, "/run")
        os.mkdir("/run/resolver")
        pathlib.Path("/run/resolver/resolv.conf").write_text(world.RESOLV_CONF, encoding="ascii")
        pathlib.Path("/run/resolver/secret").write_text(harness.SECRET, encoding="ascii")
        pathlib.Path("/etc/resolv.conf").unlink()
        os.symlink("../run/resolver/resolv.conf", "/etc/resolv.conf")
        shutil.copy(HERE / "client.py", self.work)
        shutil.copy(HERE / "payload.py", self.work)
        outcome = self.shell("cat /etc/resolv.conf; ls /run/resolver; "
                             "python3 client.py resolve allowed.example", options=("-x", "-N"))
        self.assertEqual(outcome.out.rpartition("resolv.conf\n")[0], world.RESOLV_CONF, outcome)
        self.assertIn("198.51.100.", outcome.out)


@harness.as_root_too
class UnconfiguredNetwork(harness.SandboxTest):
    options = ("-x", "-n")

    def test_there_is_loopback_only_and_it_is_down(self):
        outcome = self.shell("sed 1,2d /proc/net/dev | cut -d: -f1; "
                             "python3 -c 'import socket; s = socket.socket(); "
                             "s.connect((\"127.0.0.1\", 1))' 2>&1 | tail -n 1")
        self.assertEqual(outcome.lines()[0].strip(), "lo", outcome)
        self.assertIn("Network is unreachable", outcome.out)
        self.assertEqual(outcome.err, "")

    def test_the_command_cannot_bring_it_up(self):
        outcome = self.sandbox("ip", "link", "set", "lo", "up")
        self.assertNotEqual(outcome.code, 0, outcome)

    def test_control_loopback_is_up_without_it(self):
        outcome = self.sandbox("ip", "-o", "link", "show", "lo", options=("-x",))
        self.assertIn("LOOPBACK,UP", outcome.out)
