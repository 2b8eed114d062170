"""What the host itself offers and no sandbox may reach: TCP on all of its addresses, a UNIX socket
in the file system and an abstract one. One process, so that the test process has no threads."""

import contextlib
import os
import selectors
import signal
import socket

import linux

TCP_PORT = 8642
TEXT = b"a service of the host itself\n"
ABSTRACT_NAME = "mini-sandbox-test-host"


def unix_path(run_dir):
    return f"{run_dir}/host.sock"


def start(run_dir):
    """Returns the pid; the services are there when this returns."""
    tcp = socket.create_server(("::", TCP_PORT), family=socket.AF_INET6, dualstack_ipv6=True,
                               backlog=64)
    path = socket.socket(socket.AF_UNIX)
    path.bind(unix_path(run_dir))
    os.chmod(unix_path(run_dir), 0o777)
    path.listen()
    abstract = socket.socket(socket.AF_UNIX)
    abstract.bind(b"\0" + ABSTRACT_NAME.encode())
    abstract.listen()
    holder = os.getpid()
    child = os.fork()
    if child:
        for listener in (tcp, path, abstract):
            listener.close()
        return child
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    linux.die_with_parent(holder)
    selector = selectors.DefaultSelector()
    for listener in (tcp, path, abstract):
        selector.register(listener, selectors.EVENT_READ)
    while True:
        for key, _ in selector.select():
            with contextlib.suppress(OSError):
                connection, _ = key.fileobj.accept()
                with connection:
                    connection.sendall(TEXT)
