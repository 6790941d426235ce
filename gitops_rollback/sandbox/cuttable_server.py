"""What the sandbox's HTTP servers share: open connections that a stop can cut, and one door for every method."""

from __future__ import annotations

import contextlib
import socket
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class CuttableServer(ThreadingHTTPServer):
    """The listening socket on loopback and the open connections, so that a stop ends them all."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 64

    def __init__(self, port: int, handler: type[BaseHTTPRequestHandler]) -> None:
        self.failures: list[BaseException] = []
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        super().__init__(("127.0.0.1", port), handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Remember the connection, then serve it on its own thread."""
        with self._lock:
            self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        """Close and forget the connection."""
        with self._lock:
            self._open.discard(request)
        super().shutdown_request(request)

    def handle_error(self, *_about: Any) -> None:
        """A client that went away is no news; anything else is the sandbox's own failure."""
        error = sys.exc_info()[1]
        if error is not None and not isinstance(error, OSError):
            self.failures.append(error)

    def end_connections(self) -> None:
        """Cut every open connection."""
        with self._lock:
            for connection in self._open:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)


class EveryMethod(BaseHTTPRequestHandler):
    """One connection; each request, whatever its method, goes to `_serve`. Nothing is logged."""

    disable_nagle_algorithm = True  # else each answer in several pieces waits for an acknowledgement
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._serve()

    def do_POST(self) -> None:
        self._serve()

    def do_PUT(self) -> None:
        self._serve()

    def do_PATCH(self) -> None:
        self._serve()

    def do_DELETE(self) -> None:
        self._serve()

    def log_message(self, format: str, *args: Any) -> None:
        """Requests are not logged; the server keeps those that matter."""

    def version_string(self) -> str:
        """The real servers name no software."""
        return ""

    def _serve(self) -> None:
        raise RuntimeError("each server answers in its own way")
