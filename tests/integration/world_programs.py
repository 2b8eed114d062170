"""Servers that people run, as programs in the world's network namespace: sshd, nghttpd, rsync,
iperf3, PostgreSQL, and world_services.py for what Python can serve.

Theory of operation: a WorldProgram is forked by the test process, which is on the host and may enter
the world's network namespace; it then becomes the ordinary account, listens on every address of the
world, and dies with the test process. The world lets everybody have ports below 1024. A class of
tests starts what it needs and stops it when it is done; nothing listens for the others.
"""

import contextlib
import glob
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import time

import harness
import linux

HERE = pathlib.Path(__file__).resolve().parent
SSH, NTP, HTTPS, RSYNC, IPERF, POSTGRES, WEBSOCKET, HTTP2 = 22, 123, 443, 873, 5201, 5432, 8081, 8443
NAME, ADDRESS = "allowed.example", "198.51.100.10"


class MissingProgram(Exception):
    pass


def find(name):
    """Its path: as installed, or as unpacked by tests/clients/unpack, since its installation would
    have started a daemon. None when it is nowhere."""
    roots = ["/", harness.REPOSITORY / "build/servers"]
    # PostgreSQL's own first: Debian's psql in /usr/bin is a script that looks for clusters.
    places = ["usr/lib/postgresql/*/bin", "usr/bin", "bin", "usr/sbin", "usr/local/bin"]
    for root in roots:
        for place in places:
            for path in sorted(glob.glob(os.path.join(root, place, name)), reverse=True):
                if os.access(path, os.X_OK):
                    return path
    return None


def need(name):
    path = find(name)
    if path is None:
        raise MissingProgram(f"{name} is not installed (tests/clients/run sees to it)")
    return path


class WorldProgram:
    """One running server. `port` is awaited on ADDRESS before the constructor returns."""

    def __init__(self, argv, directory, port=None):
        self._log = open(directory / f"{os.path.basename(argv[0])}.log", "wb")
        holder = os.getpid()
        with open(f"/proc/{harness.stage.servers}/ns/net", "rb") as network:
            descriptor = network.fileno()

            def in_child():
                os.setsid()
                linux.setns(descriptor, linux.CLONE_NEWNET)
                harness.stage.user().assume()
                linux.die_with_parent(holder)

            self._process = subprocess.Popen(
                [os.fspath(word) for word in argv], cwd=directory, stdin=subprocess.DEVNULL,
                stdout=self._log, stderr=self._log, preexec_fn=in_child,
                env=harness.stage.user().environment())
        harness.stage.kept.add(self._process.pid)
        try:
            if port is not None:
                harness.wait_until(lambda: self._listens(port), 20, f"{argv[0]} on port {port}")
        except BaseException:
            self.stop()
            raise

    def _listens(self, port):
        if self._process.poll() is not None:
            with open(self._log.name, encoding="utf-8", errors="replace") as log:
                raise AssertionError(f"{self._process.args[0]} ended: {log.read()[-2000:]}")
        with contextlib.suppress(OSError):
            socket.create_connection((ADDRESS, port), 1).close()
            return True
        return False

    def stop(self):
        """SIGINT, which all of these take for an order to end at once; then the whole family."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(3)
        harness.kill_family(self._process.pid)
        self._process.wait()
        self._log.close()
        harness.stage.kept.discard(self._process.pid)


class WorldPrograms:
    """Those of one class of tests, with a directory that belongs to the account that runs them."""

    def __init__(self, name):
        self.directory = pathlib.Path(harness.stage.run_dir) / f"programs-{name}"
        self.directory.mkdir()
        self._running = []
        self.give(self.directory)

    @staticmethod
    def give(path):
        if harness.stage.root():
            user = harness.stage.user()
            os.chown(path, user.uid, user.gid)

    def _write(self, name, text, mode=0o644):
        path = self.directory / name
        path.write_text(text, encoding="ascii")
        os.chmod(path, mode)
        self.give(path)
        return path

    def _do(self, *argv):
        done = harness.run_bounded(argv, identity=harness.stage.user(), cwd=self.directory,
                                   env={"LC_ALL": "C"})
        if done.code != 0:
            raise AssertionError(f"{argv}: {done}")

    def _start(self, argv, port=None):
        program = WorldProgram(argv, self.directory, port)
        self._running.append(program)
        return program

    def stop(self):
        while self._running:
            self._running.pop().stop()
        shutil.rmtree(self.directory, ignore_errors=True)

    def certificates(self):
        """A CA of the tests (ca.pem), and a certificate of it for every name under .example."""
        openssl = need("openssl")
        key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-batch")
        self._do(openssl, "req", "-x509", *key, "-keyout", "ca.key", "-out", "ca.pem",
                 "-subj", "/CN=CA of the tests", "-days", "2")
        self._do(openssl, "req", *key, "-keyout", "server.key", "-out", "server.csr",
                 "-subj", f"/CN={NAME}")
        self._write("server.ext", f"subjectAltName = DNS:{NAME}, DNS:v6only.example, "
                    "DNS:other.example\n")
        self._do(openssl, "x509", "-req", "-in", "server.csr", "-CA", "ca.pem", "-CAkey", "ca.key",
                 "-CAcreateserial", "-extfile", "server.ext", "-days", "2", "-out", "server.pem")

    def services(self):
        """HTTPS, WebSocket and NTP; needs the certificates."""
        self._start([harness.PYTHON, HERE / "world_services.py", harness.stage.run_dir,
                     "server.pem", "server.key"], HTTPS)

    def http2(self, files):
        """nghttpd over TLS, serving {name: bytes}; needs the certificates."""
        served = self.directory / "served"
        served.mkdir()
        for name, content in files.items():
            (served / name).write_bytes(content)
        self._start([need("nghttpd"), "-d", served, str(HTTP2), "server.key", "server.pem"], HTTP2)

    def sshd(self):
        """Takes the key `client_key` for the account; the host's key is in `known_hosts`."""
        for name in ("host_key", "client_key"):
            self._do(need("ssh-keygen"), "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", name)
        host_key = (self.directory / "host_key.pub").read_text(encoding="ascii")
        self._write("known_hosts", f"{NAME} {host_key}")
        config = self._write("sshd_config", "\n".join((
            f"HostKey {self.directory}/host_key",
            f"AuthorizedKeysFile {self.directory}/client_key.pub",
            "AuthenticationMethods publickey", "PidFile none", "UsePAM no", "StrictModes no",
            "MaxStartups 100", "")))
        self._start([need("sshd"), "-D", "-e", "-f", config, "-p", str(SSH)], SSH)

    def rsync(self, module):
        """A daemon that serves the directory, for reading and writing, as `files`."""
        config = self._write("rsyncd.conf", f"use chroot = no\nlock file = {self.directory}/lock\n"
                             f"[files]\npath = {module}\nread only = no\n")
        self._start([need("rsync"), "--daemon", "--no-detach", "--config", config,
                     "--port", str(RSYNC)], RSYNC)

    def iperf(self):
        # Told its address: with the wildcard, answers to datagrams come from the first address.
        self._start([need("iperf3"), "-s", "-B", ADDRESS, "-p", str(IPERF)], IPERF)

    def postgres(self):
        """An empty database `postgres` whose superuser `tester` needs no password."""
        data = self.directory / "data"
        self._do(need("initdb"), "-D", data, "-U", "tester", "-A", "trust", "-N", "--locale=C",
                 "-E", "UTF8")
        with open(data / "pg_hba.conf", "a", encoding="ascii") as access:
            access.write("host all all 0.0.0.0/0 trust\nhost all all ::/0 trust\n")
        settings = ("listen_addresses=*", "unix_socket_directories=", "fsync=off", "jit=off",
                    "shared_buffers=8MB", f"port={POSTGRES}", "dynamic_shared_memory_type=mmap")
        self._start([need("postgres"), "-D", data,
                     *(word for setting in settings for word in ("-c", setting))])
        self._await_postgres()

    def _await_postgres(self):
        """The port is open before the database takes a session: `the database system is starting
        up`. A start-up packet with protocol 3.0 (message formats of the manual) shows which."""
        body = b"\0\x03\0\0" + b"user\0tester\0database\0postgres\0\0"

        def answers():
            with contextlib.suppress(OSError):
                with socket.create_connection((ADDRESS, POSTGRES), 1) as connection:
                    connection.sendall((len(body) + 4).to_bytes(4, "big") + body)
                    return connection.recv(1) == b"R"
            return False

        deadline = time.monotonic() + 20
        while not answers():
            if time.monotonic() > deadline:
                raise AssertionError("PostgreSQL does not answer")
            time.sleep(0.05)
