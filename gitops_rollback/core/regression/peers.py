"""What the peers excuse: while they are in trouble too, more must be seen before a deployment is blamed.

Peers are at least three services of the same namespace, ingress or dependency that had no deployment in the last half
hour, taken together. They raise the null rate and veto nothing. A tick of theirs without requests says nothing.
Source: detection.md 4.4.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gitops_rollback.core.regression.baseline import Baseline
from gitops_rollback.core.regression.counts import Counts, total, within
from gitops_rollback.core.regression.detector import WINDOW_TICKS
from gitops_rollback.core.regression.past import MAX_RAISED, NEAR_SECONDS, asked

MIN_PEERS = 3
HELD_TICKS = 8  # two minutes


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
        return asked(self.baseline.rate, self.baseline.null_rate, self.rate, *total(recent))


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
