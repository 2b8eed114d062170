"""server.py VERB PORT...: servers that the tests run inside a sandbox. Each prints `ready` once it
listens. With `::` a socket of both families."""

import hashlib
import os
import socket
import sys
import threading

import client
import payload


def listen(port, address="::"):
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    listener = socket.create_server((address, int(port)), family=family, backlog=1024,
                                    dualstack_ipv6=address == "::")
    print("ready", flush=True)
    return listener


def serve(port, serve_one):
    listener = listen(port)
    while True:
        connection, peer = listener.accept()
        threading.Thread(target=serve_one, args=(connection, peer), daemon=True).start()


def echo(port):
    def one(connection, _):
        with connection:
            while data := connection.recv(65536):
                connection.sendall(data)
    serve(port, one)


def digest(port):
    """Takes everything up to the client's FIN, then tells its SHA-256."""
    def one(connection, _):
        with connection:
            seen = hashlib.sha256()
            while data := connection.recv(1 << 20):
                seen.update(data)
            connection.sendall(seen.hexdigest().encode())
    serve(port, one)


def source(port, size):
    def one(connection, _):
        with connection:
            for block in payload.blocks(int(size)):
                connection.sendall(block)
    serve(port, one)


def last_words(port, size):
    """To the first client; the run ends as soon as the kernel has taken them."""
    connection, _ = listen(port).accept()
    for block in payload.blocks(int(size)):
        connection.sendall(block)
    os._exit(7)


def fill(port):
    """Writes to the first client until nothing on the way takes any more, and ends the run."""
    connection, _ = listen(port).accept()
    connection.settimeout(0.3)
    try:
        while True:
            connection.send(bytes(1 << 20))
    except TimeoutError:
        os._exit(7)


def peer(port):
    """Tells each client who it is, seen from here."""
    def one(connection, address):
        with connection:
            connection.sendall(f"{address[0].removeprefix('::ffff:')} {address[1]}".encode())
    serve(port, one)


def hold(port):
    """Connections that stay open and say nothing, until the first byte of one ends the run."""
    def one(connection, _):
        connection.recv(1)
        os._exit(7)
    serve(port, one)


def loopback_only(port):
    listener = listen(port, "127.0.0.1")
    listener.accept()


def call_back(port, *targets):
    """From the published port, connects to whoever has connected, at its own address and at each of
    the targets; tells what became of each attempt."""
    listener = listen(port)
    connection, address = listener.accept()
    answers = []
    for host, other in [(address[0].removeprefix("::ffff:"), address[1]),
                        *((target.rsplit("=", 1)) for target in targets)]:
        try:
            client.dial(host, int(other), 5).close()
            answers.append("connected")
        except OSError as error:
            answers.append(client.name_of(error))
    connection.sendall(" ".join(answers).encode())
    connection.close()


def udp_echo(port):
    """The client's address and port, seen from here, before each datagram."""
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as server:
        server.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        server.bind(("::", int(port)))
        print("ready", flush=True)
        while True:
            data, address = server.recvfrom(65536)
            who = f"{address[0].removeprefix('::ffff:')} {address[1]} "
            server.sendto(who.encode() + data, address)


def main():
    verb, *arguments = sys.argv[1:]
    globals()[verb.replace("-", "_")](*arguments)


if __name__ == "__main__":
    main()
