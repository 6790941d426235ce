"""A button that somebody pressed in Slack, as Slack sends it: signed, over real sockets."""

from __future__ import annotations

import hashlib
import hmac
import json
from urllib.parse import quote, urlencode

import pytest
from hook_server import NOW, receiving

from gitops_rollback.core.press import Button, Press
from gitops_rollback.web.hooks import Door
from gitops_rollback.web.presses import press_of

SECRET = "8f742231b10e8888abcd99yyyzzz85a5"
ID, HEAD = "rb-428a78d56affadb9", "a" * 40
URL = "https://hooks.slack.com/actions/T123/456/abc"
ACTION = {"action_id": "gitops_rollback_approve", "value": f"{ID} {HEAD}", "type": "button"}
PAYLOAD = {"type": "block_actions", "user": {"id": "U02ABCDEF"}, "actions": [ACTION], "response_url": URL}


def form(payload: object) -> bytes:
    return urlencode({"payload": json.dumps(payload)}).encode()


def signed(body: bytes) -> tuple[str, str]:
    at = int(NOW.timestamp())
    digest = hmac.new(SECRET.encode(), f"v0:{at}:".encode() + body, hashlib.sha256).hexdigest()
    return f"X-Slack-Request-Timestamp: {at}", f"X-Slack-Signature: v0={digest}"


@pytest.mark.parametrize(
    ("action", "button"),
    [("approve", Button.APPROVE), ("pause_1h", Button.PAUSE), ("diff", Button.DIFF)],
)
def test_a_press_comes_once_and_is_answered_200(action: str, button: Button) -> None:
    body = form({**PAYLOAD, "actions": [{**ACTION, "action_id": f"gitops_rollback_{action}"}]})
    pressed: list[Press] = []
    with receiving() as one:
        one.hooks.open([Door("slack", "fleet", (SECRET,))], one.look, pressed.append)
        assert one.post(body, *signed(body), path="/hooks/slack/fleet") == 200
        assert one.post(body, *signed(body), path="/hooks/slack/fleet") == 200
        assert one.post(body, signed(body)[0], signed(b"x")[1], path="/hooks/slack/fleet") == 401
    assert pressed == [Press("U02ABCDEF", button, ID, HEAD, NOW, URL)]
    assert one.looks == []


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"payload=",
        b"payload=%7B%22type%22%3A%22block_actions%22%7D",
        b"payload=[1]",
        b"payload=" + quote("[" * 60_000).encode(),
        b"\xff\xfe",
        form([]),
        form({**PAYLOAD, "type": "view_submission"}),
        form({**PAYLOAD, "user": {"id": 7}}),
        form({**PAYLOAD, "user": {"id": "U1\n<!channel>"}}),
        form({**PAYLOAD, "actions": []}),
        form({**PAYLOAD, "actions": [{**ACTION, "action_id": "another_apps"}]}),
        form({**PAYLOAD, "actions": [{**ACTION, "value": "rb-1; rm"}]}),
        form({**PAYLOAD, "actions": [{**ACTION, "value": 7}]}),
        form({**PAYLOAD, "actions": {"a": 1}}),
        "&".join(f"a{number}=1" for number in range(1000)).encode(),
    ],
)
def test_what_is_no_press_of_ours_is_answered_and_means_nothing(body: bytes) -> None:
    pressed: list[Press] = []
    with receiving() as one:
        one.hooks.open([Door("slack", "fleet", (SECRET,))], one.look, pressed.append)
        assert one.post(body, *signed(body), path="/hooks/slack/fleet") == 200
    assert pressed == []


@pytest.mark.parametrize("url", ["https://evil.example/x", "https://hooks.slack.com.evil.example/", 7, None])
def test_an_answer_goes_to_slack_alone(url: object) -> None:
    press = press_of(form({**PAYLOAD, "response_url": url}), NOW)
    assert press is not None
    assert press.answer_url == ""
