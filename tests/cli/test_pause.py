"""Does a pause reach the branch that the controller reads, as the caller, whoever else pushes at the same time?"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from config_world import APP, CONTROL, TOKEN, Answer, World, a_record, git, now

from gitops_rollback.core.stop import CONTROL_DOOR, PauseState, read_pause

Cli = Callable[..., Answer]


def said(world: World) -> PauseState:
    """What the control branch says now."""
    return read_pause(CONTROL_DOOR, world.show(CONTROL, "pause.yaml").encode())


def test_a_pause_names_application_end_person_and_reason(world: World, cli: Cli) -> None:
    answer = cli("pause", "checkout-api", "--for", "2h", "--reason", "load test")
    assert answer.code == 0, answer.err
    (pause,) = said(world).pauses
    assert pause.application == "Application/argocd/payments-prod"
    assert pause.until is not None
    assert timedelta(0) <= pause.until - now() - timedelta(hours=2) + timedelta(minutes=1) < timedelta(minutes=2)
    assert (pause.by, pause.reason) == ("A Developer", "load test")


def test_a_hold_waits_for_a_fix_and_no_longer(world: World, cli: Cli) -> None:
    answer = cli("hold", "checkout-api", "--fix-in", "10m", "--reason", "the flag goes off")
    assert answer.code == 0, answer.err
    (pause,) = said(world).pauses
    assert pause.application == "Application/argocd/payments-prod"
    assert pause.until is not None
    assert timedelta(minutes=9) < pause.until - now() <= timedelta(minutes=10)
    assert (pause.by, pause.reason) == ("A Developer", "a fix in 10m: the flag goes off")
    for refused in ("0s", "61m", "soon"):
        assert cli("hold", "checkout-api", "--fix-in", refused).code == 2
    assert len(said(world).pauses) == 1


def test_the_commit_is_the_callers_and_shares_nothing_with_the_branch(world: World, cli: Cli) -> None:
    cli("pause", "--all", "--for", "1h")
    shown = git("log", "-1", "--format=%an <%ae>|%cn|%s|%P", CONTROL, cwd=world.path)
    assert shown == "A Developer <developer@example.com>|A Developer|Pause everything|"
    assert "+argocd:skip-file-rendering" in world.show(CONTROL, "pause.yaml")


def test_only_the_control_branch_moves(world: World, cli: Cli) -> None:
    world.journal(a_record())
    before = git("for-each-ref", cwd=world.path)
    cli("pause", "--all", "--for", "1h")
    after = git("for-each-ref", cwd=world.path)
    assert [line for line in after.splitlines() if CONTROL not in line] == before.splitlines()


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("checkout-api",),
        ("--all",),
        ("checkout-api", "--all", "--for", "1h"),
        ("checkout-api", "--for", "1h", "--open-ended"),
        ("checkout-api", "--for", "1 hour"),
        ("checkout-api", "--for", "999999999d"),
        ("checkout-ap", "--for", "1h"),
    ],
    ids=" ".join,
)
def test_a_pause_without_subject_or_end_is_not_written(world: World, cli: Cli, arguments: tuple[str, ...]) -> None:
    assert cli("pause", *arguments).code == 2
    assert CONTROL not in git("for-each-ref", cwd=world.path)


def test_an_open_ended_pause_must_be_asked_for(world: World, cli: Cli) -> None:
    assert cli("pause", "--all", "--open-ended").code == 0
    assert [(pause.application, pause.until) for pause in said(world).pauses] == [(None, None)]


@pytest.mark.parametrize("word", ["checkout-api", "payments-prod", "argocd/payments-prod", APP])
def test_any_name_of_an_application_will_do(world: World, cli: Cli, word: str) -> None:
    assert cli("pause", word, "--for", "1h").code == 0
    (row,) = cli("get", "-o", "json").document
    assert row["paused"].startswith("paused until ")


def test_pauses_of_several_people_add_up(world: World, cli: Cli) -> None:
    cli("pause", "--all", "--for", "1h")
    cli("pause", "checkout-api", "--for", "3h")
    cli("pause", "checkout-api", "--for", "1h")
    first, second = said(world).pauses
    assert (first.application, second.application) == (None, "Application/argocd/payments-prod")
    assert second.until is not None
    assert second.until - now() > timedelta(hours=2)


def test_somebody_who_pushes_in_between_is_built_upon(world: World, cli: Cli) -> None:
    cli("pause", "--all", "--for", "1h")
    raced: list[Path] = []

    def push_first(repository: Path) -> None:
        if not raced:
            raced.append(repository)
            text = world.show(CONTROL, "pause.yaml").replace("applications: []", 'applications: [{name: "other"}]')
            world.commit({"pause.yaml": text.encode()}, branch="gitops-rollback-control")

    world.server.before_push = push_first
    assert cli("pause", "checkout-api", "--for", "1h").code == 0
    assert raced
    names = [pause.application for pause in said(world).pauses]
    assert names == [None, "other", "Application/argocd/payments-prod"]


def test_a_branch_that_refuses_is_told_and_is_four(world: World, cli: Cli) -> None:
    world.server.refuse_push("on-call only")
    answer = cli("pause", "--all", "--for", "1h")
    assert answer.code == 4
    assert "gitops-rollback-control" in answer.err


def test_a_lost_answer_of_the_push_is_no_second_pause(world: World, cli: Cli) -> None:
    world.server.cut_reply()
    assert cli("pause", "--all", "--for", "1h").code == 0
    assert len([change for change in world.server.updates("config.git") if change.ref == CONTROL]) == 1


def test_resume_ends_one_and_keeps_the_others(world: World, cli: Cli) -> None:
    cli("pause", "checkout-api", "--for", "1h")
    world.journal(a_record("rb-2", applications=("default/Application/argocd/ledger",)))
    cli("pause", "ledger", "--for", "1h")
    answer = cli("resume", "checkout-api", "-o", "json")
    assert answer.document == {
        "repository": "config",
        "application": "Application/argocd/payments-prod",
        "resumed": True,
        "stillStoppedBy": None,
    }
    assert [pause.application for pause in said(world).pauses] == ["default/Application/argocd/ledger"]


def test_resume_says_what_still_stops(world: World, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    cli("pause", "--all", "--for", "1h")
    cli("pause", "checkout-api", "--for", "1h")
    answer = cli("resume", "checkout-api")
    assert answer.code == 0
    assert "Still stopped: paused until" in answer.err
    monkeypatch.setenv("GITOPS_ROLLBACK_PAUSE", "true")
    assert "(settings)" in cli("resume", "--all").err


def test_resuming_what_is_not_paused_writes_nothing(world: World, cli: Cli) -> None:
    assert "was not paused" in cli("resume", "checkout-api").out
    assert CONTROL not in git("for-each-ref", cwd=world.path)


def test_a_file_that_cannot_be_read_is_lifted_only_as_a_whole(world: World, cli: Cli) -> None:
    world.commit({"pause.yaml": b"spec: ["}, branch="gitops-rollback-control")
    for arguments in (
        ("pause", "--all", "--for", "1h"),
        ("pause", "checkout-api", "--for", "1h"),
        ("resume", "checkout-api"),
    ):
        answer = cli(*arguments)
        assert answer.code == 4
        assert "cannot be read" in answer.err
    assert world.show(CONTROL, "pause.yaml") == "spec: ["
    assert cli("resume", "--all").code == 0
    assert said(world) == PauseState(CONTROL_DOOR)


def test_other_files_of_the_control_branch_stay(world: World, cli: Cli) -> None:
    world.commit({"README.md": b"for on-call\n"}, branch="gitops-rollback-control")
    cli("pause", "--all", "--for", "1h")
    assert world.show(CONTROL, "README.md") == "for on-call"


def test_the_token_is_in_no_answer_of_a_refused_pause(world: World, cli: Cli) -> None:
    world.server.user, world.server.password = "x-access-token", "other"
    answer = cli("pause", "--all", "--for", "1h")
    assert answer.code not in (0, 3)
    assert TOKEN not in answer.out + answer.err
