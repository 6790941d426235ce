"""What `watch` puts on a screen: the curve against its limit, and how far a rollback is."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest

from gitops_rollback.cli.watch import History, phase_bar, sparkline
from gitops_rollback.core.rollback import Phase, RollbackRecord

AT = datetime(2026, 11, 27, 3, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("values", "threshold", "line"),
    [
        ([0.0, 0.05, 0.1], 0.05, "▁▅█"),
        ([0.0, None, math.nan, 0.1], 0.05, "▁  █"),
        ([0.2, 0.4], 0.05, "▅█"),
        ([0.0, 0.0], None, "▁▁"),
        ([], 0.05, ""),
    ],
    ids=["the limit is half way up", "no data is a blank", "what is higher sets the height", "no limit", "nothing yet"],
)
def test_a_curve_is_drawn_against_its_limit(values: Sequence[float | None], threshold: float | None, line: str) -> None:
    assert sparkline(values, threshold) == line


def test_the_bar_says_what_took_how_long_and_what_goes_on() -> None:
    times = {"deployed": AT, "fired": AT + timedelta(minutes=3), "decided": AT + timedelta(minutes=3, seconds=20)}
    record = RollbackRecord(
        "rb-0123456789abcdef", ("a",), "argocd", "shop/config", "b" * 40, "a" * 40, "policy", (), (), Phase.SYNCING,
        times={**times, "pushed": AT + timedelta(minutes=3, seconds=21)},
    )  # fmt: skip
    bar = phase_bar(record)
    assert bar.startswith("rb-012345678 ")
    assert "detect 3m" in bar
    assert "sync ..." in bar
    assert bar.endswith("verify")


def test_what_is_not_watched_any_more_is_forgotten() -> None:
    history = History()
    for _ in range(100):
        history.note([{"application": "a", "triggers": [{"trigger": "errors", "value": 0.1}]}])
    assert len(history.values[("a", "errors")]) == 40
    history.note([{"application": "b", "triggers": [{"trigger": "errors", "value": None}]}])
    assert list(history.values) == [("b", "errors")]
    assert list(history.values["b", "errors"]) == [None]
