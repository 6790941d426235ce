"""What does one watcher of Applications get, byte by byte? Replay, events, keepalives, and how it ends.

Nothing is sent before the first event, not even a status line: the gateway waits for it. So no visible application is a
request that hangs. Source: argo-cd v3.5.1 server/application (Watch), argoproj/pkg v2 grpc/http/forwarders.go.
"""

from __future__ import annotations

import json
from collections.abc import Callable

from gitops_rollback.sandbox.argocd.api import Api, Request
from gitops_rollback.sandbox.argocd.state import Subscription
from gitops_rollback.sandbox.argocd.views import masked_event
from gitops_rollback.sandbox.rendering import Json

EVENT_STREAM = "text/event-stream"


class Watcher:
    """One open stream. `send` writes bytes to the client and raises OSError when it has gone."""

    def __init__(self, api: Api, request: Request, sse: bool, keepalive: float, send: Callable[[bytes], None]) -> None:
        self._api = api
        self._request = request
        self._sse = sse
        self._keepalive = keepalive
        self._send = send
        self._started = False
        self._last: dict[str, str] = {}

    def run(self, begin: Callable[[], None]) -> None:
        """Stream until the watch is closed or the client has gone; `begin` sends the status line and headers."""
        subscription, present = self._api.store.subscribe()
        try:
            if self._replays():
                for application in present:
                    self._event("ADDED", application, begin)
            while not subscription.closed and self._request.still_there.is_set():
                self._drain(subscription, begin)
        finally:
            self._api.store.unsubscribe(subscription)

    def _replays(self) -> bool:
        return not self._request.one("resourceVersion") or bool(self._request.one("name"))

    def _drain(self, subscription: Subscription, begin: Callable[[], None]) -> None:
        subscription.wake.clear()
        while subscription.pending:
            self._event(*subscription.pending.popleft(), begin)
        woken = self._api.store.clock.wait(self._keepalive, subscription.wake)
        if not woken and self._started and self._sse:
            self._send(b":\n")

    def _event(self, kind: str, application: Json, begin: Callable[[], None]) -> None:
        floor = self._request.one("resourceVersion")
        if floor.isdigit() and int(application["metadata"]["resourceVersion"]) <= int(floor) and not self._replays():
            return
        if not self._api.matches(self._request, application, with_repo=False):
            return
        event: Json = {"result": {"type": kind, "application": self._api.whole(application)}}
        text = json.dumps(masked_event(event, self._request.one("fields")), separators=(",", ":"))
        name = application["metadata"]["name"]
        if self._last.get(name) == text:
            return
        self._last[name] = text
        if not self._started:
            begin()
            self._started = True
        self._send(f"data: {text} \n\n\n".encode() if self._sse else f"{text}\n".encode())
