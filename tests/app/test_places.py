"""Who is told of a message: what the policy asks for, signed; no secret goes astray, and a page reaches somebody."""

from __future__ import annotations

import hashlib
import hmac
import io
import json
import queue
import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import structlog

from gitops_rollback.adapters.log import configure_logging
from gitops_rollback.app.runtime import PauseNow, Runtime
from gitops_rollback.app.settings import Settings
from gitops_rollback.app.settings_input import load_settings
from gitops_rollback.app.wiring import wire
from gitops_rollback.app.wiring_notifiers import notifier_of
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
        self.refused: set[str] = set()  # paths that are answered 404

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.busy.wait(self.server.busy_seconds)
        self.server.received.put(Received(self.path, self.headers.get("X-Signature", ""), body))
        self.send_response(404 if self.path in self.server.refused else 204)
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


def settings(receiver: Receiver, config: str = "") -> Settings:
    environment = {
        "HOME": "/home/kim",
        "GITOPS_ROLLBACK_ALLOW_ORIGINS": receiver.url,
        "GITOPS_ROLLBACK_SECRET_HOOK": "s3cret",
        "GITOPS_ROLLBACK_SECRET_HOOK_ORIGINS": receiver.url,
        "GITOPS_ROLLBACK_SECRET_OTHER": "elsewhere",
        "GITOPS_ROLLBACK_SECRET_OTHER_ORIGINS": "https://other.example.com",
    }
    flags = {"repo": ("https://git.example.com/acme/config.git",), "config": config or None}
    return load_settings(environment, flags)


def texts(receiver: Receiver, count: int) -> dict[str, dict[str, object]]:
    """What the first `count` deliveries said, by path."""
    got = [receiver.received.get(timeout=PATIENCE_SECONDS) for _ in range(count)]
    return {one.path: json.loads(one.body) for one in got}


def told(key: str, *routes: Notification, event: str = "verified", page: bool = False) -> Message:
    name = "default/Application/argocd/web"
    return Message(event, name, "Rolled back", "It held", key, "Verified", page=page, routes=routes)


def test_a_policys_webhook_is_told_and_can_check_who_told_it(receiver: Receiver) -> None:
    notifier = notifier_of(settings(receiver))
    notifier.tell(told("one", Notification(("verified",), "webhook", f"{receiver.url}/hook", "hook")))
    got = receiver.received.get(timeout=PATIENCE_SECONDS)
    assert got.path == "/hook"
    assert got.signature == "sha256=" + hmac.new(b"s3cret", got.body, hashlib.sha256).hexdigest()
    assert json.loads(got.body)["application"] == "default/Application/argocd/web"


def test_a_message_leads_to_the_pages_that_explain_it_where_people_reach_the_dashboard(
    receiver: Receiver, tmp_path: Path
) -> None:
    config = tmp_path / "settings.yaml"
    config.write_text("dashboard: {address: 'https://rollback.example.com/'}\n", "utf-8")
    notifier = notifier_of(settings(receiver, str(config)))
    message = told("links", Notification(("verified",), "webhook", f"{receiver.url}/hook"))
    notifier.tell(replace(message, rollback_id="rb-1", guide=("safe to do: waiting",)))
    pages = ["https://rollback.example.com/r/rb-1", "https://rollback.example.com/reasons#Verified"]
    assert texts(receiver, 1)["/hook"]["guide"] == ["safe to do: waiting", *pages]


def test_only_wanted_events_and_offered_secrets_reach_a_webhook(receiver: Receiver) -> None:
    notifier = notifier_of(settings(receiver))
    unwanted = Notification(("held",), "webhook", f"{receiver.url}/unwanted")
    stolen = Notification(("*",), "webhook", f"{receiver.url}/stolen", "other")
    wanted = Notification(("*",), "webhook", f"{receiver.url}/wanted")
    notifier.tell(told("two", unwanted, stolen, wanted))
    assert receiver.received.get(timeout=PATIENCE_SECONDS).path == "/wanted"
    assert receiver.received.empty()


def test_what_is_queued_is_still_sent_at_the_end(receiver: Receiver) -> None:
    receiver.busy_seconds = 0.5
    runtime = Runtime(wire(settings(receiver)), PauseNow(PauseState("settings")))
    runtime.parts.notifier.tell(told("three", Notification(("*",), "webhook", f"{receiver.url}/last")))
    runtime.close()
    assert receiver.received.get_nowait().path == "/last"


def test_a_page_that_a_place_refuses_goes_to_the_next_one_and_says_so(receiver: Receiver) -> None:
    receiver.refused = {"/first", "/second"}
    routes = [
        Notification(("*",), "webhook", f"{receiver.url}/first"),
        Notification(("verified",), "webhook", f"{receiver.url}/second"),
        Notification(("verified",), "webhook", f"{receiver.url}/third"),
    ]
    notifier = notifier_of(settings(receiver))
    notifier.tell(told("four", *routes, event="held", page=True))
    said = texts(receiver, 3)
    assert list(said) == ["/first", "/second", "/third"]
    assert "It held" in said["/third"]["text"]
    assert said["/third"]["title"].startswith("Not told to webhook http://127.0.0.1")
    assert "answered 404" in said["/third"]["text"]
    assert "/first" not in said["/third"]["title"] + said["/third"]["text"], "an address may hold a secret"
    notifier.close(5)


def test_what_is_no_page_wakes_nobody_elsewhere(receiver: Receiver) -> None:
    receiver.refused = {"/first"}
    notifier = notifier_of(settings(receiver))
    first, second = (
        Notification((event,), "webhook", f"{receiver.url}/{name}")
        for event, name in (("*", "first"), ("held", "second"))
    )
    notifier.tell(told("five", first, second))
    notifier.close(5)
    assert list(texts(receiver, 1)) == ["/first"]
    assert receiver.received.empty()


def test_a_page_whose_place_may_not_be_used_goes_to_the_settings_own_place(receiver: Receiver, tmp_path: Path) -> None:
    config = tmp_path / "gitops-rollback.yaml"
    config.write_text(f"notifications: [{{name: office, url: '{receiver.url}/office', events: [verified]}}]\n")
    notifier = notifier_of(settings(receiver, str(config)))
    notifier.tell(told("six", Notification(("*",), "slack", secret="nowhere", channel="#ops"), event="held", page=True))
    said = texts(receiver, 1)["/office"]
    assert "slack #ops could not be told this page: the controller's settings offer no secret" in said["text"]
    notifier.close(5)


def test_a_page_that_nobody_can_be_told_is_an_error_of_the_log(receiver: Receiver) -> None:
    stream = io.StringIO()
    configure_logging(json=True, file=stream)
    receiver.refused = {"/only"}
    notifier = notifier_of(settings(receiver))
    notifier.tell(told("seven", Notification(("*",), "webhook", f"{receiver.url}/only"), event="held", page=True))
    notifier.close(5)
    structlog.reset_defaults()
    assert "A page reached nobody but this log" in stream.getvalue()


def test_messages_are_worded_as_the_settings_say(receiver: Receiver, tmp_path: Path) -> None:
    config = tmp_path / "gitops-rollback.yaml"
    config.write_text(
        f"notifications: [{{url: '{receiver.url}/office'}}]\n"
        "templates:\n"
        "  verified: {title: '$name is back ($reason)'}\n"
        "  '*': {text: 'Look: $text'}\n"
    )
    notifier = notifier_of(settings(receiver, str(config)))
    notifier.tell(told("eight"))
    notifier.tell(told("nine", event="held"))
    notifier.close(5)
    said = [json.loads(receiver.received.get(timeout=PATIENCE_SECONDS).body) for _ in range(2)]
    assert [(one["title"], one["text"]) for one in said] == [
        ("argocd/web is back (Verified)", "It held"),
        ("Rolled back", "Look: It held"),
    ]


def test_an_apprise_url_is_for_policies_only_where_the_settings_say_so(receiver: Receiver, tmp_path: Path) -> None:
    config = tmp_path / "gitops-rollback.yaml"
    host = receiver.url.removeprefix("http://")
    config.write_text(
        "secrets:\n"
        f"  - {{name: closed, value: 'json://{host}/closed'}}\n"
        f"  - {{name: open, value: 'json://{host}/open', apprise: true}}\n"
    )
    notifier = notifier_of(settings(receiver, str(config)))
    notifier.tell(told("ten", *(Notification(("*",), "apprise", secret=name) for name in ("closed", "open"))))
    notifier.close(5)
    assert list(texts(receiver, 1)) == ["/open"]
    assert receiver.received.empty()


def test_a_shadow_tells_nobody(receiver: Receiver, tmp_path: Path) -> None:
    config = tmp_path / "gitops-rollback.yaml"
    config.write_text(f"shadow: true\nnotifications: [{{url: '{receiver.url}/office'}}]\n")
    notifier = notifier_of(settings(receiver, str(config)))
    notifier.tell(told("eleven", Notification(("*",), "webhook", f"{receiver.url}/policy")))
    notifier.close(5)
    assert receiver.received.empty()
