"""Does `silence` reach the branch that the controller reads, as the caller, and leave pauses alone?"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from config_world import CONTROL, Answer, World, git, now

from gitops_rollback.core.silence import DOOR, KIND
from gitops_rollback.core.stop import PauseState, read_pause

Cli = Callable[..., Answer]


def said(world: World) -> PauseState:
    return read_pause(DOOR, world.show(CONTROL, "silence.yaml").encode(), KIND)


def test_a_silence_names_application_end_person_and_reason_beside_a_pause(world: World, cli: Cli) -> None:
    assert cli("pause", "--all", "--for", "1h").code == 0
    answer = cli("silence", "checkout-api", "--for", "2h", "--reason", "we look at it")
    assert answer.code == 0, answer.err
    (silence,) = said(world).pauses
    assert (silence.application, silence.by) == ("Application/argocd/payments-prod", "A Developer")
    assert silence.reason == "we look at it"
    assert silence.until is not None
    assert timedelta(minutes=119) <= silence.until - now() <= timedelta(hours=2)
    assert "all: true" in world.show(CONTROL, "pause.yaml")
    assert git("log", "-1", "--format=%an|%s", CONTROL, cwd=world.path).startswith("A Developer|Silence ")


def test_it_can_be_ended_and_that_is_said(world: World, cli: Cli) -> None:
    cli("silence", "checkout-api", "--for", "2h")
    assert "told again" in cli("silence", "checkout-api", "--end").out
    assert said(world).pauses == ()
    assert "was not silenced" in cli("silence", "checkout-api", "--end").err


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("checkout-api",),
        ("checkout-api", "--for", "1h", "--end"),
        ("checkout-api", "--for", "long"),
        ("no", "--end"),
    ],
    ids=" ".join,
)
def test_what_cannot_be_meant_writes_nothing(world: World, cli: Cli, arguments: tuple[str, ...]) -> None:
    assert cli("silence", *arguments).code == 2
    assert git("for-each-ref", CONTROL, cwd=world.path) == ""
