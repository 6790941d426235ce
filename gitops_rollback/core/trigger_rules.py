"""What triggers of one type alone say: how fast a budget burns, how a rate is compared with before, which alert."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True)
class BurnRate:
    """The share of requests that shall succeed, and the two windows in both of which its budget must burn too fast."""

    objective: float  # above 0, below 1
    long_window: timedelta
    short_window: timedelta

    @property
    def budget(self) -> float:
        """The share of requests that may fail; above 0."""
        return 1 - self.objective


@dataclass(frozen=True)
class Counting:
    """How a regression counts. `slow`: what is bad is slow, and does not fail. `version`: a label of its counters.

    `peers` are $SERVICE of at least three others that share its troubles; () are none.
    """

    slow: bool = False
    peers: tuple[str, ...] = ()
    version: str = ""


@dataclass(frozen=True)
class AlertRule:
    """Which alert of Alertmanager: all `labels` are equal. `pending_for` is the `for` of its rule; None: not known."""

    labels: tuple[tuple[str, str], ...]
    pending_for: timedelta | None = None
