"""Does a duration have one spelling only?"""

from __future__ import annotations

from datetime import timedelta

import pytest

from gitops_rollback.core.duration import format_duration, parse_duration


@pytest.mark.parametrize(
    ("text", "duration"),
    [
        ("0s", timedelta(0)),
        ("1500ms", timedelta(seconds=1.5)),
        ("90s", timedelta(seconds=90)),
        ("2h30m", timedelta(hours=2, minutes=30)),
        ("30d", timedelta(days=30)),
    ],
)
def test_a_number_has_its_unit(text: str, duration: timedelta) -> None:
    assert parse_duration(text) == duration


@pytest.mark.parametrize(
    "text", ["", "5", "5M", "-5m", "1e9h", "1:30", "1.5h", " 5m", "5m ", "m", "30m2h", "1h1h", "٣s"]
)
def test_every_other_spelling_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        parse_duration(text)


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0s"), (59.9, "59s"), (3600, "1h"), (90061, "1d1h1m1s"), (-60, "-1m")]
)
def test_a_duration_is_shown_as_it_would_be_written(seconds: float, text: str) -> None:
    assert format_duration(timedelta(seconds=seconds)) == text
