"""Where may the controller die? Before and after each of its steps; a test that names one kills the process there.

A step is a function with the decorator `crash_point`, so that its body stays readable. Nothing happens unless `arm`
was called with a place, which is for tests on loopback, as the scaled clock is for demos.
Source: reliability.md section 9.
"""

from __future__ import annotations

import os
import re
import signal
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import wraps
from typing import ParamSpec, TypeVar

from gitops_rollback.core.errors import SettingsInvalid

VARIABLE = "GITOPS_ROLLBACK_CRASH_AT"
PLACE = re.compile(r"(?P<label>(before|after)-[a-z-]+)(:(?P<time>[1-9][0-9]{0,5}))?")

Given = ParamSpec("Given")
Answer = TypeVar("Answer")


@dataclass
class _Armed:
    """The label and how many times it is still to be passed; no label: never."""

    label: str = ""
    left: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)


_armed = _Armed()


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
    with _armed.lock:
        _armed.label = found["label"] if found else ""
        _armed.left = int(found["time"] or 1) if found else 0


def crash_point(name: str) -> Callable[[Callable[Given, Answer]], Callable[Given, Answer]]:
    """Mark a function as a step: a process may die before it begins, and after it has returned."""

    def mark(function: Callable[Given, Answer]) -> Callable[Given, Answer]:
        before, after = f"before-{name}", f"after-{name}"

        @wraps(function)
        def stepped(*words: Given.args, **named: Given.kwargs) -> Answer:
            if not _armed.label:
                return function(*words, **named)
            _reached(before)
            answer = function(*words, **named)
            _reached(after)
            return answer

        return stepped

    return mark


def _reached(label: str) -> None:
    """A process that was armed for this place does not return."""
    if label != _armed.label:
        return
    with _armed.lock:
        _armed.left -= 1
        if _armed.left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
