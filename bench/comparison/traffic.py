"""What is measured of the network: each part returns rows, with one value of every contender a round."""

import contextlib
import itertools
import json
import time

from machine import BenchError, progress, rounds_of
from network import (CLOSED_PORT, EVERYONE, FIRST_DATAGRAM_PORT, IPERF_PORT, NETWORK, PEERS, WORLD,
                     WORLD_ADDRESSES, Tapbox, write_rules)
from report import Row, Rows
from shell import numbers

HOSTS = ",".join(WORLD_ADDRESSES)
DENIED = "192.0.2.1"  # named by no rule
NAMES = 100


def in_rounds(network, part, rounds, measures, kinds=EVERYONE, arguments=None):
    """In each round starts the contenders anew, and calls each measure(rows, contender) with each in turn.

    A peer that fails has no value in this round; we may not fail.
    """
    rows = Rows()
    for rows.round in rounds_of(part, rounds):
        with contextlib.ExitStack() as stack:
            running = []

            def tried(kind, action):
                try:
                    return action()
                except BenchError as error:
                    if kind not in PEERS:
                        raise
                    progress(f"{part}: goes on without {kind.name} in this round: {error}")
                    return None

            for kind in kinds:
                extra = (arguments or {}).get(kind, ())
                running.append(tried(kind, lambda k=kind, e=extra: stack.enter_context(network.open(k, *e))))
            for measure in measures:
                for turn in range(len(kinds)):
                    index = (rows.round + turn) % len(kinds)
                    contender = running[index]
                    if contender and tried(kinds[index], lambda m=measure, c=contender: m(rows, c) or True) is None:
                        running[index] = None
    return list(rows.values())


def add_cost(rows, contender, label, before, figures):
    """Of what was done, to the carriers; what was lost on the way is in it."""
    if contender.carriers:
        spent = contender.cpu_seconds() - before
        rows.add(contender, f"{label}: CPU for each", "us", spent / figures["done"] * 1e6, 2)


# --- TCP streams -------------------------------------------------------------------------------


def stream(network, direction, count, seconds):
    def measure(rows, contender):
        before = contender.cpu_seconds()
        command = (f"iperf3 --client {WORLD} --port {IPERF_PORT} --time {seconds} --parallel {count} --json "
                   f"{'--reverse' if direction == 'in' else ''}")
        with network.iperf_server():
            text = contender.tell(command, limit=seconds + 10)
        found = json.loads(text[text.index("{"):])
        if "error" in found:
            raise BenchError(f"{contender.name}: iperf3: {found['error']}")
        end = found["end"]["sum_received"]
        label = f"TCP {direction} x{count}"
        rows.add(contender, label, "Gbit/s", end["bits_per_second"] / 1e9)
        if contender.carriers:
            spent = contender.cpu_seconds() - before
            rows.add(contender, f"{label}: CPU", "s/GB", spent / (end["bytes"] / 1e9), 3)
    return measure


def tcp(network, rounds, seconds):
    return in_rounds(network, "tcp", rounds, [stream(network, direction, count, seconds)
                                              for count in (1, 8) for direction in ("out", "in")])


# --- UDP ---------------------------------------------------------------------------------------


def datagrams(network, direction, size, milliseconds, ports):
    """As many as arrive while the sender sends as fast as it can."""
    def out(contender, port):
        with network.load_in_world("sink", milliseconds, port) as sink:
            contender.load("send", milliseconds, size, WORLD, port)
            return numbers(sink.read().decode())

    def inward(contender, port):
        with network.load_in_world("source", milliseconds, size, port):
            return contender.load("receive", milliseconds, WORLD, port)

    def measure(rows, contender):
        before = contender.cpu_seconds()
        figures = (out if direction == "out" else inward)(contender, next(ports))
        if not figures["done"]:
            raise BenchError(f"{contender.name}: no datagram arrived")
        label = f"UDP {direction}, {size} B"
        rows.add(contender, label, "1000/s", figures["done"] / figures["seconds"] / 1e3, 0)
        add_cost(rows, contender, label, before, figures)
    return measure


def udp(network, rounds, milliseconds):
    # Another port each time: what the last contender has in its queues would be taken for this one's.
    ports = itertools.count(FIRST_DATAGRAM_PORT)
    return in_rounds(network, "udp", rounds, [datagrams(network, direction, size, milliseconds, ports)
                                              for direction in ("out", "in") for size in (64, 1400)])


# --- connections -------------------------------------------------------------------------------


def connects(contender, threads, milliseconds):
    figures = contender.load("connect-rate", milliseconds, threads, HOSTS)
    if figures["failed"] > figures["done"] / 1000 or not figures["done"]:
        raise BenchError(f"{contender.name}: connections fail: {figures}")
    return figures


def connections(network, rounds, milliseconds):
    def rate(threads):
        def measure(rows, contender):
            before = contender.cpu_seconds()
            figures = connects(contender, threads, milliseconds)
            label = f"connect, request, close x{threads}"
            rows.add(contender, label, "1/s", figures["done"] / figures["seconds"], 0)
            add_cost(rows, contender, label, before, figures)
        return measure

    def round_trip(rows, contender):
        before = contender.cpu_seconds()
        figures = contender.load("round-trips", milliseconds, WORLD)
        label = "request-response"
        rows.add(contender, f"{label} p50", "us", figures["p50_us"])
        add_cost(rows, contender, label, before, figures)
    return in_rounds(network, "connections", rounds, [rate(1), rate(16), round_trip])


def rules(network, rounds, pairs, milliseconds):
    """The connect rate with 10 rules and with 10,000, and what a connection costs the stack, in pairs of runs.

    The cost is the steadier of the two: it does not move with how the machine wakes processes up.
    """
    counts = (10, 10_000)
    lists = {count: write_rules(network.directory / f"rules-{count}", count) for count in counts}
    rates, costs = (Row(label, unit, digits) for label, unit, digits in (
        ("connect, request, close x16", "1/s", 0), ("stack's CPU for each", "us", 2)))
    for _ in rounds_of("rules", rounds):
        with contextlib.ExitStack() as stack:
            contenders = [stack.enter_context(network.open(Tapbox, lists[count], f"{count:,} rules"))
                          for count in counts]
            for contender in contenders:
                connects(contender, 16, milliseconds)  # warms up
            for pair in range(pairs):
                turn = len(rates.samples.get(contenders[0].name, ()))
                # Which one is first alternates, so that a drift adds nothing to one side.
                for contender in contenders if pair % 2 else reversed(contenders):
                    before = contender.cpu_seconds()
                    figures = connects(contender, 16, milliseconds)
                    spent = contender.cpu_seconds() - before
                    rates.add(contender.name, figures["done"] / figures["seconds"], turn)
                    costs.add(contender.name, spent / figures["done"] * 1e6, turn)
    return [rates, costs]


# --- latency -----------------------------------------------------------------------------------


def latency(network, rounds, count):
    names = network.directory / "rules-names"
    names.write_text("\n".join([NETWORK, *(f"n{number}.bench.example" for number in range(NAMES)), ""]))
    names.chmod(0o644)

    def taken(label, *words):
        def measure(rows, contender):
            figures = contender.load(*words)
            if figures["failed"]:
                raise BenchError(f"{contender.name}: {label}: {figures['failed']:.0f} failed, "
                                 f"{figures['done']:.0f} done")
            rows.add(contender, f"{label}, p50", "us", figures["p50_us"])
            rows.add(contender, f"{label}, p99", "us", figures["p99_us"])
        return measure

    def denied(rows, contender):
        if isinstance(contender, Tapbox):  # the others deny nothing
            taken("connect() denied by a rule", "refused", count, DENIED, 80)(rows, contender)

    return in_rounds(network, "latency", rounds,
                     [taken("DNS, new names", "ask-new", NAMES, WORLD),
                      taken("DNS, asked before", "ask-again", count, WORLD),
                      taken("connect() refused by the server", "refused", count, WORLD, CLOSED_PORT), denied],
                     arguments={Tapbox: (("-F", str(names)),)})


# --- memory ------------------------------------------------------------------------------------


def memory(network, rounds, connections, seconds):
    """Of the processes that carry the packets. Only slirp4netns' and pasta's are nothing else than that."""
    def idle(rows, contender):
        rows.add(contender, "idle", "MB", contender.memory())

    def holding(rows, contender):
        before = contender.memory()
        held = contender.load("hold", connections, HOSTS)
        if held["done"] < connections:
            raise BenchError(f"{contender.name}: opens {held['done']:,.0f} of {connections:,} connections")
        # What the last ones cost shows once their packets are through.
        time.sleep(0.5)
        rows.add(contender, f"with {connections:,} idle connections", "MB", contender.memory())
        rows.add(contender, "each connection", "KB", (contender.memory() - before) * 1024 / connections, 2)
        contender.tell(f"kill {held['pid']:.0f}")

    def loaded(rows, contender):
        contender.forget_peak()
        for direction in ("out", "in"):
            stream(network, direction, 8, seconds)(Rows(), contender)
        rows.add(contender, "peak with 8 TCP streams", "MB", contender.peak_memory())
        time.sleep(0.5)
        rows.add(contender, "after that", "MB", contender.memory())

    # One after the other in contenders of their own: what the one left would hide what the other needs.
    return [row for measures in ([idle, holding], [loaded])
            for row in in_rounds(network, "memory", rounds, measures, kinds=(*PEERS, Tapbox))]
