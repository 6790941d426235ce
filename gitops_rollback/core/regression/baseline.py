"""What was normal before the deployment: rate, dispersion, and the null rate that a rise must exceed.

Where detection.md leaves room: a tick's time is its end, and one that ends at the deployment belongs to the baseline;
blocks are counted back from the deployment, and one with ticks missing counts with what it has; the mean events per
tick are those of ticks with data. Below 500 events the 5% takes the rate's place in the null rate too.
Source: detection.md 4.1, and 4.3 for the self-calibration.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from gitops_rollback.core.regression.counts import Counts, total, within
from gitops_rollback.core.regression.evidence import MAX_NULL, TICKS_OF_PRIOR, added, mixed, slopes
from gitops_rollback.core.regression.kinds import Kind
from gitops_rollback.core.regression.past import (
    FAR_SECONDS,
    MAX_RAISED,
    NEAR_SECONDS,
    PRIOR_EVENTS,
    Watch,
    asked,
    last_watch,
    usual,
)

FAR_BELOW_PER_SECOND = 10.0  # up to this rate four hours hold too little
UNKNOWN_RATE = 0.05  # with fewer events than that: only absolute levels can be judged
BLOCKS = ((120.0, 20), (480.0, 10))  # seconds, and how many blocks' worth the usual dispersion counts for
MIN_EXPECTED_BAD = 0.2
MAX_DISPERSION = 200.0
LOW_RATE_PER_SECOND = 1.5
ALPHA, LOW_RATE_ALPHA = 0.001, 0.005
CALIBRATION_LIMIT = 10.0  # in units of A
NOMINAL_SHARE_OF_SCRAPES = ((100.0, 1.0), (30.0, 4 / 6))
FEWEST_SHARE_OF_SCRAPES = 3 / 6


@dataclass(frozen=True)
class Baseline:
    """What one kind of bad events was like before `until_seconds`, the time of the deployment."""

    kind: Kind
    until_seconds: float
    events: float  # N0
    bad: float  # E0
    rate: float  # p
    dispersion: float  # phi, by which all evidence is divided
    null_rate: float  # p_n
    events_per_tick: float
    alpha: float  # the chance of a false alarm that is allowed

    @property
    def is_known(self) -> bool:
        """There were enough events to know a rate; else only absolute levels are judged."""
        return self.events >= PRIOR_EVENTS

    @property
    def needed(self) -> float:
        """A = ln(1/alpha)."""
        return math.log(1 / self.alpha)

    @property
    def share_of_scrapes(self) -> float:
        """s: with few events in a tick, fewer ticks have to confirm, where the kind allows it."""
        if not self.kind.quicker_with_few:
            return 1.0
        enough = (share for events, share in NOMINAL_SHARE_OF_SCRAPES if self.events_per_tick >= events)
        return next(enough, FEWEST_SHARE_OF_SCRAPES)


def baseline_of(
    kind: Kind,
    ticks: Sequence[Counts],
    t0_seconds: float,
    tick_seconds: float,
    least_dispersion: float = 1.0,
    watches: Sequence[Watch] = (),
) -> Baseline:
    """The baseline of a deployment at `t0_seconds`, from `ticks` before it (older and later ones are left out).

    `watches` of earlier deployments are no time to learn from, but for how many events come. No ticks at all give what
    is judged then: levels.
    """
    every = within(ticks, t0_seconds - NEAR_SECONDS, t0_seconds)
    per_tick = total(every)[0] / len(every) if every else 0.0
    per_second = per_tick / tick_seconds
    far = per_second <= FAR_BELOW_PER_SECOND
    known = within(ticks, t0_seconds - FAR_SECONDS, t0_seconds) if far else every
    told = usual(known, watches, t0_seconds, tick_seconds).ticks
    near = within(told, t0_seconds - NEAR_SECONDS, t0_seconds)
    events, bad = total(told)
    rate = (bad + 0.5) / (events + PRIOR_EVENTS)
    dispersion = max(least_dispersion, *(_dispersion(kind, near, t0_seconds, rate, *block) for block in BLOCKS))
    if events < PRIOR_EVENTS:
        rate = UNKNOWN_RATE
    raw = Baseline(
        kind=kind,
        until_seconds=t0_seconds,
        events=events,
        bad=bad,
        rate=rate,
        dispersion=dispersion,
        null_rate=_null_rate(kind, rate, dispersion, events),
        events_per_tick=per_tick,
        alpha=LOW_RATE_ALPHA if per_second < LOW_RATE_PER_SECOND else ALPHA,
    )
    return replace(raw, dispersion=dispersion * _unrest(raw, near))


def after_watches(
    baseline: Baseline, ticks: Sequence[Counts], tick_seconds: float, watches: Sequence[Watch]
) -> Baseline:
    """`baseline` with what was surely worse since the deployment before, where that was set apart as still watched."""
    t0_seconds = baseline.until_seconds
    known = within(ticks, t0_seconds - FAR_SECONDS, t0_seconds)
    newest = last_watch(usual(known, watches, t0_seconds, tick_seconds).apart, t0_seconds)
    if newest is None:
        return baseline
    since = within(ticks, newest.since_seconds, t0_seconds)
    null_rate = asked(baseline.rate, baseline.null_rate, baseline.rate, *total(since))
    return replace(baseline, null_rate=min(max(baseline.null_rate, null_rate), MAX_RAISED))


def _dispersion(
    kind: Kind, ticks: Sequence[Counts], t0_seconds: float, rate: float, block_seconds: float, usual: int
) -> float:
    """phi_b: how much more the counts of blocks vary than those of independent events, drawn towards the usual."""
    blocks: dict[int, tuple[float, float]] = {}
    for end_seconds, events, bad in ticks:
        index = int((t0_seconds - end_seconds) // block_seconds)
        so_far = blocks.get(index, (0.0, 0.0))
        blocks[index] = (so_far[0] + events, so_far[1] + bad)
    counted = [(bad, events * rate) for events, bad in blocks.values() if events * rate > MIN_EXPECTED_BAD]
    spread = math.fsum((bad - expected) ** 2 / expected for bad, expected in counted)
    dispersion = (spread + usual * kind.usual_dispersion) / (len(counted) + usual)
    return min(max(dispersion, 1.0), MAX_DISPERSION)


def _null_rate(kind: Kind, rate: float, dispersion: float, events: float) -> float:
    """p_n: half as much again as the rate may be, or `delta` more."""
    upper = rate + math.sqrt(dispersion * rate / (events + PRIOR_EVENTS))
    return max(1.5 * upper, upper + kind.delta)


def _unrest(baseline: Baseline, ticks: Sequence[Counts]) -> float:
    """By how much the dispersion grows where the quiet time itself would have looked like a fault; 1 or more.

    The first rung over the baseline, as if a fault might begin at each tick.
    """
    rung, needed = baseline.kind.rungs[0], baseline.needed
    per_event = slopes(min(baseline.null_rate, MAX_NULL), rung.times_worse)
    cap = needed / (rung.scrapes * baseline.share_of_scrapes)
    limit = math.exp(CALIBRATION_LIMIT * needed) * len(per_event)
    sums: tuple[float, ...] = (0.0,) * len(per_event)
    most = sums
    for _, events, bad in ticks:
        share = bad / baseline.dispersion
        sums = added(sums, per_event, 1.0, share, events / baseline.dispersion - share, cap, limit)
        most = max(most, sums, key=sum)
    return max(1.0, (mixed(most) - math.log(TICKS_OF_PRIOR)) / (needed / 2))
