"""Does `notify-test` tell each place once and say what came back, and does `doctor` ask without telling anybody?"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from canned_http import Request, Server, serving
from config_world import POLICY, Answer, World
from notifying import answering, path_of
from slack_server import TOKEN, SlackWorld

Cli = Callable[..., Answer]
Reply = tuple[str, object]


class Places:
    """Slack, PagerDuty and a webhook behind one address; what is in `broken` is answered 403."""

    def __init__(self) -> None:
        self.slack, self.broken = SlackWorld(), set[str]()

    def answer(self, request: Request) -> Reply:
        path = path_of(request)
        if any(path.startswith(f"/{name}") for name in self.broken):
            return "403 Forbidden", {}
        if path.startswith("/api/"):
            return self.slack.answer(request)
        return "202 Accepted", {"status": "success"}


@pytest.fixture
def places() -> Places:
    return Places()


@pytest.fixture
def server(places: Places, world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    with serving(answering(places.answer)) as started:
        slack = f"to: slack, channel: '#ops', url: '{started.url}/api', secretRef: {{name: bot}}"
        policy = POLICY + (
            "  notifications:\n"
            f"    - {{events: [held], {slack}}}\n"
            f"    - {{events: [verified], {slack}}}\n"
            f"    - {{events: [held], to: pagerduty, url: '{started.url}', secretRef: {{name: key}}}}\n"
        )
        world.commit({".gitops-rollback/policies/payments-prod.yaml": policy.encode()})
        (tmp_path / "gitops-rollback.yaml").write_text(
            f"notifications: [{{name: office, url: '{started.url}/hook'}}]\n"
            "secrets:\n"
            f"  - {{name: bot, value: {TOKEN}, origins: ['{started.url}']}}\n"
            f"  - {{name: key, value: R0UT1NG, origins: ['{started.url}']}}\n"
        )
        yield started


def test_each_place_is_told_once_and_the_incident_is_ended(places: Places, server: Server, cli: Cli) -> None:
    answer = cli("notify-test")
    assert (answer.code, answer.err) == (0, ""), answer.out
    lines = answer.out.splitlines()
    assert [line.split(" (")[0] for line in lines] == [
        "✔ office",
        "✔ slack #ops",
        f"✔ pagerduty {server.url}",
    ]
    assert len(places.slack.messages) == 1
    assert "A test of gitops-rollback" in places.slack.messages[0]["text"]
    pages = [json.loads(one.body) for one in server.requests if path_of(one) == "/v2/enqueue"]
    assert [page["event_action"] for page in pages] == ["trigger", "resolve"]
    assert len({page["dedup_key"] for page in pages}) == 1


def test_a_place_that_refuses_is_named_with_what_it_said(places: Places, server: Server, cli: Cli) -> None:
    places.broken = {"hook"}
    answer = cli("notify-test", "-o", "json")
    assert answer.code == 1
    assert [(one["place"], one["well"]) for one in answer.document][:2] == [("office", False), ("slack #ops", True)]
    assert answer.document[0]["said"] == "answered 403"
    assert TOKEN not in answer.out


def test_one_place_can_be_told_alone(server: Server, cli: Cli) -> None:
    assert cli("notify-test", "--to", "office").code == 0
    assert [path_of(one) for one in server.requests] == ["/hook"]
    answer = cli("notify-test", "--to", "fax")
    assert answer.code == 2
    assert "known: office, slack #ops" in answer.err


def test_a_secret_that_is_not_offered_there_is_a_failure_that_says_so(server: Server, cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "gitops-rollback.yaml").write_text("")
    answer = cli("notify-test")
    assert answer.code == 1
    assert "offer no secret of that name" in answer.out
    assert server.requests == []


def test_doctor_asks_the_places_and_tells_nobody(places: Places, server: Server, cli: Cli) -> None:
    found = {line.split(":")[0]: line for line in cli("doctor").out.splitlines()}
    assert "the token is rollback-bot's at acme" in found["✔ telling slack #ops"]
    assert "notify-test" in found["✔ telling office"]
    assert places.slack.messages == []
    assert {path_of(one) for one in server.requests} == {"/api/auth.test"}
