"""A real HTTP server on loopback that answers what a test says, byte for byte."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.parse import parse_qsl


@dataclass
class Request:
    line: str
    headers: dict[str, str]
    body: bytes

    @property
    def form(self) -> dict[str, str]:
        return dict(parse_qsl(self.body.decode()))


Script = Callable[[socket.socket, Request], None]


@dataclass
class Server:
    url: str
    port: int
    requests: list[Request] = field(default_factory=list)
    done: threading.Event = field(default_factory=threading.Event)  # set when the test is over: scripts may wait on it


def canned(status: str, body: bytes, *headers: str) -> Script:
    """A whole answer, after which the connection is closed."""

    def write(connection: socket.socket, _request: Request) -> None:
        lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", "Connection: close", *headers]
        connection.sendall("\r\n".join(lines).encode() + b"\r\n\r\n" + body)

    return write


@contextmanager
def serving(script: Script) -> Iterator[Server]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        server = Server(f"http://127.0.0.1:{port}", port)
        accepting = threading.Thread(target=_accept, args=(listener, server, script), daemon=True)
        accepting.start()
        try:
            yield server
        finally:
            server.done.set()
            with socket.create_connection(("127.0.0.1", port)):
                pass  # wakes the accepting thread, which then sees that it is over
            accepting.join(timeout=10)


def _accept(listener: socket.socket, server: Server, script: Script) -> None:
    workers = []
    while True:
        connection, _ = listener.accept()
        if server.done.is_set():
            connection.close()
            break
        worker = threading.Thread(target=_answer, args=(connection, server, script), daemon=True)
        worker.start()
        workers.append(worker)
    for worker in workers:
        worker.join(timeout=10)


def _answer(connection: socket.socket, server: Server, script: Script) -> None:
    with connection:
        try:
            request = _read(connection)
            if request is not None:
                server.requests.append(request)
                script(connection, request)
        except OSError:
            return  # the client has gone, as some tests want


def _read(connection: socket.socket) -> Request | None:
    received = b""
    while b"\r\n\r\n" not in received:
        part = connection.recv(65536)
        if not part:
            return None
        received += part
    head, _, body = received.partition(b"\r\n\r\n")
    line, *rest = head.decode("latin-1").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (entry.partition(":") for entry in rest)}
    while len(body) < int(headers.get("content-length", "0")):
        body += connection.recv(65536)
    return Request(line, headers, body)
