"""Is the new version worse than the old one beside it? Load and incidents hit both, so neither has to be known before.

A second capped sequential test, beside the one against the baseline: of the bad requests of one tick, how many are the
new version's? By its share of the traffic that tells whether it is more than half as bad again. A version without
requests says nothing, for or against, and a share that moves from tick to tick (a canary's steps) is no matter.
Source: detection.md 4.4, "Old and new pods side by side". What it leaves open: the ladder is that of the first rung;
the two tests share the false alarms that are allowed; and what fires must be worse now than what is normal here and
than half as much again as the old version beside it, by the last four ticks.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import NamedTuple

from gitops_rollback.core.regression.baseline import Baseline
from gitops_rollback.core.regression.counts import Counts, total
from gitops_rollback.core.regression.detector import WINDOW_TICKS, Beside, Regression, Threshold, Verdict
from gitops_rollback.core.regression.evidence import Slopes, added, mixed, prior

AS_BAD = 1.5  # rho: up to that many times as bad, the new version is no worse
SHARE = 0.2  # of the false alarms that are allowed; the test against the baseline has the rest


class Pair(NamedTuple):
    """One tick of both versions."""

    new: Counts
    old: Counts


class State(NamedTuple):
    """The memory of one test: bounded, whatever the number of ticks."""

    sums: tuple[float, ...]  # e^S_k
    ticks: int = 0  # in which both versions had requests
    recent: tuple[Pair, ...] = ()  # of the last four intervals


@dataclass(frozen=True, slots=True)
class SideBySide:
    """The test of one deployment, fixed at its time."""

    baseline: Baseline
    tick_seconds: float
    threshold: Threshold

    @classmethod
    def since(cls, baseline: Baseline, tick_seconds: float) -> SideBySide:
        rung = replace(baseline.kind.rungs[0], weight=SHARE)
        return cls(baseline, tick_seconds, Threshold.of(rung, baseline))

    @property
    def start(self) -> State:
        return State(sums=(0.0,) * len(self.threshold.rung.times_worse))

    @property
    def beside(self) -> Regression:
        """The test against the baseline, which has what this one leaves of the false alarms."""
        return Regression.since(self.baseline, self.tick_seconds, share=1 - SHARE)


def compare(test: SideBySide, state: State, pair: Pair) -> tuple[State, Beside]:
    """The state after one tick of both versions, and what the two are to one another."""
    new, old = pair
    dispersion, one = test.baseline.dispersion, test.threshold
    ticks = state.ticks + (1 if new.events > 0 and old.events > 0 else 0)
    sums = state.sums
    if ticks > state.ticks:
        per_event = _slopes(new.events, old.events, one.rung.times_worse)
        bad = new.bad / dispersion
        sums = added(sums, per_event, prior(ticks), bad, (new.bad + old.bad) / dispersion, one.cap, one.limit)
    oldest = new.end_seconds - (WINDOW_TICKS - 0.5) * test.tick_seconds
    recent = (*(known for known in state.recent if known.new.end_seconds > oldest), pair)
    return State(sums, ticks, recent), _beside(test, sums, recent)


def held_against(verdict: Verdict, beside: Beside) -> Verdict:
    """`verdict` with the old version beside the new one; it fires, as the mildest, where only the two differ.

    Its evidence and limits are then those of the comparison.
    """
    share = math.log(SHARE) + beside.evidence
    weighed = max(verdict.weighed, share) + math.log1p(math.exp(-abs(verdict.weighed - share)))
    told = verdict._replace(beside=beside, weighed=weighed if math.isfinite(share) else verdict.weighed)
    if verdict.severity is not None or not beside.fires:
        return told
    limit = beside.limit
    return told._replace(
        severity=1, null_rate=limit, level=limit, evidence=beside.evidence, needed=beside.needed, only_beside=True
    )


def _slopes(new: float, old: float, times_worse: tuple[float, ...]) -> Slopes:
    """For each alternative the log evidence of a bad request of the new version, and of any bad one beside that.

    ln(theta_k / theta_0) is the sum of the two, and ln((1 - theta_k) / (1 - theta_0)) the second alone.
    """
    rates = [AS_BAD * times for times in times_worse]
    return tuple((math.log(rate / AS_BAD), math.log((AS_BAD * new + old) / (rate * new + old))) for rate in rates)


def _beside(test: SideBySide, sums: tuple[float, ...], recent: tuple[Pair, ...]) -> Beside:
    events, bad = total(pair.new for pair in recent)
    old_events, old_bad = total(pair.old for pair in recent)
    evidence, needed = mixed(sums), test.threshold.needed
    theirs = AS_BAD * old_bad / old_events if old_events > 0 else math.inf  # gone: nothing to be held against
    limit = max(test.baseline.null_rate, theirs)
    return Beside(old_events, old_bad, evidence, needed, limit, evidence >= needed and bad > limit * events)
