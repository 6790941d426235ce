"""Has a series vanished, or can nobody see the application any more?

Only a store that still answers with another series of the application can say that one is gone. Which of both it was
before the sync is the baseline's question: what was not there then is not missed now.
Source: detection.md 2.3 (no series, and telemetry lost, are told apart) and 2.8.
"""

from __future__ import annotations

from gitops_rollback.core.errors import Reason
from gitops_rollback.core.measurement import Answer, Measurement, Outcome, single

GONE, THERE = 1.0, 0.0


def absence(wanted: Answer, beside: Answer) -> Measurement:
    """1 if no series answers `wanted` while one answers `beside`, 0 if one does; else no number, and why."""
    for answer, name in ((wanted, "query"), (beside, "beside")):
        if answer.outcome is not Outcome.VALUE:
            failed = single(answer)
            return failed._replace(detail=f"{name}: {failed.detail}")
    if any(series.samples for series in wanted.series):
        return Measurement.of(THERE, wanted.at, wanted.query)._replace(detail="it is there")
    if not any(series.samples for series in beside.series):
        detail = "neither it nor what should stand beside it is there"
        return Measurement.missing(Reason.NO_DATA, wanted.at, detail, wanted.query)
    gone = Measurement.of(GONE, wanted.at, wanted.query)
    return gone._replace(detail="no series is left, though others of the application are there")
