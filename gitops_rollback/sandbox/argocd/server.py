"""How do requests reach the API? HTTP/1.1 on loopback with the real server's gates, in the real server's order.

Source: argo-cd v3.5.1 server/server.go (enforceContentTypes, newHTTPServer), grpc-gateway v1.16 runtime/mux.go.
"""

from __future__ import annotations

import contextlib
import json
import re
import select
import socket
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from gitops_rollback.sandbox.argocd.answers import HTML, JSON, Answer, ApiError, plain
from gitops_rollback.sandbox.argocd.api import Api, Request
from gitops_rollback.sandbox.argocd.faults import WEB_PAGE, Faults
from gitops_rollback.sandbox.argocd.stream import EVENT_STREAM, Watcher
from gitops_rollback.sandbox.cuttable_server import CuttableServer, EveryMethod

_MAX_BODY = 1 << 20
_CHUNKED_FROM = 2048  # Go's net/http counts the length of what fits its buffer
_REQUESTS_KEPT = 20_000
_ONE = r"([^/]+)"
_APPLICATION = rf"/api/v1/applications/{_ONE}"


@dataclass(frozen=True)
class Write:
    """One request that could change something, as it came in."""

    method: str
    path: str  # with the query
    body: str
    at: datetime


Route = tuple[re.Pattern[str], dict[str, Callable[[Request], Answer]]]


def routes(api: Api) -> list[Route]:
    """Paths, verbs and who answers."""
    table: dict[str, dict[str, Callable[[Request], Answer]]] = {
        "/api/version": {"GET": api.version},
        "/api/v1/session/userinfo": {"GET": api.userinfo},
        f"/api/v1/account/can-i/{_ONE}/{_ONE}/{_ONE}/(.+)": {"GET": api.can_i},
        "/api/v1/applications": {"GET": api.list_applications},
        _APPLICATION: {"GET": api.get_application, "PATCH": api.patch},
        f"{_APPLICATION}/sync": {"POST": api.sync},
        f"{_APPLICATION}/operation": {"DELETE": api.terminate},
        f"{_APPLICATION}/rollback": {"POST": api.rollback},
        f"{_APPLICATION}/syncwindows": {"GET": api.sync_windows},
        f"{_APPLICATION}/resource-tree": {"GET": api.tree},
        f"{_APPLICATION}/resource": {"GET": api.resource},
        f"{_APPLICATION}/managed-resources": {"GET": api.managed},
        f"{_APPLICATION}/events": {"GET": api.events},
        f"{_APPLICATION}/revisions/{_ONE}/metadata": {"GET": api.revision_metadata},
    }
    return [(re.compile(pattern), verbs) for pattern, verbs in table.items()]


class Server(CuttableServer):
    """The listening socket and the open connections, so that a stop ends them all."""

    def __init__(self, port: int, api: Api, faults: Faults, keepalive: float) -> None:
        self.api = api
        self.faults = faults
        self.keepalive = keepalive
        self.routes = routes(api)
        self.writes: list[Write] = []
        self.requests: deque[str] = deque(maxlen=_REQUESTS_KEPT)
        self.present = threading.Event()
        self.present.set()
        super().__init__(port, Handler)


class Handler(EveryMethod):
    """One connection."""

    server: Server

    def _serve(self) -> None:
        body = self.rfile.read(min(int(self.headers.get("Content-Length") or 0), _MAX_BODY))
        self.server.requests.append(f"{self.command} {self.path}")
        if self.command != "GET":
            now = self.server.api.store.clock.now()
            self.server.writes.append(Write(self.command, self.path, body.decode(errors="replace"), now))
        try:
            answer = self.server.faults.next_answer() or self._answer(body)
        except ApiError as exc:
            answer = exc.answer()
        if answer is not None:
            self._send(answer)

    def _answer(self, body: bytes) -> Answer | None:
        """The answer; None if it has been sent already, as a stream."""
        url = urlsplit(self.path)
        if not url.path.startswith("/api/"):
            return Answer(200, WEB_PAGE, HTML)
        if self.command != "GET" and self.headers.get("Content-Type", "").lower() != JSON:
            return plain(415, "Invalid content type")
        streams = url.path == "/api/v1/stream/applications"
        parts, verbs = ((), {"GET": self.server.api.version}) if streams else self._route(url.path)
        if not verbs:
            return plain(404, "Not Found")
        if self.command not in verbs:
            return plain(405, "Method Not Allowed")
        if url.path != "/api/version":
            self.server.api.access.authenticate(self.headers.get("Authorization", ""), self.headers.get("Cookie", ""))
        query = parse_qs(url.query, keep_blank_values=True)
        request = Request(parts, query, _json(body), _StillThere(self.connection, self.server.present))
        if streams:
            self._stream(request)
            return None
        return verbs[self.command](request)

    def _route(self, path: str) -> tuple[tuple[str, ...], dict[str, Callable[[Request], Answer]]]:
        for pattern, verbs in self.server.routes:
            match = pattern.fullmatch(path)
            if match:
                return tuple(unquote(part) for part in match.groups()), verbs
        return (), {}

    def _stream(self, request: Request) -> None:
        sse = self.headers.get("Accept") == EVENT_STREAM
        self.close_connection = True
        watcher = Watcher(self.server.api, request, sse, self.server.keepalive, self._chunk)

        def begin() -> None:
            self.send_response(200)
            self.send_header("Content-Type", EVENT_STREAM if sse else JSON)
            self.send_header("Grpc-Metadata-Content-Type", "application/grpc")
            self.send_header("X-Content-Type-Options", "nosniff")
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()

        with contextlib.suppress(OSError):
            watcher.run(begin)

    def _send(self, answer: Answer) -> None:
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.content_type)
        if answer.status != 415:  # that gate stands before the compressing handler
            self.send_header("Vary", "Accept-Encoding")
        if answer.content_type != JSON:
            self.send_header("X-Content-Type-Options", "nosniff")
        if answer.status == 200 and answer.content_type == JSON:
            self.send_header("Grpc-Metadata-Content-Type", "application/grpc")
        chunked = len(answer.body) > _CHUNKED_FROM
        self.send_header(*(("Transfer-Encoding", "chunked") if chunked else ("Content-Length", str(len(answer.body)))))
        with contextlib.suppress(OSError):
            self.end_headers()
            if chunked:
                self._chunk(answer.body)
                self.wfile.write(b"0\r\n\r\n")
            else:
                self.wfile.write(answer.body)

    def _chunk(self, data: bytes) -> None:
        self.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
        self.wfile.flush()


class _StillThere(threading.Event):
    """Set while the server runs and the client has not closed its side."""

    def __init__(self, connection: socket.socket, server_present: threading.Event) -> None:
        super().__init__()
        self._connection = connection
        self._server_present = server_present

    def is_set(self) -> bool:
        if not self._server_present.is_set():
            return False
        try:
            readable, _, _ = select.select([self._connection], [], [], 0)
            return not readable or self._connection.recv(1, socket.MSG_PEEK) != b""
        except (OSError, ValueError):
            return False


def _json(body: bytes) -> dict[str, Any]:
    if not body:
        return {}
    try:
        parsed = json.loads(body)
    except ValueError as exc:
        raise ApiError(3, _go_words(body)) from exc
    if not isinstance(parsed, dict):
        raise ApiError(3, "json: cannot unmarshal into Go value of type application.ApplicationSyncRequest")
    return parsed


def _go_words(body: bytes) -> str:
    """What Go's decoder says about the commonest slip: a bare word where a key must stand."""
    text = body.decode(errors="replace").strip()
    second = text[1:].lstrip()[:1] if text.startswith("{") else ""
    if second:
        return f"invalid character '{second}' looking for beginning of object key string"
    return f"invalid character '{text[:1]}' looking for beginning of value"
