"""Durations as people write them: `90s`, `10m`, `2h30m`, `30d`. One spelling: a number always has its unit.

Source: Go's time.ParseDuration for the form, with `d` (24 h) added, which Prometheus knows too.
"""

from __future__ import annotations

import re
from datetime import timedelta

_SECONDS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400}
_PART = re.compile(r"([0-9]{1,9})(ms|s|m|h|d)")
_WHOLE = re.compile(r"(?:[0-9]{1,9}(?:ms|s|m|h|d)){1,5}")


def parse_duration(text: str) -> timedelta:
    """The duration that `text` spells; `0s` is allowed, a bare number, a sign or a fraction is not.

    Raises: ValueError with one sentence for people.
    """
    if not _WHOLE.fullmatch(text):
        raise ValueError(f"{text[:40]!r} is not a duration like 90s, 10m or 2h30m")
    units = [unit for _, unit in _PART.findall(text)]
    if sorted(set(units), key=lambda unit: -_SECONDS[unit]) != units:
        raise ValueError(f"{text[:40]!r}: units go from large to small, each once")
    return timedelta(seconds=sum(int(number) * _SECONDS[unit] for number, unit in _PART.findall(text)))


def format_duration(duration: timedelta) -> str:
    """The shortest spelling, cut to whole seconds; `0s` for nothing, a minus in front of what is past."""
    seconds = int(duration.total_seconds())
    if seconds < 0:
        return "-" + format_duration(-duration)
    words = ""
    for unit in ("d", "h", "m", "s"):
        count, seconds = divmod(seconds, int(_SECONDS[unit]))
        words += f"{count}{unit}" if count else ""
    return words or "0s"
