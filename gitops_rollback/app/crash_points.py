"""Where may the controller die? Each labelled place; a test that names one kills the process there.

Nothing happens unless `arm` was called with a place. It is for tests on loopback, as the scaled clock is for demos.
"""

from __future__ import annotations

import os
import re
import signal
import threading
from dataclasses import dataclass, field

from gitops_rollback.core.errors import SettingsInvalid

VARIABLE = "GITOPS_ROLLBACK_CRASH_AT"
PLACE = re.compile(r"(?P<label>[a-z-]+)(:(?P<time>[1-9][0-9]{0,5}))?")


@dataclass
class _Armed:
    """The label and how many times it is still to be passed; no label: never."""

    label: str = ""
    left: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)


_armed = _Armed()


def arm(place: str, loopback: bool) -> None:
    """Die by SIGKILL when `label` is reached for the n-th time; `place` is `label:n`, or `label` for the first time.

    An empty place disarms. Raises: SettingsInvalid for another text, and where an origin is not `loopback`.
    """
    found = PLACE.fullmatch(place)
    if place and not found:
        raise SettingsInvalid("settings", f"{VARIABLE}: must be label:n")
    if place and not loopback:
        raise SettingsInvalid("settings", f"{VARIABLE}: is for tests: every origin must be loopback")
    with _armed.lock:
        _armed.label = found["label"] if found else ""
        _armed.left = int(found["time"] or 1) if found else 0


def reached(label: str) -> None:
    """Mark a place between two effects. A process that was armed for it does not return."""
    if label != _armed.label:
        return
    with _armed.lock:
        _armed.left -= 1
        if _armed.left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
