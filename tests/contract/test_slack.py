"""Is a rollback one thread in Slack, whose first message says how things are, over restarts and Slack's own moods?"""

from __future__ import annotations

import io
import json
from collections.abc import Iterator

import pytest
import structlog
from canned_http import Server, serving
from notifying import EVIL, a_message, answering, exchange
from slack_server import CHANNEL, TOKEN, SlackWorld

from gitops_rollback.adapters.log import configure_logging
from gitops_rollback.adapters.notifiers.sender import Outcome
from gitops_rollback.adapters.notifiers.slack import Slack
from gitops_rollback.adapters.notifiers.slack_blocks import MOST_BLOCKS, SECTION, blocks
from gitops_rollback.core.errors import TransientError

HEAD = "4f" * 20
BUSY = ("429 Too Many Requests", {"ok": False, "error": "ratelimited"}, "Retry-After: 30")


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    stream = io.StringIO()
    configure_logging(json=True, file=stream)
    yield stream
    structlog.reset_defaults()


@pytest.fixture
def world() -> SlackWorld:
    return SlackWorld()


@pytest.fixture
def server(world: SlackWorld) -> Iterator[Server]:
    with serving(answering(world.answer)) as started:
        yield started


def slack(server: Server, channel: str = CHANNEL, token: str = TOKEN) -> Slack:
    return Slack(exchange(server, token), channel, f"{server.url}/api")


SUGGESTED = a_message("k1", event="suggested", title="A rollback is ready", page=True, head=HEAD)
STARTED = a_message("k2", event="started", title="Rolling back", head=HEAD)
VERIFIED = a_message("k3", event="verified", title="Rolled back and verified")


def test_a_rollback_is_one_thread_and_its_first_message_says_how_things_are(world: SlackWorld, server: Server) -> None:
    channel = slack(server)
    for message in (SUGGESTED, STARTED, VERIFIED):
        assert channel.send(message).outcome is Outcome.DELIVERED
    channel.close()
    (root,) = world.roots
    assert [reply["thread_ts"] for reply in world.replies] == [root["ts"]] * 2
    assert "Rolled back and verified" in root["text"]
    assert "Rolling back" in world.replies[0]["text"]
    assert world.buttons() == []


def test_the_buttons_carry_the_rollback_and_the_head_that_was_seen(world: SlackWorld, server: Server) -> None:
    channel = slack(server)
    channel.send(SUGGESTED)
    assert [(one["action_id"], one["value"]) for one in world.buttons()] == [
        ("gitops_rollback_approve", f"rb-1 {HEAD}"),
        ("gitops_rollback_pause_1h", f"rb-1 {HEAD}"),
        ("gitops_rollback_diff", f"rb-1 {HEAD}"),
    ]
    channel.send(STARTED)
    channel.close()
    assert [one["action_id"] for one in world.buttons()] == ["gitops_rollback_pause_1h", "gitops_rollback_diff"]


@pytest.mark.parametrize("name", [CHANNEL, "#ops"])
def test_a_process_that_starts_anew_goes_on_in_the_thread_and_says_nothing_again(
    world: SlackWorld, server: Server, name: str
) -> None:
    before = slack(server, name)
    before.send(SUGGESTED)
    before.send(STARTED)
    before.close()
    after = slack(server, name)
    for message in (SUGGESTED, STARTED, VERIFIED):
        assert after.send(message).outcome is Outcome.DELIVERED
    after.close()
    assert len(world.roots) == 1
    assert len(world.replies) == 2
    assert "verified" in world.roots[0]["text"]


def test_without_the_right_to_read_back_a_new_thread_begins_and_the_log_says_why(
    world: SlackWorld, server: Server, log: io.StringIO
) -> None:
    world.scopes = frozenset({"chat:write"})
    for message in (SUGGESTED, STARTED):
        one = slack(server)
        assert one.send(message).outcome is Outcome.DELIVERED
        one.close()
    assert len(world.roots) == 2
    assert "channels:history" in log.getvalue()


def test_a_deleted_thread_is_begun_anew(world: SlackWorld, server: Server) -> None:
    channel = slack(server)
    channel.send(SUGGESTED)
    world.messages.clear()
    assert channel.send(STARTED).outcome is Outcome.DELIVERED
    channel.close()
    assert len(world.roots) == 1


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        ("channel_not_found", Outcome.REFUSED),
        ("invalid_auth", Outcome.REFUSED),
        ("is_archived", Outcome.REFUSED),
        ("internal_error", Outcome.LATER),
        ("ratelimited", Outcome.LATER),
    ],
)
def test_an_ok_false_behind_a_200_is_no_delivery(
    world: SlackWorld, server: Server, error: str, outcome: Outcome
) -> None:
    world.refusals["chat.postMessage"] = [("200 OK", {"ok": False, "error": error})]
    channel = slack(server)
    receipt = channel.send(SUGGESTED)
    assert (receipt.outcome, error in receipt.said) == (outcome, True)
    assert channel.send(SUGGESTED).outcome is Outcome.DELIVERED
    channel.close()
    assert len(world.messages) == 1


def test_a_wish_for_patience_is_passed_on_and_nothing_is_said_twice(world: SlackWorld, server: Server) -> None:
    channel = slack(server)
    channel.send(SUGGESTED)
    world.refusals["chat.update"] = [BUSY]
    receipt = channel.send(STARTED)
    assert (receipt.outcome, receipt.wait_seconds) == (Outcome.LATER, 30.0)
    assert channel.send(STARTED).outcome is Outcome.DELIVERED
    channel.close()
    assert len(world.replies) == 1
    assert "Rolling back" in world.roots[0]["text"]


def test_a_slack_that_cannot_be_read_back_now_is_asked_again_before_anything_is_said(
    world: SlackWorld, server: Server
) -> None:
    world.refusals["conversations.history"] = [BUSY]
    channel = slack(server)
    with pytest.raises(TransientError):
        channel.send(SUGGESTED)
    assert world.messages == []
    assert channel.send(SUGGESTED).outcome is Outcome.DELIVERED
    channel.close()


def test_the_token_is_checked_without_a_word_in_the_channel(world: SlackWorld, server: Server) -> None:
    good, bad = slack(server), slack(server, token="xoxb-wrong")
    assert good.check().said == "the token is rollback-bot's at acme"
    assert (bad.check().outcome, bad.check().said) == (Outcome.REFUSED, "answered invalid_auth")
    good.close()
    bad.close()
    assert world.messages == []


def test_no_word_of_a_stranger_is_obeyed(world: SlackWorld, server: Server) -> None:
    channel = slack(server)
    channel.send(a_message(event="suggested", title=EVIL, text=EVIL, application=EVIL, guide=(EVIL,)))
    channel.close()
    (root,) = world.roots
    told = json.dumps(root, ensure_ascii=False)
    assert (root["parse"], root["link_names"]) == ("none", False)
    assert "mrkdwn" not in told
    assert "<!channel>" not in told
    assert "<" not in root["text"]
    assert "@here" not in told
    assert "&amp;" in root["text"]


def test_however_long_a_text_is_slack_can_take_it() -> None:
    told = blocks(a_message(event="suggested", title="t" * 5000, text="\n".join(["x" * 500] * 2000), guide=("g",) * 90))
    assert len(told) <= MOST_BLOCKS
    sections = [one["text"]["text"] for one in told if one["type"] == "section"]
    assert all(0 < len(text) <= SECTION for text in sections)
    assert len(told[0]["text"]["text"]) <= 150
    assert all(one["type"] != "section" for one in blocks(a_message(text="")))
