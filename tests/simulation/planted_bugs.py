"""Faults that a controller like ours could have, each as a patch of the real code; the simulation must find each one.

A simulator that finds none is worth nothing. Source: reliability.md section 8, the numbered list of planted bugs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import pytest

from gitops_rollback.adapters.policies import loading
from gitops_rollback.app import (
    blame,
    circumstances,
    executor,
    ledger,
    measuring,
    observation,
    outbreaks,
    progress,
    proposing,
    reconciler,
    view,
)
from gitops_rollback.app.landing import Lander
from gitops_rollback.core import guards, measurement, suspects, trigger
from gitops_rollback.core.action import Land
from gitops_rollback.core.ground import Ground
from gitops_rollback.core.guards.facts import allow
from gitops_rollback.core.ownership import rolled_back_before
from gitops_rollback.core.plan import PlanOutcome
from gitops_rollback.core.sync import Health
from gitops_rollback.core.trigger import Baseline, BaselineLevel
from gitops_rollback.ports import PushOutcome

Patch = Callable[[pytest.MonkeyPatch], None]


@dataclass(frozen=True)
class Planted:
    """One fault: its number in the list, the promise that it breaks, and where it is looked for."""

    number: int
    patch: Patch
    promises: tuple[str, ...]
    scenario: str = "all"


def no_read_after_a_failed_push(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same commit again, without a look at the remote."""

    def push(self: Any, repo: Any, *updates: Any) -> Any:
        return repo.push(updates)

    def land(self: Any, land: Any, look: Any, again: Any) -> None:
        for _ in self.retries:
            if self.executor.land(land, look).outcome is not PushOutcome.REJECTED:
                return

    monkeypatch.setattr(executor.Executor, "_push", push)
    monkeypatch.setattr(Lander, "land", land)


def blind_rebase_after_a_rejection(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was decided on the old head is put on the new one."""
    decided: dict[str, Any] = {}
    real = Lander.land

    def land(self: Any, land: Any, look: Any, again: Any) -> None:
        decided["land"], decided["look"] = land, look
        real(self, land, look, again)

    def decide_anew(self: Any, watched: Any, tick: Any) -> Any:
        head = self.see_now().heads.branch
        plan = decided["land"].plan
        moved = replace(plan, reversal=replace(plan.reversal, base=head))
        return Land(moved, decided["land"].decision), decided["look"]

    monkeypatch.setattr(Lander, "land", land)
    monkeypatch.setattr(reconciler.Reconciler, "_decide_anew", decide_anew)


def first_parent_from_a_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    """A view is used again in the next ticks."""
    real = view.Viewer.look

    def look(self: Any) -> Any:
        count = getattr(self, "planted", 0)
        self.planted = count + 1
        if count % 4 == 0:
            self.cached = real(self)
        return self.cached

    monkeypatch.setattr(view.Viewer, "look", look)


def budget_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was rolled back is counted nowhere."""
    monkeypatch.setattr(ledger.Ledger, "see", lambda self, repository, records: None)


def no_number_is_zero(monkeypatch: pytest.MonkeyPatch) -> None:
    """NaN is read as nothing wrong."""
    real = measurement._reduced

    def reduced(answer: Any, values: Any, *rest: Any) -> Any:
        return real(answer, [0.0 if value != value else value for value in values], *rest)

    monkeypatch.setattr(measurement, "_reduced", reduced)


def empty_is_healthy(monkeypatch: pytest.MonkeyPatch) -> None:
    """No series is read as nothing wrong."""
    real = measurement.Measurement.missing

    def missing(reason: Any, at: datetime, detail: str = "", query: str = "") -> Any:
        if detail == "no series matches the query":
            return measurement.Measurement.of(0.0, at, query)
        return real(reason, at, detail, query)

    monkeypatch.setattr(measurement.Measurement, "missing", staticmethod(missing))


def a_gap_completes_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two bad ticks far apart are one long bad time."""
    monkeypatch.setattr(trigger, "MAX_GAP_INTERVALS", 100.0)
    monkeypatch.setattr(trigger, "MIN_TRUE_SHARE", 0.0)


def no_baseline(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody asks how it was before the sync."""
    monkeypatch.setattr(measuring, "judge_baseline", lambda *_: Baseline(BaselineLevel.QUIET, 0.0))


def policy_read_at_the_head(monkeypatch: pytest.MonkeyPatch) -> None:
    """The change brings the policy that judges it."""
    real = observation.Observer.in_force

    def in_force(self: Any, subject: Any, at: Any, deployed: Any) -> Any:
        return replace(real(self, subject, at, deployed), policy=subject.policy, target=subject.target, known=True)

    monkeypatch.setattr(observation.Observer, "in_force", in_force)
    monkeypatch.setattr(proposing.Proposer, "_within_policy", lambda self, look, found: found)


def trailers_believed_on_any_commit(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever writes our words into a commit is believed to have rolled back."""

    def rolled_back(self: Any, look: Any, proposal: Any, seen: Any) -> str:
        culprits = {suspect.commit.sha for suspect in proposal.attribution.suspects}
        records, line = seen.journal.records.values(), self.repo.recent(seen.heads.branch, 200)
        return rolled_back_before(look.name, look.bad_revision, culprits, self.repo.name, records, line)

    monkeypatch.setattr(circumstances.Surroundings, "_rolled_back", rolled_back)


def _blame_whatever_restores(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take away the other defences: restored trees, budgets, known ground."""
    kept = tuple(
        (name, (lambda facts: allow("quarantine", "")) if name in ("quarantine", "known-ground") else guard)
        for name, guard in guards.GUARDS
    )
    monkeypatch.setattr(guards, "GUARDS", kept)
    monkeypatch.setattr(suspects, "_restorations", lambda facts: (frozenset(), {}))
    monkeypatch.setattr(blame, "judge_ground", lambda *_: Ground.KNOWN)
    budget_forgotten(monkeypatch)


def our_own_commit_as_a_suspect(monkeypatch: pytest.MonkeyPatch) -> None:
    """A rollback of a rollback."""
    monkeypatch.setattr(blame, "ours", lambda *_: False)
    _blame_whatever_restores(monkeypatch)


def no_quarantine(monkeypatch: pytest.MonkeyPatch) -> None:
    """What came back is taken back again."""
    _blame_whatever_restores(monkeypatch)
    monkeypatch.setattr(blame.Blamer, "_came_back", lambda self, look, at: "")
    monkeypatch.setattr(blame.Blamer, "_undone_states", lambda self, *_: frozenset())


def verified_at_the_old_revision(monkeypatch: pytest.MonkeyPatch) -> None:
    """Healthy is enough, whatever revision it is about."""

    def converged(state: Any, *_: Any) -> tuple[bool, str]:
        return state.health is Health.HEALTHY and not state.busy, "not healthy"

    monkeypatch.setattr(progress, "converged", converged)


def an_unreadable_stop_means_go(monkeypatch: pytest.MonkeyPatch) -> None:
    """A pause file that cannot be read stops nothing."""
    real = circumstances.stopped

    def stopped(name: str, now: datetime, *doors: Any) -> Any:
        readable = [replace(door, unreadable="") if hasattr(door, "unreadable") else door for door in doors]
        return real(name, now, *readable)

    monkeypatch.setattr(circumstances, "stopped", stopped)


def no_breaker(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many are red."""
    monkeypatch.setattr(outbreaks, "breaker", lambda *_: "")


def one_bad_policy_stops_the_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    """A fault in one file is everybody's."""
    real = loading.load_policies

    def load(files: Iterable[Any], revision: str) -> Any:
        found = real(files, revision)
        if found.errors:
            raise ValueError("a policy is broken")
        return found

    monkeypatch.setattr(view, "load_policies", load)


def the_whole_repository_is_put_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not the plan's paths, but everything as it was before the culprit."""
    real = blame.Blamer.blame

    def blamed(self: Any, *args: Any) -> Any:
        found = real(self, *args)
        reversal = found.reversal
        if reversal is None or reversal.outcome is not PlanOutcome.CLEAN:
            return found
        oldest = self._repo.commit(reversal.reverts[-1])
        return replace(found, reversal=replace(reversal, tree=self._repo.tree(oldest.parents[0])))

    monkeypatch.setattr(blame.Blamer, "blame", blamed)


PLANTED: Mapping[str, Planted] = {
    "no-read-after-a-failed-push": Planted(1, no_read_after_a_failed_push, ("4",), "race"),
    "blind-rebase-after-a-rejection": Planted(3, blind_rebase_after_a_rejection, ("5",), "race"),
    "first-parent-from-a-cache": Planted(4, first_parent_from_a_cache, ("3", "4"), "race"),
    "budget-forgotten": Planted(6, budget_forgotten, ("13",)),
    "no-number-is-zero": Planted(8, no_number_is_zero, ("14",), "blind"),
    "empty-is-healthy": Planted(9, empty_is_healthy, ("14", "10"), "blind"),
    "a-gap-completes-for": Planted(10, a_gap_completes_for, ("10",), "blind"),
    "no-baseline": Planted(12, no_baseline, ("11",), "blind"),
    "policy-read-at-the-head": Planted(13, policy_read_at_the_head, ("12", "14"), "people"),
    "trailers-believed-on-any-commit": Planted(14, trailers_believed_on_any_commit, ("8",), "people"),
    "our-own-commit-as-a-suspect": Planted(15, our_own_commit_as_a_suspect, ("8",), "lies"),
    "no-quarantine": Planted(16, no_quarantine, ("9", "21", "8"), "people"),
    "verified-at-the-old-revision": Planted(17, verified_at_the_old_revision, ("14",), "lies"),
    "an-unreadable-stop-means-go": Planted(18, an_unreadable_stop_means_go, ("13",), "people"),
    "no-breaker": Planted(20, no_breaker, ("13",), "blind"),
    "one-bad-policy-stops-the-loop": Planted(25, one_bad_policy_stops_the_loop, ("17",)),
    "the-whole-repository-is-put-back": Planted(28, the_whole_repository_is_put_back, ("5",)),
}
