"""How do requests reach the API? HTTP/1.1 on loopback: authentication, faults, headers, and streams in chunks.

Source: k8s.io/apiserver pkg/server/config.go (DefaultBuildHandlerChain), the recorded headers.
"""

from __future__ import annotations

import contextlib
import select
import socket
import threading
import uuid
from collections import deque
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import parse_qs, urlsplit

from gitops_rollback.sandbox.cuttable_server import CuttableServer, EveryMethod
from gitops_rollback.sandbox.kubernetes.answers import JSON, Answer, Refusal, failure, found, plain
from gitops_rollback.sandbox.kubernetes.api import Api
from gitops_rollback.sandbox.kubernetes.discovery import discover
from gitops_rollback.sandbox.kubernetes.faults import Fault
from gitops_rollback.sandbox.kubernetes.routing import Request, target_of
from gitops_rollback.sandbox.kubernetes.watching import Cut, Watcher

_MAX_BODY = 3 << 20
_CHUNKED_FROM = 2048  # Go's net/http counts the length of what fits its buffer
_LOOK_SECONDS = 0.2
_REQUESTS_KEPT = 20_000
_PRIORITY = {  # which flow the priority-and-fairness filter put a request in; ever the same here
    "X-Kubernetes-Pf-Flowschema-Uid": "cc3dc961-1379-441e-adf9-45b07ef22446",
    "X-Kubernetes-Pf-Prioritylevel-Uid": "857fa701-8cd6-42af-88d9-6f532752689f",
}


@dataclass(frozen=True)
class Write:
    """One request that could change something, as it came in."""

    method: str
    path: str  # with the query
    body: str
    at: datetime
    user: str


class Server(CuttableServer):
    """The listening socket and the open connections, so that a stop ends them all."""

    def __init__(self, port: int, api: Api, bookmark_every: float) -> None:
        self.api = api
        self.bookmark_every = bookmark_every
        self.writes: list[Write] = []
        self.requests: deque[str] = deque(maxlen=_REQUESTS_KEPT)
        self.running = threading.Event()
        self.running.set()
        super().__init__(port, Handler)


class Handler(EveryMethod):
    """One connection."""

    server: Server

    def send_response(self, code: int, message: str | None = None) -> None:
        """The status line; the real server sends no Server header."""
        self.send_response_only(code, message)
        self.send_header("Date", self.date_time_string())

    def _serve(self) -> None:
        body = self.rfile.read(min(int(self.headers.get("Content-Length") or 0), _MAX_BODY))
        self._known = False
        self.server.requests.append(f"{self.command} {self.path}")
        try:
            answer = self._answer(body)
        except Refusal as exc:
            answer = exc.answer()
        except Cut:
            self._hang_up()
            return
        if answer is not None:
            self._send(answer)

    def _answer(self, body: bytes) -> Answer | None:
        """The answer; None if it has been sent already, as a stream."""
        url = urlsplit(self.path)
        user = self.server.api.access.user(self.headers.get("Authorization", ""))
        self._known = True
        if self.command != "GET":
            now = self.server.api.store.now()
            self.server.writes.append(Write(self.command, self.path, body.decode(errors="replace"), now, user))
        target = target_of(url.path)
        if target is None:
            self.server.api.access.require_path(user, self.command.lower(), url.path)
            return discover(url.path, self.server.api.kinds) or plain(404, "404 page not found\n")
        media = self.headers.get("Content-Type", "").partition(";")[0].strip().lower()
        query = parse_qs(url.query, keep_blank_values=True)
        agent = self.headers.get("User-Agent", "")
        accept = self.headers.get("Accept", "")
        request = Request(self.command, target, query, body, media, agent, user, self._client_there, accept)
        return self._faulty(request)

    def _faulty(self, request: Request) -> Answer | None:
        """Answer as the faults allow. Raises: Cut, Refusal."""
        fault = self.server.api.faults.take(request.verb, request.target.plural, request.target.name)
        if fault is None:
            return self._true_answer(request)
        over = self.server.api.faults.over
        if fault.delay:
            self.server.api.store.clock.wait(fault.delay, over)
        answer = self._done(request, fault)
        if fault.silent:
            while not over.wait(_LOOK_SECONDS) and self._client_there():
                continue
        if fault.silent or fault.cut:
            raise Cut
        return fault.answer or answer

    def _done(self, request: Request, fault: Fault) -> Answer | None:
        """Do what was asked, unless the fault stands before it. A watch has nothing to do without an answer."""
        fails = fault.answer is not None or fault.silent or fault.cut
        if fails and (not fault.done or request.verb == "watch"):
            return None
        try:
            return self._true_answer(request)
        except Refusal as exc:
            return exc.answer()

    def _true_answer(self, request: Request) -> Answer | None:
        if request.verb != "watch":
            return self.server.api.answer(request)
        watch = self.server.api.watch(request)
        if isinstance(watch, Answer):
            return watch
        watcher = Watcher(self.server.api.store, self.server.api.faults, self.server.bookmark_every, self._chunk)
        try:
            watcher.run(watch, self._begin_stream, self._client_there)
            self.wfile.write(b"0\r\n\r\n")
        except OSError as exc:
            raise Cut from exc
        return None

    def _begin_stream(self) -> None:
        self.send_response(200)
        self._headers(JSON)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        self.wfile.flush()

    def _headers(self, content_type: str) -> None:
        self.send_header("Audit-Id", str(uuid.uuid4()))
        self.send_header("Cache-Control", "no-cache, private")
        self.send_header("Content-Type", content_type)
        for name, value in _PRIORITY.items() if self._known else ():
            self.send_header(name, value)

    def _send(self, answer: Answer) -> None:
        self.send_response(answer.status)
        self._headers(answer.content_type)
        for name, value in answer.headers.items():
            self.send_header(name, value)
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

    def _hang_up(self) -> None:
        self.close_connection = True
        with contextlib.suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)

    def _client_there(self) -> bool:
        """Whether the server runs and the client has not closed its side."""
        if not self.server.running.is_set():
            return False
        try:
            readable, _, _ = select.select([self.connection], [], [], 0)
            return not readable or self.connection.recv(1, socket.MSG_PEEK) != b""
        except (OSError, ValueError):
            return False


def refusal(code: int, reason: str, message: str, retry_after: int | None) -> Answer:
    """A forced failure as an answer; `retry_after` seconds as a header and in the Status."""
    details = {"retryAfterSeconds": retry_after} if retry_after is not None else None
    headers = {"Retry-After": str(retry_after)} if retry_after is not None else {}
    return found(failure(code, message, reason, details), code, headers)
