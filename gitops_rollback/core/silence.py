"""Whose messages are not to be told for a while? A silence stops messages, never decisions; every one has an end.

It stands in `silence.yaml` on the control branch, in the form of a pause. One that cannot be read silences nobody.
Source: safety.md, After the rollback.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from gitops_rollback.core.stop import CONTROL_BRANCH, Pause, PauseState, names_of

KIND = "RollbackSilence"
PATH = "silence.yaml"
DOOR = f"{PATH} of branch {CONTROL_BRANCH}"
NOBODY = PauseState(DOOR)


def silenced(applications: Collection[str], state: PauseState, now: datetime) -> str:
    """Why people are not told what concerns these applications, in words; "" if one of them is not silenced."""
    found = [_silence_of(application, state, now) for application in applications]
    if not found or None in found:
        return ""
    longest = max((one for one in found if one is not None), key=_end)
    return words(longest)


def active(state: PauseState, now: datetime) -> tuple[Pause, ...]:
    """The silences that hold now. One without an end or without a name holds for nobody."""
    return tuple(one for one in state.pauses if one.application and one.until is not None and one.holds(now))


def words(silence: Pause) -> str:
    """Until when, by whom and why."""
    until = f"silenced until {silence.until:%Y-%m-%dT%H:%M:%SZ}" if silence.until else "silenced"
    by = f" by {silence.by}" if silence.by else ""
    return f"{until}{by}{f': {silence.reason}' if silence.reason else ''}"


def _silence_of(application: str, state: PauseState, now: datetime) -> Pause | None:
    names = names_of(application)
    found = [one for one in active(state, now) if one.application in names]
    return max(found, key=_end, default=None)


def _end(silence: Pause) -> datetime:
    if silence.until is None:
        raise ValueError("a silence has an end")
    return silence.until
