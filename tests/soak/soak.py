"""The phases of the soak, and what is measured around them.

Theory of operation: one mini-tapbox runs one shell for the whole soak. A phase writes commands to the
shell, mostly calls of `load`, and reads their one line of figures; the other end of the load is `load
serve` in the world. Outside the sandbox are the supervisor and whatever of its descendants has the
host's network namespace: these are measured.

A flow of datagrams that was answered is kept for three minutes (RFC 4787, REQ-5), and its descriptor
with it; a connection that nobody answers, for the two minutes that the host's kernel tries. Phases that
leave such come last, and one rest is for all of them. After the others the descriptors must be what
they were before.
"""

import contextlib
import dataclasses
import os
import pathlib
import re
import select
import shutil
import subprocess
import time

import harness
import impaired_link
import linux
import payload
import world
import world_programs
import world_tcp

MEGABYTE = 1 << 20
GROWTH = 4 * MEGABYTE  # that much more resident memory than before anything was done is none
OPEN = 6 * MEGABYTE  # and that much with thousands of flows that wait for their time-out
PEAK = 14 * MEGABYTE  # and no more than that while it lasts
SETTLE = 60  # seconds after which descriptors of TCP, and of datagrams without answer, are gone
REST = 300  # and those of datagrams that were answered

# Sixteen ports at each: so many pairs that neither the sandbox nor the host runs out of local ports.
SERVERS = ",".join([f"198.51.100.{n}" for n in range(1, 9)] +
                   [f"2001:db8:a::{n}" for n in range(1, 5)])
REFUSED = ",".join([f"203.0.113.{n}" for n in range(1, 5)] + ["2001:db8:b::1", "2001:db8:b::2"])
RULES = ("198.51.100.0/28", "2001:db8:a::/64", world.BLACKHOLE_V4, "*.wild.example",
         impaired_link.FAR_V4_PREFIX, impaired_link.FAR_V6_PREFIX)
FIRST = SERVERS.split(",", 1)[0]


class Failure(Exception):
    """What a phase found wrong."""


@dataclasses.dataclass
class Usage:
    """Of all processes outside the sandbox together."""
    processes: int
    descriptors: int
    threads: int
    resident: int


@dataclasses.dataclass
class Row:
    phase: str
    seconds: float
    usage: Usage
    peak: int
    settled: float
    said: str
    problems: list


def expect(condition, message):
    if not condition:
        raise Failure(message)


def numbers(line):
    """{"done": 10.0, ...} of `done=10 ...`."""
    return {name: float(value) for name, value in re.findall(r"(\w+)=([\d.]+)", line)}


class Sandbox:
    """mini-tapbox with a shell that does what it is told."""

    def __init__(self, directory):
        argv = [harness.stage.bin_dir / "mini-tapbox", "-x",
                *(word for rule in RULES for word in ("--allow", rule)), "--", "sh"]
        self._errors = open(directory / "stderr", "wb")
        self._process = harness.start(argv, identity=harness.stage.user(), cwd=directory,
                                      stdin=subprocess.PIPE, stderr=self._errors)
        self._namespace = os.stat("/proc/self/ns/net").st_ino
        self._received = b""
        self._asked = 0
        self.idle = 0  # descriptors before anything was done
        self.tell("true", 20)

    def tell(self, script, limit):
        """Runs a script in the shell; what it printed. It must end in `limit` seconds, with 0."""
        self.begin(script)
        return self.finish(limit)

    def begin(self, script):
        self._asked += 1
        self._process.stdin.write(f"( {script}\n) </dev/null; echo END {self._asked} $?\n".encode())
        self._process.stdin.flush()

    def finish(self, limit):
        deadline = time.monotonic() + limit
        end = re.compile(rf"^END {self._asked} (\d+)\n".encode(), re.MULTILINE)
        while not (found := end.search(self._received)):
            left = deadline - time.monotonic()
            readable, _, _ = select.select([self._process.stdout], [], [], max(0, left))
            if not readable:
                raise Failure(f"hung: not within {limit} s")
            data = os.read(self._process.stdout.fileno(), 65536)
            if not data:
                raise Failure(f"the sandbox has ended: {self._process.wait()}")
            self._received += data
        text = self._received[:found.start()].decode()
        self._received = self._received[found.end():]
        expect(found[1] == b"0", f"exit code {found[1].decode()}: {text.strip()}")
        return text

    def load(self, verb, *arguments, limit=120):
        """The figures that `load` printed, and its line."""
        words = " ".join(map(str, arguments))
        line = self.tell(f"./load {verb} {words}", limit).strip()
        return numbers(line), line

    def outside(self):
        """Pids of what runs outside the sandbox, the supervisor first."""
        found = [self._process.pid]
        for pid in linux.descendants_of(self._process.pid):
            with contextlib.suppress(FileNotFoundError, ProcessLookupError, PermissionError):
                if os.stat(f"/proc/{pid}/ns/net").st_ino == self._namespace:
                    found.append(pid)
        return found

    def usage(self):
        pids = self.outside()
        threads = 0
        for pid in pids:
            with open(f"/proc/{pid}/status", encoding="ascii", errors="replace") as status:
                threads += int(re.search(r"^Threads:\s+(\d+)", status.read(), re.MULTILINE)[1])
        return Usage(len(pids), sum(len(os.listdir(f"/proc/{pid}/fd")) for pid in pids), threads,
                     sum(harness.resident_memory(pid) for pid in pids))

    def rested(self, resident):
        """When no more than that is resident, or after so long that it will not be."""
        begun = time.monotonic()
        while (usage := self.usage()).resident > resident and time.monotonic() < begun + 5:
            time.sleep(0.1)
        return usage

    def forget_peak(self):
        for pid in self.outside():
            with open(f"/proc/{pid}/clear_refs", "w", encoding="ascii") as file:
                file.write("5")  # proc(5): resets VmHWM

    def peak(self):
        total = 0
        for pid in self.outside():
            with open(f"/proc/{pid}/status", encoding="ascii", errors="replace") as status:
                total += int(re.search(r"^VmHWM:\s+(\d+)", status.read(), re.MULTILINE)[1])
        return total * 1024

    def settled(self, descriptors, limit=SETTLE):
        """Waits until that many descriptors are left; the seconds it took."""
        begun = time.monotonic()
        while self.usage().descriptors > descriptors and time.monotonic() < begun + limit:
            time.sleep(0.1)
        return time.monotonic() - begun

    def end(self):
        """As its shell ends, everything does, with its exit code and without delay."""
        pid = self._process.pid
        self._process.stdin.write(b"exit 42\n")
        self._process.stdin.close()
        try:
            code = self._process.wait(10)
        except subprocess.TimeoutExpired:
            harness.kill_family(pid)
            raise Failure("hung at the end: the sandbox is still there after 10 s") from None
        finally:
            harness.stage.started.discard(pid)
        expect(code == 42, f"exit code {code} at the end, not 42")
        expect(not harness.strangers(), f"processes were left: {harness.strangers()}")

    def kill(self):
        if self._process.poll() is None:
            harness.kill_family(self._process.pid)


def expect_all(figures, count):
    expect(figures["done"] == count and figures["failed"] == 0, f"not all of {count}: {figures}")


def still_works(sandbox, seconds=10):
    figures, _ = sandbox.load("short", 100, 4, FIRST, limit=seconds)
    expect_all(figures, 100)


def short(sandbox, scale):
    count = int(100_000 * scale)
    figures, line = sandbox.load("short", count, 64, SERVERS, limit=300)
    expect_all(figures, count)
    return f"{count / figures['seconds']:.0f}/s; {line}"


def refused(sandbox, scale):
    count = int(10_000 * scale)
    figures, line = sandbox.load("refused", count, 16, REFUSED, limit=60)
    expect(figures["done"] == 0 and figures.get("ECONNREFUSED") == count, line)
    return f"{count / figures['seconds']:.0f}/s; {line}"


def mixed(sandbox, scale):
    figures, line = sandbox.load("mixed", max(3, int(30 * scale)), 2000, SERVERS, limit=200)
    expect(figures["failed"] == 0 and figures["done"] >= 2000, line)
    # On a busy machine two thousand at once overrun the queue of the sandbox's kernel for its
    # device. Segments are then sent again; datagrams are lost.
    expect(figures["lost_datagrams"] <= figures["datagrams"] / 20, line)
    return f"{figures['bytes'] / figures['seconds'] / MEGABYTE:.0f} MB/s; {line}"


def _flood(sandbox, verb, seconds, hosts):
    """With the flood beside it: its figures, and those of 200 connections to an allowed address."""
    text = sandbox.tell(f"./load {verb} {seconds} {hosts} & sleep 1; "
                        f"./load short 200 4 {FIRST}; wait", seconds + 60)
    meanwhile, sent = map(numbers, sorted(text.splitlines()))
    return meanwhile, (f"{sent['sent'] / sent['seconds']:.0f}/s, {sent['sent']:.0f} sent; meanwhile "
                       f"{meanwhile['done']:.0f} of 200 connections, p50 "
                       f"{meanwhile['p50_us'] / 1000:.1f} ms, max "
                       f"{meanwhile['max_us'] / 1000:.1f} ms")


def datagrams(sandbox, scale):
    meanwhile, said = _flood(sandbox, "datagrams", max(2, int(20 * scale)), f"{SERVERS},{REFUSED}")
    expect(meanwhile["done"] == 200, f"{meanwhile}")
    return said


def connects(sandbox, scale):
    """So many connects that are not answered yet take every place there is for them, and more of
    them fail than may. Those to elsewhere, and to who has answered before, are served all the same."""
    meanwhile, said = _flood(sandbox, "connects", max(2, int(20 * scale)),
                             f"{SERVERS},{REFUSED},{world.BLACKHOLE_V4}")
    expect(meanwhile["done"] == 200, f"{meanwhile}")
    begun = time.monotonic()
    while sandbox.load("short", 1, 1, FIRST, limit=30)[0]["done"] != 1:
        expect(time.monotonic() < begun + 15, "nothing can be connected after the flood")
    back = time.monotonic() - begun
    still_works(sandbox)
    return f"{said}; one {back:.1f} s after it"


def _ip(*arguments, inside_world=False):
    enter = ["nsenter", f"--net=/proc/{harness.stage.servers}/ns/net"] if inside_world else []
    subprocess.run([*enter, "ip", *arguments], check=True)


def _resolves(sandbox, name):
    return "none" not in sandbox.tell(f"getent ahosts {name} || echo none", 60)


def resolver(sandbox, scale):
    """Names that were never asked before, as those would come from the cache."""
    addresses = [f"{world.DNS_V4}/24", f"{world.DNS_V6}/64"]
    expect(_resolves(sandbox, "before.wild.example"), "no answer before")
    for address in addresses:
        _ip("address", "del", address, "dev", "host0", inside_world=True)
    try:
        begun = time.monotonic()
        expect(not _resolves(sandbox, "meanwhile.wild.example"), "an answer from nobody")
        one = time.monotonic() - begun
        still_works(sandbox)
        begun = time.monotonic()
        crowd = int(200 * scale)
        text = sandbox.tell(f"for i in $(seq {crowd}); do getent ahosts m$i.wild.example || "
                            "echo none & done; wait", 120)
        all_of_them = time.monotonic() - begun
        expect(text.count("none") == crowd, f"answers from nobody: {text}")
    finally:
        for address in addresses:
            nodad = ["nodad"] if ":" in address else []
            _ip("address", "add", address, "dev", "host0", *nodad, inside_world=True)
    begun = time.monotonic()
    attempt = 0
    while not _resolves(sandbox, f"after{attempt}.wild.example"):
        attempt += 1
        expect(time.monotonic() < begun + 60, "no answer within 60 s of its return")
    back = time.monotonic() - begun
    return (f"meanwhile a name failed in {one:.1f} s, {crowd} at once in {all_of_them:.1f} s; "
            f"back after {back:.1f} s")


def interface(sandbox, scale):
    del scale
    sandbox.begin(f"./load steady 12 {FIRST} & sleep 4; ./load refused 20 4 {FIRST}; wait")
    time.sleep(2)
    _ip("link", "set", "world0", "down")
    time.sleep(4)
    world.configure_host()
    lines = sorted(sandbox.finish(90).splitlines())
    steady = next(numbers(line) for line in lines if "longest_silence" in line)
    meanwhile = next(line for line in lines if "longest_silence" not in line)
    expect("ENETUNREACH=20" in meanwhile or "EHOSTUNREACH=20" in meanwhile,
           f"while it was down: {meanwhile}")
    expect(steady["longest_silence"] < 30, "the connection did not go on")
    still_works(sandbox)
    return (f"a connection went on after {steady['longest_silence']:.1f} s of silence; "
            f"new ones meanwhile: {meanwhile.split()[-1]}")


def weather(sandbox, scale):
    size = int(32 * scale) * MEGABYTE or MEGABYTE
    places = (impaired_link.FAR_V4, f"[{impaired_link.FAR_V6}]")
    hosts = (impaired_link.FAR_V4, impaired_link.FAR_V6)
    fetches = "".join(f"$python client.py fetch http://{place}/bytes/{size} & " for place in places)
    sends = "".join(f"$python client.py half-close {host} {world_tcp.HALF_CLOSE} {size} & "
                    for host in hosts)
    link = impaired_link.ImpairedLink(impaired_link.Weather())
    begun = time.monotonic()
    try:
        text = sandbox.tell(f"python={harness.PYTHON}; {fetches}{sends}wait", 150)
        took = time.monotonic() - begun
        figures, line = sandbox.load("mixed", max(2, int(10 * scale)), 100, ",".join(hosts),
                                     limit=90)
    finally:
        counters = link.close()
    digest = payload.sha256_of(size)
    expect(sorted(text.splitlines()) == sorted([f"{size} {digest}"] * 2 + [f"{digest} {digest}"] * 2),
           f"wrong data: {text}")
    expect(figures["failed"] == 0 and figures["lost_datagrams"] > 0, line)
    expect(min(counters["lost"], counters["repeated"], counters["overtaken"]) > 20, counters)
    return (f"4 x {size // MEGABYTE} MB at {4 * size / MEGABYTE / took:.1f} MB/s, "
            f"{figures['done']:.0f} mixed; {counters}")


def rest(sandbox, scale):
    """Nothing, until everything that was open is closed; then what is allowed still works."""
    del scale
    return f"idle after {sandbox.settled(sandbox.idle, REST):.0f} s"


PHASES = {phase.__name__: phase for phase in (short, refused, interface, resolver, mixed, weather,
                                              connects, datagrams, rest)}
LEAVE_OPEN = (mixed, weather, connects, datagrams)


def warm_up(sandbox, quick):
    """What the phases do, so that what is then kept for good is there."""
    short(sandbox, 0.1)
    refused(sandbox, 0.1)
    streams, line = sandbox.load("streams", 2 if quick else 8, 2000, SERVERS, limit=200)
    expect(streams["failed"] == 0, line)
    datagrams(sandbox, 0.1)


def memory_problems(idle, resident, peak, most=GROWTH):
    problems = []
    if resident > idle.resident + most:
        problems.append(f"{(resident - idle.resident) / MEGABYTE:.1f} MB more memory")
    if peak > idle.resident + PEAK:
        problems.append(f"{(peak - idle.resident) / MEGABYTE:.1f} MB more memory meanwhile")
    return problems


def measured(sandbox, name, scale, baseline, idle):
    sandbox.forget_peak()
    begun = time.monotonic()
    problems = []
    said = ""
    try:
        said = PHASES[name](sandbox, scale)
    except Failure as failure:
        problems.append(str(failure))
    seconds = time.monotonic() - begun
    peak = sandbox.peak()
    settled = 0.0
    if PHASES[name] not in LEAVE_OPEN:
        settled = sandbox.settled(baseline.descriptors)
    most = OPEN if PHASES[name] in LEAVE_OPEN else GROWTH
    usage = sandbox.rested(idle.resident + most)
    if usage.descriptors != baseline.descriptors and PHASES[name] not in LEAVE_OPEN:
        problems.append(f"{usage.descriptors} descriptors, not {baseline.descriptors}")
    if usage.threads != baseline.threads or usage.processes != baseline.processes:
        problems.append(f"{usage.processes} processes with {usage.threads} threads, not "
                        f"{baseline.processes} with {baseline.threads}")
    problems += memory_problems(idle, usage.resident, peak, most)
    return Row(name, seconds, usage, peak, settled, said, problems)


def show(row):
    verdict = f"FAILED: {'; '.join(row.problems)}" if row.problems else "passed"
    megabytes = f"{row.usage.resident / MEGABYTE:8.1f} {row.peak / MEGABYTE:8.1f}"
    print(f"{row.phase:<10} {row.seconds:7.1f} {row.settled:8.1f} {row.usage.descriptors:5} "
          f"{row.usage.threads:8} {megabytes}  {verdict}", flush=True)
    if row.said:
        print(f"{'':10} {row.said}", flush=True)


def run(phases, quick, load):
    """Whether all of them passed. `load` is the program."""
    scale = 0.1 if quick else 1
    directory = pathlib.Path(harness.stage.run_dir) / "soak"
    directory.mkdir()
    user = harness.stage.user()
    if harness.stage.root():
        os.chown(directory, user.uid, user.gid)
    for source in (world_programs.HERE / "client.py", world_programs.HERE / "payload.py"):
        shutil.copy(source, directory)
    shutil.copy(load, directory / "load")
    begun = time.monotonic()
    server = world_programs.WorldProgram([directory / "load", "serve"], directory, 9100)
    sandbox = Sandbox(directory)
    rows = []
    try:
        idle = sandbox.usage()
        sandbox.idle = idle.descriptors
        sandbox.forget_peak()
        warm_up(sandbox, quick)
        peak = sandbox.peak()
        settled = sandbox.settled(idle.descriptors)
        baseline = sandbox.rested(idle.resident + GROWTH)
        print(f"{'phase':<10} {'seconds':>7} {'settled':>8} {'fds':>5} {'threads':>8} "
              f"{'RSS MB':>8} {'peak':>8}  of {baseline.processes} processes outside")
        seconds = time.monotonic() - begun
        show(Row("start", 0, idle, idle.resident, 0, "", []))
        rows.append(Row("warm-up", seconds, baseline, peak, settled, "",
                        memory_problems(idle, baseline.resident, peak)))
        show(rows[0])
        if baseline.descriptors > idle.descriptors:
            print(f"FAILED: {baseline.descriptors} descriptors after the warm-up")
            return False
        for name in phases:
            rows.append(measured(sandbox, name, scale, baseline, idle))
            show(rows[-1])
        sandbox.end()
    except Failure as failure:
        print(f"FAILED: {failure}", flush=True)
        return False
    finally:
        sandbox.kill()
        server.stop()
    return not any(row.problems for row in rows)
