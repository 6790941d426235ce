"""Of several deployments, does the onset fit one of them so much better that nobody has to ask which?

Two things part them. The prior of the sequential test: three faults in five begin within a minute of their deployment.
And the weights that rank commits, here by when they were deployed, to which failing Pods are the strongest word. Either
suffices at ten to one, unless these weights speak for another one.
Source: detection.md 4.4, Several syncs at once, and 4.3; git.md 4 for the weights.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from gitops_rollback.core.duration import format_duration
from gitops_rollback.core.ranking import BEFORE_ONSET
from gitops_rollback.core.regression.evidence import TICKS_OF_PRIOR, prior

TICK = timedelta(seconds=15)
TEN_TO_ONE = math.log(10)


@dataclass(frozen=True)
class Contender:
    """One deployment: the newest of its commits that may have done it, and how likely one of them did as ranked.

    `traced` is the logarithm of how much likelier the failing Pods make it.
    """

    since: datetime
    name: str
    probability: float
    traced: float = 0.0


@dataclass(frozen=True)
class Lead:
    """The one that would be undone against the strongest that would stay; `by` is a natural logarithm."""

    chosen: Contender
    other: Contender
    by: float

    @property
    def enough(self) -> bool:
        return self.by >= TEN_TO_ONE

    @property
    def sentence(self) -> str:
        apart = format_duration(abs(self.chosen.since - self.other.since))
        chances = f"{self.chosen.probability:.2g} against {self.other.probability:.2g}"
        return (
            f"{self.chosen.name} and {self.other.name} were deployed {apart} apart, and the onset does not tell them"
            f" apart by ten to one (ranked {chances})"
        )


def lead_of(chosen: Sequence[Contender], others: Sequence[Contender], onset: datetime) -> Lead | None:
    """By how much the best of `chosen` is ahead; None without others."""
    if not chosen or not others:
        return None
    newest = max(one.since for one in (*chosen, *others))

    def fits(one: Contender) -> float:
        minutes = max(0.0, (onset - one.since) / timedelta(minutes=1))
        return BEFORE_ONSET.newest * (one.since == newest) + BEFORE_ONSET.age * math.log1p(minutes) + one.traced

    first, second = max(chosen, key=fits), max(others, key=fits)
    fit = fits(first) - fits(second)
    begun = max(_begins(one, onset) for one in chosen) - max(_begins(one, onset) for one in others)
    return Lead(first, second, max(fit, begun) if fit >= 0 else fit)


def _begins(one: Contender, onset: datetime) -> float:
    """How likely a fault of this deployment begins when this one began, as a logarithm; late ones are all alike."""
    return math.log(prior(min(max(1, math.ceil((onset - one.since) / TICK)), TICKS_OF_PRIOR)))
