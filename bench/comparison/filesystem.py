"""File-heavy work inside, as multiples of the same work outside."""

import contextlib
import os
import statistics
import time

from machine import BenchError, as_user, binary, copy_for_user, environment, progress, rounds_of, run
from report import Row, Rows
from shell import Shell

NATIVE, BUBBLEWRAP, BOUND, ALONE, OVERLAID = ("native", "bubblewrap, bound", "mini-sandbox -x, bound", "overlay alone",
                                              "mini-sandbox -o, overlaid")
SMALL_FILES, REPOSITORY_FILES, SOURCE_FILES = 20_000, 5_000, 25
BIG_FILE = 256 << 20
MODULES = ("argparse asyncio base64 bisect bz2 calendar cmd code codecs collections configparser contextlib copy csv "
           "ctypes datetime decimal difflib dis email.message enum fractions ftplib getpass gzip hashlib heapq "
           "html.parser http.client imaplib inspect json logging lzma mailbox mimetypes multiprocessing optparse "
           "pathlib pickle platform plistlib pydoc random shelve shutil smtplib sqlite3 statistics subprocess")

WORKLOADS = {
    "python imports 50 modules": f"python3 -B -c 'import {MODULES.replace(' ', ',')}'",
    "make -j2 of 25 files": "make -s -B -j2 -C sources",
    "git status, five times": "for i in 1 2 3 4 5; do git -C repository status --short; done",
    "tar of 20,000 files": "tar -cf - small | cat",
    "grep in 20,000 files": "! grep -r 'no such words' small",
    "append a byte to 256 MB": "printf x >> big",
}


def make_tree(user, work):
    """What the workloads work on, as the user's."""
    def files(directory, count, text):
        for number in range(count):
            place = work / directory / f"d{number // 100}"
            place.mkdir(parents=True, exist_ok=True)
            (place / f"f{number}.c").write_text(text(number))

    files("small", SMALL_FILES, lambda n: f"line {n}\n" * 20)
    files("repository", REPOSITORY_FILES, lambda n: f"int value{n} = {n};\n")
    files("sources", SOURCE_FILES, lambda n: "#include <stdio.h>\n#include <stdlib.h>\n#include <string.h>\n"
                                             f"int f{n}(const char* s) {{ return puts(s) + (int)strlen(s) + {n}; }}\n")
    objects = " ".join(f"d0/f{number}.o" for number in range(SOURCE_FILES))
    (work / "sources" / "Makefile").write_text(f"all: {objects}\n%.o: %.c\n\tcc -O1 -c -o $@ $<\n")
    with open(work / "big", "wb") as big:
        for _ in range(BIG_FILE >> 20):
            big.write(b"\1" * (1 << 20))
    if os.geteuid() == 0:
        run(["chown", "-R", f"{user.pw_uid}:{user.pw_gid}", str(work)])
    git = ["git", "-C", str(work / "repository"), "-c", "user.name=bench", "-c", "user.email=bench@bench.example"]
    for words in (["init", "--quiet"], ["add", "."], ["commit", "--quiet", "--message", "all"]):
        run(as_user(user, [*git, *words]), env=environment(user))


def overlay_alone(directory, work):
    """What the kernel's overlay costs in no sandbox: namespaces for the right to mount it, and nothing else."""
    changes = directory / "changes"
    changes.mkdir()
    changes.chmod(0o755)
    layers = f"lowerdir={work},upperdir={changes}/upper,workdir={changes}/work"
    return ["unshare", "--user", "--map-current-user", "--keep-caps", "--mount", "sh", "-e", "-c",
            f"mount -t tmpfs changes {changes}; mkdir {changes}/upper {changes}/work; "
            f"mount -t overlay -o {layers},userxattr,volatile overlay {work}; cd {work}; exec sh"]


def contenders(directory, work):
    sandbox = copy_for_user(binary("mini-sandbox"), directory)
    root = directory / "empty-root"
    root.mkdir()
    root.chmod(0o755)
    return {
        NATIVE: ["sh"],
        BUBBLEWRAP: ["bwrap", "--ro-bind", "/", "/", "--bind", str(work), str(work), "--dev", "/dev", "--proc",
                     "/proc", "--unshare-all", "sh"],
        BOUND: [sandbox, "-x", "--", "sh"],
        ALONE: overlay_alone(directory, work),
        OVERLAID: [sandbox, "-o", str(root), "-k", "/usr", "-M", "/etc", "-k", str(work), "-W", str(work), "--", "sh"],
    }


def seconds(shell, script):
    begun = time.monotonic()
    shell.tell(f"{script} >/dev/null")
    return time.monotonic() - begun


def measure(user, directory, work, rounds):
    tree = work / "tree"
    tree.mkdir()
    progress("files: makes the tree")
    make_tree(user, tree)
    commands = contenders(directory, tree)
    enter = ["env", f"--chdir={tree}"]
    rows = Rows()
    for name, words in commands.items():
        with Shell(name, enter + as_user(user, words), environment(user)) as shell:
            for script in WORKLOADS.values():
                seconds(shell, script)  # fills the caches, and fails where something is missing
    for rows.round in rounds_of("files", rounds):
        with contextlib.ExitStack() as stack:
            # Each in a sandbox that has seen nothing yet, as a command meets it.
            shells = [stack.enter_context(Shell(name, enter + as_user(user, words), environment(user)))
                      for name, words in commands.items()]
            for label, script in WORKLOADS.items():
                for turn in range(len(shells)):
                    shell = shells[(rows.round + turn) % len(shells)]
                    rows.add(shell, label, "ms", seconds(shell, script) * 1000, 1)
    return list(rows.values())


def table(rows):
    names = (BUBBLEWRAP, BOUND, ALONE, OVERLAID)
    lines = ["### Files: wall time as a multiple of native", "",
             f"| median (lowest to highest) | native, ms | {' | '.join(names)} |",
             "|---" + "|---:" * (len(names) + 1) + "|"]
    for row in rows:
        multiples = Row(row.label, "x native", 2, {name: row.ratios(name, NATIVE) for name in names})
        cells = [row.cell(NATIVE), *(f"{multiples.cell(name)}; {statistics.median(row.values(name)):,.1f} ms"
                                     for name in names)]
        lines.append(f"| {row.label} | {' | '.join(cells)} |")
    return lines
