"""Do people hear of it once, signed and harmless, and can telling never hold anything up? Over a real HTTP server."""

from __future__ import annotations

import hashlib
import hmac
import io
import json
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import structlog

from gitops_rollback.adapters.log import Redaction, configure_logging
from gitops_rollback.adapters.notifiers import (
    QUEUE_LENGTH,
    REMEMBERED_KEYS,
    TRIES,
    Fanout,
    LogNotifier,
    WebhookNotifier,
    quoted,
    quoted_lines,
)
from gitops_rollback.core.errors import TransientError
from gitops_rollback.ports import Message

SECRET = "canary-hmac-secret"


class Receiver(ThreadingHTTPServer):
    """Keeps what it got; answers with `answers` in turn, then 200."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.got: list[tuple[bytes, dict[str, str]]] = []
        self.answers: list[int] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/hook"


class _Handler(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.got.append((body, dict(self.headers)))
        self.send_response(self.server.answers.pop(0) if self.server.answers else 200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Quiet."""


def post(url: str, body: bytes, headers: Mapping[str, str]) -> int:
    request = urllib.request.Request(url, body, dict(headers))
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as exc:
        with exc:
            return exc.code
    except OSError as exc:
        raise TransientError("hook", "no answer") from exc


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    server = Receiver()
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    stream = io.StringIO()
    configure_logging(json=True, secrets=[SECRET], file=stream)
    yield stream
    structlog.reset_defaults()


@pytest.fixture
def webhook(receiver: Receiver, log: io.StringIO) -> Iterator[Callable[..., WebhookNotifier]]:
    made: list[WebhookNotifier] = []

    def make(**options: object) -> WebhookNotifier:
        values: dict[str, object] = {"post": post, "url": receiver.url, "wait": lambda seconds: None, **options}
        made.append(WebhookNotifier(**values))
        return made[-1]

    yield make
    for notifier in made:
        notifier.close()


def a_message(key: str = "k", **changes: object) -> Message:
    values: dict[str, object] = {
        "event": "started",
        "application": "default/Application/argocd/shop",
        "title": "Rolling back",
        "text": "because",
        "key": key,
        "reason": "TriggerFired",
        "rollback_id": "rb-1",
    }
    return Message(**{**values, **changes})


def test_a_message_arrives_with_a_signature_over_the_very_bytes(
    receiver: Receiver, webhook: Callable[..., WebhookNotifier]
) -> None:
    notifier = webhook(secret=SECRET)
    notifier.tell(a_message(page=True, details={"value": float("nan")}))
    notifier.close()
    ((body, headers),) = receiver.got
    assert headers["X-Signature"] == "sha256=" + hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
    document = json.loads(body)
    assert (document["event"], document["reason"], document["rollbackId"], document["page"]) == (
        "started",
        "TriggerFired",
        "rb-1",
        True,
    )
    assert document["details"] == {"value": "nan"}


def test_without_a_secret_nothing_claims_to_be_signed(
    receiver: Receiver, webhook: Callable[..., WebhookNotifier]
) -> None:
    notifier = webhook()
    notifier.tell(a_message())
    notifier.close()
    assert "X-Signature" not in receiver.got[0][1]


@pytest.mark.parametrize(
    ("event", "kind"),
    [("verified", "dev.cdevents.service.rolledback.0.2.0"), ("held", "dev.gitops-rollback.held")],
)
def test_a_cloud_event_has_what_the_standard_requires(
    receiver: Receiver, webhook: Callable[..., WebhookNotifier], event: str, kind: str
) -> None:
    notifier = webhook(format="cloudevents")
    notifier.tell(a_message(event=event))
    notifier.close()
    ((body, headers),) = receiver.got
    document = json.loads(body)
    assert headers["Content-Type"] == "application/cloudevents+json"
    assert (document["specversion"], document["id"], document["type"]) == ("1.0", "k", kind)
    assert {"source", "time", "subject", "data"} <= set(document)


def test_the_same_thing_is_told_once(receiver: Receiver, webhook: Callable[..., WebhookNotifier]) -> None:
    notifier = webhook()
    for key in ("a", "b", "a", "a", "", ""):
        notifier.tell(a_message(key))
    notifier.close()
    assert [json.loads(body)["key"] for body, _ in receiver.got] == ["a", "b", "", ""]


def test_the_memory_of_what_was_told_is_bounded(log: io.StringIO) -> None:
    notifier = LogNotifier()
    for number in range(REMEMBERED_KEYS + 1):
        notifier.tell(a_message(str(number)))
    notifier.tell(a_message("0"))
    notifier.tell(a_message(str(REMEMBERED_KEYS)))
    assert len(log.getvalue().splitlines()) == REMEMBERED_KEYS + 2


@pytest.mark.parametrize("status", [500, 502, 503, 429, 408])
def test_a_receiver_that_is_ill_for_a_while_still_hears_it(
    receiver: Receiver, webhook: Callable[..., WebhookNotifier], status: int
) -> None:
    receiver.answers = [status, status]
    notifier = webhook()
    notifier.tell(a_message())
    notifier.close()
    assert (len(receiver.got), notifier.dropped) == (3, 0)


@pytest.mark.parametrize(("status", "tries"), [(400, 1), (404, 1), (500, TRIES)])
def test_giving_up_is_counted_and_logged_and_the_next_message_goes_out(
    receiver: Receiver, webhook: Callable[..., WebhookNotifier], log: io.StringIO, status: int, tries: int
) -> None:
    receiver.answers = [status] * tries
    notifier = webhook()
    notifier.tell(a_message("a"))
    notifier.tell(a_message("b"))
    notifier.close()
    assert [json.loads(body)["key"] for body, _ in receiver.got] == ["a"] * tries + ["b"]
    assert notifier.dropped == 1
    assert f"answered {status}" in log.getvalue()


def test_waits_between_tries_grow_and_end(log: io.StringIO) -> None:
    def refuse(url: str, body: bytes, headers: Mapping[str, str]) -> int:
        raise TransientError("hook", "no answer")

    waits: list[float] = []
    notifier = WebhookNotifier(refuse, "http://127.0.0.1:1", wait=waits.append)
    notifier.tell(a_message())
    notifier.close()
    assert len(waits) == TRIES - 1
    assert all(0.5 * 2**n <= wait <= 2**n for n, wait in enumerate(waits))


def test_a_receiver_that_hangs_holds_nobody_up_and_the_queue_is_bounded(log: io.StringIO) -> None:
    begun, release = threading.Event(), threading.Event()

    def hang(url: str, body: bytes, headers: Mapping[str, str]) -> int:
        begun.set()
        assert release.wait(30)
        return 200

    notifier = WebhookNotifier(hang, "http://127.0.0.1:1")
    notifier.tell(a_message("first"))
    assert begun.wait(30)
    for number in range(QUEUE_LENGTH + 5):
        notifier.tell(a_message(str(number)))
    assert notifier.dropped == 5
    release.set()
    notifier.close(30)
    notifier.tell(a_message("after the end"))
    assert notifier.dropped == 5


def test_a_broken_sender_does_not_end_the_worker(log: io.StringIO) -> None:
    calls: list[bytes] = []

    def break_once(url: str, body: bytes, headers: Mapping[str, str]) -> int:
        calls.append(body)
        if len(calls) <= TRIES:
            raise KeyError("surprise")
        return 200

    notifier = WebhookNotifier(break_once, "http://127.0.0.1:1", wait=lambda seconds: None)
    notifier.tell(a_message("a"))
    notifier.tell(a_message("b"))
    notifier.close()
    assert (len(calls), notifier.dropped) == (TRIES + 1, 1)


def test_a_message_that_was_dropped_may_be_told_again(
    receiver: Receiver, webhook: Callable[..., WebhookNotifier]
) -> None:
    receiver.answers = [404]
    notifier = webhook()
    notifier.tell(a_message())
    until = time.monotonic() + 30
    while notifier.dropped == 0:
        assert time.monotonic() < until
    notifier.tell(a_message())
    notifier.close()
    assert len(receiver.got) == 2


def test_only_the_events_that_were_asked_for_are_sent(
    receiver: Receiver, webhook: Callable[..., WebhookNotifier]
) -> None:
    notifier = webhook(events=("held", "failed"))
    for event in ("started", "held", "verified", "failed"):
        notifier.tell(a_message(event, event=event))
    notifier.close()
    assert [json.loads(body)["event"] for body, _ in receiver.got] == ["held", "failed"]


def test_one_notifier_that_breaks_its_word_does_not_silence_the_others(log: io.StringIO) -> None:
    class Broken:
        def tell(self, message: Message) -> None:
            raise RuntimeError("no")

    Fanout([Broken(), LogNotifier()]).tell(a_message())
    assert "started: Rolling back" in log.getvalue()


@pytest.mark.parametrize(
    ("text", "dead"),
    [
        ("<!channel> now", "‹!channel› now"),
        ("@org/all", "@\u200borg/all"),
        ("[x](http://evil)", "［x］(http://evil)"),
        ("\x1b[31mred\x07", "［31mred"),
        ("a\u202eb", "ab"),
        ("`rm`", "'rm'"),
        ("a\nb", "ab"),
    ],
)
def test_a_strangers_text_mentions_nobody_and_moves_nothing(text: str, dead: str) -> None:
    assert quoted(text) == dead


def test_a_strangers_text_is_cut() -> None:
    assert len(quoted("x" * 1_000_000)) == 200
    assert len(quoted_lines("x\n" * 1_000_000).splitlines()) == 41


def test_texts_of_commits_are_dead_in_every_part_of_the_body(
    receiver: Receiver, webhook: Callable[..., WebhookNotifier]
) -> None:
    evil = "<!channel> @all [x](y) \x1b[0m \u202e"
    notifier = webhook()
    notifier.tell(a_message(title=evil, text=f"{evil}\n{evil}", application=evil, details={evil: [evil]}))
    notifier.close()
    text = json.dumps(json.loads(receiver.got[0][0]), ensure_ascii=False)
    assert "<!channel>" not in text
    assert "@all" not in text
    assert "[x]" not in text
    assert "\\u001b" not in text
    assert "\u202e" not in text


def test_a_log_line_is_one_json_object_with_the_known_keys(log: io.StringIO) -> None:
    LogNotifier().tell(a_message(page=True))
    (line,) = log.getvalue().splitlines()
    document = json.loads(line)
    assert list(document)[:3] == ["ts", "level", "msg"]
    assert (document["level"], document["msg"]) == ("warning", "started: Rolling back")
    assert (document["rollback_id"], document["reason"]) == ("rb-1", "TriggerFired")


def test_no_secret_reaches_the_log_whatever_it_hides_in(log: io.StringIO) -> None:
    try:
        raise ValueError(f"token {SECRET}")
    except ValueError:
        structlog.get_logger("x").exception(
            f"failed {SECRET}",
            url=f"https://x/?t={SECRET}",
            nested={SECRET: [SECRET, (SECRET,)]},
            error=ValueError(SECRET),
        )
    assert SECRET not in log.getvalue()
    assert log.getvalue().count("[secret]") >= 5


def test_a_secret_that_was_replaced_stays_hidden() -> None:
    redaction = Redaction(["old-secret"])
    redaction.learn(["new-secret"])
    assert redaction.clean("old-secret new-secret") == "[secret] [secret]"
    assert Redaction(["abcd", "abcdef"]).clean("abcdef") == "[secret]"
    assert Redaction(["a", ""]).clean("banana") == "banana"


def test_on_a_terminal_a_line_is_text_that_obeys_no_control_character() -> None:
    stream = io.StringIO()
    configure_logging(json=False, file=stream)
    LogNotifier().tell(a_message(title="\x1b[2J"))
    structlog.reset_defaults()
    assert stream.getvalue().count("\n") == 1
    assert "\\x1b[2J" in stream.getvalue()
