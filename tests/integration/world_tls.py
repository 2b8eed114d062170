"""The HTTPS server of the test world: world_http over TLS, at every address, with a certificate of a
CA made for the run. The client's server name is appended to tls.log as `server-address name`, `-`
for none, before anything else of the handshake happens.

Made in the background, since openssl takes a moment: tests wait for `certificates` first.
"""

import os
import pathlib
import socket
import ssl
import subprocess
import threading
import time

import world_http

PORT = 9443
CA = "tls-ca.pem"
NAMES = ("allowed.example", "refused.example", "other.example", "*.wild.example")


def _openssl(run_dir, *arguments):
    subprocess.run(["openssl", *arguments], cwd=run_dir, check=True, stdin=subprocess.DEVNULL,
                   stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def make_certificates(run_dir):
    """CA.tmp and what it signed; the CA gets its name last, when the server listens."""
    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-batch")
    _openssl(run_dir, "req", "-x509", *key, "-keyout", "tls-ca.key", "-out", f"{CA}.tmp",
             "-subj", "/CN=CA of the world", "-days", "2")
    _openssl(run_dir, "req", *key, "-keyout", "tls.key", "-out", "tls.csr", "-subj", "/CN=world")
    pathlib.Path(run_dir, "tls.ext").write_text(
        "subjectAltName = " + ", ".join(f"DNS:{name}" for name in NAMES), encoding="ascii")
    _openssl(run_dir, "x509", "-req", "-in", "tls.csr", "-CA", f"{CA}.tmp", "-CAkey", "tls-ca.key",
             "-CAcreateserial", "-extfile", "tls.ext", "-days", "2", "-out", "tls.pem")


def _serve(run_dir):
    make_certificates(run_dir)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(f"{run_dir}/tls.pem", f"{run_dir}/tls.key")
    lock = threading.Lock()

    def note(connection, name, _):
        address = connection.getsockname()[0].replace("::ffff:", "")
        with lock, open(f"{run_dir}/tls.log", "a", encoding="utf-8") as log:
            log.write(f"{address} {name or '-'}\n")

    context.sni_callback = note

    class Handler(world_http.Handler):
        def setup(self):
            self.request.do_handshake()  # in the connection's own thread
            super().setup()

    Handler.run_dir = run_dir
    server = type("TlsServer", (world_http.Server,), {"address_family": socket.AF_INET6})(
        ("::", PORT), Handler)
    server.socket = context.wrap_socket(server.socket, server_side=True,
                                        do_handshake_on_connect=False)
    os.rename(f"{run_dir}/{CA}.tmp", f"{run_dir}/{CA}")
    server.serve_forever()


def serve(run_dir):
    threading.Thread(target=_serve, args=(run_dir,), daemon=True).start()


def certificates(run_dir):
    """The CA's file, once the server listens."""
    path = pathlib.Path(run_dir) / CA
    deadline = time.monotonic() + 20
    while not path.exists():
        if time.monotonic() > deadline:
            raise AssertionError("the world has no TLS: is openssl installed?")
        time.sleep(0.02)
    return path
