"""What stands in the journal, and which of two views of one rollback holds: records, decisions, bytes; no git.

The journal only grows and its reader is strict: what is not exactly schema 1 is either newer, which nobody of this
version may write to, or torn, which is reported by itself while the rest still counts.
Source: safety.md, The journal; reliability.md, F34 and F44.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import cast
from urllib.parse import quote

from gitops_rollback.core.errors import JournalBroken, Reason
from gitops_rollback.core.rollback import (
    HOLDS,
    PULL_REQUEST,
    RELEASE,
    REQUEST,
    Phase,
    RollbackOutcome,
    RollbackRecord,
    StepRecord,
)
from gitops_rollback.core.rollback import advance as advance
from gitops_rollback.core.rollback import merge as merge

SCHEMA = 1
API_VERSION = "gitops-rollback.dev/v1alpha1"
RECORD_KIND = "RollbackRecord"
RECORDS = "records"
DECISIONS = "decisions"
CONTROLLER = "controller"  # stands for the application in entries about the controller itself

MAX_RECORD_BYTES = 1 << 20
MAX_LINE_BYTES = 16 << 10
MAX_TEXT = 2000  # characters of one message

BATCHED = frozenset({"leave", "wait"})  # actions that may wait for a batch; all others are written at once

_STEP_KEYS = frozenset({"n", "of", "commit", "blobs", "pushedAt"})
_ENTRY_KEYS = frozenset({"schema", "at", "application", "action", "reason", "revision", "message", "details"})
_RECORD_KEYS = frozenset(
    {"apiVersion", "kind", "schema", "id", "applications", "engine", "repository", "badRevision", "restores", "policy"}
    | {"triggers", "reverts", "superseded", "rung", "steps", "phase", "outcome", "reason", "message", "requestedBy"}
    | {"guards", "times", "evidence"}
)


@dataclass(frozen=True)
class DecisionEntry:
    """One line of `decisions/<yyyy-mm>/<dd>/<application>.jsonl`: why something was done, or was not."""

    at: datetime
    application: str
    action: str
    reason: str
    revision: str
    message: str
    details: Mapping[str, object] = field(default_factory=dict)


def started(at: datetime, version: str) -> DecisionEntry:
    """The entry that a controller writes first: it proves that the branch can be written to."""
    return DecisionEntry(at, CONTROLLER, "started", Reason.QUIET.value, "", f"gitops-rollback {version} started")


def due(previous: DecisionEntry | None, entry: DecisionEntry) -> bool:
    """True if `entry` says something that the application's newest entry does not: action, reason or revision."""
    if previous is None:
        return True
    return (previous.action, previous.reason, previous.revision) != (entry.action, entry.reason, entry.revision)


def record_path(rollback_id: str) -> str:
    """Where the record of this id stands in the journal's tree."""
    return f"{RECORDS}/{_segment(rollback_id)}.json"


def decision_path(application: str, at: datetime) -> str:
    """The application's file of that UTC day; the name's slashes are directories, and no name leads out of them."""
    day = at.astimezone(UTC)
    name = "/".join(_segment(part) for part in application.split("/"))
    return f"{DECISIONS}/{day:%Y-%m}/{day:%d}/{name}.jsonl"


def _segment(part: str) -> str:
    """One path segment: what git or a file system would read as more than a name is escaped (`..`, `.git`, empty)."""
    escaped = quote(part, safe="")
    if not part:
        return "%"
    return "%2E" + escaped[1:] if part.startswith(".") else escaped


def encode_record(record: RollbackRecord) -> bytes:
    """Canonical JSON: the same record gives the same bytes. Evidence that would make it too large is left out."""
    text = _record_text(record)
    if len(text) > MAX_RECORD_BYTES:
        cut: dict[str, object] = {"cut": "the evidence was too large for the journal"}
        kept = {
            name: record.evidence[name] for name in (HOLDS, RELEASE, PULL_REQUEST, REQUEST) if name in record.evidence
        }
        text = _record_text(dataclasses.replace(record, evidence={**kept, **cut}))
        if len(text) > MAX_RECORD_BYTES:
            text = _record_text(dataclasses.replace(record, evidence=cut))
    return text


def _record_text(record: RollbackRecord) -> bytes:
    return (json.dumps(record_document(record), indent=1, sort_keys=True, allow_nan=False) + "\n").encode()


def record_document(record: RollbackRecord) -> dict[str, object]:
    """The record as its JSON document, as `status -o json` prints it."""
    return {
        "apiVersion": API_VERSION,
        "kind": RECORD_KIND,
        "schema": SCHEMA,
        "id": record.id,
        "applications": list(record.applications),
        "engine": record.engine,
        "repository": record.repository,
        "badRevision": record.bad_revision,
        "restores": record.restores,
        "policy": record.policy,
        "triggers": list(record.triggers),
        "reverts": list(record.reverts),
        "superseded": list(record.superseded),
        "rung": record.rung,
        "steps": [_step_document(step) for step in record.steps],
        "phase": record.phase.value,
        "outcome": record.outcome.value if record.outcome else None,
        "reason": record.reason,
        "message": record.message[:MAX_TEXT],
        "requestedBy": record.requested_by,
        "guards": [dict(guard) for guard in record.guards],
        "times": {name: format_time(at) for name, at in record.times.items()},
        "evidence": plain(record.evidence),
    }


def _step_document(step: StepRecord) -> dict[str, object]:
    pushed_at = format_time(step.pushed_at) if step.pushed_at else None
    return {"n": step.n, "of": step.of, "commit": step.commit, "blobs": dict(step.blobs), "pushedAt": pushed_at}


def encode_entry(entry: DecisionEntry) -> bytes:
    """One JSON line. Details that would make it too large are left out, and the line says so."""
    line = _entry_text(entry)
    if len(line) > MAX_LINE_BYTES:
        line = _entry_text(dataclasses.replace(entry, details={"cut": "the details were too large for the journal"}))
    return line


def _entry_text(entry: DecisionEntry) -> bytes:
    return (json.dumps(entry_document(entry), sort_keys=True, allow_nan=False) + "\n").encode()


def entry_document(entry: DecisionEntry) -> dict[str, object]:
    """The entry as its JSON document."""
    return {
        "schema": SCHEMA,
        "at": format_time(entry.at),
        "application": entry.application,
        "action": entry.action,
        "reason": entry.reason,
        "revision": entry.revision,
        "message": entry.message[:MAX_TEXT],
        "details": plain(entry.details),
    }


def plain(value: object) -> object:
    """`value` as JSON can hold it: not-a-number and infinity become words, other types their text."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (set, frozenset)):
        return sorted(str(item) for item in value)
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, datetime):
        return format_time(value)
    if isinstance(value, float) and (value != value or value in (float("inf"), float("-inf"))):
        return str(value)
    if value is None or isinstance(value, (bool, int, float, str)):
        # A lone surrogate (a path that is not UTF-8) is legal in JSON as an escape, but not in every reader.
        return value
    return str(value)


def decode_record(text: bytes) -> RollbackRecord:
    """The record of a file.

    Raises: JournalBroken `JournalNewer` for a later schema; ValueError with one sentence for anything torn or odd.
    """
    document = _document(text, _RECORD_KEYS)
    if document["apiVersion"] != API_VERSION or document["kind"] != RECORD_KIND:
        raise ValueError("not a RollbackRecord of this API version")
    outcome = document["outcome"]
    return RollbackRecord(
        id=_text(document, "id"),
        applications=_texts(document, "applications"),
        engine=_text(document, "engine"),
        repository=_text(document, "repository"),
        bad_revision=_text(document, "badRevision"),
        restores=_text(document, "restores"),
        policy=_text(document, "policy"),
        triggers=_texts(document, "triggers"),
        reverts=_texts(document, "reverts"),
        superseded=_texts(document, "superseded"),
        rung=None if document["rung"] is None else _number(document, "rung"),
        steps=tuple(_step(item) for item in _items(document, "steps")),
        phase=Phase(_text(document, "phase")),
        outcome=None if outcome is None else RollbackOutcome(_text(document, "outcome")),
        reason=_text(document, "reason"),
        message=_text(document, "message"),
        requested_by=_text(document, "requestedBy"),
        guards=tuple(_strings(item) for item in _items(document, "guards")),
        times={name: parse_time(str(at)) for name, at in _mapping(document, "times").items()},
        evidence=_mapping(document, "evidence"),
    )


def _step(item: object) -> StepRecord:
    document = _exactly(item, _STEP_KEYS)
    blobs = _mapping(document, "blobs")
    if not all(blob is None or isinstance(blob, str) for blob in blobs.values()):
        raise ValueError("blobs must be texts or null")
    pushed_at = document["pushedAt"]
    return StepRecord(
        n=_number(document, "n"),
        of=_number(document, "of"),
        commit=None if document["commit"] is None else _text(document, "commit"),
        blobs=cast("Mapping[str, str | None]", blobs),
        pushed_at=None if pushed_at is None else parse_time(_text(document, "pushedAt")),
    )


def decode_entries(text: bytes) -> tuple[tuple[DecisionEntry, ...], tuple[str, ...]]:
    """All readable entries of a day's file, oldest first, and a sentence for each line that is torn or odd.

    Raises: JournalBroken `JournalNewer` if any line has a later schema.
    """
    entries: list[DecisionEntry] = []
    damaged: list[str] = []
    for number, line in enumerate(text.split(b"\n"), start=1):
        if not line.strip():
            continue
        try:
            entries.append(_entry(line))
        except ValueError as exc:
            damaged.append(f"line {number}: {exc}")
    return tuple(entries), tuple(damaged)


def _entry(line: bytes) -> DecisionEntry:
    document = _document(line, _ENTRY_KEYS)
    return DecisionEntry(
        at=parse_time(_text(document, "at")),
        application=_text(document, "application"),
        action=_text(document, "action"),
        reason=_text(document, "reason"),
        revision=_text(document, "revision"),
        message=_text(document, "message"),
        details=_mapping(document, "details"),
    )


def _document(text: bytes, keys: Set[str]) -> Mapping[str, object]:
    try:
        document = json.loads(text.decode(), parse_constant=_no_constant)
    except (ValueError, RecursionError) as exc:
        raise ValueError("not JSON: torn, or written by another program") from exc
    if not isinstance(document, dict):
        raise ValueError("not a JSON object")
    schema = document.get("schema")
    if isinstance(schema, int) and schema > SCHEMA:
        raise JournalBroken("journal", f"has schema {schema}, this version knows {SCHEMA}", Reason.JOURNAL_NEWER)
    if schema != SCHEMA or isinstance(schema, bool):
        raise ValueError(f"no schema {SCHEMA}")
    return _exactly(document, keys)


def _no_constant(word: str) -> object:
    raise ValueError(f"{word} is not JSON")


def _exactly(item: object, keys: Set[str]) -> Mapping[str, object]:
    if not isinstance(item, dict):
        raise ValueError("an object was expected")
    wrong = keys ^ item.keys()
    if wrong:
        raise ValueError(f"unknown or missing key {min(map(str, wrong))}")
    return item


def _text(document: Mapping[str, object], key: str) -> str:
    value = document[key]
    if not isinstance(value, str):
        raise ValueError(f"{key} must be a text")
    return value


def _number(document: Mapping[str, object], key: str) -> int:
    value = document[key]
    if not isinstance(value, int) or isinstance(value, bool):
        raise ValueError(f"{key} must be a number")
    return value


def _items(document: Mapping[str, object], key: str) -> list[object]:
    value = document[key]
    if not isinstance(value, list):
        raise ValueError(f"{key} must be a list")
    return value


def _texts(document: Mapping[str, object], key: str) -> tuple[str, ...]:
    items = _items(document, key)
    if not all(isinstance(item, str) for item in items):
        raise ValueError(f"{key} must hold texts")
    return tuple(str(item) for item in items)


def _mapping(document: Mapping[str, object], key: str) -> Mapping[str, object]:
    value = document[key]
    if not isinstance(value, dict):
        raise ValueError(f"{key} must be an object")
    return value


def _strings(item: object) -> Mapping[str, str]:
    if not isinstance(item, dict) or not all(isinstance(value, str) for value in item.values()):
        raise ValueError("guards must hold objects of texts")
    return item


def format_time(at: datetime) -> str:
    """RFC 3339 in UTC, with microseconds only where there are any."""
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")


def parse_time(text: str) -> datetime:
    """An aware UTC time. Raises: ValueError for anything that is not RFC 3339 with a zone."""
    at = datetime.fromisoformat(text)
    if at.tzinfo is None:
        raise ValueError(f"{text[:40]!r} has no time zone")
    try:
        return at.astimezone(UTC)
    except OverflowError as exc:
        raise ValueError(f"{text[:40]!r} is outside of the calendar") from exc


def newest_entries(entries: Sequence[DecisionEntry]) -> dict[str, DecisionEntry]:
    """The newest entry of each application; of two at one instant the later in the sequence."""
    newest: dict[str, DecisionEntry] = {}
    for entry in entries:
        held = newest.get(entry.application)
        if held is None or entry.at >= held.at:
            newest[entry.application] = entry
    return newest
