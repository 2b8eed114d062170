"""The internet of the tests: servers in one network namespace, a host in another.

Theory of operation. Three processes:
  holder   unshares a network and a mount namespace and is the parent of the other two. An ordinary
           user's holder unshares a user namespace first, in which it is root.
  servers  unshares its own network namespace, "the world", and serves DNS, HTTP and raw TCP there,
           on documentation addresses (RFC 5737, RFC 3849) that are all local to it.
  command  runs in the holder's network namespace, "the host", without privileges, with a resolv.conf
           and hosts file of its own.
A veth pair joins the two network namespaces. Nothing has a name in the file system but the run
directory: the namespaces live as long as their processes, and those die with the holder.
"""

import argparse
import contextlib
import os
import pwd
import select
import shutil
import signal
import subprocess
import sys
import tempfile

import linux
import world_dns
import world_http
import world_tcp
import world_tls

HOST_V4, HOST_V6 = "192.0.2.2", "2001:db8:1::2"
WORLD_V4, WORLD_V6 = "192.0.2.1", "2001:db8:1::1"
DNS_V4, DNS_V6 = "192.0.2.53", "2001:db8:1::53"
OTHER_DNS_V4 = "198.51.100.53"  # a DNS server that the host is not configured to use
UNNAMED_V4, UNNAMED_V6 = "203.0.113.9", "2001:db8:b::9"  # served, but no name leads there
BLACKHOLE_V4, UNREACHABLE_V4 = "203.0.113.200", "203.0.113.201"
BLACKHOLE_V6 = "2001:db8:b::200"
NARROW_MTU = 1300
NARROW_V4, NARROW_V6 = "203.0.113.130", "2001:db8:b::130"  # served; the host knows its path's MTU
NARROW_FAR_V4, NARROW_FAR_V6 = "203.0.113.131", "2001:db8:b::131"  # a router on the way knows it
# Not documentation addresses, but never seen outside these namespaces: were the filter to let them
# through, something would answer, and the tests would notice.
FORBIDDEN_V4 = ("10.66.0.5", "169.254.169.254", "100.64.0.9")
DEFAULT_ACCOUNT = "mini-test"
EXIT_SETUP = 125

RESOLV_CONF = f"nameserver {DNS_V4}\noptions timeout:1 attempts:2\n"
HOSTS = f"""127.0.0.1 localhost
::1 localhost ip6-localhost
{HOST_V4} host.example
198.51.100.77 fromhosts.example
"""


class WorldError(Exception):
    pass


def _ip(*arguments):
    done = subprocess.run(["ip", *arguments], check=False, stderr=subprocess.PIPE,
                          stdin=subprocess.DEVNULL, text=True)
    if done.returncode:
        raise WorldError(f"ip {' '.join(arguments)}: {done.stderr.strip()}")


def _sysctl(name, value):
    try:
        with open(f"/proc/sys/net/{name}", "w", encoding="ascii") as file:
            file.write(str(value))
    except FileNotFoundError:
        pass  # a kernel without that feature


def identity_mapped():
    with open("/proc/self/gid_map", encoding="ascii") as file:
        return file.read().split() == ["0", "0", "4294967295"]


def _bring_up(link, addresses):
    # No link-local address of the kernel's: its duplicate detection would delay the start by a
    # second.
    _ip("link", "set", link, "addrgenmode", "none")
    for address in addresses:
        _ip("address", "replace", address, "dev", link, *(["nodad"] if ":" in address else []))
    _ip("link", "set", link, "up")


def configure_host():
    """Again when the interface was down, which has cost it its routes and IPv6 addresses."""
    _ip("link", "set", "lo", "up")
    _bring_up("world0", [f"{HOST_V4}/24", f"{HOST_V6}/64", "fe80::2/64"])
    _ip("route", "replace", "default", "via", WORLD_V4)
    _ip("-6", "route", "replace", "default", "via", WORLD_V6)
    for family, narrow, gateway in (("-4", NARROW_V4, WORLD_V4), ("-6", NARROW_V6, WORLD_V6)):
        _ip(family, "route", "replace", narrow, "via", gateway, "mtu", str(NARROW_MTU))
    _permit_ping()


@contextlib.contextmanager
def local_to_the_host(prefix):
    """Meanwhile the host takes what is sent to that prefix for itself, without having the address."""
    family = "-6" if ":" in prefix else "-4"
    _ip(family, "route", "add", "local", prefix, "dev", "lo")
    try:
        yield
    finally:
        _ip(family, "route", "del", "local", prefix, "dev", "lo")


@contextlib.contextmanager
def without_ping():
    """Meanwhile nobody may make a ping socket on the host (icmp(7))."""
    _sysctl("ipv4/ping_group_range", "1 0")
    try:
        yield
    finally:
        _permit_ping()


def _permit_ping():
    # Group ids as the owning user namespace has them; an ordinary user's one knows only 0.
    _sysctl("ipv4/ping_group_range", "0 2147483647" if identity_mapped() else "0 0")


def _configure_world():
    _ip("link", "set", "lo", "up")
    # Neighbours are solicited from the link-local address when what is to be sent comes from an
    # address that is local by its route alone (ndisc_solicit of net/ipv6/ndisc.c).
    _bring_up("host0", [f"{WORLD_V4}/24", f"{DNS_V4}/24", f"{WORLD_V6}/64", f"{DNS_V6}/64",
                        "fe80::1/64"])
    for prefix in ("198.51.100.0/24", "203.0.113.0/24", *FORBIDDEN_V4):
        _ip("route", "add", "local", prefix, "dev", "lo")
    for prefix in ("2001:db8:a::/64", "2001:db8:b::/64"):
        _ip("-6", "route", "add", "local", prefix, "dev", "lo")
    # The local table is looked up first, so these go there, as the more specific routes.
    _ip("route", "add", "blackhole", BLACKHOLE_V4, "table", "local")
    _ip("-6", "route", "add", "blackhole", BLACKHOLE_V6, "table", "local")
    _ip("route", "add", "unreachable", UNREACHABLE_V4, "table", "local")
    # Nobody is there, but what is too long for the way is answered before that shows.
    _ip("link", "add", "narrow0", "mtu", str(NARROW_MTU), "type", "veth", "peer", "name", "narrow1")
    for link in ("narrow0", "narrow1"):
        _bring_up(link, [])
    for family, narrow in (("-4", NARROW_FAR_V4), ("-6", NARROW_FAR_V6)):
        _ip(family, "route", "add", narrow, "dev", "narrow0", "table", "local")
    _sysctl("ipv4/ip_unprivileged_port_start", 0)
    _sysctl("ipv4/conf/all/forwarding", 1)  # else no ICMP error is sent for the unreachable one
    _sysctl("ipv6/conf/all/forwarding", 1)


class Account:
    """Who runs the command: ids and a home, as getpwnam(3) has them."""

    def __init__(self, entry):
        self.uid, self.gid = entry.pw_uid, entry.pw_gid
        self.name, self.home = entry.pw_name, entry.pw_dir

    @classmethod
    def find(cls, name):
        with contextlib.suppress(KeyError):
            return cls(pwd.getpwnam(name))
        if name.isdigit():
            with contextlib.suppress(KeyError):
                return cls(pwd.getpwuid(int(name)))
        raise WorldError(f"no account {name}")

    @classmethod
    def unprivileged(cls):
        """The account in whose name root runs commands; made when it is missing."""
        with contextlib.suppress(KeyError):
            return cls(pwd.getpwnam(DEFAULT_ACCOUNT))
        print(f"world: making the account {DEFAULT_ACCOUNT}", file=sys.stderr)
        try:
            subprocess.run(["useradd", "-m", "-s", "/bin/sh", DEFAULT_ACCOUNT], check=True)
        except (OSError, subprocess.CalledProcessError) as error:
            raise WorldError(f"cannot make the account {DEFAULT_ACCOUNT} ({error}); "
                             "name another with --user") from error
        return cls(pwd.getpwnam(DEFAULT_ACCOUNT))

    def environment(self):
        return {"HOME": self.home, "USER": self.name, "LOGNAME": self.name}

    def assume(self):
        linux.become(self.uid, self.gid, os.getgrouplist(self.name, self.gid))


class World:
    """Made and torn down by the process that is to be the host; not reusable."""

    def __init__(self, account=None):
        """`account`: who owns the run directory and runs the servers. None: we, an ordinary user."""
        self._account = account
        self._user = (os.getuid(), os.getgid())
        self.servers = None
        self.run_dir = None

    def __enter__(self):
        self.run_dir = tempfile.mkdtemp(prefix="mini-world-")
        os.chmod(self.run_dir, 0o755)
        os.mkdir(f"{self.run_dir}/git")
        if self._account:
            for path in (self.run_dir, f"{self.run_dir}/git"):
                os.chown(path, self._account.uid, self._account.gid)
        try:
            self._make()
        except BaseException:
            self.__exit__(*sys.exc_info())
            raise
        return self

    def _make(self):
        linux.set_child_subreaper()
        if not self._account:
            try:
                linux.enter_user_namespace(0, 0)
            except OSError as error:
                raise WorldError(f"an ordinary user may not make a user namespace here: {error}"
                                 ) from error
        linux.unshare(linux.CLONE_NEWNS)
        linux.mount("none", "/", flags=linux.MS_REC | linux.MS_PRIVATE)
        go_read, go_write = os.pipe()
        ready_read, ready_write = os.pipe()
        holder = os.getpid()
        self.servers = os.fork()
        if self.servers == 0:
            os.close(go_write)
            os.close(ready_read)
            _run_servers(holder, self.run_dir, self._account, go_read, ready_write)
        os.close(go_read)
        os.close(ready_write)
        with open(go_write, "wb", buffering=0) as go, open(ready_read, "rb", buffering=0) as ready:
            self._wait_for(ready, b"n")  # its network namespace exists
            linux.unshare(linux.CLONE_NEWNET)
            _ip("link", "add", "world0", "type", "veth", "peer", "name", "host0", "netns",
                str(self.servers))
            configure_host()
            self._bind_file("/etc/resolv.conf", RESOLV_CONF)
            self._bind_file("/etc/hosts", HOSTS)
            go.write(b"g")
            self._wait_for(ready, b"s")  # it serves

    @staticmethod
    def _wait_for(ready, token):
        readable, _, _ = select.select([ready], [], [], 20)
        if not readable or ready.read(1) != token:
            raise WorldError("the servers of the world did not start")

    def _bind_file(self, target, text):
        source = f"{self.run_dir}/{os.path.basename(target)}"
        with open(source, "w", encoding="ascii") as file:
            file.write(text)
        target = os.path.realpath(target)
        if not os.path.exists(target):
            raise WorldError(f"{target} is missing; it is needed to mount one of our own over it")
        linux.mount(source, target, flags=linux.MS_BIND)

    def __exit__(self, *_):
        # Our children and, as we are their subreaper, every orphan among their descendants.
        while True:
            family = linux.descendants_of(os.getpid())
            if not family:
                break
            for pid in family:
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.kill(pid, signal.SIGKILL)
            with contextlib.suppress(ChildProcessError):
                os.waitpid(-1, 0)
        shutil.rmtree(self.run_dir, ignore_errors=True)

    def environment(self):
        return {"MINI_WORLD_DIR": self.run_dir}

    def run(self, argv, identity=None):
        """Runs argv in the host namespace and returns its exit code as a shell has it.
        `identity` is called in the child before exec; default: as the account, or as the user."""
        environment = {**os.environ, **self.environment()}
        if identity is None:
            if self._account:
                identity = self._account.assume
                environment.update(self._account.environment())
            else:
                identity = self.assume_user
        holder = os.getpid()
        child = os.fork()
        if child == 0:
            _exec(argv, environment, identity, holder)
        forward = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
        for number in forward:
            signal.signal(number, lambda number, _: os.kill(child, number))
        while True:
            pid, status = os.wait()
            if pid == child:
                code = os.waitstatus_to_exitcode(status)
                return 128 - code if code < 0 else code
            if pid == self.servers:
                raise WorldError("the servers of the world ended early")

    def assume_user(self):
        # A user namespace below: in it we are who we were, and hold no capability over the host's.
        linux.enter_user_namespace(*self._user)


def _exec(argv, environment, identity, holder):
    try:
        for number in (signal.SIGPIPE, signal.SIGXFSZ):  # Python ignores them
            signal.signal(number, signal.SIG_DFL)
        identity()
        linux.die_with_parent(holder)
        os.execvpe(argv[0], argv, environment)
    except FileNotFoundError:
        print(f"world: {argv[0]}: not found", file=sys.stderr)
        os._exit(127)
    except OSError as error:
        print(f"world: {argv[0]}: {error}", file=sys.stderr)
        os._exit(126)
    finally:
        os._exit(EXIT_SETUP)


def _run_servers(holder, run_dir, account, go, ready):
    """In the servers process; never returns."""
    try:
        for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)  # a terminal's ^C is the command's affair
        linux.die_with_parent(holder)
        linux.unshare(linux.CLONE_NEWNET)
        os.write(ready, b"n")
        if not os.read(go, 1):
            os._exit(0)
        _configure_world()
        if account:
            account.assume()
            linux.die_with_parent(holder)
        os.umask(0o022)
        dns = world_dns.DnsServer(world_dns.zone(HOST_V4, HOST_V6), f"{run_dir}/dns.log")
        for address in (DNS_V4, DNS_V6, OTHER_DNS_V4):
            dns.serve(address)
        world_http.serve(run_dir)
        world_http.serve(run_dir, 8080)
        world_tls.serve(run_dir)
        world_tcp.RawServers(run_dir).serve()
        os.write(ready, b"s")
        while True:
            signal.pause()
    except BaseException as error:  # whatever it is, the holder has to hear of it
        print(f"world: servers: {error}", file=sys.stderr)
    finally:
        os._exit(1)


def main(arguments):
    parser = argparse.ArgumentParser(
        prog="world", usage="world [--user NAME | --keep-root] -- COMMAND [ARGUMENT...]",
        description="Runs COMMAND on a host in a small internet of its own.")
    parser.add_argument("--user", help="as root: the account that runs COMMAND "
                        f"(default: {DEFAULT_ACCOUNT}, made when missing)")
    parser.add_argument("--keep-root", action="store_true", help="as root: COMMAND stays root")
    parser.add_argument("command", nargs="+")
    options = parser.parse_args(arguments)
    root = os.getuid() == 0
    if (options.user or options.keep_root) and not root:
        parser.error("--user and --keep-root are for root")
    if options.user and options.keep_root:
        parser.error("--user or --keep-root, not both")
    try:
        account = None
        if root:
            account = Account.find(options.user) if options.user else Account.unprivileged()
        with World(account) as world:
            return world.run(options.command, (lambda: None) if options.keep_root else None)
    except (WorldError, OSError) as error:
        print(f"world: {error}", file=sys.stderr)
        return EXIT_SETUP
