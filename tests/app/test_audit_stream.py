"""Does each line of the audit reach who keeps it, signed, once a process, and over a restart again?"""

from __future__ import annotations

import hashlib
import hmac
import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from gitops_rollback.app.settings import Settings
from gitops_rollback.app.settings_input import load_settings
from gitops_rollback.app.wiring_notifiers import audit_stream_of
from gitops_rollback.core.audit import COLUMNS
from gitops_rollback.core.journal import DecisionEntry
from gitops_rollback.ports import JournalView

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
WEB = "default/Application/argocd/web"


class Keeper(ThreadingHTTPServer):
    """Keeps body and signature of what came; its first answers are `answers`."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.got: list[tuple[bytes, str]] = []
        self.answers: list[int] = []


class _Handler(BaseHTTPRequestHandler):
    server: Keeper

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        status = self.server.answers.pop(0) if self.server.answers else 204
        if status == 204:
            self.server.got.append((body, self.headers.get("X-Signature", "")))
        self.send_response(status)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Quiet."""


@pytest.fixture
def keeper() -> Iterator[Keeper]:
    server = Keeper()
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def settings(keeper: Keeper, folder: Path, more: str = "") -> Settings:
    url = f"http://127.0.0.1:{keeper.server_address[1]}"
    config = folder / "gitops-rollback.yaml"
    config.write_text(
        f"audit: [{{url: '{url}/lines', secretRef: {{name: keep}}}}]\n"
        f"secrets: [{{name: keep, value: s3cret, origins: ['{url}']}}]\n{more}"
    )
    return load_settings({"HOME": "/home/kim"}, {"repo": ("https://git.example.com/a/b.git",), "config": str(config)})


def an_entry(action: str, minutes: int) -> DecisionEntry:
    return DecisionEntry(NOW - timedelta(minutes=minutes), WEB, action, "TriggerFired", "b" * 40, f"{minutes} min ago")


def journal(*entries: DecisionEntry) -> JournalView:
    return JournalView("a" * 40, {}, entries)


def test_each_line_is_sent_once_signed_and_whole(keeper: Keeper, tmp_path: Path) -> None:
    stream = audit_stream_of(settings(keeper, tmp_path))
    first = (an_entry("leave", 5), an_entry("roll-back", 4))
    stream.see("a/b", journal(*first), NOW)
    stream.see("a/b", journal(*first, an_entry("verified", 1)), NOW)
    stream.close(5)
    lines = [json.loads(body) for body, _ in keeper.got]
    assert [line["action"] for line in lines] == ["roll-back", "verified"]
    assert list(lines[0]) == list(COLUMNS)
    for body, signature in keeper.got:
        assert signature == "sha256=" + hmac.new(b"s3cret", body, hashlib.sha256).hexdigest()


def test_a_new_process_sends_the_last_hour_again_and_no_more(keeper: Keeper, tmp_path: Path) -> None:
    for _ in range(2):
        stream = audit_stream_of(settings(keeper, tmp_path))
        stream.see("a/b", journal(an_entry("ask", 90), an_entry("roll-back", 50)), NOW)
        stream.close(5)
    lines = [json.loads(body) for body, _ in keeper.got]
    assert [line["message"] for line in lines] == ["50 min ago"] * 2
    assert len({line["evidence"] for line in lines}) == 1


def test_what_was_refused_for_good_is_sent_anew_at_a_later_look(keeper: Keeper, tmp_path: Path) -> None:
    keeper.answers = [404]
    stream = audit_stream_of(settings(keeper, tmp_path))
    deadline = datetime.now(UTC) + timedelta(seconds=20)
    while not keeper.got:
        assert datetime.now(UTC) < deadline
        stream.see("a/b", journal(an_entry("roll-back", 4)), NOW)
    stream.close(5)
    assert len(keeper.got) == 1


def test_one_that_only_observes_sends_nothing(keeper: Keeper, tmp_path: Path) -> None:
    stream = audit_stream_of(settings(keeper, tmp_path, "observe: true\n"))
    stream.see("a/b", journal(an_entry("roll-back", 4)), NOW)
    stream.close(5)
    assert keeper.got == []
