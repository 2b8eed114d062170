"""Raw TCP and UDP servers of the test world, one behaviour a port, on every address."""

import contextlib
import errno
import hashlib
import select
import socket
import struct
import threading
import time

import payload

HALF_CLOSE = 7001  # reads to the end, then answers with the SHA-256 of it
RESET = 7002  # reads one byte, then resets
SLOW_READER = 7003  # a pause, then reads to the end in small pieces, then the SHA-256
SLOW_WRITER = 7004  # 50 bytes, one every 20 ms
NEVER_READS = 7005  # accepts and leaves it at that
FIREHOSE = 7006  # writes without end
ECHO = 7007  # TCP and UDP
EARLY_FIN = 7008  # sends a line, shuts its side, then reads to the end: logged as "early-fin SHA"
HANG_UP = 7009  # closes at once
URGENT = 7010  # reads "abc", an urgent byte aside; answers what it saw and sends an urgent byte itself
HOW_IT_ENDS = 7011  # reads to the end: logged as "ends COUNT end", or with the error's name
# Nobody listens on 7099.
CLOSED = 7099


def _digest(connection, size=1 << 20, pause=0.0):
    digest = hashlib.sha256()
    while True:
        data = connection.recv(size)
        if not data:
            return digest.hexdigest()
        digest.update(data)
        if pause:
            time.sleep(pause)


class RawServers:
    def __init__(self, run_dir):
        self._log = open(f"{run_dir}/tcp.log", "a", encoding="utf-8", buffering=1)

    def serve(self):
        for port, behaviour in ((HALF_CLOSE, self._half_close), (RESET, self._reset),
                                (SLOW_READER, self._slow_reader), (SLOW_WRITER, self._slow_writer),
                                (NEVER_READS, self._never_reads), (FIREHOSE, self._firehose),
                                (ECHO, self._echo), (EARLY_FIN, self._early_fin),
                                (HANG_UP, self._hang_up), (URGENT, self._urgent),
                                (HOW_IT_ENDS, self._how_it_ends)):
            listener = socket.create_server(("::", port), family=socket.AF_INET6,
                                            dualstack_ipv6=True, backlog=1024)
            threading.Thread(target=self._accept, args=(listener, behaviour), daemon=True).start()
        threading.Thread(target=self._echo_udp, daemon=True).start()

    def _accept(self, listener, behaviour):
        port = listener.getsockname()[1]
        while True:
            connection, _ = listener.accept()
            address = connection.getsockname()[0].replace("::ffff:", "")
            self._log.write(f"{address} {port}\n")
            threading.Thread(target=self._run, args=(connection, behaviour), daemon=True).start()

    @staticmethod
    def _run(connection, behaviour):
        with connection:
            try:
                behaviour(connection)
            except OSError:
                pass  # the peer went away: part of the tests

    @staticmethod
    def _half_close(connection):
        connection.sendall((_digest(connection) + "\n").encode())

    @staticmethod
    def _reset(connection):
        connection.recv(1)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    @staticmethod
    def _slow_reader(connection):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        time.sleep(0.5)
        connection.sendall((_digest(connection, 65536, 0.002) + "\n").encode())

    @staticmethod
    def _slow_writer(connection):
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for _ in range(50):
            connection.sendall(b"x")
            time.sleep(0.02)

    @staticmethod
    def _never_reads(connection):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        time.sleep(600)

    @staticmethod
    def _firehose(connection):
        for block in payload.blocks(1 << 50):
            connection.sendall(block)

    @staticmethod
    def _echo(connection):
        while True:
            data = connection.recv(65536)
            if not data:
                return
            connection.sendall(data)

    @staticmethod
    def _urgent(connection):
        seen = b""
        while len(seen) < 2:
            seen += connection.recv(2 - len(seen))
        select.select([], [], [connection], 10)
        urgent = connection.recv(1, socket.MSG_OOB)
        seen += connection.recv(1)
        connection.sendall(seen + b" " + urgent + b" ")
        connection.send(b"V", socket.MSG_OOB)
        connection.sendall(b"end")
        connection.shutdown(socket.SHUT_WR)
        connection.recv(1)

    def _how_it_ends(self, connection):
        count, end = 0, "end"
        try:
            while data := connection.recv(65536):
                count += len(data)
        except OSError as error:
            end = errno.errorcode[error.errno]
        self._log.write(f"ends {count} {end}\n")

    def _early_fin(self, connection):
        connection.sendall(b"that is all\n")
        connection.shutdown(socket.SHUT_WR)
        self._log.write(f"early-fin {_digest(connection)}\n")

    @staticmethod
    def _hang_up(connection):
        pass

    def _echo_udp(self):
        # The answer has to come from the address that was asked: IPV6_PKTINFO (ipv6(7)).
        server = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
        server.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        server.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1)
        # An address that is local by its route alone counts as foreign to IPv6 (ip6_datagram_send_ctl).
        ipv6_freebind = 78
        server.setsockopt(socket.IPPROTO_IPV6, ipv6_freebind, 1)
        server.bind(("::", ECHO))
        while True:
            data, ancillary, _, client = server.recvmsg(65536, 256)
            info = next((raw for level, kind, raw in ancillary
                         if level == socket.IPPROTO_IPV6 and kind == socket.IPV6_PKTINFO), None)
            reply_from = []
            if info:
                address = socket.inet_ntop(socket.AF_INET6, info[:16]).replace("::ffff:", "")
                self._log.write(f"{address} udp/{ECHO}\n")
                reply_from = [(socket.IPPROTO_IPV6, socket.IPV6_PKTINFO,
                               info[:16] + struct.pack("i", 0))]
            with contextlib.suppress(OSError):  # the client's ICMP errors are reported here
                server.sendmsg([data], reply_from, 0, client)
