"""This machine: who runs the contenders, in which namespaces, with which programs."""

import contextlib
import os
import platform
import pwd
import shutil
import subprocess
import sys
import time
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
TUN_MAJOR, TUN_MINOR = 10, 200  # Linux's list of allocated devices: /dev/net/tun
# Seconds that the rounds of a part may take, so that all of them take a quarter of an hour at most.
BUDGETS = {"startup": 60, "instructions": 60, "files": 100, "tcp": 200, "udp": 110, "connections": 70, "rules": 80,
           "memory": 60, "latency": 40, "growth: flows": 90, "growth: rules": 10, "growth: mounts": 20}
LEAST_ROUNDS = 2
BUSY = 0.5  # of a load average, above which figures are not to be quoted
LOGIN = {
    "SHELL": "/bin/bash",
    "PWD": "/",
    "OLDPWD": "/",
    "SHLVL": "1",
    "TERM": "xterm-256color",
    "COLORTERM": "truecolor",
    "LANG": "C.UTF-8",
    "EDITOR": "vim",
    "PAGER": "less",
    "LESS": "-R",
    "LS_COLORS": ":".join(f"*.{name}=01;31" for name in ("tar", "tgz", "zip", "gz", "bz2", "xz", "deb", "rpm", "jar")),
    "HISTSIZE": "10000",
    "HISTCONTROL": "ignoreboth",
    "MAIL": "/var/mail/user",
    "MOTD_SHOWN": "pam",
    "XDG_SESSION_ID": "1",
    "XDG_SESSION_TYPE": "tty",
    "XDG_SESSION_CLASS": "user",
    "XDG_DATA_DIRS": "/usr/local/share:/usr/share",
    "SSH_CONNECTION": "192.0.2.1 50000 192.0.2.2 22",
}


class BenchError(Exception):
    """What stops the run, in words for the user."""


def progress(text):
    print(f"bench: {text}", file=sys.stderr, flush=True)


def rounds_of(part, count):
    """Their numbers. A slow machine gets fewer, and a line that says so."""
    begun = time.monotonic()
    for number in range(count):
        if number >= LEAST_ROUNDS and (time.monotonic() - begun) * (number + 1) / number > BUDGETS[part]:
            progress(f"{part}: no time for more than {number} rounds")
            return
        progress(f"{part}: round {number + 1} of {count}")
        yield number


def run(command, **options):
    """Runs a command to its end; its failure is an error that shows its words."""
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, **options)
    if done.returncode != 0:
        said = (done.stderr.strip() or done.stdout.strip())[-2000:]
        raise BenchError(f"{' '.join(map(str, command))}: exit {done.returncode}\n{said}")
    return done.stdout


# --- who and where -----------------------------------------------------------------------------


@contextlib.contextmanager
def ordinary_user(name):
    """The account that runs the contenders: never root, whose sandboxes do more and other work."""
    if os.geteuid() != 0:
        yield pwd.getpwuid(os.geteuid())
        return
    name = name or os.environ.get("SUDO_USER")
    if name and name != "root":
        try:
            account = pwd.getpwnam(name)
        except KeyError:
            raise BenchError(f"no account is named {name}") from None
        yield account
        return
    name = f"minibench{os.getpid()}"
    run(["useradd", "--create-home", "--shell", "/bin/sh", name])
    try:
        yield pwd.getpwnam(name)
    finally:
        remove_account(name)


def remove_account(name):
    """userdel(8) refuses while the account has processes, and the last ones may be about to end."""
    for _ in range(50):
        done = subprocess.run(["userdel", "--remove", name], capture_output=True, text=True, check=False)
        try:
            pwd.getpwnam(name)
        except KeyError:
            return
        time.sleep(0.1)
    progress(f"the account {name} is left: {done.stderr.strip()}")


def environment(user):
    """As a login has it: what a sandbox does with each variable is part of its cost."""
    return {
        **LOGIN,
        "HOME": user.pw_dir,
        "USER": user.pw_name,
        "LOGNAME": user.pw_name,
        "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "LC_ALL": "C",
    }


def as_user(user, command):
    """`command` with the user's ids and nothing else changed, for a command run as root."""
    if os.geteuid() != 0:
        return command
    return ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups", *command]


@contextlib.contextmanager
def work_directory(user):
    """A directory below HOME, as a project is: HOME itself is another case for a sandbox."""
    path = Path(user.pw_dir) / f".mini-sandbox-bench-{os.getpid()}"
    path.mkdir(mode=0o755)
    if os.geteuid() == 0:
        os.chown(path, user.pw_uid, user.pw_gid)
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


class Namespaces:
    """Namespaces held open by one sleeping process that dies with this one."""

    def __init__(self, flags):
        self.flags = flags
        self.holder = subprocess.Popen(
            ["setpriv", "--pdeathsig=KILL", "unshare", *flags, "sh", "-c", "echo ready; exec sleep infinity"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
        )
        if self.holder.stdout.readline() != "ready\n":
            raise BenchError("unshare made no namespace")

    @property
    def pid(self):
        return self.holder.pid

    def enter(self, command, directory="/"):
        """In a mount namespace of another the working directory does not stay of itself."""
        return ["nsenter", f"--target={self.pid}", *self.flags, f"--wdns={directory}", "--", *command]

    def close(self):
        self.holder.kill()
        self.holder.wait()
        self.holder.stdout.close()


def make_tun_usable(namespaces, user):
    """Where only root may open /dev/net/tun, gives the namespaces a /dev/net of their own."""
    test = ["sh", "-c", "test -r /dev/net/tun && test -w /dev/net/tun"]
    if subprocess.run(namespaces.enter(as_user(user, test)), check=False).returncode == 0:
        return
    run(namespaces.enter(["mkdir", "-p", "/dev/net"]))
    run(namespaces.enter(["mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", "/dev/net"]))
    run(namespaces.enter(["mknod", "--mode=666", "/dev/net/tun", "c", str(TUN_MAJOR), str(TUN_MINOR)]))


# --- programs ----------------------------------------------------------------------------------


def install_peers(wanted):
    """`wanted` maps a program to Debian's package."""
    missing = [package for program, package in wanted.items() if not shutil.which(program)]
    if not missing:
        return
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        raise BenchError(f"missing: apt-get install {' '.join(missing)}")
    progress(f"installing {' '.join(missing)}")
    options = {"env": {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}}
    try:
        run(["apt-get", "update"], **options)
        run(["apt-get", "install", "--yes", "--no-install-recommends", *missing], **options)
    except BenchError as error:
        raise BenchError(f"{error}\nwithout a network, install {' '.join(missing)} by other means, or name parts "
                         "that need none of them (--only)") from None


def binary(name):
    directory = Path(os.environ.get("MINI_SANDBOX_BIN_DIR", REPOSITORY / "dist" / "bin"))
    path = directory / name
    if not os.access(path, os.X_OK):
        raise BenchError(f"{path} is missing: run ./quickstart, or set MINI_SANDBOX_BIN_DIR")
    return path


def copy_for_user(source, directory):
    """Where the ordinary user can reach it: a checkout may lie in a directory closed to others."""
    target = directory / source.name
    if not target.exists():  # else the copy of another part, which may be running still (ETXTBSY)
        shutil.copyfile(source, target)
        target.chmod(0o755)
    return str(target)


def compile_program(name, sources, directory):
    """Static, so that it runs in any root. `sources` are paths within the repository."""
    compiler = os.environ.get("CXX", "c++")
    target = directory / name
    run([compiler, "-std=c++20", "-O2", "-D_GNU_SOURCE", "-static", "-pthread", f"-I{REPOSITORY}",
         f"-I{REPOSITORY / 'src'}", *(str(REPOSITORY / source) for source in sources), "-o", str(target)])
    target.chmod(0o755)
    return str(target)


# --- for the report ----------------------------------------------------------------------------


def package_version(name):
    done = subprocess.run(["dpkg-query", "--show", "--showformat=${Version}", name], capture_output=True, text=True,
                          check=False)
    return done.stdout or "not installed"


def facts():
    model = next((line.partition(":")[2].strip() for line in Path("/proc/cpuinfo").read_text().splitlines()
                  if line.startswith("model name")), platform.machine())
    found = {
        "date": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
        "kernel": platform.release(),
        "cpu": model,
        "cpus": os.cpu_count(),
        "load before": round(os.getloadavg()[0], 2),
    }
    for package in ("bubblewrap", "slirp4netns", "passt", "iperf3"):
        found[package] = package_version(package)
    with contextlib.suppress(BenchError, FileNotFoundError):
        found["checkout"] = run(["git", "-C", str(REPOSITORY), "describe", "--always", "--dirty"]).strip()
    for name in ("mini-sandbox", "mini-tapbox"):
        with contextlib.suppress(BenchError):
            found[name] = run([str(binary(name)), "--version"]).strip()
    return found
