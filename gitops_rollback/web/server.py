"""A small HTTP server in daemon threads, for pages and deliveries of a few bytes."""

from __future__ import annotations

import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from gitops_rollback.core.errors import SettingsInvalid

REQUEST_SECONDS = 10.0  # of silence within one request
MOST_CONNECTIONS = 512
WAITING = 512  # connections that the kernel keeps for us
ROOM_SECONDS = 0.2  # that a new connection waits for room; in a burst another one is answered long before
Connection = socket.socket | tuple[bytes, socket.socket]  # as socketserver has it
TEXT = "text/plain; charset=utf-8"


class _Threads(ThreadingHTTPServer):
    """A thread for each connection, up to a limit; those beyond it wait a moment, and are closed unread.

    Where nobody has left since the last one waited in vain, the next is closed at once: whoever fills all the room and
    says nothing delays nobody more than that.
    """

    daemon_threads = True
    request_queue_size = WAITING

    def __init__(self, bind: tuple[str, int], handler: type[BaseHTTPRequestHandler]) -> None:
        self._room = threading.BoundedSemaphore(MOST_CONNECTIONS)
        self._left = True  # somebody has, since the last one waited in vain
        super().__init__(bind, handler)

    def process_request(self, request: Connection, client_address: object) -> None:
        if not self._room.acquire(timeout=ROOM_SECONDS if self._left else 0):
            self._left = False
            self.shutdown_request(request)
            return
        super().process_request(request, client_address)

    def process_request_thread(self, request: Connection, client_address: object) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._left = True
            self._room.release()


class Server:
    """Serves `handler` from daemon threads until `stop`. `address` holds the port that was really bound."""

    def __init__(self, bind: tuple[str, int], handler: type[BaseHTTPRequestHandler], name: str) -> None:
        """Raises: SettingsInvalid for an address that cannot be had."""
        try:
            self._server = _Threads(bind, handler)
        except OSError as exc:
            host, port = bind
            raise SettingsInvalid(f"{host}:{port} for the {name}", exc.strerror or str(exc)) from exc
        self._thread = threading.Thread(target=self._server.serve_forever, name=name, daemon=True)

    @property
    def address(self) -> tuple[str, int]:
        host, port = self._server.server_address[:2]
        return str(host), int(port)

    @property
    def url(self) -> str:
        host, port = self.address
        return f"http://{host}:{port}"

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(timeout=REQUEST_SECONDS)


class Handler(BaseHTTPRequestHandler):
    """One request a connection."""

    timeout = REQUEST_SECONDS
    server_version = "gitops-rollback"
    sys_version = ""

    def answer(self, status: int, kind: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Probes come every few seconds, and strangers' requests as often as they like: no log line is worth it."""
