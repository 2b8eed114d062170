"""How long /bin/true takes to start and end, and how many system calls that is."""

import contextlib
import os
import re
import statistics
import subprocess
import time

from machine import (BUDGETS, BenchError, Namespaces, as_user, binary, compile_program, copy_for_user, environment,
                     make_tun_usable, progress, rounds_of, run)
from network import write_rules
from report import Row

TRUE = "/bin/true"
RULE = "198.51.100.1"
FLOOR, BUBBLEWRAP, OURS, TAPBOX = "namespace floor", "bubblewrap", "mini-sandbox -x", "mini-tapbox -x --allow"
TAPBOX_RULES = "mini-tapbox -x -F, 10,000 rules"

BUBBLEWRAP_COMMAND = ["bwrap", "--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc", "--unshare-all", TRUE]

PIECES = 5  # that the rounds are run in, so that a slow machine can stop early


def contenders(directory, work):
    sandbox = copy_for_user(binary("mini-sandbox"), directory)
    tapbox = copy_for_user(binary("mini-tapbox"), directory)
    root = work / "root"
    root.mkdir(exist_ok=True)
    # Where programs are, and what they are linked to, in an otherwise empty root.
    system = ["-M", "/usr"]
    found = {
        TRUE: [TRUE],
        FLOOR: [compile_program("namespace_floor", ["bench/namespace_floor.cc"], directory), TRUE],
        BUBBLEWRAP: BUBBLEWRAP_COMMAND,
        OURS: [sandbox, "-x", "--", TRUE],
        "mini-sandbox": [sandbox, "--", TRUE],
        "mini-sandbox -o -k": [sandbox, "-o", str(root), *system, "-k", str(work), "--", TRUE],
        "mini-sandbox -h": [sandbox, "-h", str(root), *system, "-w", str(work), "--", TRUE],
    }
    if os.geteuid() == 0 or os.access("/dev/net/tun", os.R_OK | os.W_OK):
        found[TAPBOX] = [tapbox, "-x", "--allow", RULE, "--", TRUE]
        found[TAPBOX_RULES] = [tapbox, "-x", *write_rules(directory / "rules", 10_000), "--", TRUE]
    else:
        progress("left out: mini-tapbox, as /dev/net/tun may not be opened")
    return found


@contextlib.contextmanager
def prepared(user, work):
    """A function that makes a command one of the user's, where /dev/net/tun can be used."""
    if os.geteuid() != 0:
        yield lambda command: command
        return
    # Of its own as the tun device may have to be made usable, which must not outlive us.
    place = Namespaces(["--mount"])
    try:
        make_tun_usable(place, user)
        yield lambda command: place.enter(as_user(user, ["setpriv", "--pdeathsig=KILL", *command]), work)
    finally:
        place.close()


def run_bench(prepare, program, commands, rounds, options):
    """(contender, wall time, CPU time) of each run, in microseconds."""
    command = [program, str(rounds), "1"]
    for index, (name, words) in enumerate(commands.items()):
        command += ([":::"] if index else []) + [name, *words]
    for line in run(prepare(command), **options).splitlines():
        _, name, wall, cpu = line.split("\t")
        yield name, int(wall) / 1000, int(cpu) / 1000


def measure(user, directory, work, rounds):
    """{contender: {"wall_us": samples, "cpu_us": samples, "system_calls": number}}"""
    commands = contenders(directory, work)
    options = {"env": environment(user), "cwd": work}
    with prepared(user, work) as prepare:
        program = compile_program("startup_bench", ["bench/startup_bench.cc"], directory)
        samples = {name: {"wall_us": [], "cpu_us": []} for name in commands}
        for _ in rounds_of("startup", PIECES):
            for name, wall, cpu in run_bench(prepare, program, commands, rounds // PIECES, options):
                samples[name]["wall_us"].append(wall)
                samples[name]["cpu_us"].append(cpu)
        progress("startup: system calls")
        for name, words in commands.items():
            samples[name]["system_calls"] = system_calls(prepare, words, directory, options)
    return samples


def system_calls(prepare, command, directory, options):
    """Of the command and all its descendants; three runs must differ by few for their median to count."""
    output = directory / "strace"
    output.touch()
    output.chmod(0o666)
    counts = []
    for _ in range(3):
        run(prepare(["strace", "-f", "-c", "-o", str(output), *command]), **options)
        total = re.search(r"^100\.00 .*? (\d+)(?: +\d+)? total$", output.read_text(), re.MULTILINE)
        if not total:
            raise BenchError(f"strace gave no total:\n{output.read_text()[-1000:]}")
        counts.append(int(total[1]))
    return statistics.median(counts)


def instructions(user, directory, work):
    """{contender: [number]}: of the command and all its descendants, in user space."""
    commands = contenders(directory, work)
    output = {}
    with prepared(user, work) as prepare:
        count = compile_program("instruction_count", ["bench/instruction_count.cc"], directory)
        end = time.monotonic() + BUDGETS["instructions"]
        for name in (name for name in (TRUE, OURS, TAPBOX, BUBBLEWRAP) if name in commands):
            progress(f"instructions: {name}")
            command = prepare([count, *commands[name]])
            try:
                text = run(command, env=environment(user), cwd=work, timeout=max(1, end - time.monotonic()))
            except subprocess.TimeoutExpired:
                progress(f"instructions: left out, no time for {name}")
                continue
            output[name] = int(text.split()[-1])
    return output


def instructions_table(counts):
    lines = ["### Instructions in user space, start-up of /bin/true included", "",
             "| | instructions, millions |", "|---|---:|"]
    return lines + [f"| {name} | {count / 1e6:.2f} |" for name, count in counts.items()]


def quartiles(values):
    low, _, high = statistics.quantiles(values, n=4)
    return f"{low:,.0f} to {high:,.0f}"


def table(samples):
    lines = [
        "### Start-up of /bin/true",
        "",
        "| | median, us | quartiles, us | CPU, us | x floor | x bubblewrap | system calls |",
        "|---|---:|---:|---:|---:|---:|---:|",
    ]
    wall = Row("", "us")
    wall.samples = {name: of_name["wall_us"] for name, of_name in samples.items()}
    for name, of_name in samples.items():
        ratios = (f"{statistics.median(wall.ratios(name, reference)):.2f}" for reference in (FLOOR, BUBBLEWRAP))
        lines.append(f"| {name} | {statistics.median(of_name['wall_us']):,.0f} | {quartiles(of_name['wall_us'])} "
                     f"| {statistics.median(of_name['cpu_us']):,.0f} | {' | '.join(ratios)} "
                     f"| {of_name['system_calls']:,.0f} |")
    return [*lines, "",
            "Ratios are of wall times. The floor is one clone with every namespace. The CPU time of bubblewrap leaves out what "
            "its first process inside uses; the calls leave out the few that strace does not know."]
