#!/usr/bin/env python3
"""The stack between two real kernels: a world with servers, a host with the stack, and clients
behind the TAP. An ordinary user gets a user namespace of its own for it; where there is none, or
no ip(8) or /dev/net/tun, it exits with 77 (skipped).

usage: namespaces_test.py STACK_HARNESS [MEGABYTES]

Everything happens in network namespaces of its own, on documentation addresses.
"""
import contextlib
import errno
import hashlib
import os
import random
import socket
import subprocess
import sys
import threading
import time
import unittest

WORLD = {socket.AF_INET: "192.0.2.2", socket.AF_INET6: "2001:db8::2"}
SEND, TAKE, RESET, HALF = 9001, 9002, 9003, 9004


def pattern(megabytes):
    block = random.Random(7).randbytes(1 << 20)
    for index in range(megabytes):
        yield index.to_bytes(8, "big") + block[8:]


def digest_of(connection):
    digest = hashlib.sha256()
    while data := connection.recv(1 << 18):
        digest.update(data)
    return digest.hexdigest()


# --- the world's side

def serve_one(connection, port, megabytes):
    with connection, contextlib.suppress(BrokenPipeError, ConnectionResetError):
        if port == SEND:
            for block in pattern(megabytes):
                connection.sendall(block)
        elif port == TAKE:
            connection.sendall(digest_of(connection).encode())
        elif port == RESET:
            connection.recv(1)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        elif port == HALF:
            connection.shutdown(socket.SHUT_WR)
            received = b""
            while data := connection.recv(100):
                received += data
            assert received == b"after the end", received


def serve(megabytes):
    def accept(listener, port):
        while True:
            connection, _ = listener.accept()
            threading.Thread(target=serve_one, args=(connection, port, megabytes)).start()

    for family, address in WORLD.items():
        for port in (SEND, TAKE, RESET, HALF):
            listener = socket.create_server((address, port), family=family)
            threading.Thread(target=accept, args=(listener, port), daemon=True).start()
    print("ready", flush=True)
    threading.Event().wait()


# --- the sandbox's side

class BehindTheStack(unittest.TestCase):
    megabytes = 1024

    def each_family(self):
        for family, address in WORLD.items():
            with self.subTest(address=address):
                yield family, address

    def errno_of_connect(self, address, port):
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        with socket.socket(family) as client:
            client.settimeout(15)
            start = time.monotonic()
            with self.assertRaises(OSError) as failure:
                client.connect((address, port))
            return failure.exception.errno, time.monotonic() - start

    def test_what_the_host_sends_arrives_unchanged(self):
        wanted = hashlib.sha256()
        for block in pattern(self.megabytes):
            wanted.update(block)
        for _, address in self.each_family():
            with socket.create_connection((address, SEND)) as client:
                self.assertEqual(digest_of(client), wanted.hexdigest())

    def test_what_the_sandbox_sends_arrives_unchanged(self):
        wanted = hashlib.sha256()
        for block in pattern(self.megabytes):
            wanted.update(block)
        for _, address in self.each_family():
            with socket.create_connection((address, TAKE)) as client:
                for block in pattern(self.megabytes):
                    client.sendall(block)
                client.shutdown(socket.SHUT_WR)
                self.assertEqual(client.recv(100).decode(), wanted.hexdigest())

    def test_a_slow_reader_gets_everything(self):
        for _, address in self.each_family():
            with socket.create_connection((address, SEND)) as client:
                client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
                first = next(pattern(1))
                received = b""
                while len(received) < len(first):
                    received += client.recv(min(4096, len(first) - len(received)))
                self.assertEqual(received, first)

    def test_the_hosts_reset_is_a_reset(self):
        for _, address in self.each_family():
            with socket.create_connection((address, RESET)) as client:
                client.sendall(b"x")
                with self.assertRaises(ConnectionResetError):
                    client.recv(1)

    def test_half_closed_connections_still_carry(self):
        for _, address in self.each_family():
            with socket.create_connection((address, HALF)) as client:
                self.assertEqual(client.recv(1), b"")
                client.sendall(b"after the end")
                client.shutdown(socket.SHUT_WR)

    def test_connect_reports_the_hosts_errno(self):
        for address, port, expected in (
            ("192.0.2.2", 81, errno.ECONNREFUSED),
            ("2001:db8::2", 81, errno.ECONNREFUSED),
            ("203.0.113.5", 80, errno.ENETUNREACH),
            ("2001:db8:5::1", 80, errno.ENETUNREACH),
            ("192.0.2.77", 80, errno.EHOSTUNREACH),
            ("2001:db8::77", 80, errno.EHOSTUNREACH),
        ):
            with self.subTest(address=address, port=port):
                self.assertEqual(self.errno_of_connect(address, port)[0], expected)

    def test_a_denied_connect_fails_at_once(self):
        for address in ("198.51.100.9", "2001:db8:9::1"):
            with self.subTest(address=address):
                number, seconds = self.errno_of_connect(address, 443)
                self.assertEqual(number, errno.ECONNREFUSED)
                self.assertLess(seconds, 0.5)


# --- the world itself

def run(*command):
    subprocess.run(command, check=True)


def enter_user_namespace():
    """Starts anew as root of a user namespace, with a /run that ip(8) may write to."""
    if subprocess.run(["unshare", "--map-root-user", "true"]).returncode != 0:
        sys.exit(77)
    os.execvp("unshare", ["unshare", "--map-root-user", "--mount", "--net", "--", "sh", "-c",
                          'mount -t tmpfs tmpfs /run && exec "$@"', "sh",
                          sys.executable, *sys.argv])


def main(harness, megabytes):
    if not os.access("/dev/net/tun", os.R_OK | os.W_OK):
        sys.exit(77)
    if os.geteuid() != 0:
        enter_user_namespace()
    host, world = f"mshost{os.getpid()}", f"msworld{os.getpid()}"
    if subprocess.run(["ip", "netns", "add", host]).returncode != 0:
        sys.exit(77)
    server = None
    try:
        run("ip", "netns", "add", world)
        run("ip", "-n", host, "link", "add", "veth0", "type", "veth", "peer", "name", "veth1",
            "netns", world)
        for namespace, device, end in ((host, "veth0", "1"), (world, "veth1", "2")):
            run("ip", "-n", namespace, "link", "set", "lo", "up")
            run("ip", "-n", namespace, "addr", "add", f"192.0.2.{end}/24", "dev", device)
            run("ip", "-n", namespace, "addr", "add", f"2001:db8::{end}/64", "dev", device, "nodad")
            run("ip", "-n", namespace, "link", "set", device, "up")
        server = subprocess.Popen(
            ["ip", "netns", "exec", world, sys.executable, __file__, "--serve", str(megabytes)],
            stdout=subprocess.PIPE)
        server.stdout.readline()
        rules = ("192.0.2.0/24", "203.0.113.0/24", "2001:db8::/64", "2001:db8:5::/64")
        allow = [word for rule in rules for word in ("--allow", rule)]
        client = subprocess.run(
            ["ip", "netns", "exec", host, harness, *allow, "--",
             sys.executable, __file__, "--client", str(megabytes)])
        sys.exit(client.returncode)
    finally:
        if server:
            server.kill()
            server.wait()
        subprocess.run(["ip", "netns", "del", host])
        subprocess.run(["ip", "netns", "del", world])


if __name__ == "__main__":
    if sys.argv[1] == "--serve":
        serve(int(sys.argv[2]))
    elif sys.argv[1] == "--client":
        BehindTheStack.megabytes = int(sys.argv[2])
        unittest.main(argv=[sys.argv[0], "-v"])
    else:
        main(sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 1024)
