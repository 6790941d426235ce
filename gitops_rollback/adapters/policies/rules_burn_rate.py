"""Can a trigger of type burnRate ever fire, and does it ask what its author means?"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from gitops_rollback.adapters.policies.promql import template_errors
from gitops_rollback.adapters.policies.rules_shape import Found
from gitops_rollback.adapters.policies.view import View
from gitops_rollback.core.burn_rate import FIRST_WINDOW, SHORT_SHARE, USUAL_FACTORS, expressions
from gitops_rollback.core.policy import BurnRate

LONGEST_WINDOW = timedelta(days=30)
SHORTEST_WINDOW = timedelta(minutes=1)  # a rate needs two samples
NO_OBJECTIVE = 0.5  # stands in for one that is not there yet


def burn_rate_faults(trigger: View) -> Iterator[Found]:
    """What is wrong with a burn rate's objective, windows and factor, and with what is asked for them."""
    shape = trigger.at("burnRate")
    objective = shape.at("objective").number
    if objective is not None and not 0 < objective < 1:
        yield shape.at("objective").mark, "`objective` is not a share between 0 and 1", "write 0.999 for 99.9 %"
        objective = None
    long_window, short_window = shape.at("longWindow").duration, shape.at("shortWindow").duration
    long_window = FIRST_WINDOW if long_window is None else long_window
    short_window = long_window / SHORT_SHARE if short_window is None else short_window
    yield from _windows(shape, long_window, short_window)
    yield from _factor(shape, long_window, objective)
    yield from _asked(trigger, BurnRate(objective or NO_OBJECTIVE, long_window, short_window))


def _windows(shape: View, long_window: timedelta, short_window: timedelta) -> Iterator[Found]:
    if long_window > LONGEST_WINDOW:
        yield shape.at("longWindow").mark, "`longWindow` is longer than 30 days", "write 1h, 6h or 72h"
    if short_window < SHORTEST_WINDOW:
        yield shape.mark, "the short window is shorter than a minute", "write at least `shortWindow: 1m`"
    if short_window >= long_window:
        yield shape.mark, "the short window is not shorter than the long one", "write `shortWindow: 5m` beside 1h"


def _factor(shape: View, long_window: timedelta, objective: float | None) -> Iterator[Found]:
    factor = shape.at("factor").number
    if not shape.has("factor") and long_window not in USUAL_FACTORS:
        yield shape.mark, "`factor` is known by itself only for windows of 1h, 6h and 72h", "add `factor:`"
    if factor is not None and factor <= 0:
        yield shape.at("factor").mark, "`factor` is not above 0", "write 14.4 for a window of 1h"
    limit = USUAL_FACTORS.get(long_window, 0.0) if factor is None else factor
    if objective is not None and limit * (1 - objective) >= 1:
        needed = f"{limit:g} times {1 - objective:.4g} is no share of requests"
        yield shape.mark, f"it can never fire: {needed}", "write a smaller `factor`, or a nearer `objective`"


def _asked(trigger: View, windows: BurnRate) -> Iterator[Found]:
    """A selector with an offset, a fixed time or a comment at its end is valid alone, and not inside of a rate."""
    texts = {key: trigger.at(key).text or "" for key in ("bad", "total")}
    for key, text in texts.items():
        whole = expressions(text, text, windows)[0]
        if text and not template_errors(text) and template_errors(whole):
            yield trigger.at(key).mark, f"`{key}` cannot be rated", "write name and labels alone, without offset"
