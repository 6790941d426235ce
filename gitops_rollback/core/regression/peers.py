"""What the peers excuse: while they are in trouble too, more must be seen before a deployment is blamed.

Peers are at least three services of the same namespace, ingress or dependency that had no deployment in the last half
hour, taken together. They raise the null rate and veto nothing. A tick of theirs without requests says nothing.
Source: detection.md 4.4.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from gitops_rollback.core.regression.baseline import NEAR_SECONDS, Baseline
from gitops_rollback.core.regression.counts import Counts, total, within
from gitops_rollback.core.regression.detector import WINDOW_TICKS

MIN_PEERS = 3
HELD_TICKS = 8  # two minutes
MAX_RAISED = 0.9


@dataclass(frozen=True)
class Control:
    """The peers of one deployment: their rate before it, beside the application's own."""

    baseline: Baseline
    rate: float  # p_peer

    @classmethod
    def of(cls, baseline: Baseline, before: Sequence[Counts]) -> Control:
        """From the peers' pooled ticks of the four hours before the deployment."""
        until = baseline.until_seconds
        events, bad = total(within(before, until - NEAR_SECONDS, until))
        return cls(baseline, (bad + 0.5) / (events + 1))

    def asked(self, recent: Sequence[Counts]) -> float:
        """r_t: the null rate that the peers' last ticks ask for."""
        events, bad = total(recent)
        low = (bad - 2 * math.sqrt(2 * max(bad, 1.0))) / max(events, 1.0)
        own = self.baseline
        in_proportion = own.null_rate * max(1.0, low / self.rate)
        return max(in_proportion, own.rate + 3 * max(0.0, low - 1.5 * self.rate))


@dataclass(frozen=True)
class Seen:
    """The peers' last four ticks, and what the last nine asked for."""

    recent: tuple[Counts, ...] = ()
    asked: tuple[float, ...] = ()


def watch_peers(control: Control, seen: Seen, tick: Counts) -> Seen:
    """`seen` after the peers' pooled `tick`. One comes at each tick's time; without data it holds zero events."""
    recent = (*seen.recent, tick)[-WINDOW_TICKS:]
    return Seen(recent, (*seen.asked, control.asked(recent))[-HELD_TICKS - 1 :])


def watch_window(control: Control, seen: Seen, window: Counts) -> Seen:
    """`seen` after a `window` that holds what four ticks of the peers counted together."""
    return Seen((window,), (*seen.asked, control.asked((window,)))[-HELD_TICKS - 1 :])


def raised(control: Control, seen: Seen) -> float:
    """p_n,t: the null rate as the peers raise it, held for two minutes."""
    return min(max(control.baseline.null_rate, *seen.asked), MAX_RAISED) if seen.asked else control.baseline.null_rate
