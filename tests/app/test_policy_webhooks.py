"""A policy's own webhook is told what the policy asks for, signed, and nobody else's secret goes there."""

from __future__ import annotations

import hashlib
import hmac
import json
import queue
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from gitops_rollback.app.runtime import PauseNow, Runtime
from gitops_rollback.app.settings import Settings
from gitops_rollback.app.settings_input import load_settings
from gitops_rollback.app.wiring import PolicyWebhooks, wire
from gitops_rollback.core.policy import Notification
from gitops_rollback.core.stop import PauseState
from gitops_rollback.ports import Message

PATIENCE_SECONDS = 10.0


@dataclass(frozen=True)
class Received:
    path: str
    signature: str
    body: bytes


class Receiver(ThreadingHTTPServer):
    """Answers 204 and keeps what came."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.received: queue.Queue[Received] = queue.Queue()
        self.busy, self.busy_seconds = threading.Event(), 0.0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.busy.wait(self.server.busy_seconds)
        self.server.received.put(Received(self.path, self.headers.get("X-Signature", ""), body))
        self.send_response(204)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Tests read what was received."""


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    server = Receiver()
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def settings(receiver: Receiver) -> Settings:
    environment = {
        "HOME": "/home/kim",
        "GITOPS_ROLLBACK_ALLOW_ORIGINS": receiver.url,
        "GITOPS_ROLLBACK_SECRET_HOOK": "s3cret",
        "GITOPS_ROLLBACK_SECRET_HOOK_ORIGINS": receiver.url,
        "GITOPS_ROLLBACK_SECRET_OTHER": "elsewhere",
        "GITOPS_ROLLBACK_SECRET_OTHER_ORIGINS": "https://other.example.com",
    }
    return load_settings(environment, {"repo": ("https://git.example.com/acme/config.git",)})


def told(key: str, *routes: Notification, event: str = "verified") -> Message:
    return Message(event, "default/Application/argocd/web", "Rolled back", "It held", key, "Verified", routes=routes)


def test_a_policys_webhook_is_told_and_can_check_who_told_it(receiver: Receiver) -> None:
    webhooks = PolicyWebhooks(settings(receiver))
    webhooks.tell(told("one", Notification(("verified",), "webhook", f"{receiver.url}/hook", "hook")))
    got = receiver.received.get(timeout=PATIENCE_SECONDS)
    assert got.path == "/hook"
    assert got.signature == "sha256=" + hmac.new(b"s3cret", got.body, hashlib.sha256).hexdigest()
    assert json.loads(got.body)["application"] == "default/Application/argocd/web"


def test_only_wanted_events_and_offered_secrets_reach_a_webhook(receiver: Receiver) -> None:
    webhooks = PolicyWebhooks(settings(receiver))
    unwanted = Notification(("held",), "webhook", f"{receiver.url}/unwanted")
    stolen = Notification(("*",), "webhook", f"{receiver.url}/stolen", "other")
    wanted = Notification(("*",), "webhook", f"{receiver.url}/wanted")
    webhooks.tell(told("two", unwanted, stolen, wanted))
    assert receiver.received.get(timeout=PATIENCE_SECONDS).path == "/wanted"
    assert receiver.received.empty()


def test_what_is_queued_is_still_sent_at_the_end(receiver: Receiver) -> None:
    receiver.busy_seconds = 0.5
    runtime = Runtime(wire(settings(receiver)), PauseNow(PauseState("settings")))
    runtime.parts.notifier.tell(told("three", Notification(("*",), "webhook", f"{receiver.url}/last")))
    runtime.close()
    assert receiver.received.get_nowait().path == "/last"
