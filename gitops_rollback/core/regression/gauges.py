"""A gauge as counts: a sample is bad when it is well above what the baseline reached.

What has a level and no counts (a queue, memory, saturation) is judged by how often it exceeds that. It finds less than
counts do, so it is for paging.
Source: detection.md 4.5.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import groupby

from gitops_rollback.core.regression.baseline import Baseline, baseline_of
from gitops_rollback.core.regression.counts import Counts
from gitops_rollback.core.regression.kinds import ERRORS
from gitops_rollback.core.regression.past import Watch, usual

GAUGE = replace(ERRORS, name="gauge")
MARGIN = 0.25  # above the baseline's quantile; of its absolute value, so that negative gauges have one too
MIN_SAMPLES = 20  # below it there is no 95% quantile

Sample = tuple[float, float]  # unix seconds, value


@dataclass(frozen=True)
class Gauge:
    """The limit of one gauge, and the baseline of its exceedances."""

    limit: float
    baseline: Baseline

    def counted(self, sample: Sample) -> Counts:
        """One event, which is bad above the limit; none where the value is not a number."""
        return _counted(sample, self.limit)


def gauge_of(
    samples: Sequence[Sample], t0_seconds: float, tick_seconds: float, watches: Sequence[Watch] = ()
) -> Gauge | None:
    """The gauge's baseline from `samples` in order of time; None where too few lie before `t0_seconds`.

    `watches` of earlier deployments are left out, where enough is known without them.
    """
    finite = [sample for sample in samples if sample[0] <= t0_seconds and math.isfinite(sample[1])]
    told = usual([Counts(at, 1.0, 0.0) for at, _ in finite], watches, t0_seconds, tick_seconds).ticks
    known = {tick.end_seconds for tick in told}
    before = [sample for sample in finite if sample[0] in known]
    if len(before) < MIN_SAMPLES:
        return None
    quantile = statistics.quantiles((value for _, value in before), n=20, method="inclusive")[-1]
    limit = quantile + MARGIN * abs(quantile)
    counts = [_counted(sample, limit) for sample in before]
    lengths = [len(list(run)) for bad, run in groupby(counts, key=lambda tick: tick.bad > 0) if bad]
    mean_run = statistics.fmean(lengths) if lengths else 1.0
    return Gauge(limit, baseline_of(GAUGE, counts, t0_seconds, tick_seconds, least_dispersion=mean_run))


def _counted(sample: Sample, limit: float) -> Counts:
    at_seconds, value = sample
    if math.isnan(value):
        return Counts(at_seconds, 0.0, 0.0)
    return Counts(at_seconds, 1.0, 1.0 if value > limit else 0.0)
