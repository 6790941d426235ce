"""Which of the time before a deployment tells what is normal? All but the watches of earlier deployments.

What an earlier deployment broke until it was taken back is not normal; counted as such it would hide a smaller fault
for hours. Where so much was deployed that hardly anything else is left, only the watches of what was taken back are
set apart, and where even that leaves too little, nothing is: what is judged by hardly anything is not judged at all.

The time right before a deployment is lost as well where the one before it was still under watch. What is so since then
already would be blamed on the wrong one, so that time raises what is normal as far as it was surely worse.
Source: detection.md 4.1, and 4.4 for the formula that raises.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from gitops_rollback.core.regression.counts import Counts, total, within

HOUR = 3600.0
NEAR_SECONDS, FAR_SECONDS = 4 * HOUR, 24 * HOUR
FAR_TICK_SECONDS = 240.0  # the length of ticks that are older than four hours, where only totals count
PRIOR_EVENTS = 500
ENOUGH_SECONDS = 1800.0  # of the four hours, to know how the counts vary
MAX_RAISED = 0.9


class Watch(NamedTuple):
    """An earlier deployment was under watch from the one instant (unix time) to the other.

    `taken_back`: a rollback undid it.
    """

    since_seconds: float
    until_seconds: float
    taken_back: bool = False


@dataclass(frozen=True)
class Usual:
    """The ticks that tell what is normal, and the watches that were set apart for that."""

    ticks: Sequence[Counts]
    apart: tuple[Watch, ...] = ()


def usual(ticks: Sequence[Counts], watches: Sequence[Watch], t0_seconds: float, tick_seconds: float) -> Usual:
    """Of `ticks` before a deployment at `t0_seconds` those outside of `watches`, as far as enough is left then."""
    for apart in (tuple(watches), tuple(one for one in watches if one.taken_back)):
        left = [tick for tick in ticks if not any(_touches(tick, one, t0_seconds, tick_seconds) for one in apart)]
        if apart and _is_enough(left, ticks, t0_seconds, tick_seconds):
            return Usual(left, apart)
    return Usual(ticks)


def _touches(tick: Counts, watch: Watch, t0_seconds: float, tick_seconds: float) -> bool:
    """Some of the tick lies within the watch; one that ends as the watch begins does not."""
    is_far = tick.end_seconds <= t0_seconds - NEAR_SECONDS
    length = max(FAR_TICK_SECONDS, tick_seconds) if is_far else tick_seconds
    return watch.since_seconds < tick.end_seconds < watch.until_seconds + length


def _is_enough(left: Sequence[Counts], ticks: Sequence[Counts], t0_seconds: float, tick_seconds: float) -> bool:
    """As many events as a rate takes, and half an hour of the last four; or all that there is."""
    (events, _), (all_events, _) = total(left), total(ticks)
    near, all_near = (len(within(some, t0_seconds - NEAR_SECONDS, t0_seconds)) for some in (left, ticks))
    return events >= min(PRIOR_EVENTS, all_events) and near >= min(ENOUGH_SECONDS / tick_seconds, all_near)


def last_watch(apart: Sequence[Watch], t0_seconds: float) -> Watch | None:
    """The watch that lasted until a deployment at `t0_seconds`; None where what was before it is known."""
    newest = max(apart, default=None, key=lambda one: one.since_seconds)
    return newest if newest is not None and newest.since_seconds < t0_seconds <= newest.until_seconds else None


def asked(rate: float, null_rate: float, theirs: float, events: float, bad: float) -> float:
    """The null rate that is asked for where of `events` so many are `bad` that usually are so at the rate `theirs`.

    `rate` and `null_rate` are the own ones. What may be chance asks for nothing.
    """
    low = (bad - 2 * math.sqrt(2 * max(bad, 1.0))) / max(events, 1.0)
    return max(null_rate * max(1.0, low / theirs), rate + 3 * max(0.0, low - 1.5 * theirs))
