"""One measured value, and all the ways in which there is none. No data is never zero and never healthy."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from gitops_rollback.core.errors import Reason


class Outcome(StrEnum):
    """VALUE carries a number; NO_DATA and ERROR are inconclusive; INVALID is a query that can never work."""

    VALUE = "value"
    NO_DATA = "no-data"
    ERROR = "error"
    INVALID = "invalid"


@dataclass(frozen=True)
class Measurement:
    """What was measured at `at` (the tick's instant, not the arrival). `value` is set only for VALUE, always finite."""

    outcome: Outcome
    at: datetime
    value: float | None = None
    reason: Reason | None = None
    detail: str = ""  # one sentence for people; no secret, no whole payload
    query: str = ""  # as rendered and sent
    numerator: float | None = None  # a ratio's `bad`
    denominator: float | None = None  # a ratio's `total`

    @classmethod
    def of(cls, value: float, at: datetime, query: str = "") -> Measurement:
        return cls(Outcome.VALUE, at, value, query=query)

    @classmethod
    def missing(cls, reason: Reason, at: datetime, detail: str = "", query: str = "") -> Measurement:
        return cls(Outcome.NO_DATA, at, reason=reason, detail=detail, query=query)

    @classmethod
    def failed(cls, reason: Reason, at: datetime, detail: str = "", query: str = "") -> Measurement:
        return cls(Outcome.ERROR, at, reason=reason, detail=detail, query=query)

    @classmethod
    def invalid(cls, at: datetime, detail: str, query: str = "") -> Measurement:
        return cls(Outcome.INVALID, at, reason=Reason.QUERY_INVALID, detail=detail, query=query)


@dataclass(frozen=True)
class Series:
    """One series of an answer: labels and samples (time, value); a value may be NaN or infinite here."""

    labels: tuple[tuple[str, str], ...]
    samples: tuple[tuple[datetime, float], ...]


@dataclass(frozen=True)
class Answer:
    """All that a metric source answered to one query at `at`. `series` may be empty only with VALUE (no match).

    NO_DATA is never set here: whether no series means zero, no traffic or no data depends on the query's role.
    """

    outcome: Outcome
    at: datetime
    query: str
    series: tuple[Series, ...] = ()
    kind: str = "vector"  # vector, scalar, matrix, string
    reason: Reason | None = None
    detail: str = ""
