"""dns_client.py VERB ...: DNS clients that no package brings, for use inside a sandbox.

    ask SERVER TRANSPORT NAME TYPE [EDNS_SIZE [OPTIONS_HEX [VERSION [FLAGS]]]]
        one query; prints `rcode flags answers opt`: opt is the reply's OPT record as
        `version,flags,options`, or `-`
    go NAME...
        as Go's own resolver asks: A and AAAA at once from sockets of their own, with EDNS of 1232
        bytes; over TCP again when the answer is truncated; prints `name rcodes addresses`
    musl NAME
        A and AAAA from one socket, answers in any order; prints `rcode count` of both
    connections COUNT NAME
        that many TCP connections at once: how many were reset; then a query over the first, and,
        when all are closed, one over a new one: its rcodes
    oversize LENGTH
        announces a message of that length over TCP: how the connection ends
"""

import ipaddress
import select
import socket
import struct
import sys
import threading
import time

SERVER = "198.18.0.53"
TYPES = {"A": 1, "AAAA": 28, "TXT": 16, "HTTPS": 65}
OPT = 41


def query(name, qtype, ident, edns=None, options=b"", version=0, flags=0):
    labels = b"".join(bytes((len(label),)) + label.encode() for label in name.split("."))
    opt = b""
    if edns is not None:
        opt = b"\0" + struct.pack("!HHBBHH", OPT, edns, 0, version, flags, len(options)) + options
    return (struct.pack("!HHHHHH", ident, 0x0100, 1, 0, 0, 1 if opt else 0) + labels + b"\0" +
            struct.pack("!HH", qtype, 1) + opt)


def skip_name(message, offset):
    while message[offset]:
        if message[offset] >= 0xc0:
            return offset + 2
        offset += 1 + message[offset]
    return offset + 1


class Reply:
    """A message taken apart; raises when it is malformed."""

    def __init__(self, message):
        self.ident, flags, questions, *counts = struct.unpack_from("!HHHHHH", message)
        self.rcode, self.truncated = flags & 15, bool(flags & 0x0200)
        self.flags = "".join(letter for letter, bit in (("q", 15), ("a", 10), ("t", 9), ("r", 8),
                                                        ("R", 7), ("D", 5), ("C", 4))
                             if flags >> bit & 1)
        offset = 12
        for _ in range(questions):
            offset = skip_name(message, offset)
            self.qtype = struct.unpack_from("!H", message, offset)[0]
            offset += 4
        self.addresses, self.count, self.opt = [], counts[0], "-"
        for _ in range(sum(counts)):
            offset = skip_name(message, offset)
            rtype, rclass, ttl, length = struct.unpack_from("!HHIH", message, offset)
            offset += 10
            data = message[offset:offset + length]
            if rtype in (1, 28):
                self.addresses.append(str(ipaddress.ip_address(data)))
            if rtype == OPT:
                self.rcode |= ttl >> 24 << 4
                options = []
                while data:
                    code, size = struct.unpack_from("!HH", data)
                    options.append(str(code))
                    data = data[4 + size:]
                self.opt = f"{ttl >> 16 & 0xff},{ttl & 0xffff},{'+'.join(options)}"
            offset += length
        assert offset == len(message), "bytes behind the last record"


def exchange(server, transport, message):
    family = socket.AF_INET6 if ":" in server else socket.AF_INET
    kind = socket.SOCK_DGRAM if transport == "udp" else socket.SOCK_STREAM
    with socket.socket(family, kind) as client:
        client.settimeout(5)
        client.connect((server, 53))
        if transport == "udp":
            client.send(message)
            return client.recv(65536)
        client.sendall(struct.pack("!H", len(message)) + message)
        with client.makefile("rb") as stream:
            return stream.read(struct.unpack("!H", stream.read(2))[0])


def ask(server, transport, name, qtype, edns=None, options="", version="0", flags="0"):
    message = query(name, TYPES[qtype], 0x4242, int(edns) if edns else None,
                    bytes.fromhex(options), int(version), int(flags, 16))
    reply = Reply(exchange(server, transport, message))
    assert reply.ident == 0x4242
    print(reply.rcode, reply.flags, reply.count, reply.opt)


def go_lookup(name, qtype, found):
    message = query(name, qtype, 0x1000 + qtype, 1232)
    reply = Reply(exchange(SERVER, "udp", message))
    if reply.truncated:
        reply = Reply(exchange(SERVER, "tcp", message))
    found[qtype] = reply


def go(*names):
    for name in names:
        found = {}
        lookups = [threading.Thread(target=go_lookup, args=(name, qtype, found))
                   for qtype in (1, 28)]
        for lookup in lookups:
            lookup.start()
        for lookup in lookups:
            lookup.join()
        print(name, found[1].rcode, found[28].rcode, *sorted(found[1].addresses +
                                                             found[28].addresses))


def musl(name):
    replies = {}
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(5)
        for qtype in (1, 28):
            client.sendto(query(name, qtype, qtype), (SERVER, 53))
        while len(replies) < 2:
            message, sender = client.recvfrom(512)
            assert sender == (SERVER, 53), sender
            reply = Reply(message)
            assert reply.ident == reply.qtype
            replies[reply.ident] = reply
    print(*(word for qtype in (1, 28) for word in (replies[qtype].rcode, replies[qtype].count)))


def was_reset(client):
    client.settimeout(0.5)
    try:
        return client.recv(1) == b""
    except TimeoutError:
        return False
    except ConnectionResetError:
        return True


def over(client, message):
    client.settimeout(5)
    client.sendall(struct.pack("!H", len(message)) + message)
    with client.makefile("rb") as stream:
        return Reply(stream.read(struct.unpack("!H", stream.read(2))[0])).rcode


def connections(count, name):
    message = query(name, 1, 7)
    clients, refused = [], 0
    for _ in range(int(count)):
        try:
            clients.append(socket.create_connection((SERVER, 53), 5))
        except (ConnectionResetError, ConnectionRefusedError):
            refused += 1
    time.sleep(0.2)  # those that are too many have been reset by then
    refused += len(select.select(clients, [], [], 0)[0])
    rcodes = [over(clients[0], message)]
    for client in clients:
        client.close()
    time.sleep(0.2)  # the stack has seen it
    with socket.create_connection((SERVER, 53), 5) as client:
        rcodes.append(over(client, message))
    print(refused, *rcodes)


def oversize(length):
    with socket.create_connection((SERVER, 53), 5) as client:
        client.sendall(struct.pack("!H", int(length)) + b"x" * 100)
        print("reset" if was_reset(client) else "open")


if __name__ == "__main__":
    globals()[sys.argv[1]](*sys.argv[2:])
