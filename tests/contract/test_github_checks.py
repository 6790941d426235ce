"""A plan's status as a check with buttons, and what a press of one comes to: only a GitHub App may write them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from forge_doors import MERGE, MESSAGE, ForgeDoor, forge_door
from hook_server import receiving

from gitops_rollback.adapters.forges.settings import AppKey
from gitops_rollback.core.comment_commands import BUTTONS, Verb
from gitops_rollback.core.press import CheckPress, Press
from gitops_rollback.core.pull_request import CommitStatus, MergeOutcome, StatusButtons, StatusState
from gitops_rollback.ports.forge import Forge
from gitops_rollback.sandbox.forge.github_app import DEFAULT, App
from gitops_rollback.web.check_presses import check_press_of
from gitops_rollback.web.hooks import Door

PLAN, SECRET = "gitops-rollback/plan", "a-secret-of-github"
NOW = datetime(2026, 1, 5, 10, 1, 7, tzinfo=UTC)
WAITS = StatusButtons(1, (BUTTONS[Verb.APPROVE], BUTTONS[Verb.REJECT], BUTTONS[Verb.PLAN]))
NONE = StatusButtons(1)


@pytest.fixture(scope="module")
def key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 2048)


@pytest.fixture
def at(tmp_path: Path, key: rsa.RSAPrivateKey, request: pytest.FixtureRequest) -> Iterator[ForgeDoor]:
    with forge_door("github", tmp_path) as made:
        numbers = key.public_key().public_numbers()
        rights = getattr(request, "param", DEFAULT)
        made.stage.forge.install_app(App("rollback", "Iv1.abc", 7, numbers.n, numbers.e, rights))
        yield made


def as_app(at: ForgeDoor, key: rsa.RSAPrivateKey) -> Forge:
    form, plain = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    text = key.private_bytes(serialization.Encoding.PEM, form, plain).decode()
    return at.client(token="", app=AppKey("Iv1.abc", text))


def fields(at: ForgeDoor) -> list[dict[str, Any]]:
    return [check.fields for check in at.stage.forge.state.checks]


def test_an_app_writes_a_check_with_buttons_and_changes_it_in_place(at: ForgeDoor, key: rsa.RSAPrivateKey) -> None:
    opened, forge = at.opened(), as_app(at, key)
    forge.set_status(opened.head_sha, "other", StatusState.PENDING, "plans", buttons=NONE)
    assert forge.status(opened.head_sha, "other") == CommitStatus(StatusState.PENDING, "plans")
    at.stage.forge.state.checks.clear()
    for _ in range(2):
        forge.set_status(opened.head_sha, PLAN, StatusState.SUCCESS, "planned: undoes 1", buttons=WAITS)
    (made,) = fields(at)
    assert (made["name"], made["status"], made["conclusion"]) == (PLAN, "completed", "success")
    assert [one["identifier"] for one in made["actions"]] == ["approve", "reject", "plan"]
    assert len([line for line in at.writes() if "check-runs" in line]) == 2, "an equal one is not written again"
    forge.set_status(opened.head_sha, PLAN, StatusState.PENDING, "landed: Syncing", buttons=NONE)
    (made,) = fields(at)
    assert (made["status"], made["actions"]) == ("in_progress", [])
    forge.set_status(opened.head_sha, PLAN, StatusState.FAILURE, "no", buttons=NONE)
    assert forge.status(opened.head_sha, PLAN) == CommitStatus(StatusState.FAILURE, "no")
    assert at.stage.forge.state.statuses == [], "one name is not shown twice"


def test_a_required_check_is_met_by_it(at: ForgeDoor, key: rsa.RSAPrivateKey) -> None:
    at.protect(checks=(PLAN,))
    opened, forge = at.opened(), as_app(at, key)
    assert at.forge.merge(opened.number, opened.head_sha, MERGE, MESSAGE).outcome is not MergeOutcome.MERGED
    forge.set_status(opened.head_sha, PLAN, StatusState.SUCCESS, "1 file", buttons=WAITS)
    at.settled(opened.number)
    assert at.forge.merge(opened.number, opened.head_sha, MERGE, MESSAGE).outcome is MergeOutcome.MERGED


@pytest.mark.parametrize("at", [[one for one in DEFAULT if one != "checks=write"]], indirect=True)
def test_a_token_writes_a_status_and_so_does_an_app_that_may_write_no_checks(
    at: ForgeDoor, key: rsa.RSAPrivateKey
) -> None:
    opened = at.opened()
    for forge, words in ((at.forge, "1 file"), (as_app(at, key), "2 files")):
        forge.set_status(opened.head_sha, PLAN, StatusState.SUCCESS, words, buttons=WAITS)
    assert [one.context for one in at.stage.forge.state.statuses] == [PLAN, PLAN]
    assert at.stage.forge.state.checks == []


def test_a_press_comes_with_who_pressed_it_and_where(at: ForgeDoor, key: rsa.RSAPrivateKey) -> None:
    opened = at.opened()
    as_app(at, key).set_status(opened.head_sha, PLAN, StatusState.SUCCESS, "planned", buttons=WAITS)
    pressed: list[Press | CheckPress] = []
    with receiving() as one:
        one.hooks.open([Door("github", "fleet", (SECRET,))], one.look, pressed.append)
        host, port = one.server.address
        at.stage.forge.hook(f"http://{host}:{port}/hooks/github/fleet", SECRET)
        at.stage.forge.people.press("writer", at.stage.forge.state.checks[0].id, "approve")
        at.stage.forge.webhooks.wait()
    (found,) = [one for one in pressed if isinstance(one, CheckPress)]
    assert (found.login, found.button, found.number, found.head) == ("writer", "approve", 1, opened.head_sha)
    assert not found.by_bot
    assert any(place.endswith("owner/config.git") for place in found.places)


BODY = {
    "action": "requested_action",
    "check_run": {"id": 7, "head_sha": "a" * 40, "external_id": "pull/3/0123456789abcdef"},
    "requested_action": {"identifier": "approve"},
    "sender": {"login": "ada", "type": "User"},
    "repository": {"clone_url": "https://git.example/owner/config.git"},
}


def test_github_s_own_button_to_run_it_again_makes_the_plan_anew() -> None:
    body = {**BODY, "action": "rerequested", "requested_action": None}
    found = check_press_of("check_run", json.dumps(body).encode(), NOW)
    assert found is not None
    assert (found.button, found.number) == ("plan", 3)


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"action": "completed"}, id="no-press"),
        pytest.param({"check_run": {"id": 7, "head_sha": "a" * 40, "external_id": "build-12"}}, id="of-another-app"),
        pytest.param({"check_run": {"id": 7, "head_sha": "main", "external_id": "pull/3/01"}}, id="no-commit"),
        pytest.param({"check_run": {"id": "x", "head_sha": "a" * 40, "external_id": "pull/3/01"}}, id="no-number"),
        pytest.param({"sender": {"login": "a" * 101}}, id="login-too-long"),
        pytest.param({"sender": None}, id="nobody"),
        pytest.param({"requested_action": "approve"}, id="no-button"),
        pytest.param({"repository": {}}, id="of-no-repository"),
    ],
)
def test_what_is_no_press_of_ours_is_none(changes: dict[str, object]) -> None:
    assert check_press_of("check_run", json.dumps({**BODY, **changes}).encode(), NOW) is None
    assert check_press_of("push", json.dumps(BODY).encode(), NOW) is None
    assert check_press_of("check_run", b"[" * 100_000, NOW) is None
