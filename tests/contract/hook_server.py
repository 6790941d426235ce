"""Webhook doors on loopback, and whoever posts to them: byte by byte, over real sockets."""

from __future__ import annotations

import hashlib
import hmac
import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from prometheus_client import CollectorRegistry, Counter

from gitops_rollback.web.hints import Hint
from gitops_rollback.web.hooks import Door, Hooks, HookServer

NOW = datetime(2026, 1, 5, 10, 1, 7, tzinfo=UTC)
TOKEN = "a-token-that-flux-knows"
PATH = "/hooks/flux/fleet"
COUNTED = "gitops_rollback_webhook_deliveries_total"
EVENT = {
    "involvedObject": {"kind": "Kustomization", "namespace": "flux-system", "name": "cart"},
    "severity": "info",
    "timestamp": "2026-01-05T10:01:07Z",
    "message": "Deployment/shop/cart configured",
    "reason": "Progressing",
    "metadata": {"revision": "main@sha1:bbbb"},
    "reportingController": "kustomize-controller",
}


@dataclass
class Receiving:
    """Doors that are open, the looks that deliveries asked for, and their count by result."""

    server: HookServer
    hooks: Hooks
    registry: CollectorRegistry
    looks: list[Hint] = field(default_factory=list)
    ahead: timedelta = timedelta(0)

    def now(self) -> datetime:
        return NOW + self.ahead

    def open(self, *doors: Door) -> None:
        """These doors, or Flux's. What is named `elsewhere` is about nothing of ours."""
        self.hooks.open(doors or [Door("flux", "fleet", (TOKEN,))], self.look)

    def look(self, hint: Hint) -> bool:
        if any("elsewhere" in url for url in hint.repositories):
            return False
        self.looks.append(hint)
        return True

    def counted(self, result: str, kind: str = "flux") -> float:
        labels = {"kind": kind, "name": "fleet", "result": result}
        return self.registry.get_sample_value(COUNTED, labels) or 0.0

    def send(self, head: str, body: bytes = b"", source: str = "127.0.0.1", patience: float = 20.0) -> int:
        """The status of a request of these lines; the connection's end without one is 0."""
        with socket.create_connection(self.server.address, patience, (source, 0)) as link:
            with suppress(ConnectionError):  # answered and closed before all was sent
                link.sendall(head.replace("\n", "\r\n").encode("latin-1") + b"\r\n\r\n" + body)
            try:
                answer = link.makefile("rb").readline()
            except ConnectionError:
                return 0
        return int(answer.split()[1]) if answer else 0

    def post(self, body: bytes, *headers: str, path: str = PATH, source: str = "127.0.0.1") -> int:
        lines = [f"POST {path} HTTP/1.1", "Host: x", f"Content-Length: {len(body)}", *headers]
        return self.send("\n".join(lines), body, source)

    def event(self, body: bytes | None = None, **changes: object) -> int:
        """As Flux's `generic-hmac` provider sends it."""
        text = json.dumps({**EVENT, **changes}).encode() if body is None else body
        return self.post(text, "Content-Type: application/json", signature(text))


def signature(body: bytes, token: str = TOKEN, name: str = "sha256") -> str:
    return f"X-Signature: {name}={hmac.new(token.encode(), body, getattr(hashlib, name)).hexdigest()}"


@contextmanager
def receiving(opened: bool = True) -> Iterator[Receiving]:
    registry = CollectorRegistry()
    counted = Counter("gitops_rollback_webhook_deliveries", "x", ["kind", "name", "result"], registry=registry)
    hooks = Hooks(lambda: one.now(), counted)
    server = HookServer(("127.0.0.1", 0), hooks)
    one = Receiving(server, hooks, registry)
    if opened:
        one.open()
    server.start()
    try:
        yield one
    finally:
        server.stop()
