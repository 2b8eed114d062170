#!/usr/bin/python3
"""world_services.py RUN_DIR CERTIFICATE KEY: what Python serves for the tests with real clients, on
every address of the world: HTTPS (as world_http has it), a WebSocket echo and NTP."""

import base64
import hashlib
import os
import socket
import ssl
import struct
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.dont_write_bytecode = True

import world_http

# As world_programs.py has them, which this process need not load.
NTP, HTTPS, WEBSOCKET = 123, 443, 8081
NTP_ADDRESS = "198.51.100.10"
NTP_EPOCH = 2208988800  # 1970 in seconds since 1900 (RFC 5905, 6)
WEBSOCKET_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455, 1.3
CLOSE = 8


def serve_https(run_dir, certificate, key):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)

    class HttpsHandler(world_http.Handler):
        def setup(self):
            self.request.do_handshake()  # in the connection's own thread
            super().setup()

    HttpsHandler.run_dir = run_dir
    server = type("HttpsServer", (world_http.Server,), {"address_family": socket.AF_INET6})(
        ("::", HTTPS), HttpsHandler)
    server.socket = context.wrap_socket(server.socket, server_side=True,
                                        do_handshake_on_connect=False)
    threading.Thread(target=server.serve_forever, daemon=True).start()


def ntp_reply(request, received):
    """A server's answer to a client's packet (RFC 5905, 7.3), or None for anything else."""
    if len(request) < 48 or request[0] & 7 != 3:
        return None

    def stamp(seconds):
        return struct.pack("!II", int(seconds) + NTP_EPOCH, int(seconds % 1 * (1 << 32)))

    version = request[0] >> 3 & 7
    return (bytes((version << 3 | 4, 1, request[2], 0xEC)) + bytes(8) + b"TEST" + stamp(received) +
            request[40:48] + stamp(received) + stamp(time.time()))


def serve_ntp():
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind((NTP_ADDRESS, NTP))
    while True:
        request, client = server.recvfrom(1024)
        reply = ntp_reply(request, time.time())
        if reply:
            server.sendto(reply, client)


def read_frame(stream):
    """(opcode, payload) of a client's frame, which is masked (RFC 6455, 5.2)."""
    first, second = stream.read(2)
    length = second & 0x7F
    if length >= 126:
        length = int.from_bytes(stream.read(2 if length == 126 else 8), "big")
    mask = stream.read(4)
    body = stream.read(length)
    pattern = (mask * (length // 4 + 1))[:length]
    plain = int.from_bytes(body, "big") ^ int.from_bytes(pattern, "big")
    return first & 15, plain.to_bytes(length, "big")


def frame(opcode, body):
    if len(body) < 126:
        length = bytes((len(body),))
    elif len(body) < 1 << 16:
        length = b"\x7e" + struct.pack("!H", len(body))
    else:
        length = b"\x7f" + struct.pack("!Q", len(body))
    return bytes((0x80 | opcode,)) + length + body


def websocket(connection):
    """Sends every message back, until the client closes."""
    with connection, connection.makefile("rb") as stream:
        stream.readline()
        headers = {}
        while line := stream.readline().decode("latin-1").strip():
            name, _, value = line.partition(":")
            headers[name.lower()] = value.strip()
        accept = base64.b64encode(hashlib.sha1(
            headers["sec-websocket-key"].encode() + WEBSOCKET_GUID).digest()).decode()
        connection.sendall(("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                            f"Connection: Upgrade\r\nSec-WebSocket-Accept: {accept}\r\n\r\n")
                           .encode())
        while True:
            opcode, body = read_frame(stream)
            connection.sendall(frame(opcode, body))
            if opcode == CLOSE:
                return


def serve_websocket():
    listener = socket.create_server(("::", WEBSOCKET), family=socket.AF_INET6,
                                    dualstack_ipv6=True)
    while True:
        connection, _ = listener.accept()
        threading.Thread(target=websocket, args=(connection,), daemon=True).start()


def main():
    run_dir, certificate, key = sys.argv[1:]
    threading.Thread(target=serve_ntp, daemon=True).start()
    threading.Thread(target=serve_websocket, daemon=True).start()
    serve_https(run_dir, certificate, key)
    threading.Event().wait()


if __name__ == "__main__":
    main()
