"""Worlds on the wire: real git, real HTTP, the real adapters. The controller keeps its promises there, too."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from click.testing import CliRunner

from gitops_rollback.adapters.git import push
from gitops_rollback.app import executor, progress
from gitops_rollback.cli.main import cli
from gitops_rollback.core.rollback import Phase, RollbackOutcome, advance
from gitops_rollback.sandbox.simulation.running import told
from gitops_rollback.sandbox.simulation.wire.running import run, simulate
from gitops_rollback.sandbox.simulation.wire.setup import Setup, setup_of

TWO = Setup(names=("web", "api"), busy=200.0, lasts=900.0)


def test_ten_worlds_break_no_promise() -> None:
    results = list(simulate(10, jobs=min(2, os.cpu_count() or 1)))
    assert not [told(result) for result in results if result.violations]
    assert sum(result.rollbacks for result in results) > 5  # worlds in which nothing happens prove nothing
    assert sum(result.verified for result in results) > 2
    told_of = "\n".join(line for result in results for line in result.story)
    for happened in (
        "git            trouble",
        "engine         trouble",
        "metrics        trouble",
        "dies in the middle",
    ):
        assert happened in told_of


def test_a_seed_tells_the_same_story_again() -> None:
    setup = replace(setup_of(9), lasts=420.0, lures=True)
    one, other = run(9, setup), run(9, setup)
    assert one.rollbacks
    assert "dies" in "".join(one.story)
    assert one.story == other.story
    assert one.trace == other.trace


def a_push_by_force(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever was landed since the last look is overwritten."""
    real = push.send

    def send(git: Any, remote: str, updates: Any, *rest: Any) -> Any:
        return real(git, remote, [replace(update, new=f"+{update.new}") for update in updates], *rest)

    monkeypatch.setattr(push, "send", send)


def verified_unseen(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was pushed counts as verified at the next look, whatever the engine and the metrics say."""

    def advance_to_the_end(self: Any, action: Any) -> None:
        self.keep(advance(action.record, Phase.DONE, self._clock.now(), outcome=RollbackOutcome.VERIFIED))

    monkeypatch.setattr(progress, "converged", lambda *_: (True, ""))
    monkeypatch.setattr(executor.Executor, "advance", advance_to_the_end)


PLANTED: dict[str, tuple[Callable[[pytest.MonkeyPatch], None], Setup, int, str]] = {
    "force": (a_push_by_force, replace(TWO, racing=1.0), 1, "(1) "),
    "unseen": (verified_unseen, TWO, 1, "(14) "),
}


@pytest.mark.parametrize(("patch", "setup", "seed", "promise"), PLANTED.values(), ids=PLANTED)
def test_a_planted_fault_is_found(
    monkeypatch: pytest.MonkeyPatch, patch: Callable[[pytest.MonkeyPatch], None], setup: Setup, seed: int, promise: str
) -> None:
    patch(monkeypatch)
    broken = [f"{one.promise} {one.text}" for one in run(seed, setup).violations]
    assert [text for text in broken if promise in text], broken


def test_the_command_runs_worlds_on_the_wire() -> None:
    result = CliRunner().invoke(cli, ["simulate", "--mode", "wire", "--seeds", "1", "--from", "8", "--story"])
    assert result.exit_code == 0
    assert "1 seeds" in result.output
    assert "simulate --mode wire --seeds 1 --from 8" in result.output
    refused = CliRunner().invoke(cli, ["simulate", "--mode", "wire", "--scenario", "race"])
    assert refused.exit_code == 2
