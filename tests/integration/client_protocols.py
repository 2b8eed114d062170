"""client_protocols.py VERB...: clients that no package brings in a small form: a WebSocket, NTP, and
HTTPS by urllib. Like client.py they run inside a sandbox and print one line a result."""

import base64
import hashlib
import os
import secrets
import socket
import struct
import sys
import time

import client
import payload

WEBSOCKET_GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455, 1.3
NTP_EPOCH = 2208988800  # 1970 in seconds since 1900 (RFC 5905, 6)


def fetch_with_ca(url, authority):
    """By urllib, trusting that CA alone: the length and SHA-256 of what came."""
    import ssl
    import urllib.request
    context = ssl.create_default_context(cafile=authority)
    digest, length = hashlib.sha256(), 0
    with urllib.request.urlopen(url, timeout=10, context=context) as answer:
        while data := answer.read(1 << 20):
            digest.update(data)
            length += len(data)
    print(length, digest.hexdigest())


def websocket(host, port, *sizes):
    """A message of each size, echoed: how many came back as they were, then the closing code."""
    right = 0
    with client.dial(host, port) as connection, connection.makefile("rb") as stream:
        key = base64.b64encode(secrets.token_bytes(16)).decode()
        connection.sendall((f"GET /chat HTTP/1.1\r\nHost: {host}:{port}\r\nUpgrade: websocket\r\n"
                            f"Connection: Upgrade\r\nSec-WebSocket-Key: {key}\r\n"
                            "Sec-WebSocket-Version: 13\r\n\r\n").encode())
        answer = []
        while line := stream.readline().decode("latin-1").strip():
            answer.append(line)
        expected = base64.b64encode(hashlib.sha1((key + WEBSOCKET_GUID).encode()).digest()).decode()
        if not answer[0].startswith("HTTP/1.1 101 ") or \
                f"Sec-WebSocket-Accept: {expected}" not in answer:
            sys.exit(f"no WebSocket: {answer}")
        for size in map(int, sizes):
            message = b"".join(payload.blocks(size))
            _send_frame(connection, 2, message)
            right += _read_frame(stream) == (2, message)
        _send_frame(connection, 8, struct.pack("!H", 1000))
        opcode, body = _read_frame(stream)
    print(right, opcode, struct.unpack("!H", body)[0])


def _send_frame(connection, opcode, body):
    # A client masks (RFC 6455, 5.3); a mask of zeros leaves the body as it is.
    if len(body) < 126:
        length = bytes((0x80 | len(body),))
    else:
        length = bytes((0x80 | 127,)) + struct.pack("!Q", len(body))
    connection.sendall(bytes((0x80 | opcode,)) + length + bytes(4) + body)


def _read_frame(stream):
    first, length = stream.read(2)
    if length >= 126:
        length = int.from_bytes(stream.read(2 if length == 126 else 8), "big")
    return first & 15, stream.read(length)


def ntp(host):
    """One exchange as ntpdate makes it (RFC 5905, 8): stratum, reference, and the offset of the
    clocks rounded to seconds."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        asking.settimeout(3)
        asking.connect((host, 123))
        sent = time.time()
        stamp = struct.pack("!II", int(sent) + NTP_EPOCH, int(sent % 1 * (1 << 32)))
        asking.send(bytes((4 << 3 | 3,)) + bytes(39) + stamp)
        reply = asking.recv(1024)
    got = time.time()
    if reply[0] & 7 != 4 or reply[24:32] != stamp:
        sys.exit("not the answer to what was asked")
    received, transmitted = (seconds - NTP_EPOCH + fraction / (1 << 32) for seconds, fraction in
                             (struct.unpack_from("!II", reply, at) for at in (32, 40)))
    offset = ((received - sent) + (transmitted - got)) / 2
    print(reply[1], reply[12:16].decode(), round(abs(offset)))


def datagrams(host, port, count):
    """That many numbered ones to an echo, some at a time: how many different ones came back, how
    many more than once, after one with a higher number, and with anything wrong."""
    def numbered(number):
        size = 8 + number * 37 % 1200
        return number.to_bytes(8, "big") + hashlib.shake_128(str(number).encode()).digest(size)

    count = int(count)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    seen, repeated, late, wrong, highest = set(), 0, 0, 0, -1
    with socket.socket(family, socket.SOCK_DGRAM) as echo:
        echo.connect((host, int(port)))
        sent, quiet_since = 0, time.monotonic()
        while sent < count or time.monotonic() < quiet_since + 0.5:
            # Fifty are on their way; what is lost makes room when nothing has come for a while.
            room = sent < len(seen) + 50 or time.monotonic() > quiet_since + 0.05
            if sent < count and room:
                echo.send(numbered(sent))
                sent += 1
            echo.settimeout(0.001)
            try:
                data = echo.recv(65536)
            except socket.timeout:
                continue
            quiet_since = time.monotonic()
            number = int.from_bytes(data[:8], "big")
            wrong += number >= sent or data != numbered(number)
            repeated += number in seen
            late += number < highest
            highest = max(highest, number)
            seen.add(number)
    print(len(seen), repeated, late, wrong)


def main():
    verb, *arguments = sys.argv[1:]
    {"fetch": fetch_with_ca, "websocket": websocket, "ntp": ntp,
     "datagrams": datagrams}[verb](*arguments)


if __name__ == "__main__":
    sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
    main()
