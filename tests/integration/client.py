"""client.py VERB...: what the tests do with the network from inside a sandbox, where a shell's
tools are too coarse. Prints one line a result; a failed connect is its errno's name, with the time
it took in milliseconds."""

import concurrent.futures
import errno
import hashlib
import os
import select
import socket
import struct
import sys
import time

import payload


def name_of(error):
    if isinstance(error, socket.timeout) and error.errno is None:  # Python's, not the kernel's
        return "timeout"
    if isinstance(error, socket.gaierror):
        return f"gaierror {error.errno}"
    return errno.errorcode.get(error.errno, str(error))


def timed(action):
    begun = time.monotonic()
    try:
        result = action()
    except OSError as error:
        result = name_of(error)
    print(result, round((time.monotonic() - begun) * 1000))


def dial(host, port, timeout=10.0):
    return socket.create_connection((host, int(port)), timeout)


def connect(host, port, timeout="10"):
    """`connected` or the error."""
    def action():
        with dial(host, port, float(timeout)):
            return "connected"
    timed(action)


def connect_impatiently(host, port, syns="1"):
    """As `connect`, but the kernel gives up after that many SYNs more (tcp(7), TCP_SYNCNT)."""
    def action():
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        with socket.socket(family) as client:
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_SYNCNT, int(syns))
            client.connect((host, int(port)))
            return "connected"
    timed(action)


def urgent(host, port):
    """An urgent byte each way: what was read in line, and what out of band."""
    with dial(host, port) as client:
        client.sendall(b"ab")
        client.send(b"U", socket.MSG_OOB)
        client.sendall(b"c")
        select.select([], [], [client], 10)
        byte = client.recv(1, socket.MSG_OOB)
        inline = b""
        while data := client.recv(100):
            inline += data
    print(inline.decode(), byte.decode())


def abort(host, port, text):
    """Sends, and resets (socket(7), SO_LINGER)."""
    with dial(host, port) as client:
        client.sendall(text.encode())
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def udp(host, port, text="hello", timeout="2"):
    """The echo of a datagram, or the error that ICMP brought."""
    def action():
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        with socket.socket(family, socket.SOCK_DGRAM) as client:
            client.settimeout(float(timeout))
            client.connect((host, int(port)))
            client.send(text.encode())
            return client.recv(65536).decode()
    timed(action)


def datagram_socket(host, port, timeout=2.0):
    client = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM)
    client.settimeout(timeout)
    client.connect((host, int(port)))
    return client


def udp_many(host, port, count):
    """Echoed datagrams of changing sizes, eight under way at once: how many were right, and how
    many came in another order."""
    right, disordered, sent, received = 0, 0, 0, 0
    with datagram_socket(host, port) as client:
        while received < int(count):
            while sent < int(count) and sent < received + 8:
                client.send(b"%08d" % sent + bytes(sent // 16 % 5 * 300))
                sent += 1
            answer = client.recv(65536)
            number = int(answer[:8])
            right += answer[8:] == bytes(number // 16 % 5 * 300)
            disordered += number != received
            received += 1
    print(right, disordered)


def udp_again(host, port, size):
    """A datagram that is sent until its echo comes: its length. The first ones may be lost, while
    the path's MTU is learned."""
    with datagram_socket(host, port, 0.5) as client:
        for _ in range(10):
            try:
                client.send(bytes(int(size)))
                print(len(client.recv(65536)))
                return
            except OSError as error:
                failure = name_of(error)
    print(failure)


def path_mtu(host, port, size):
    """Datagrams that may not be cut, until one fails: how, and the path's MTU by then."""
    six = ":" in host
    level, discover, mtu = (socket.IPPROTO_IPV6, 23, 24) if six else (socket.IPPROTO_IP, 10, 14)
    with datagram_socket(host, port) as client:
        client.setsockopt(level, discover, 2)  # IP_PMTUDISC_DO
        failure = "none"
        for _ in range(50):
            try:
                client.send(bytes(int(size)))
                time.sleep(0.02)
            except OSError as error:
                failure = name_of(error)
                break
        print(failure, client.getsockopt(level, mtu))


def icmp_error(host, port):
    """The ICMP error that a datagram brings, as ip(7)'s error queue has it: type/code errno."""
    import struct
    six = ":" in host
    level, option = (socket.IPPROTO_IPV6, 25) if six else (socket.IPPROTO_IP, 11)  # RECVERR
    with datagram_socket(host, port) as client:
        client.setsockopt(level, option, 1)
        client.send(b"x")
        deadline = time.monotonic() + 5
        while time.monotonic() < deadline:
            try:
                _, ancillary, _, _ = client.recvmsg(100, 512, socket.MSG_ERRQUEUE)
            except BlockingIOError:
                time.sleep(0.01)
                continue
            number, _, kind, code = struct.unpack_from("IBBB", ancillary[0][2])
            print(f"{kind}/{code} {errno.errorcode[number]}")
            return
    print("none")


def shout(*addresses):
    """A datagram to each multicast or broadcast address: how many could be sent."""
    sent = 0
    for address in addresses:
        family, _, _, _, where = socket.getaddrinfo(address, 5353, 0, socket.SOCK_DGRAM)[0]
        with socket.socket(family, socket.SOCK_DGRAM) as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
            sent += client.sendto(b"anybody?", where) == 8
    print(sent)


def ping(host, size, count):
    """Echo requests by an unprivileged socket, one after the other: how many were answered as they
    should be, or the first error."""
    import struct
    six = ":" in host
    family, protocol = ((socket.AF_INET6, socket.IPPROTO_ICMPV6) if six else
                        (socket.AF_INET, socket.IPPROTO_ICMP))
    level, option = (socket.IPPROTO_IPV6, 25) if six else (socket.IPPROTO_IP, 11)  # RECVERR
    payload_bytes = os.urandom(int(size))
    right = 0
    with socket.socket(family, socket.SOCK_DGRAM, protocol) as client:
        client.settimeout(5)
        client.setsockopt(level, option, 1)  # as ping(8) does: else only some errors are reported
        try:
            client.connect((host, 0))
            for sequence in range(1, int(count) + 1):
                client.send(struct.pack("!BBHHH", 128 if six else 8, 0, 0, 0, sequence)
                            + payload_bytes)
                answer = client.recv(70000)
                kind, code, _, _, number = struct.unpack_from("!BBHHH", answer)
                right += ((kind, code, number) == (129 if six else 0, 0, sequence)
                          and answer[8:] == payload_bytes)
        except OSError as error:
            print(name_of(error))
            return
    print(right)


def resolve(*names):
    """The addresses of each name, sorted; or the error."""
    for name in names:
        try:
            found = {entry[4][0] for entry in socket.getaddrinfo(name, 80, 0, socket.SOCK_STREAM)}
            print(name, *sorted(found))
        except socket.gaierror as error:
            print(name, name_of(error))


def half_close(host, port, size):
    """Sends, shuts down its side, and still gets the answer: "mine theirs"."""
    digest = hashlib.sha256()
    with dial(host, port) as client:
        for block in payload.blocks(int(size)):
            client.sendall(block)
            digest.update(block)
        client.shutdown(socket.SHUT_WR)
        answer = b""
        while data := client.recv(1000):
            answer += data
    print(digest.hexdigest(), answer.decode().strip())


def read_all(host, port, first=""):
    """Sends `first`; then the number of bytes until the end, and how it ended."""
    count, end = 0, "end"
    try:
        with dial(host, port) as client:
            client.sendall(first.encode())
            while data := client.recv(4096):
                count += len(data)
    except OSError as error:
        end = name_of(error)
    print(count, end)


def after_fin(host, port, size):
    """The peer shut its side first; what is sent afterwards still arrives."""
    digest = hashlib.sha256()
    with dial(host, port) as client:
        first = b""
        while data := client.recv(1000):
            first += data
        for block in payload.blocks(int(size)):
            client.sendall(block)
            digest.update(block)
    print(first.decode().strip(), digest.hexdigest())


def fill(host, port, seconds):
    """Sends without anybody reading: how many bytes were taken."""
    taken, deadline = 0, time.monotonic() + float(seconds)
    with dial(host, port) as client:
        client.settimeout(0.3)
        try:
            while time.monotonic() < deadline:
                taken += client.send(bytes(1 << 16))
        except socket.timeout:
            pass
        print(taken)


def leave_unread(host, port, seconds):
    """Holds a connection without reading."""
    with dial(host, port):
        print("holding", flush=True)
        time.sleep(float(seconds))


def echo_many(host, port, count):
    """That many connections at once, each with data of its own: how many were right."""
    connections = [dial(host, port) for _ in range(int(count))]
    for number, client in enumerate(connections):
        client.sendall(f"{number:08}".encode())
    right = 0
    for number, client in enumerate(connections):
        answer = b""
        while len(answer) < 8:
            answer += client.recv(8 - len(answer))
        right += answer == f"{number:08}".encode()
        client.close()
    print(right)


def hang_up_many(host, port, count):
    """That many short connections, sixteen at a time: how many saw an orderly end."""
    def one(_):
        with dial(host, port) as client:
            return client.recv(1) == b""
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        print(sum(pool.map(one, range(int(count)))))


def refused_many(host, port, count):
    """That many refused ones: how many were, and the slowest in milliseconds."""
    refused, slowest = 0, 0.0
    for _ in range(int(count)):
        begun = time.monotonic()
        try:
            dial(host, port).close()
        except ConnectionRefusedError:
            refused += 1
        slowest = max(slowest, time.monotonic() - begun)
    print(refused, round(slowest * 1000))


def pend_many(host, port, count):
    """That many connects that nobody answers, left pending: how many were refused at once."""
    pending, refused = [], 0
    for _ in range(int(count)):
        client = socket.socket()
        client.setblocking(False)
        client.connect_ex((host, int(port)))
        pending.append(client)
    time.sleep(0.5)  # none of them will answer; refusals have had their time
    for client in pending:
        refused += client.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == errno.ECONNREFUSED
    print(len(pending), refused, flush=True)
    return pending


def pend_and_connect(host, port, count, other, other_port):
    """With those pending, another connection is made."""
    pending = pend_many(host, port, count)
    connect(other, other_port)
    del pending


def spray(host, count):
    """A datagram to each of that many ports, from sockets of their own, and no answer awaited."""
    for number in range(int(count)):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            try:
                client.sendto(b"x", (host, 10_000 + number % 50_000))
            except OSError:
                pass
    print("sprayed", flush=True)


def fetch(url):
    """By urllib: the length and SHA-256 of what came, or the error."""
    import urllib.error
    import urllib.request
    digest, length = hashlib.sha256(), 0
    try:
        with urllib.request.urlopen(url, timeout=25) as answer:
            while data := answer.read(1 << 20):
                digest.update(data)
                length += len(data)
    except urllib.error.URLError as error:
        reason = error.reason
        print("failed", name_of(reason) if isinstance(reason, OSError) else reason)
        return
    print(length, digest.hexdigest())


def upload(url, size):
    """By a PUT that is streamed: what the server says it got."""
    import http.client
    import urllib.parse
    where = urllib.parse.urlsplit(url)
    connection = http.client.HTTPConnection(where.hostname, where.port or 80, timeout=25)
    connection.putrequest("PUT", where.path)
    connection.putheader("Content-Length", size)
    connection.endheaders()
    for block in payload.blocks(int(size)):
        connection.send(block)
    print(connection.getresponse().read().decode().strip())


def raw_dns(server, transport, query):
    """Sends bytes to port 53 and prints the answer as hexadecimal digits."""
    message = bytes.fromhex(query)
    family = socket.AF_INET6 if ":" in server else socket.AF_INET
    kind = socket.SOCK_DGRAM if transport == "udp" else socket.SOCK_STREAM
    with socket.socket(family, kind) as client:
        client.settimeout(1)  # no answer is one, too
        try:
            client.connect((server, 53))
            client.sendall(message if transport == "udp" else
                           len(message).to_bytes(2, "big") + message)
            print(client.recv(65536).hex())
        except OSError as error:
            print(name_of(error))


def main():
    verb, *arguments = sys.argv[1:]
    globals()[verb.replace("-", "_")](*arguments)


if __name__ == "__main__":
    sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
    main()
