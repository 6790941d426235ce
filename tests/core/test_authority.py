"""Who may have what done, by which door, about whose plan?"""

from __future__ import annotations

from dataclasses import replace

import pytest

from gitops_rollback.core.authority import Asked, Authority, Door, Person, may
from gitops_rollback.core.pull_request import Mergeability, Permission, PullRequest, PullRequestState

HEAD, OTHER = "a" * 40, "b" * 40
OPEN = PullRequest(7, "u", "t", "ada", "gitops-rollback/x", HEAD, "main", PullRequestState.OPEN, Mergeability.READY)
WRITER = Person("grace", Permission.WRITE)
US = Authority(ours="rollback-bot")


@pytest.mark.parametrize("asked", Asked)
@pytest.mark.parametrize("permission", [Permission.WRITE, Permission.ADMIN])
def test_who_may_write_may_ask_for_all_of_it(asked: Asked, permission: Permission) -> None:
    assert may(Door.COMMENT, Person("grace", permission), asked, US, OPEN, HEAD).allowed


@pytest.mark.parametrize("asked", Asked)
@pytest.mark.parametrize("door", Door)
@pytest.mark.parametrize(
    ("person", "why"),
    [
        pytest.param(Person("eve", Permission.NONE), "may not write", id="outsider"),
        pytest.param(Person("eve", Permission.READ), "may not write", id="reader"),
        pytest.param(Person("eve", Permission.UNKNOWN), "does not tell", id="nobody-tells"),
        pytest.param(Person("renovate[bot]", Permission.WRITE, bot=True), "machine", id="bot"),
        pytest.param(Person("", Permission.WRITE), "Nobody knows", id="no-login"),
        pytest.param(Person("gr\u0430ce", Permission.WRITE), "Nobody knows", id="look-alike"),
    ],
)
def test_a15_nobody_else_may_at_any_door(door: Door, asked: Asked, person: Person, why: str) -> None:
    answer = may(door, person, asked, replace(US, logins=("grace",)), OPEN, HEAD)
    if (door, asked) == (Door.REQUEST, Asked.SHOW) and why in ("may not write", "does not tell"):
        assert answer.allowed  # whoever may merge a stranger's request from a fork sees what would come of it
        return
    assert not answer.allowed
    assert why in answer.why


@pytest.mark.parametrize("login", ["rollback-bot", "Rollback-Bot"])
def test_a15_our_own_words_are_no_command(login: str) -> None:
    assert not may(Door.COMMENT, Person(login, Permission.ADMIN), Asked.LAND, US, OPEN, HEAD).allowed


def test_a_request_that_we_wrote_for_somebody_is_planned_and_not_landed_unseen() -> None:
    us = Person("rollback-bot", Permission.UNKNOWN)
    assert may(Door.REQUEST, us, Asked.ACT, US, OPEN).allowed
    assert not may(Door.REQUEST, us, Asked.LAND, US, OPEN).allowed


def test_the_settings_speak_where_no_forge_does_and_nowhere_else() -> None:
    listed = Authority(logins=("Grace",))
    assert may(Door.CHAT, Person("grace"), Asked.RESTRICT, listed).allowed
    assert may(Door.COMMENT, Person("grace"), Asked.LAND, listed, OPEN, HEAD).allowed
    assert not may(Door.COMMENT, Person("grace", Permission.READ), Asked.LAND, listed, OPEN, HEAD).allowed


@pytest.mark.parametrize("asked", [Asked.ACT, Asked.LAND])
@pytest.mark.parametrize(
    ("plan", "why"),
    [
        pytest.param(replace(OPEN, from_fork=True), "fork", id="A15-fork"),
        pytest.param(replace(OPEN, state=PullRequestState.CLOSED), "closed", id="closed"),
        pytest.param(replace(OPEN, state=PullRequestState.MERGED), "merged", id="merged"),
    ],
)
def test_whose_plan_it_is_counts(plan: PullRequest, why: str, asked: Asked) -> None:
    answer = may(Door.COMMENT, WRITER, asked, US, plan, HEAD)
    assert not answer.allowed
    assert why in answer.why
    assert may(Door.COMMENT, WRITER, Asked.SEE, US, plan).allowed
    assert may(Door.COMMENT, WRITER, Asked.RESTRICT, US, plan).allowed


@pytest.mark.parametrize(("seen", "why"), [(OTHER, "any more: look at it again"), ("", "nobody said")])
def test_a16_only_the_head_that_was_seen_lands(seen: str, why: str) -> None:
    answer = may(Door.COMMENT, WRITER, Asked.LAND, US, OPEN, seen)
    assert not answer.allowed
    assert why in answer.why
    assert HEAD in answer.why


def test_a16_where_there_is_no_plan_nothing_is_approved() -> None:
    assert "no plan" in may(Door.COMMENT, WRITER, Asked.LAND, US, None, HEAD).why
    assert not may(Door.REQUEST, Person("rollback-bot"), Asked.LAND, US).allowed


def test_a_draft_is_planned_and_not_landed() -> None:
    draft = replace(OPEN, draft=True)
    assert may(Door.COMMENT, WRITER, Asked.ACT, US, draft).allowed
    assert "draft" in may(Door.COMMENT, WRITER, Asked.LAND, US, draft, HEAD).why


def test_a_login_is_shown_harmless() -> None:
    assert "@" not in may(Door.COMMENT, Person("@all", Permission.READ), Asked.SEE, US).why
