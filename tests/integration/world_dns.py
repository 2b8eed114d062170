"""The DNS servers of the test world: one zone, `example.`, over UDP and TCP.

Theory of operation: a name maps to a Name record that holds its addresses and how the server
misbehaves for it. Every query that arrives is appended to dns.log before it is answered, as
`server transport type name`, so that a test can assert what went upstream. The server never
recurses; a CNAME whose target is in the zone is followed inside one answer, as resolvers do.
"""

import dataclasses
import ipaddress
import socket
import struct
import threading
import time

A, CNAME, PTR, MX, TXT, AAAA, SRV, OPT, SVCB, HTTPS, ANY = 1, 5, 12, 15, 16, 28, 33, 41, 64, 65, 255
TYPE_NAMES = {A: "A", CNAME: "CNAME", PTR: "PTR", MX: "MX", TXT: "TXT", AAAA: "AAAA", SRV: "SRV",
              SVCB: "SVCB", HTTPS: "HTTPS", ANY: "ANY"}
NOERROR, SERVFAIL, NXDOMAIN = 0, 2, 3


@dataclasses.dataclass
class Name:
    v4: tuple = ()
    v6: tuple = ()
    cname: str = ""
    txt: str = ""
    ttl: int = 60
    rcode: int = NOERROR
    delay: float = 0  # seconds before the answer
    silent: bool = False  # never an answer
    truncated: bool = False  # over UDP only the TC bit
    rebind: tuple = ()  # the IPv4 addresses of the second and later answers


def zone(host_v4, host_v6):
    names = {
        "allowed.example": Name(("198.51.100.10",), ("2001:db8:a::10",), txt="v=allowed"),
        "refused.example": Name(("198.51.100.20",), ("2001:db8:a::20",)),
        "other.example": Name(("198.51.100.30",), ("2001:db8:a::30",)),
        "v4only.example": Name(("198.51.100.11",)),
        "v6only.example": Name((), ("2001:db8:a::11",)),
        "alias.example": Name(cname="allowed.example"),
        "alias-out.example": Name(cname="refused.example"),
        "loop.example": Name(cname="loop.example"),
        "dangling.example": Name(cname="nx.example"),
        "intranet.lab.example": Name(("198.51.100.10",), ("2001:db8:a::10",)),
        "long-chain.example": Name(cname="chain1.example"),
        "servfail.example": Name(rcode=SERVFAIL),
        "slow.example": Name(("198.51.100.12",), ("2001:db8:a::12",), delay=1.0),
        "silent.example": Name(silent=True),
        "truncated.example": Name(tuple(f"198.51.100.{n}" for n in range(100, 130)),
                                  truncated=True),
        "many.example": Name(tuple(f"198.51.100.{n}" for n in range(60, 80))),
        "wild.example": Name(("198.51.100.40",), ("2001:db8:a::40",)),
        "blackhole.example": Name(("203.0.113.200",)),
        "unreachable.example": Name(("203.0.113.201",)),
        "closed.example": Name(("198.51.100.13",)),
        # Rebinding: names that lead where invariant 10 forbids.
        "loopback.example": Name(("127.0.0.1",), ("::1",)),
        "metadata.example": Name(("169.254.169.254",)),
        "linklocal6.example": Name((), ("fe80::1",)),
        "unspecified.example": Name(("0.0.0.0",), ("::",)),
        "multicast.example": Name(("224.0.0.1",), ("ff02::1",)),
        "mapped.example": Name((), ("::ffff:127.0.0.1",)),
        "nat64.example": Name((), ("64:ff9b::7f00:1",)),
        "cgnat.example": Name(("100.64.0.9",)),
        "hostself.example": Name((host_v4,), (host_v6,)),
        "private.example": Name(("10.66.0.5",)),
        "private.wild.example": Name(("10.66.0.5",)),
        "mixed.example": Name(("127.0.0.1", "198.51.100.50")),
        "rebind.example": Name(("198.51.100.51",), ttl=0, rebind=("127.0.0.1",)),
    }
    for link in range(1, 10):  # nine more CNAMEs: one too many
        names[f"chain{link}.example"] = Name(cname=f"chain{link + 1}.example")
    names["chain10.example"] = Name(("198.51.100.14",))
    return {name + ".": value for name, value in names.items()}


def encode_name(name):
    wire = b""
    for label in name.rstrip(".").split("."):
        if label:
            raw = label.encode("ascii", "replace")
            wire += bytes((len(raw),)) + raw
    return wire + b"\0"


def decode_name(message, offset):
    labels = []
    while message[offset]:
        length = message[offset]
        if length > 63:
            raise ValueError("compressed question")
        labels.append(message[offset + 1:offset + 1 + length].decode("latin-1"))
        offset += 1 + length
    return ".".join(labels) + ".", offset + 1


class DnsServer:
    def __init__(self, names, log_path):
        self._names = names
        self._log = open(log_path, "a", encoding="utf-8", buffering=1)
        self._asked = {}  # how often each name was asked for its addresses
        self._lock = threading.Lock()

    def serve(self, address):
        """`address` may have a zone: fe80::1%eth0."""
        # As bytes: a text would load the codec of IDNA, which this account may not be able to read.
        family, *_, where = socket.getaddrinfo(address.encode(), 53, type=socket.SOCK_DGRAM,
                                               flags=socket.AI_NUMERICHOST)[0]
        udp = socket.socket(family, socket.SOCK_DGRAM)
        udp.bind(where)
        tcp = socket.create_server(where, family=family, backlog=128)
        threading.Thread(target=self._serve_udp, args=(udp, address), daemon=True).start()
        threading.Thread(target=self._serve_tcp, args=(tcp, address), daemon=True).start()

    def _serve_udp(self, udp, address):
        while True:
            query, client = udp.recvfrom(4096)
            threading.Thread(target=self._answer_udp, args=(udp, address, query, client),
                             daemon=True).start()

    def _answer_udp(self, udp, address, query, client):
        reply = self._reply(query, address, "udp")
        if reply:
            udp.sendto(reply, client)

    def _serve_tcp(self, tcp, address):
        while True:
            client, _ = tcp.accept()
            threading.Thread(target=self._answer_tcp, args=(client, address), daemon=True).start()

    def _answer_tcp(self, client, address):
        with client, client.makefile("rb") as stream:
            while True:
                prefix = stream.read(2)
                if len(prefix) < 2:
                    return
                reply = self._reply(stream.read(struct.unpack("!H", prefix)[0]), address, "tcp")
                if not reply:
                    return
                client.sendall(struct.pack("!H", len(reply)) + reply)

    def _reply(self, query, server, transport):
        try:
            ident, flags, questions = struct.unpack_from("!HHH", query)
            name, end = decode_name(query, 12)
            qtype, _ = struct.unpack_from("!HH", query, end)
        except (struct.error, IndexError, ValueError):
            return None
        if flags & 0x8000 or questions != 1:
            return None
        self._log.write(f"{server} {transport} {TYPE_NAMES.get(qtype, qtype)} {name}\n")
        question = query[12:end + 4]
        records, rcode, record = self._resolve(name.lower(), qtype)
        if record and record.silent:
            return None
        if record and record.delay:
            time.sleep(record.delay)
        truncated = bool(record and record.truncated and transport == "udp")
        if truncated:
            records = []
        header = struct.pack("!HHHHHH", ident,
                             0x8480 | (flags & 0x0100) | (0x0200 if truncated else 0) | rcode, 1,
                             len(records), 0, 0)
        return header + question + b"".join(records)

    def _resolve(self, name, qtype):
        """(records, rcode, the record that says how to misbehave)"""
        records = []
        for _ in range(12):
            record = self._lookup(name)
            if record is None:
                return records, NXDOMAIN, None
            if record.cname and qtype != CNAME:
                target = record.cname + "."
                records.append(_record(name, CNAME, record.ttl, encode_name(target)))
                name = target
                continue
            return records + self._own_records(name, record, qtype), record.rcode, record
        return records, NOERROR, None  # a loop of CNAMEs: what was followed so far

    def _lookup(self, name):
        if name in self._names:
            return self._names[name]
        if name.endswith(".wild.example."):
            return self._names["wild.example."]
        return None

    def _own_records(self, name, record, qtype):
        if qtype == A:
            with self._lock:
                self._asked[name] = self._asked.get(name, 0) + 1
                again = self._asked[name] > 1
            addresses = record.rebind if record.rebind and again else record.v4
        elif qtype == AAAA:
            addresses = record.v6
        elif qtype == TXT and record.txt:
            raw = record.txt.encode()
            return [_record(name, TXT, record.ttl, bytes((len(raw),)) + raw)]
        elif qtype == CNAME and record.cname:
            return [_record(name, CNAME, record.ttl, encode_name(record.cname))]
        else:
            return []
        return [_record(name, qtype, record.ttl, ipaddress.ip_address(address).packed)
                for address in addresses]


def _record(name, rtype, ttl, data):
    return encode_name(name) + struct.pack("!HHIH", rtype, 1, ttl, len(data)) + data
