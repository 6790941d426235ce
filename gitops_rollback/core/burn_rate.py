"""How much too fast does an application burn its error budget, in a long and in a short window?

A burn of 1 uses the whole budget up in exactly the objective's period. The long window keeps a short burst quiet, the
short one ends the alarm soon after recovery, so the lower of both is what a limit is held against.
Source: detection.md 2.8; the Site Reliability Workbook, chapter 5 (multiwindow, multi-burn-rate alerts).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from gitops_rollback.core.duration import format_duration as written
from gitops_rollback.core.measurement import Answer, Measurement, ratio
from gitops_rollback.core.policy import BurnRate
from gitops_rollback.core.query import format_duration

FIRST_WINDOW = timedelta(hours=1)  # no longer one can say in time what a sync did: those page
SHORT_SHARE = 12  # the usual short window is this part of the long one
USUAL_FACTORS = {FIRST_WINDOW: 14.4, timedelta(hours=6): 6.0, timedelta(days=3): 1.0}


def expressions(bad: str, total: str, windows: BurnRate) -> tuple[str, ...]:
    """What is asked, of two counter selectors: bad and total over the long window, then over the short one."""
    return tuple(
        f"sum(rate({selector}[{format_duration(window)}]))"
        for window in (windows.long_window, windows.short_window)
        for selector in (bad, total)
    )


def burn(answers: Sequence[Answer], windows: BurnRate, minimum_per_second: float = 0.0) -> Measurement:
    """The lower of both windows' burn, from the answers to `expressions` in their order.

    A window without data leaves the whole without: the other one alone says nothing.
    """
    bad_long, total_long, bad_short, total_short = answers
    shares = (ratio(bad_long, total_long, minimum_per_second), ratio(bad_short, total_short, minimum_per_second))
    named = list(zip(shares, (windows.long_window, windows.short_window), strict=True))
    rates: list[float] = []
    for share, window in named:
        if share.value is None:
            return share._replace(detail=f"over {written(window)}: {share.detail}")
        rates.append(share.value / windows.budget)
    each = " and ".join(f"{rate:.4g} over {written(window)}" for rate, (_, window) in zip(rates, named, strict=True))
    query = "; ".join(share.query for share in shares)
    return Measurement.of(min(rates), shares[0].at, query)._replace(detail=each)
