"""The contenders of the network part, and the world they talk to.

Theory of operation: servers live in one network namespace ("world"), the contenders in another ("host"),
joined by a veth pair. A contender is a shell whose way to the world is what is measured; it carries out
the loads that are written to it. A contender is started anew for each round, so that no round meets
what another one left, and everything ends with its standard input.
"""

import contextlib
import os
import re
import resource
import subprocess
import time
from pathlib import Path

from machine import (BenchError, Namespaces, as_user, binary, compile_program, copy_for_user, environment,
                     make_tun_usable, run)
from shell import PATIENCE, Shell, numbers, reap

WORLD, HOST = "198.51.100.1", "198.51.100.2"  # documentation addresses, RFC 5737
WORLD_ADDRESSES = [f"198.51.100.{n}" for n in (1, 3, 4, 5)]
NETWORK = "198.51.100.0/24"
IPERF_PORT, LOAD_PORT, FIRST_DATAGRAM_PORT, CLOSED_PORT = 5201, 9100, 10000, 9
SET_RENO = "echo reno >/proc/sys/net/ipv4/tcp_congestion_control"
LOAD_SOURCES = [*(f"bench/network_load/{name}.cc" for name in ("connections", "datagrams", "main", "names")),
                "tests/soak/common.cc", "tests/soak/server.cc"]


def write_rules(path, count):
    """Rules of every kind, as lists have them; the last one lets the world's addresses through."""
    kinds = (lambda n: f"host{n}.example", lambda n: f"*.zone{n}.example:443",
             lambda n: f"10.{n >> 16 & 255}.{n >> 8 & 255}.{n & 255}",
             lambda n: f"tcp/172.{16 + (n >> 16 & 15)}.{n >> 8 & 255}.{n & 255}:8000-8010",
             lambda n: f"2001:db8:{n >> 16:x}:{n & 0xffff:x}::/64")
    lines = [kinds[number % len(kinds)](number) for number in range(count - 1)]
    path.write_text("\n".join([*lines, NETWORK, ""]))
    path.chmod(0o644)
    return ("-F", str(path))


class Network:
    """The world with its servers, and the host's side of the link."""

    def __init__(self, user, directory, work):
        self.user, self.work, self.env = user, work, environment(user)
        self.stack = contextlib.ExitStack()
        self.tapbox = copy_for_user(binary("mini-tapbox"), directory)
        self.sandbox = copy_for_user(binary("mini-sandbox"), directory)
        self.directory = directory
        compile_program("network_load", LOAD_SOURCES, work)
        # For all: some keep to the soft limit, and thousands of connections have to fit.
        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        try:
            self.build()
        except BaseException:
            self.close()
            raise

    def build(self):
        self.world = Namespaces(["--net"])
        self.stack.callback(self.world.close)
        self.host = Namespaces(["--net", "--mount"])
        self.stack.callback(self.host.close)
        run(self.host.enter(["ip", "link", "add", "veth0", "type", "veth", "peer", "name", "veth1",
                             "netns", str(self.world.pid)]))
        addresses = [(self.host, "veth0", HOST)] + [(self.world, "veth1", address) for address in WORLD_ADDRESSES]
        for where, device, address in addresses:
            run(where.enter(["ip", "address", "add", f"{address}/24", "dev", device]))
        for where, device in ((self.host, "veth0"), (self.world, "veth1")):
            for name in (device, "lo"):
                run(where.enter(["ip", "link", "set", name, "up"]))
            # One congestion control for all: bbr paces itself down on a link that is this fast.
            run(where.enter(["sh", "-c", SET_RENO]))
        # A default route: slirp4netns looks for one.
        run(self.host.enter(["ip", "route", "add", "default", "via", WORLD]))
        make_tun_usable(self.host, self.user)
        self.use_resolver()
        load = f"{self.work}/network_load"
        self.stack.enter_context(self.in_world(as_user(self.user, [load, "serve"]), wait=False))
        self.stack.enter_context(self.in_world([load, "serve-names"]))  # as root, for port 53
        self.wait_for_server()

    def use_resolver(self):
        """The resolver of the host is the world's."""
        file = self.directory / "resolv.conf"
        file.write_text(f"nameserver {WORLD}\n")
        file.chmod(0o644)
        target = os.path.realpath("/etc/resolv.conf")
        if not os.path.exists(target):
            raise BenchError("there is no /etc/resolv.conf to put the measurement's own over")
        run(self.host.enter(["mount", "--bind", str(file), target]))

    def wait_for_server(self):
        with self.open(Direct) as direct:
            for _ in range(50):
                if direct.load("refused", 1, WORLD, LOAD_PORT)["failed"]:
                    return
                time.sleep(0.1)
        raise BenchError("nobody answers in the world")

    @contextlib.contextmanager
    def in_world(self, command, wait=True):
        """A program in the world, ready when it says its first line; yields what it says after that."""
        process = subprocess.Popen(self.world.enter(["setpriv", "--pdeathsig=KILL", *map(str, command)], self.work),
                                   stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        try:
            if wait and not process.stdout.readline():
                raise BenchError(f"{command}: {process.stderr.read().decode()[-1000:]}")
            yield process.stdout
        finally:
            reap(process)

    def load_in_world(self, *words):
        return self.in_world(as_user(self.user, [f"{self.work}/network_load", *words]))

    def iperf_server(self):
        """One of its own for each transfer, which no other one can keep busy."""
        return self.in_world(as_user(self.user, ["iperf3", "--server", "--one-off", "--forceflush",
                                                 "--port", IPERF_PORT]))

    def command(self, words):
        """A command of the user's on the host's side, which ends with this process."""
        return self.host.enter(as_user(self.user, ["setpriv", "--pdeathsig=KILL", *words]), self.work)

    @contextlib.contextmanager
    def open(self, kind, *arguments):
        contender = kind(self, *arguments)
        try:
            contender.start()
            yield contender
        finally:
            contender.close()

    def close(self):
        self.stack.close()


class Contender:
    """A shell behind one way to the world."""

    name = ""

    def __init__(self, network):
        self.network = network
        self.carriers = []  # the processes that carry its packets
        self.stack = contextlib.ExitStack()

    def start(self):
        self.begin_shell(["sh"])

    def begin_shell(self, command):
        self.shell = self.stack.enter_context(Shell(self.name, self.network.command(command), self.network.env))
        self.tell = self.shell.tell

    def load(self, *words, limit=PATIENCE):
        """The figures that network_load printed."""
        return numbers(self.tell(f"./network_load {' '.join(map(str, words))}", limit))

    def cpu_seconds(self):
        """Of the carriers' threads (proc(5), schedstat: its first field is in nanoseconds)."""
        total = 0
        for pid in self.carriers:
            for file in Path(f"/proc/{pid}/task").glob("*/schedstat"):
                with contextlib.suppress(OSError):  # a thread that has just ended
                    total += int(file.read_text().split()[0])
        return total / 1e9

    def memory(self):
        """Resident set of the carriers, in MB (proc(5))."""
        return self._status("VmRSS")

    def forget_peak(self):
        for pid in self.carriers:
            Path(f"/proc/{pid}/clear_refs").write_text("5")  # proc(5): resets VmHWM

    def peak_memory(self):
        return self._status("VmHWM")

    def _status(self, field):
        texts = (Path(f"/proc/{pid}/status").read_text() for pid in self.carriers)
        return sum(int(re.search(rf"^{field}:\s+(\d+) kB", text, re.MULTILINE)[1]) for text in texts) / 1024

    def close(self):
        self.stack.close()


class Direct(Contender):
    name = "direct"


class Slirp4netns(Contender):
    name = "slirp4netns"

    def start(self):
        self.begin_shell(["unshare", "--user", "--map-root-user", "--net", "sh"])
        self.tell(SET_RENO)
        command = f"exec slirp4netns --configure --mtu=65520 --ready-fd=3 {self.shell.pid} tap0 3>&1 >&2"
        slirp = subprocess.Popen(self.network.command(["sh", "-c", command]), env=self.network.env,
                                 stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=self.shell.errors)
        self.stack.callback(reap, slirp)
        if slirp.stdout.read(1) != b"1":
            self.shell.fail("did not start")
        self.carriers = [slirp.pid]


class Pasta(Contender):
    name = "pasta"

    def start(self):
        # Without --no-map-gw the gateway's address, which is the server's here, would mean the host.
        self.begin_shell(["pasta", "--config-net", "--quiet", "--mtu", "65520", "--no-map-gw", "--", "sh"])
        self.tell(SET_RENO)
        self.carriers = [self.shell.pid]


class Tapbox(Contender):
    name = "mini-tapbox"
    RULES = ("--allow", NETWORK)

    def __init__(self, network, rules=RULES, name=name):
        super().__init__(network)
        self.rules, self.name = rules, name

    def start(self):
        self.begin_shell([self.network.tapbox, "-x", *self.rules, "--", "sh"])
        self.carriers = [self.network_stack()]

    def network_stack(self):
        """The process of a mini-tapbox that carries its packets."""
        for entry in Path("/proc").iterdir():
            with contextlib.suppress(OSError, ValueError, IndexError):
                name, rest = (entry / "stat").read_text().split("(", 1)[1].rsplit(")", 1)
                if name == "network-stack" and int(rest.split()[1]) == self.shell.pid:
                    return int(entry.name)
        return self.shell.fail("has no network stack")


PEERS = (Slirp4netns, Pasta)
EVERYONE = (Direct, *PEERS, Tapbox)
