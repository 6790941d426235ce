"""The verdict of each tick: has the rate risen since the deployment, how severely, and is it still so?

Pure and incremental: `step(test, state, tick) -> (state, verdict)`. A tick without data is `unseen`: it changes
nothing, so it neither counts towards the prior nor ever fires. After the 120 ticks that the prior covers no fault can
begin any more, while one that has begun is still followed.
Source: detection.md 4.2 and 4.3; 2.4 for what was so before the deployment.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from gitops_rollback.core.regression.baseline import Baseline, baseline_of
from gitops_rollback.core.regression.counts import Counts, total, within
from gitops_rollback.core.regression.evidence import EARLY_SHARE, MAX_NULL, added, mixed, prior, slopes
from gitops_rollback.core.regression.kinds import Kind, Rung
from gitops_rollback.core.regression.past import Watch, last_watch

WINDOW_TICKS = 4  # over which it must still be bad
HEADROOM = 3.0  # how far evidence may grow beyond what is needed, so that it also sinks again
BEFORE_SECONDS = 300.0  # trouble that shows in the last minutes before a deployment is not its own
MIN_SCRAPES = 2.0  # no rung fires on one scrape


@dataclass(frozen=True, slots=True)
class Threshold:
    """What one rung takes. `needed` is a_j; one tick adds at most `cap`, c_j; a sum stays below `limit` (as e^S)."""

    rung: Rung
    needed: float
    cap: float
    limit: float

    @classmethod
    def of(cls, rung: Rung, baseline: Baseline, share: float = 1.0) -> Threshold:
        alternatives = len(rung.times_worse)
        needed = baseline.needed + math.log(1 / (rung.weight * share))
        whole = needed + math.log(alternatives) + math.log(4 / EARLY_SHARE)
        cap = whole / max(MIN_SCRAPES, rung.scrapes * baseline.share_of_scrapes)
        return cls(rung, needed, cap, math.exp(needed + HEADROOM) * alternatives)

    def level(self, null_rate: float) -> float:
        """q_j, which the rate must exceed."""
        return min(max(self.rung.floor, self.rung.factor * null_rate), MAX_NULL)


@dataclass(frozen=True, slots=True)
class Regression:
    """The test of one deployment, fixed at its time."""

    baseline: Baseline
    tick_seconds: float
    thresholds: tuple[Threshold, ...]

    @classmethod
    def since(cls, baseline: Baseline, tick_seconds: float, share: float = 1.0) -> Regression:
        """`share` of the false alarms that are allowed is its own; another test beside it has the rest."""
        thresholds = tuple(Threshold.of(rung, baseline, share) for rung in baseline.kind.rungs)
        return cls(baseline, tick_seconds, thresholds)

    @property
    def start(self) -> State:
        return State(sums=tuple((0.0,) * len(one.rung.times_worse) for one in self.thresholds))


class State(NamedTuple):
    """The memory of one test: bounded, whatever the number of ticks."""

    sums: tuple[tuple[float, ...], ...]  # e^S_k of each rung
    ticks: int = 0  # with data
    recent: tuple[Counts, ...] = ()  # of the last four intervals


class Beside(NamedTuple):
    """The old version beside the new one (`versions.py`): its last four ticks, and whether the new one is worse.

    `limit`: what the new version's rate must exceed now. It is infinite where the old one has no requests.
    """

    events: float
    bad: float
    evidence: float
    needed: float
    limit: float
    fires: bool


class Verdict(NamedTuple):
    """What one tick says. `severity` counts the rungs from 1 and is None where none fires.

    `events`, `bad`: those of the last four intervals. `evidence` (M) and `needed` are those of the rung that fires, or
    of the one that is nearest to it. `observed` is False for a tick without data.
    """

    at_seconds: float
    baseline: Baseline
    null_rate: float  # p_n, raised where the peers are in trouble too
    events: float
    bad: float
    evidence: float
    needed: float
    level: float  # q_j of that rung
    severity: int | None = None
    observed: bool = True
    weighed: float = -math.inf  # ln of the rungs' evidence together, each by its weight
    beside: Beside | None = None  # where the counts are those of the new version alone
    only_beside: bool = False  # it fires by that alone

    @property
    def rate(self) -> float | None:
        """Of the bad among the last four intervals' events; None without any."""
        return self.bad / self.events if self.events > 0 else None


def step(test: Regression, state: State, tick: Counts, null_rate: float | None = None) -> tuple[State, Verdict]:
    """The state after `tick`, and what it says. `null_rate` is what the peers make of the baseline's (`peers.py`)."""
    normal = test.baseline.null_rate if null_rate is None else null_rate
    chance, dispersion = prior(state.ticks + 1), test.baseline.dispersion
    bad, good = tick.bad / dispersion, (tick.events - tick.bad) / dispersion
    levels = [one.level(normal) for one in test.thresholds]
    sums = tuple(
        [
            added(known, slopes(level, one.rung.times_worse), chance, bad, good, one.cap, one.limit)
            for one, known, level in zip(test.thresholds, state.sums, levels, strict=True)
        ]
    )
    stepped = State(sums, state.ticks + 1, (*_still_recent(test, state, tick.end_seconds), tick))
    return stepped, _verdict(test, stepped, tick.end_seconds, normal, levels)


def unseen(test: Regression, state: State, at_seconds: float, null_rate: float | None = None) -> Verdict:
    """What a tick without data says: nothing. The state stays as it is."""
    normal = test.baseline.null_rate if null_rate is None else null_rate
    blind = State(state.sums, state.ticks, _still_recent(test, state, at_seconds))
    return _verdict(test, blind, at_seconds, normal, [one.level(normal) for one in test.thresholds], observed=False)


def already_bad(
    kind: Kind, ticks: Sequence[Counts], t0_seconds: float, tick_seconds: float, watches: Sequence[Watch] = ()
) -> bool:
    """Whether it was firing at the last tick before `t0_seconds`, judged by the time up to five minutes earlier.

    And by the time before the newest of the earlier `watches`, where that lasted until then: what began with that
    deployment is not seen by time that was bad already.
    """
    newest = last_watch(watches, t0_seconds)
    starts = {t0_seconds - BEFORE_SECONDS, *([newest.since_seconds] if newest else [])}
    return any(_bad_since(kind, ticks, (start, t0_seconds), tick_seconds, watches) for start in starts)


def _bad_since(
    kind: Kind, ticks: Sequence[Counts], tried: tuple[float, float], tick_seconds: float, watches: Sequence[Watch]
) -> bool:
    since_seconds, t0_seconds = tried
    test = Regression.since(baseline_of(kind, ticks, since_seconds, tick_seconds, watches=watches), tick_seconds)
    state, severity = test.start, None
    for tick in within(ticks, since_seconds, t0_seconds):
        state, verdict = step(test, state, tick)
        severity = verdict.severity
    return severity is not None


def _still_recent(test: Regression, state: State, at_seconds: float) -> tuple[Counts, ...]:
    """The ticks of the four intervals up to `at_seconds`; half an interval of grace for ticks that come unevenly."""
    oldest = at_seconds - (WINDOW_TICKS - 0.5) * test.tick_seconds
    return tuple([tick for tick in state.recent if tick.end_seconds > oldest])


def _verdict(
    test: Regression, state: State, at_seconds: float, normal: float, levels: Sequence[float], observed: bool = True
) -> Verdict:
    events, bad = total(state.recent)
    rungs = [
        (mixed(sums), one.needed, level) for one, sums, level in zip(test.thresholds, state.sums, levels, strict=True)
    ]
    fired = [
        severity
        for severity, (evidence, needed, level) in enumerate(rungs, start=1)
        if observed and evidence >= needed and bad > level * events
    ]
    told = rungs[fired[-1] - 1] if fired else max(rungs, key=lambda rung: rung[0] - rung[1])
    severity = fired[-1] if fired else None
    weighed = _together(test, [evidence for evidence, _, _ in rungs])
    return Verdict(at_seconds, test.baseline, normal, events, bad, *told, severity, observed, weighed)


def _together(test: Regression, evidence: Sequence[float]) -> float:
    together = math.fsum([one.rung.weight * math.exp(m) for one, m in zip(test.thresholds, evidence, strict=True)])
    return math.log(together) if together > 0 else -math.inf
