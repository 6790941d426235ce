"""Whose messages are kept back: those of the named application, until the end, and of nobody by mistake?"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from gitops_rollback.core.silence import DOOR, KIND, silenced
from gitops_rollback.core.stop import Pause, PauseState, encode_pauses, read_pause

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
WEB, API = "default/Application/argocd/web", "default/Application/argocd/api"
KIM = Pause("Application/argocd/web", NOW + timedelta(hours=2), "Kim", "we look at it")


def state(*silences: Pause) -> PauseState:
    return PauseState(DOOR, silences)


def test_it_says_until_when_by_whom_and_why() -> None:
    assert silenced([WEB], state(KIM), NOW) == "silenced until 2026-11-25T14:00:00Z by Kim: we look at it"


@pytest.mark.parametrize(
    ("applications", "silences", "at"),
    [
        ([API], (KIM,), NOW),
        ([WEB], (KIM,), NOW + timedelta(hours=2)),
        ([WEB, API], (KIM,), NOW),
        ([], (KIM,), NOW),
        (["acme/config"], (KIM,), NOW),
        ([WEB], (Pause("web"),), NOW),
        ([WEB], (Pause(None, NOW + timedelta(hours=1)),), NOW),
    ],
    ids=["another", "over", "one-of-two-is-not", "nothing", "a-repository", "without-an-end", "of-everything"],
)
def test_all_else_is_told(applications: list[str], silences: tuple[Pause, ...], at: datetime) -> None:
    assert silenced(applications, state(*silences), at) == ""


def test_a_file_says_what_was_meant_and_a_pause_is_none() -> None:
    assert read_pause(DOOR, encode_pauses((KIM,), KIND), KIND).pauses == (KIM,)
    assert read_pause(DOOR, encode_pauses((KIM,)), KIND).unreadable
    assert silenced([WEB], read_pause(DOOR, b"{", KIND), NOW) == ""
