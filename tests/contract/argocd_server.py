"""A stand-in for Argo CD's API server on loopback: answers what a test puts up, byte for byte; keeps the requests."""

from __future__ import annotations

import json
import socketserver
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import trustme

from gitops_rollback.adapters.engines.argocd import ArgoCd
from gitops_rollback.adapters.engines.argocd_settings import ArgoCdSettings

EXCERPTS = Path(__file__).parent / "argocd"


@dataclass(frozen=True)
class Reply:
    """`body` is one content-length body, `chunks` a chunked one whose parts come as the iterator gives them."""

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=lambda: {"Content-Type": "application/json"})
    body: bytes = b"{}"
    chunks: Callable[[], Iterator[bytes]] | None = None


@dataclass(frozen=True)
class Request:
    method: str
    path: str
    query: Mapping[str, list[str]]
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> dict[str, object]:
        value = json.loads(self.body)
        assert isinstance(value, dict)
        return value


class Server:
    """`routes` maps (method, path without query) to a reply, or to a list of replies given one after the other."""

    def __init__(self) -> None:
        self.routes: dict[tuple[str, str], Reply | list[Reply]] = {}
        self.requests: list[Request] = []
        self.released = threading.Event()  # set at the end: whoever hangs may go on
        self.url = ""

    def put_recorded(self, *entries: Mapping[str, object]) -> None:
        """Answer as recorded, by method and path; entries of one path come one after the other."""
        for entry in entries:
            asked = entry["request"]
            assert isinstance(asked, dict)
            known = self.routes.setdefault((asked["method"], urlsplit(asked["path"]).path), [])
            assert isinstance(known, list)
            known.append(recorded_reply(entry))

    def put(self, method: str, path: str, *replies: Reply) -> None:
        self.routes[method, path] = replies[0] if len(replies) == 1 else list(replies)

    def answer(self, request: Request) -> Reply:
        self.requests.append(request)
        reply = self.routes.get((request.method, request.path), NOT_FOUND)
        if isinstance(reply, list):
            return reply.pop(0) if len(reply) > 1 else reply[0]
        return reply

    def hang(self) -> Iterator[bytes]:
        """Nothing at all until the test ends."""
        self.released.wait(60)
        yield b""

    def trickle(self) -> Iterator[bytes]:
        """A byte now and then, for as long as somebody reads."""
        while not self.released.wait(0.02):
            yield b" "


NOT_FOUND = Reply(404, {"Content-Type": "text/plain; charset=utf-8"}, b"Not Found\n")


def json_reply(value: object, status: int = 200) -> Reply:
    return Reply(status, body=json.dumps(value, separators=(",", ":")).encode())


def recorded_reply(entry: Mapping[str, object]) -> Reply:
    """A recorded answer with the bytes that the real server sent (Go's JSON has no spaces and hides <, > and &)."""
    response = entry["response"]
    assert isinstance(response, dict)
    body = response["body"]
    text = body if isinstance(body, str) else json.dumps(body, separators=(",", ":"), ensure_ascii=False)
    for sign in "" if isinstance(body, str) else "<>&":
        text = text.replace(sign, rf"\u{ord(sign):04x}")
    raw = text.encode()
    headers = {name.title(): value for name, value in response["headers"].items()}
    length = headers.pop("Content-Length", None)
    if headers.pop("Transfer-Encoding", None) == "chunked":
        return Reply(response["status"], headers, chunks=lambda: iter([raw[:2000], raw[2000:]]))
    assert length is None or int(length) == len(raw)
    return Reply(response["status"], headers, raw)


class Handler(BaseHTTPRequestHandler):
    """Hands each request to the `Server` behind it."""

    server: Quiet
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: object) -> None:
        pass

    def handle_one_request(self) -> None:
        try:
            super().handle_one_request()
        except (OSError, ValueError):
            self.close_connection = True

    def _any(self) -> None:
        parts = urlsplit(self.path)
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        request = Request(self.command, parts.path, parse_qs(parts.query), dict(self.headers), body)
        self._reply(self.server.running.answer(request))

    do_GET = do_POST = do_DELETE = _any

    def _reply(self, reply: Reply) -> None:
        parts = reply.chunks() if reply.chunks else None
        first = next(parts, b"") if parts else b""
        self.send_response(reply.status)
        for name, value in reply.headers.items():
            self.send_header(name, value)
        if parts is None:
            if "Content-Length" not in reply.headers:
                self.send_header("Content-Length", str(len(reply.body)))
            self.end_headers()
            self.wfile.write(reply.body)
            return
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        self._chunk(first)
        for chunk in parts:
            self._chunk(chunk)
        self.wfile.write(b"0\r\n\r\n")

    def _chunk(self, chunk: bytes) -> None:
        if chunk:
            self.wfile.write(b"%x\r\n%s\r\n" % (len(chunk), chunk))
            self.wfile.flush()


class Quiet(ThreadingHTTPServer):
    """Says nothing about clients that leave early: tests make them do so."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, running: Server) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.running = running

    def handle_error(self, request: object, client_address: object) -> None:
        pass


@contextmanager
def serve(tls: trustme.CA | None = None) -> Iterator[Server]:
    """A running server; its threads have ended when this ends."""
    server = Server()
    http = Quiet(server)
    if tls is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.issue_cert("127.0.0.1").configure_cert(context)
        http.socket = context.wrap_socket(http.socket, server_side=True)
    server.url = f"{'https' if tls else 'http'}://127.0.0.1:{http.server_address[1]}"
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server
    finally:
        server.released.set()
        http.shutdown()
        http.server_close()
        thread.join()


def engine_for(running: Server, **settings: object) -> ArgoCd:
    known: dict[str, object] = {"server": running.url, "token": lambda: "header.payload.signature", **settings}
    return ArgoCd(ArgoCdSettings(**known))  # fields are checked by the dataclass's own signature


def recorded(shared: Path, story: str, name: str) -> list[dict[str, object]]:
    """The lines of one recorded file."""
    return lines(shared / "recordings" / "argocd" / story / name)


def lines(path: Path) -> list[dict[str, object]]:
    """The values of a file of JSON lines."""
    return [json.loads(line) for line in path.read_text().splitlines()]


class RawServer:
    """Sends `start`, then `endless` piece by piece until the other side goes; no HTTP of its own."""

    def __init__(self, start: bytes, endless: bytes = b"") -> None:
        ended = self._ended = threading.Event()

        class Handler(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                while self.rfile.readline() not in (b"\r\n", b""):
                    pass
                try:
                    self.wfile.write(start)
                    while endless and not ended.wait(0.02):
                        self.wfile.write(endless)
                except OSError:
                    return

        self._server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})

    def __enter__(self) -> str:
        self._thread.start()
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def __exit__(self, *exc: object) -> None:
        self._ended.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
