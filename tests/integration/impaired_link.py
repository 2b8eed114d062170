"""A second path from the host to the world that loses, repeats, delays and reorders packets.

Theory of operation: a TUN device (weather0) in either network namespace, and one process that reads
both and passes each packet on late, twice, or not at all. What tc-netem(8) does, in user space: not
every kernel has sch_netem, and here the dice fall alike in every run. The delay of each packet is
drawn anew, so packets overtake each other; some are held back for longer. A few addresses of the
world lie behind this path; all others are reached as before.
"""

import dataclasses
import fcntl
import heapq
import os
import random
import select
import struct
import subprocess
import time

import harness
import linux

# Local to the world by its prefixes of world.py; what the host uses on this path is not.
NEAR_V4, NEAR_V6 = "192.0.2.130", "2001:db8:1::130"
FAR_V4, FAR_V6 = "203.0.113.65", "2001:db8:b:0:1::65"
FAR_V4_PREFIX, FAR_V6_PREFIX = "203.0.113.64/28", "2001:db8:b:0:1::/80"
DEVICE = "weather0"

_TUNSETIFF = 0x400454CA
_IFF_TUN, _IFF_NO_PI = 0x0001, 0x1000


@dataclasses.dataclass
class Weather:
    loss: float = 0.01  # of packets, in each direction
    repeat: float = 0.02
    hold_back: float = 0.05  # of packets, for `held` seconds longer
    delay: float = 0.001  # seconds, at least
    jitter: float = 0.001  # seconds on top, at most
    held: float = 0.004
    seed: int = 1


class ImpairedLink:
    """Up from the constructor to close(), which returns the counters."""

    def __init__(self, weather):
        ready_read, ready_write = os.pipe()
        self._end_read, self._end_write = os.pipe()
        self._result, result_write = os.pipe()
        holder = os.getpid()
        self._child = os.fork()
        if self._child == 0:
            status = 1
            try:
                os.close(self._end_write)
                linux.die_with_parent(holder)
                relay = _Relay(weather, _open_both())
                os.write(ready_write, b"r")
                relay.run(self._end_read)
                text = " ".join(f"{name}={value}" for name, value in relay.counters.items())
                os.write(result_write, text.encode())
                status = 0
            finally:
                os._exit(status)
        harness.stage.kept.add(self._child)
        os.close(ready_write)
        os.close(result_write)
        os.close(self._end_read)
        with open(ready_read, "rb") as ready:
            if ready.read(1) != b"r":
                self.close()
                raise AssertionError("the impaired link did not come up")

    def close(self):
        os.close(self._end_write)
        with open(self._result, encoding="ascii") as result:
            text = result.read()
        os.waitpid(self._child, 0)
        harness.stage.kept.discard(self._child)
        return {name: int(value) for name, value in (pair.split("=") for pair in text.split())}


def _open_both():
    """The two devices, each configured in its own network namespace; we stay on the host's side."""
    with open("/proc/self/ns/net", "rb") as host, \
            open(f"/proc/{harness.stage.servers}/ns/net", "rb") as far:
        near = _open_tun([f"{NEAR_V4}/32", f"{NEAR_V6}/128"])
        for prefix, source in ((FAR_V4_PREFIX, NEAR_V4), (FAR_V6_PREFIX, NEAR_V6)):
            _ip("route", "add", prefix, "dev", DEVICE, "src", source)
        linux.setns(far.fileno(), linux.CLONE_NEWNET)
        beyond = _open_tun([])
        for prefix in (f"{NEAR_V4}/32", f"{NEAR_V6}/128"):
            _ip("route", "add", prefix, "dev", DEVICE)
        linux.setns(host.fileno(), linux.CLONE_NEWNET)
    return near, beyond


def _open_tun(addresses):
    descriptor = os.open("/dev/net/tun", os.O_RDWR | os.O_CLOEXEC | os.O_NONBLOCK)
    fcntl.ioctl(descriptor, _TUNSETIFF,
                struct.pack("16sH22x", DEVICE.encode(), _IFF_TUN | _IFF_NO_PI))
    _ip("link", "set", DEVICE, "addrgenmode", "none")
    for address in addresses:
        _ip("address", "add", address, "dev", DEVICE, *(["nodad"] if ":" in address else []))
    # What waits here while we are not scheduled shall not be lost: losing is up to the dice.
    _ip("link", "set", DEVICE, "txqueuelen", "10000", "up")
    return descriptor


def _ip(*arguments):
    subprocess.run(["ip", *arguments], check=True)


class _Relay:
    def __init__(self, weather, descriptors):
        self._weather = weather
        self._other = dict(zip(descriptors, reversed(descriptors)))
        self._dice = random.Random(weather.seed)
        self._queue = []  # heap of (when, number, descriptor, packet)
        self._number = 0
        self.counters = {"passed": 0, "lost": 0, "repeated": 0, "held": 0, "overtaken": 0}
        self._last = {}

    def run(self, end):
        poller = select.poll()
        for descriptor in (*self._other, end):
            poller.register(descriptor, select.POLLIN)
        while True:
            wait = None
            if self._queue:
                wait = max(0, (self._queue[0][0] - time.monotonic()) * 1000)
            for descriptor, _ in poller.poll(wait):
                if descriptor == end:
                    return
                self._take_all(descriptor)
            self._pass_on()

    def _take_all(self, descriptor):
        for _ in range(64):
            try:
                packet = os.read(descriptor, 65536)
            except BlockingIOError:
                return
            self._take(self._other[descriptor], packet)

    def _take(self, towards, packet):
        weather, dice = self._weather, self._dice.random
        if dice() < weather.loss:
            self.counters["lost"] += 1
            return
        copies = 1
        if dice() < weather.repeat:
            self.counters["repeated"] += 1
            copies = 2
        for _ in range(copies):
            when = time.monotonic() + weather.delay + dice() * weather.jitter
            if dice() < weather.hold_back:
                self.counters["held"] += 1
                when += weather.held
            self._number += 1
            heapq.heappush(self._queue, (when, self._number, towards, packet))

    def _pass_on(self):
        now = time.monotonic()
        while self._queue and self._queue[0][0] <= now:
            _, number, towards, packet = heapq.heappop(self._queue)
            self.counters["overtaken"] += number < self._last.get(towards, 0)
            self._last[towards] = max(number, self._last.get(towards, 0))
            try:
                os.write(towards, packet)
                self.counters["passed"] += 1
            except OSError:  # its queue is full: the weather of real links
                self.counters["lost"] += 1
