"""Do people hear of it once, signed and harmless? Over a real HTTP server; and the log, which is always there."""

from __future__ import annotations

import hashlib
import hmac
import io
import json
from collections.abc import Iterator

import pytest
import structlog
from canned_http import serving
from notifying import a_message, answering, exchange

from gitops_rollback.adapters.log import Redaction, configure_logging
from gitops_rollback.adapters.notifiers.fanout import Fanout
from gitops_rollback.adapters.notifiers.log import LogNotifier
from gitops_rollback.adapters.notifiers.seen import REMEMBERED_KEYS
from gitops_rollback.adapters.notifiers.sender import Outcome, Receipt
from gitops_rollback.adapters.notifiers.texts import quoted, quoted_lines
from gitops_rollback.adapters.notifiers.webhook import Webhook
from gitops_rollback.ports import Message

SECRET = "canary-hmac-secret"


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    stream = io.StringIO()
    configure_logging(json=True, secrets=[SECRET], file=stream)
    yield stream
    structlog.reset_defaults()


def sent(
    message: Message, status: str = "200 OK", header: str = "X-A: b", **options: str
) -> tuple[bytes, dict[str, str], Receipt]:
    """The body and the headers that arrived, and the receipt."""
    with serving(answering(lambda _request: (status, {}, header))) as server:
        webhook = Webhook(exchange(server), f"{server.url}/hook", **options)
        receipt = webhook.send(message)
        webhook.close()
    (request,) = server.requests
    return request.body, request.headers, receipt


def test_a_message_arrives_with_a_signature_over_the_very_bytes() -> None:
    body, headers, receipt = sent(a_message(page=True, details={"value": float("nan")}), secret=SECRET)
    assert receipt.outcome is Outcome.DELIVERED
    assert headers["x-signature"] == "sha256=" + hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
    document = json.loads(body)
    assert (document["event"], document["reason"], document["rollbackId"], document["page"]) == (
        "started",
        "TriggerFired",
        "rb-1",
        True,
    )
    assert document["details"] == {"value": "nan"}


def test_without_a_secret_nothing_claims_to_be_signed() -> None:
    assert "x-signature" not in sent(a_message())[1]


@pytest.mark.parametrize(
    ("event", "kind"),
    [("verified", "dev.cdevents.service.rolledback.0.2.0"), ("held", "dev.gitops-rollback.held")],
)
def test_a_cloud_event_has_what_the_standard_requires(event: str, kind: str) -> None:
    body, headers, _ = sent(a_message(event=event), format="cloudevents")
    document = json.loads(body)
    assert headers["content-type"] == "application/cloudevents+json"
    assert (document["specversion"], document["id"], document["type"]) == ("1.0", "k", kind)
    assert {"source", "time", "subject", "data"} <= set(document)


@pytest.mark.parametrize(
    ("status", "outcome", "wait"),
    [
        ("204 No Content", Outcome.DELIVERED, 0.0),
        ("400 Bad Request", Outcome.REFUSED, 7.0),
        ("404 Not Found", Outcome.REFUSED, 7.0),
        ("408 Request Timeout", Outcome.LATER, 7.0),
        ("429 Too Many Requests", Outcome.LATER, 7.0),
        ("503 Service Unavailable", Outcome.LATER, 7.0),
    ],
)
def test_the_status_says_whether_another_try_may_help_and_when(status: str, outcome: Outcome, wait: float) -> None:
    receipt = sent(a_message(), status, "Retry-After: 7")[2]
    assert receipt.outcome is outcome
    assert receipt.wait_seconds == (wait if outcome is Outcome.LATER else 0.0)
    assert status[:3] in receipt.said


def test_the_memory_of_what_was_told_is_bounded(log: io.StringIO) -> None:
    notifier = LogNotifier()
    for number in range(REMEMBERED_KEYS + 1):
        notifier.tell(a_message(str(number)))
    notifier.tell(a_message("0"))
    notifier.tell(a_message(str(REMEMBERED_KEYS)))
    assert len(log.getvalue().splitlines()) == REMEMBERED_KEYS + 2


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


def test_texts_of_commits_are_dead_in_every_part_of_the_body() -> None:
    evil = "<!channel> @all [x](y) \x1b[0m \u202e"
    message = a_message(title=evil, text=f"{evil}\n{evil}", application=evil, details={evil: [evil]}, guide=(evil,))
    text = json.dumps(json.loads(sent(message)[0]), ensure_ascii=False)
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
