"""Where may the controller die? Before and after each of its steps; a test that names one kills the process there.

A step is a function with the decorator `crash_point`, so that its body stays readable. Nothing happens unless `arm`
was called with a place, which is for tests on loopback, as the scaled clock is for demos, or somebody `listens`, who
kills by means of their own.
Source: reliability.md section 9.
"""

from __future__ import annotations

import os
import re
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import wraps
from typing import ParamSpec, TypeVar

from gitops_rollback.core.errors import SettingsInvalid

VARIABLE = "GITOPS_ROLLBACK_CRASH_AT"
PLACE = re.compile(r"(?P<label>(before|after)-[a-z-]+)(:(?P<time>[1-9][0-9]{0,5}))?")

Given = ParamSpec("Given")
Answer = TypeVar("Answer")


@dataclass
class _Listener:
    """Who hears of each label that is passed; None: nobody."""

    hears: Callable[[str], None] | None = None


@dataclass
class _Death:
    """Kills this process when `label` is passed for the `left`-th time from now."""

    label: str
    left: int
    lock: threading.Lock = field(default_factory=threading.Lock)

    def __call__(self, label: str) -> None:
        """A process that was armed for this place does not return."""
        if label != self.label:
            return
        with self.lock:
            self.left -= 1
            if self.left == 0:
                os.kill(os.getpid(), signal.SIGKILL)


_listener = _Listener()


def arm(place: str, loopback: bool) -> None:
    """Die by SIGKILL when `label` is reached for the n-th time; `place` is `label:n`, or `label` for the first time.

    A label is `before-` or `after-` and the name of a step. An empty place disarms.
    Raises: SettingsInvalid for another text, and where an origin is not `loopback`.
    """
    found = PLACE.fullmatch(place)
    if place and not found:
        raise SettingsInvalid("settings", f"{VARIABLE}: must be label:n, such as before-fetch:2")
    if place and not loopback:
        raise SettingsInvalid("settings", f"{VARIABLE}: is for tests: every origin must be loopback")
    _listener.hears = _Death(found["label"], int(found["time"] or 1)) if found else None


@contextmanager
def listening(hears: Callable[[str], None]) -> Iterator[None]:
    """Until the end of the block `hears` is told each label that is passed, and may raise there instead of returning.

    What it raises must be such that nothing of the product catches it.
    """
    kept, _listener.hears = _listener.hears, hears
    try:
        yield
    finally:
        _listener.hears = kept


def crash_point(name: str) -> Callable[[Callable[Given, Answer]], Callable[Given, Answer]]:
    """Mark a function as a step: a process may die before it begins, and after it has returned."""

    def mark(function: Callable[Given, Answer]) -> Callable[Given, Answer]:
        before, after = f"before-{name}", f"after-{name}"

        @wraps(function)
        def stepped(*words: Given.args, **named: Given.kwargs) -> Answer:
            hears = _listener.hears
            if hears is None:
                return function(*words, **named)
            hears(before)
            answer = function(*words, **named)
            hears(after)
            return answer

        return stepped

    return mark
