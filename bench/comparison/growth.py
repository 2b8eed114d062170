"""What grows: with the flows that are live, with the rules, with the mounts of the host.

Theory of operation. Each quantity is measured at several sizes within a round, so that a slope is one of a
round, as a ratio is. Only one contender is there at a time: ten thousand connections of each at once are more
than a server has descriptors for, and what the idle ones cost is part of what is measured.
"""

import contextlib
import re
import resource
import time
from pathlib import Path

from machine import BenchError, Namespaces, as_user, binary, compile_program, copy_for_user, environment, \
    make_tun_usable, progress, rounds_of, run
from network import PEERS, WORLD, WORLD_ADDRESSES, Tapbox, write_rules
from report import Curve
from startup import BUBBLEWRAP, BWRAP_COMMAND, OURS, RULE, TAPBOX, TRUE, timings

HOSTS = ",".join(WORLD_ADDRESSES)
FLOWS = (10, 1_000, 10_000)
RULES = (10, 1_000, 10_000)
MOUNTS = 1_000
# Besides one for each flow: what a stack and the server hold anyway, and the bound of mini-tapbox' datagrams,
# a quarter of that of its connections.
SPARE_DESCRIPTORS = 1_000
PATIENCE = 20  # of connections that are opened; a peer may never be done


class Curves(dict):
    """By label, in the order of their first value."""

    round = 0

    def add(self, contender, label, unit, size, value, digits=1):
        self.setdefault(label, Curve(label, unit, digits)).add(contender, size, value, self.round)


# --- live flows --------------------------------------------------------------------------------


def sizes_of_flows():
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    sizes = [size for size in FLOWS if size * 5 // 4 + SPARE_DESCRIPTORS <= limit]
    if len(sizes) < len(FLOWS):
        progress(f"growth: no more than {sizes[-1]:,} flows: the limit on descriptors is {limit:,}")
    return sizes


def with_flows(contender, curves, size, milliseconds):
    """What one of the flows costs that is not idle, and what the idle ones cost."""
    def cost(label, *words):
        before = contender.cpu_seconds()
        figures = contender.load(*words)
        if figures["failed"] or not figures["done"]:
            raise BenchError(f"{label}: {figures}")
        spent = contender.cpu_seconds() - before
        curves.add(contender.name, f"{label}: CPU", "us", size, spent / figures["done"] * 1e6, 2)
        return figures

    connect, answer = "connect, request, close", "64 bytes there and back"
    figures = cost(connect, "connect-rate", milliseconds, 1, HOSTS)
    curves.add(contender.name, f"{connect}: time", "us", size, figures["seconds"] / figures["done"] * 1e6)
    figures = cost(answer, "round-trips", milliseconds, WORLD)
    curves.add(contender.name, f"{answer}: median time", "us", size, figures["p50_us"])
    before, begun = contender.cpu_seconds(), time.monotonic()
    time.sleep(1)  # four ticks of a TCP's timers
    spent, took = contender.cpu_seconds() - before, time.monotonic() - begun
    curves.add(contender.name, "nothing to do: CPU a second", "us", size, spent / took * 1e6, 0)
    curves.add(contender.name, "resident memory", "KB", size, contender.memory() * 1024, 0)


def flows(network, rounds, milliseconds):
    """The curves, and why a contender has no value where it has none."""
    curves, failures, sizes = Curves(), {}, sizes_of_flows()
    kinds = (*PEERS, Tapbox)
    for curves.round in rounds_of("growth: flows", rounds):
        for turn in range(len(kinds)):
            kind = kinds[(curves.round + turn) % len(kinds)]
            more = ("--max-connections", str(sizes[-1] + SPARE_DESCRIPTORS // 2))
            arguments = [(*Tapbox.RULES, *more)] if kind is Tapbox else []
            reached = sizes[0]
            try:
                with network.open(kind, *arguments) as contender:
                    held = 0
                    for reached in sizes:
                        contender.load("hold", reached - held, HOSTS, limit=PATIENCE)
                        held = reached
                        with_flows(contender, curves, reached, milliseconds)
            except BenchError as error:
                if kind is Tapbox:
                    raise
                progress(f"growth: {kind.name} with {reached:,} flows: {error}")
                failures[kind.name] = f"{kind.name} fails with {reached:,} flows: {str(error).splitlines()[0]}"
    return list(curves.values()), list(failures.values())


# --- rules -------------------------------------------------------------------------------------


def rules(network, rounds, starts):
    """Start-up, and memory, of mini-tapbox: its peers have no rules."""
    curves = Curves()
    lists = {size: write_rules(network.directory / f"growth-rules-{size}", size) for size in RULES}
    program = compile_program("startup_bench", ["bench/startup_bench.cc"], network.directory)
    commands = {str(size): [network.tapbox, "-x", *words, "--", TRUE] for size, words in lists.items()}
    prepare = network.command
    for curves.round in rounds_of("growth: rules", rounds):
        for name, (wall, cpu) in timings(prepare, program, commands, starts, network.env, network.work).items():
            curves.add(Tapbox.name, "start-up: time", "us", int(name), wall, 0)
            curves.add(Tapbox.name, "start-up: CPU", "us", int(name), cpu, 0)
        for size, words in lists.items():
            with network.open(Tapbox, words) as contender:
                curves.add(Tapbox.name, "resident memory of the stack", "KB", size, contender.memory() * 1024, 0)
                curves.add(Tapbox.name, "memory of all its processes", "KB", size, proportional(contender), 0)
    return list(curves.values())


def proportional(contender):
    """In KB, of the supervisor and the stack; what they share counts once (proc(5), smaps_rollup)."""
    texts = (Path(f"/proc/{pid}/smaps_rollup").read_text() for pid in (contender.shell.pid, *contender.carriers))
    return sum(int(re.search(r"^Pss:\s+(\d+) kB", text, re.MULTILINE)[1]) for text in texts)


# --- mounts ------------------------------------------------------------------------------------


def host_with_mounts(count, user):
    """A mount namespace with so many mounts, or as many as there are; and how many that is."""
    place = Namespaces(["--mount"])
    try:
        make_tun_usable(place, user)
        there = len(run(place.enter(["cat", "/proc/self/mountinfo"])).splitlines())
        # Binds of directories in a file system of their own, as a container engine has them.
        more = max(0, count - there - 1)
        run(place.enter(["sh", "-ec", f"""
            [ {more} -gt 0 ] || exit 0
            mount -t tmpfs growth /mnt
            for i in $(seq {more}); do
                mkdir -p /mnt/a/$i /mnt/b/$i
                mount --bind /mnt/a/$i /mnt/b/$i
            done"""]))
        return place, len(run(place.enter(["cat", "/proc/self/mountinfo"])).splitlines())
    except BaseException:
        place.close()
        raise


def mounts(user, directory, work, rounds, starts):
    curves = Curves()
    sandbox, tapbox = (copy_for_user(binary(name), directory) for name in ("mini-sandbox", "mini-tapbox"))
    program = compile_program("startup_bench", ["bench/startup_bench.cc"], directory)
    commands = {BUBBLEWRAP: BWRAP_COMMAND, OURS: [sandbox, "-x", "--", TRUE],
                TAPBOX: [tapbox, "-x", "--allow", RULE, "--", TRUE]}
    with contextlib.ExitStack() as stack:
        places = {}
        for wanted in (0, MOUNTS):
            place, count = host_with_mounts(wanted, user)
            stack.callback(place.close)
            places[count] = place
        for curves.round in rounds_of("growth: mounts", rounds):
            for count, place in places.items():
                def prepare(words, place=place):
                    return place.enter(as_user(user, ["setpriv", "--pdeathsig=KILL", *words]), work)
                for name, (wall, cpu) in timings(prepare, program, commands, starts, environment(user), work).items():
                    curves.add(name, "start-up: time", "us", count, wall, 0)
                    curves.add(name, "start-up: CPU", "us", count, cpu, 0)
    return list(curves.values())
