"""The HTTP server of the test world, for both families and every address of the world.

GET /            a line that names the Host asked for
GET /bytes/N     N bytes of payload.blocks, with Content-Length
GET /sha256/N    the SHA-256 of those
GET /slow        ten lines, one every 100 ms
GET /reset       half of what it promises, then a TCP reset
GET /redirect/H  to http://H/
GET|POST /git/.. `git http-backend` over the directory `git` of the run directory
PUT, POST /sink  the length and SHA-256 of the body
Every request is appended to http.log as `server-address method path`, before it is answered.
"""

import hashlib
import http.server
import os
import socket
import struct
import subprocess
import threading
import time

import payload


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    run_dir = ""
    log_lock = threading.Lock()

    def log_message(self, *_):
        pass

    def _log(self):
        address = self.connection.getsockname()[0].replace("::ffff:", "")
        with self.log_lock, open(f"{self.run_dir}/http.log", "a", encoding="utf-8") as log:
            log.write(f"{address} {self.command} {self.path}\n")

    def _body(self, text, status=200, headers=()):
        raw = text if isinstance(text, bytes) else text.encode()
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)

    def do_GET(self):
        self._log()
        _, _, rest = self.path.partition("/")
        verb, _, argument = rest.partition("/")
        if verb == "":
            self._body(f"Hello from {self.headers.get('Host', 'nobody')}\n")
        elif verb == "bytes":
            self._stream(int(argument))
        elif verb == "sha256":
            self._body(payload.sha256_of(int(argument)) + "\n")
        elif verb == "slow":
            self._slow()
        elif verb == "reset":
            self._reset()
        elif verb == "redirect":
            self._body("", 302, [("Location", f"http://{argument}/")])
        elif verb == "git":
            self._git()
        else:
            self._body("no such thing\n", 404)

    def do_HEAD(self):
        self._log()
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def do_POST(self):
        self._log()
        if self.path.startswith("/git/"):
            self._git()
            return
        digest, length = hashlib.sha256(), 0
        for chunk in self._chunks():
            digest.update(chunk)
            length += len(chunk)
        self._body(f"{length} {digest.hexdigest()}\n")

    do_PUT = do_POST

    def _chunks(self):
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            while True:
                size = int(self.rfile.readline().split(b";")[0], 16)
                chunk = self.rfile.read(size)
                self.rfile.readline()
                if not size:
                    return
                yield chunk
        left = int(self.headers.get("Content-Length", 0))
        while left:
            chunk = self.rfile.read1(min(left, payload.BLOCK))
            if not chunk:
                return
            left -= len(chunk)
            yield chunk

    def _stream(self, size):
        self.send_response(200)
        self.send_header("Content-Length", str(size))
        self.end_headers()
        for block in payload.blocks(size):
            self.connection.sendall(block)

    def _slow(self):
        self.send_response(200)
        self.send_header("Connection", "close")
        self.end_headers()
        for number in range(10):
            self.wfile.write(f"line {number}\n".encode())
            time.sleep(0.1)
        self.close_connection = True

    def _reset(self):
        self.send_response(200)
        self.send_header("Content-Length", "100000")
        self.end_headers()
        self.wfile.write(bytes(50000))
        time.sleep(0.1)  # a reset may discard what is still under way (RFC 9293, 3.10.7.4)
        self.close_connection = True
        # SO_LINGER with a time of 0 makes the server's close() send RST (socket(7)).
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    def _git(self):
        """CGI as RFC 3875 has it, as far as git-http-backend(1) needs."""
        path, _, query = self.path[len("/git"):].partition("?")
        body = b"".join(self._chunks())
        env = {
            "PATH": os.environ["PATH"],
            "GIT_PROJECT_ROOT": f"{self.run_dir}/git",
            "GIT_HTTP_EXPORT_ALL": "1",
            "GIT_CONFIG_NOSYSTEM": "1",
            "HOME": "/nonexistent",
            "REQUEST_METHOD": self.command,
            "PATH_INFO": path,
            "QUERY_STRING": query,
            "CONTENT_TYPE": self.headers.get("Content-Type", ""),
            "CONTENT_LENGTH": str(len(body)),
            "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
            "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
            "REMOTE_ADDR": "192.0.2.2",
        }
        output = subprocess.run(["git", "http-backend"], cwd=self.run_dir, input=body, env=env, check=False,
                                stdout=subprocess.PIPE).stdout
        head, _, answer = output.partition(b"\r\n\r\n")
        headers = [tuple(line.split(": ", 1)) for line in head.decode().split("\r\n") if ": " in line]
        status = next((int(value.split()[0]) for name, value in headers if name == "Status"), 200)
        self._body(answer, status, [pair for pair in headers if pair[0] != "Status"])


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 1024

    def shutdown_request(self, request):
        self.close_request(request)  # without the polite shutdown(), which would send FIN before RST

    def handle_error(self, request, client_address):
        pass  # clients that go away are part of the tests

    def server_bind(self):
        self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        http.server.socketserver.TCPServer.server_bind(self)


def serve(run_dir, port=80):
    """On every address of both families."""
    handler = type("WorldHandler", (Handler,), {"run_dir": run_dir})
    server = type("WorldServer", (Server,), {"address_family": socket.AF_INET6})(
        ("::", port), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
