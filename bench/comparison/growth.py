"""What grows: with the flows that are live, with the rules, with the mounts of the host.

Theory of operation. Each quantity is measured at several sizes within a round, so that a slope is one of a
round, as a ratio is. Only one contender is there at a time: ten thousand connections of each at once are more
than a server has descriptors for, and what the idle ones cost is part of what is measured.
"""

import contextlib
import re
import resource
import statistics
import time
from pathlib import Path

from machine import (BenchError, Namespaces, as_user, binary, compile_program, copy_for_user, environment,
                     make_tun_usable, progress, rounds_of, run)
from network import PEERS, WORLD, WORLD_ADDRESSES, Tapbox, write_rules
from report import Curves
from startup import BUBBLEWRAP, BUBBLEWRAP_COMMAND, FLOOR, OURS, RULE, TAPBOX, TRUE, run_bench

HOSTS = ",".join(WORLD_ADDRESSES)
FLOWS = (10, 1_000, 10_000)
RULES = (10, 1_000, 10_000)
MOUNTS = 1_000
# Besides one for each flow: what a stack and the server hold anyway, and the bound of mini-tapbox's datagrams,
# a quarter of that of its connections.
SPARE_DESCRIPTORS = 1_000
# Seconds in which connections are opened. A peer may never be done; we may be on a slow machine.
PATIENCE, PATIENCE_WITH_PEERS = 25, 6


class Overloaded(BenchError):
    """A contender cannot do with so many flows."""

    def __init__(self, size, error):
        super().__init__(f"with {size:,} connections: {error}")
        self.size = size


# --- live flows --------------------------------------------------------------------------------


def sizes_of_flows():
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    sizes = [size for size in FLOWS if size * 5 // 4 + SPARE_DESCRIPTORS <= limit]
    if not sizes:
        raise BenchError(f"the limit on descriptors, {limit:,}, is too low for any")
    if len(sizes) < len(FLOWS):
        progress(f"growth: no more than {sizes[-1]:,} flows: the limit on descriptors is {limit:,}")
    return sizes


def with_flows(contender, curves, size, milliseconds):
    """What one of the flows costs that is not idle, and what the idle ones cost."""
    def cost(label, *words):
        before = contender.cpu_seconds()
        figures = contender.load(*words)
        if figures["failed"] > figures["done"] / 1000 or not figures["done"]:
            raise BenchError(f"{label}: {figures['failed']:.0f} failed, {figures['done']:.0f} done")
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


@contextlib.contextmanager
def holding(contender, count):
    """So many connections more."""
    patience = PATIENCE if isinstance(contender, Tapbox) else PATIENCE_WITH_PEERS
    held = contender.load("hold", count, HOSTS, patience * 1000)
    try:
        if held["done"] < count:
            raise BenchError(f"opens {held['done']:,.0f} of {count:,} more within {patience} s")
        yield
    finally:
        # Whoever holds them belongs to no shell, and not every contender ends what runs inside.
        with contextlib.suppress(BenchError):  # whose end says nothing new
            contender.tell(f"kill {held['pid']:.0f}")


def all_sizes(contender, curves, sizes, milliseconds):
    held = 0
    with contextlib.ExitStack() as stack:
        for size in sizes:
            try:
                stack.enter_context(holding(contender, size - held))
                with_flows(contender, curves, size, milliseconds)
            except BenchError as error:
                raise Overloaded(size, error) from error
            held = size


def flows(network, rounds, milliseconds):
    """The curves, and why a contender has no value where it has none."""
    curves, failures, sizes = Curves(), {}, sizes_of_flows()
    kinds = (*PEERS, Tapbox)
    more = ("--max-connections", str(sizes[-1] + SPARE_DESCRIPTORS // 2))
    for curves.round in rounds_of("growth: flows", rounds):
        for turn in range(len(kinds)):
            kind = kinds[(curves.round + turn) % len(kinds)]
            arguments = [(*Tapbox.RULES, *more)] if kind is Tapbox else []
            # What it could not once is not waited for again.
            reached = [size for size in sizes if kind.name not in failures or size < failures[kind.name].size]
            try:
                with network.open(kind, *arguments) as contender:
                    all_sizes(contender, curves, reached, milliseconds)
            except BenchError as error:
                if kind is Tapbox:
                    raise
                progress(f"growth: {kind.name}: {error}")
                if isinstance(error, Overloaded):
                    failures[kind.name] = error
    return list(curves.values()), [f"{name}: {overloaded}" for name, overloaded in failures.items()]


def starts_of(curves, commands, sizes, prepare, program, starts, options):
    """Medians of some starts in a row: single ones differ by more than a size makes of a difference."""
    found = {name: ([], []) for name in commands}
    for name, *times in run_bench(prepare, program, commands, starts, options):
        for values, value in zip(found[name], times, strict=True):
            values.append(value)
    for name, (wall, cpu) in found.items():
        contender, size = sizes[name]
        curves.add(contender, "start-up: time", "us", size, statistics.median(wall), 0)
        curves.add(contender, "start-up: CPU", "us", size, statistics.median(cpu), 0)


# --- rules -------------------------------------------------------------------------------------


def rules(network, rounds, starts):
    """Start-up, and memory, of mini-tapbox: its peers have no rules."""
    curves = Curves()
    lists = {size: write_rules(network.directory / f"growth-rules-{size}", size) for size in RULES}
    program = compile_program("startup_bench", ["bench/startup_bench.cc"], network.directory)
    commands = {str(size): [network.tapbox, "-x", *words, "--", TRUE] for size, words in lists.items()}
    sizes = {str(size): (Tapbox.name, size) for size in RULES}
    options = {"env": network.env, "cwd": network.work}
    for curves.round in rounds_of("growth: rules", rounds):
        starts_of(curves, commands, sizes, network.command, program, starts, options)
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
    floor = compile_program("namespace_floor", ["bench/namespace_floor.cc"], directory)
    commands = {FLOOR: [floor, TRUE], BUBBLEWRAP: BUBBLEWRAP_COMMAND, OURS: [sandbox, "-x", "--", TRUE],
                TAPBOX: [tapbox, "-x", "--allow", RULE, "--", TRUE]}
    options = {"env": environment(user), "cwd": work}
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

                sizes = {name: (name, count) for name in commands}
                starts_of(curves, commands, sizes, prepare, program, starts, options)
    return list(curves.values())
