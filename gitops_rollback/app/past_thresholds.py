"""Which threshold would have parted the incidents that people reverted from the rest of the time?

Each value of a trigger over the whole time under test, at a coarse step, beside when its applications were in trouble.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from gitops_rollback.app.past_applications import Tested
from gitops_rollback.app.past_metrics import PATIENCE
from gitops_rollback.app.queries import Asker, Question, Span, tick_of
from gitops_rollback.core.hindsight import Kind, Peak, Row, peak
from gitops_rollback.core.policy import Comparison, Trigger
from gitops_rollback.ports import MetricSource

MOST_VALUES = 8_000
AROUND = timedelta(minutes=30)  # before and after an incident nothing is called usual
WITH_LIMIT = ("query", "ratio")

Values = tuple[tuple[datetime, float], ...]


@dataclass(frozen=True)
class PastThresholds:
    """Looks at one repository's applications from `since` until `until`."""

    since: datetime
    until: datetime

    def of(self, one: Tested, source: MetricSource, variables: dict[str, str]) -> Iterator[tuple[Trigger, Values]]:
        """The values of each trigger with an upper limit. What has no data has none."""
        step = one.policy.timing.interval
        step *= max(1, math.ceil((self.until - self.since) / step / MOST_VALUES))
        span = Span(tick_of(self.since, step) + step, tick_of(self.until, step), step)
        asker = Asker(source, PATIENCE, 0.0, None)
        for trigger in one.policy.triggers:
            if trigger.type not in WITH_LIMIT or trigger.comparison is not Comparison.GREATER_THAN:
                continue
            (history,) = asker.histories([Question.of(trigger, variables)], span)
            yield trigger, tuple((tick.at, tick.value) for tick in history.ticks if tick.value is not None)


def peak_of(trigger: Trigger, told: Sequence[tuple[Tested, Values]], table: Sequence[Row]) -> Peak:
    """Over all applications of a policy; `table` has their rows."""
    quiet: list[float] = []
    incidents: list[list[float]] = []
    for one, values in told:
        own = [row for row in table if row.application == one.name]
        spans = [(row.at - AROUND, row.at + (row.sooner or timedelta(0)) + AROUND) for row in own]
        quiet += [value for at, value in values if not any(start <= at <= end for start, end in spans)]
        for row in own:
            if row.kind in (Kind.AGREED, Kind.THEY_ONLY):
                start, end = row.at - AROUND, row.at + max(row.sooner or timedelta(0), timedelta(0))
                incidents.append([value for at, value in values if start <= at <= end])
    return peak(trigger.name, quiet, incidents)
