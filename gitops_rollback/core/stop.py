"""Is this application stopped, by which door, and until when? A person's stop outranks every metric.

Three doors, each able to stop and none able to loosen another: the settings, `pause.yaml` on the control branch, and
`.gitops-rollback/pause.yaml` at the protected branch's head. Missing means go; present but unreadable means stop.
Source: safety.md, Stop.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from gitops_rollback.core.document import DocumentInvalid, read_document
from gitops_rollback.core.errors import Reason
from gitops_rollback.core.written import SKIP_MARKER

API_VERSION = "gitops-rollback.dev/v1alpha1"
KIND = "RollbackPause"
CONTROL_BRANCH = "gitops-rollback-control"
CONTROL_PATH = "pause.yaml"
HEAD_PATH = ".gitops-rollback/pause.yaml"

SETTINGS_DOOR = "settings"
CONTROL_DOOR = f"branch {CONTROL_BRANCH}"
HEAD_DOOR = HEAD_PATH

MAX_TEXT = 200
# Begins the reason of a pause by which a person promises one. No key of its own: a controller of an earlier version
# would not know that, and a word that it does not know stops everything.
FIX = "a fix in "


@dataclass(frozen=True)
class Pause:
    """One restricting entry. `application` None stops all; `until` None has no end (and is reported daily)."""

    application: str | None
    until: datetime | None = None
    by: str = ""
    reason: str = ""

    def holds(self, now: datetime) -> bool:
        """False from its end on, that instant included."""
        return self.until is None or now < self.until

    @property
    def fixed_by(self) -> datetime | None:
        """When a person's fix is ready, as was promised; None where none was."""
        return self.until if self.reason.startswith(FIX) else None


@dataclass(frozen=True)
class PauseState:
    """What one door says. `unreadable` set: nobody knows, so everything stops; the text says why."""

    door: str
    pauses: tuple[Pause, ...] = ()
    unreadable: str = ""


@dataclass(frozen=True)
class Stop:
    """Why an application is stopped now. `reason` is `Paused` or `PauseUnreadable`."""

    door: str
    reason: Reason
    message: str
    until: datetime | None = None
    by: str = ""


def settings_pause(paused: bool, paused_until: datetime | None) -> PauseState:
    """The first door: either word of the settings stops everything."""
    pauses = (Pause(None, None, "settings"),) if paused else ()
    if paused_until is not None:
        pauses = (*pauses, Pause(None, paused_until, "settings"))
    return PauseState(SETTINGS_DOOR, pauses)


def read_pause(door: str, text: bytes | None, kind: str = KIND) -> PauseState:
    """What the file of `kind` behind `door` says; None is one that does not exist. Never raises: see `unreadable`."""
    if text is None:
        return PauseState(door)
    try:
        return PauseState(door, _pauses(read_document(text).value, kind))
    except DocumentInvalid as exc:
        return PauseState(door, unreadable=str(exc)[:MAX_TEXT])
    except ValueError as exc:
        return PauseState(door, unreadable=str(exc)[:MAX_TEXT])


def _pauses(document: object, kind: str) -> tuple[Pause, ...]:
    top = _mapping(document, "the file", {"apiVersion", "kind", "metadata", "spec"})
    if top.get("apiVersion") != API_VERSION or top.get("kind") != kind:
        raise ValueError(f"not a {kind} of {API_VERSION}")
    spec = _mapping(top.get("spec", {}), "spec", {"all", "applications", "until", "by", "reason"})
    whole = spec.get("all", False)
    if not isinstance(whole, bool):
        raise ValueError("spec.all must be true or false")
    entries = spec.get("applications") or []
    if not isinstance(entries, list):
        raise ValueError("spec.applications must be a list")
    everything = (_pause(spec, None),) if whole else ()
    return (*everything, *(_application(entry) for entry in entries))


def _application(entry: object) -> Pause:
    words = _mapping(entry, "an application", {"name", "until", "by", "reason"})
    name = words.get("name")
    if not isinstance(name, str) or not name:
        raise ValueError("an application has no name")
    return _pause(words, name)


def _pause(words: Mapping[str, object], application: str | None) -> Pause:
    until = words.get("until")
    return Pause(application, None if until is None else _time(until), _text(words, "by"), _text(words, "reason"))


def _text(words: Mapping[str, object], key: str) -> str:
    value = words.get(key)
    return "" if value is None else str(value)[:MAX_TEXT]


def _time(value: object) -> datetime:
    try:
        at = datetime.fromisoformat(str(value))
    except ValueError as exc:
        raise ValueError(f"until {str(value)[:40]!r} is not a time like 2026-11-25T12:00:00Z") from exc
    if at.tzinfo is None:
        raise ValueError(f"until {str(value)[:40]!r} has no time zone")
    try:
        return at.astimezone(UTC)
    except OverflowError as exc:
        raise ValueError(f"until {str(value)[:40]!r} is outside of the calendar") from exc


def _mapping(value: object, what: str, known: set[str]) -> Mapping[str, object]:
    if not isinstance(value, dict):
        raise ValueError(f"{what} must hold keys and values")
    odd = sorted(set(value) - known)
    if odd:
        # A misspelt word might be the one that was meant to stop us.
        raise ValueError(f"{what} has the unknown key {odd[0][:40]!r}")
    return value


def stopped(
    application: str,
    now: datetime,
    settings: PauseState,
    control: PauseState,
    head: PauseState,
    aliases: Collection[str] = (),
) -> Stop | None:
    """Why `application` (its full name) may not be acted on now; None if no door stops it.

    `aliases` are other names of it, its targets' for example. A short name that fits several applications stops each
    of them: a stop never fails for being vague. Unreadable comes first, then what stops longest.
    """
    doors = (settings, control, head)
    for door in doors:
        if door.unreadable:
            message = f"{door.door} cannot be read, which means stop: {door.unreadable}"
            return Stop(door.door, Reason.PAUSE_UNREADABLE, message)
    names = names_of(application) | set(aliases)
    held = [(door, pause) for door in doors for pause in door.pauses if _concerns(pause, names) and pause.holds(now)]
    if not held:
        return None
    door, pause = max(held, key=lambda pair: _end(pair[1]))
    return Stop(door.door, Reason.PAUSED, _message(door, pause), pause.until, pause.by)


def promised_fix(application: str, states: Collection[PauseState], aliases: Collection[str] = ()) -> datetime | None:
    """The latest time by which a person has promised to mend `application`, past or to come; None without any."""
    names = names_of(application) | set(aliases)
    pauses = [pause for state in states for pause in state.pauses if _concerns(pause, names)]
    return max((pause.fixed_by for pause in pauses if pause.fixed_by is not None), default=None)


def _concerns(pause: Pause, names: Collection[str]) -> bool:
    return pause.application is None or pause.application in names


def _message(door: PauseState, pause: Pause) -> str:
    end = f"until {pause.until:%Y-%m-%dT%H:%M:%SZ}" if pause.until else "without an end"
    by = f" by {pause.by}" if pause.by and pause.by != door.door else ""
    why = f": {pause.reason}" if pause.reason else ""
    return f"paused {end}{by} ({door.door}){why}"


def names_of(application: str) -> set[str]:
    """The full name and its shorter forms, each without one more leading part: kind/namespace/name down to name.

    The namespace alone may be left out, too, as a policy may leave it out.
    """
    parts = application.split("/")
    found = {"/".join(parts[start:]) for start in range(len(parts))}
    if len(parts) == 4:
        instance, kind, _, name = parts
        found |= {f"{kind}/{name}", f"{instance}/{kind}/{name}"}
    return found


def strangers(states: Collection[PauseState], known: Collection[str]) -> tuple[str, ...]:
    """Names in pauses that fit none of the `known` full names or aliases, sorted: most likely a slip of the pen."""
    names = {name for full in known for name in names_of(full)}
    found = {pause.application for state in states for pause in state.pauses if pause.application is not None}
    return tuple(sorted(found - names))


def described(state: PauseState) -> tuple[str, ...]:
    """What one door says, a line for each pause; that it cannot be read comes first."""
    broken = (f"{state.door} cannot be read, which means stop: {state.unreadable}",) if state.unreadable else ()
    return (*broken, *(f"{pause.application or 'everything'} {_message(state, pause)}" for pause in state.pauses))


def standing(state: PauseState, now: datetime, names: Collection[str] | None = None) -> PauseState:
    """`state` with those of its pauses alone that hold now; `names` narrows to those that concern one application."""
    held = (one for one in state.pauses if one.holds(now) and (names is None or _concerns(one, names)))
    return replace(state, pauses=tuple(held))


def open_ended(states: Collection[PauseState]) -> tuple[tuple[str, Pause], ...]:
    """Pauses without an end, each with its door: they are reported daily."""
    return tuple((state.door, pause) for state in states for pause in state.pauses if pause.until is None)


def add_pause(pauses: tuple[Pause, ...], new: Pause, now: datetime) -> tuple[Pause, ...]:
    """`pauses` without the ended ones, and with `new` in place of the one of the same application.

    A pause never shortens another: of two ends the later one stays. Ending early is `lift_pause`.
    """
    held = [pause for pause in pauses if pause.holds(now)]
    same = [pause for pause in held if pause.application == new.application]
    longest = max((*same, new), key=_end)
    return (*(pause for pause in held if pause.application != new.application), longest)


def lift_pause(pauses: tuple[Pause, ...], application: str | None, now: datetime) -> tuple[Pause, ...]:
    """`pauses` without the ended ones and without those of `application` by any of its names; None lifts them all."""
    if application is None:
        return ()
    names = names_of(application)
    return tuple(
        pause
        for pause in pauses
        if pause.holds(now)
        and (
            pause.application is None or not (pause.application in names or application in names_of(pause.application))
        )
    )


def _end(pause: Pause) -> datetime:
    return pause.until or datetime.max.replace(tzinfo=UTC)


def encode_pauses(pauses: tuple[Pause, ...], kind: str = KIND) -> bytes:
    """The file of `kind` that says exactly this. One pause of everything has room: the one that ends last."""
    lines = [f"# {SKIP_MARKER}", f"apiVersion: {API_VERSION}", f"kind: {kind}", "spec:"]
    whole = [pause for pause in pauses if pause.application is None]
    if whole:
        lines += ["  all: true", *(f"  {key}: {value}" for key, value in _words_of(max(whole, key=_end)))]
    named = [pause for pause in pauses if pause.application is not None]
    lines.append("  applications:" if named else "  applications: []")
    for pause in named:
        words = "".join(f", {key}: {value}" for key, value in _words_of(pause))
        lines.append(f"    - {{name: {_quoted(pause.application or '')}{words}}}")
    return ("\n".join(lines) + "\n").encode()


def _words_of(pause: Pause) -> list[tuple[str, str]]:
    words = [("by", _quoted(pause.by)), ("reason", _quoted(pause.reason))]
    return ([("until", _quoted(f"{pause.until:%Y-%m-%dT%H:%M:%SZ}"))] if pause.until else []) + words


def _quoted(text: str) -> str:
    """A double-quoted YAML scalar: JSON's, for text that has only printable characters."""
    safe = "".join(character if character.isprintable() else " " for character in text)[:MAX_TEXT]
    return json.dumps(safe, ensure_ascii=False)
