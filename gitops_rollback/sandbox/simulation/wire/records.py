"""What does the journal's branch hold, and did it only grow? Read with plain git and JSON, for a judge from outside."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from gitops_rollback.sandbox.simulation.wire.gitlog import NOTHING, Change, GitLog, Made

PHASES = ("Pending", "AwaitingApproval", "Pushing", "Syncing", "Verifying", "Done")


@dataclass(frozen=True)
class Recorded:
    """One rollback's record as it stands at some commit of the journal."""

    document: Mapping[str, Any]

    @property
    def id(self) -> str:
        return str(self.document.get("id", ""))

    @property
    def applications(self) -> tuple[str, ...]:
        return tuple(self.document.get("applications", ()))

    @property
    def phase(self) -> str:
        return str(self.document.get("phase", ""))

    @property
    def outcome(self) -> str:
        return str(self.document.get("outcome") or "")

    @property
    def message(self) -> str:
        return f"{self.document.get('reason', '')} {self.document.get('message', '')}".strip()

    @property
    def commits(self) -> frozenset[str]:
        """All commits that its steps name, and the one that ended its holds."""
        release = (self.document.get("evidence") or {}).get("release") or {}
        steps = (*self.document.get("steps", ()), release)
        return frozenset(step["commit"] for step in steps if step.get("commit"))

    @property
    def pushed(self) -> frozenset[str]:
        """Those that it says were pushed."""
        steps = self.document.get("steps", ())
        return frozenset(step["commit"] for step in steps if step.get("commit") and step.get("pushedAt"))


@dataclass(frozen=True)
class Journal:
    """The newest records by id, the decisions in the order of their landing, and what is wrong with the growing."""

    records: Mapping[str, Recorded]
    decisions: tuple[Mapping[str, Any], ...]
    complaints: tuple[str, ...]
    texts: Mapping[str, str]


def journal_of(log: GitLog, ref: str) -> Journal:
    """The journal at `ref`; an empty one if there is none."""
    line = log.line(ref)
    reading = _Reading(log.blobs(name for one in line for change in one.changes for name in (change.old, change.new)))
    complaints = tuple(text for commit in line for text in reading.read(commit))
    texts = {f"the journal's {name[:12]}": text.decode("utf-8", "replace") for name, text in reading.blobs.items()}
    texts |= {f"the journal's {commit.sha[:12]}": commit.message for commit in line}
    return Journal(reading.records, tuple(reading.decisions), complaints, texts)


class _Reading:
    """Goes through the journal's commits, oldest first."""

    def __init__(self, blobs: Mapping[str, bytes]) -> None:
        self.blobs = blobs
        self.records: dict[str, Recorded] = {}
        self.decisions: list[Mapping[str, Any]] = []

    def read(self, commit: Made) -> Iterator[str]:
        """Take one commit in; what is wrong with it."""
        if len(commit.parents) > 1:
            yield f"(19) the journal's {commit.sha[:12]} is a merge"
        for change in commit.changes:
            if NOTHING.fullmatch(change.new):
                yield f"(19) the journal's {commit.sha[:12]} removes {change.path}"
            elif change.path.startswith("records/"):
                yield from self._record(commit, change)
            elif change.path.startswith("decisions/"):
                yield from self._lines(commit, change)

    def _record(self, commit: Made, change: Change) -> Iterator[str]:
        try:
            record = Recorded(json.loads(self.blobs[change.new]))
        except (KeyError, ValueError):
            yield f"(19) the journal's {commit.sha[:12]} holds a torn {change.path}"
            return
        before = self.records.get(record.id)
        self.records[record.id] = record
        if record.phase not in PHASES or (record.phase == "Done") != bool(record.outcome):
            yield f"(19) record {record.id} is {record.phase} with the outcome {record.outcome or 'none'}"
        elif before is not None:
            yield from _moved(before, record)

    def _lines(self, commit: Made, change: Change) -> Iterator[str]:
        old, new = self.blobs.get(change.old, b""), self.blobs.get(change.new, b"")
        if not new.startswith(old):
            yield f"(19) the journal's {commit.sha[:12]} changes lines of {change.path} that were written before"
            return
        for line in new[len(old) :].splitlines():
            try:
                self.decisions.append(json.loads(line))
            except ValueError:
                yield f"(19) the journal's {commit.sha[:12]} holds a torn line in {change.path}"


def _moved(before: Recorded, after: Recorded) -> Iterator[str]:
    if PHASES.index(after.phase) < PHASES.index(before.phase):
        yield f"(16) record {after.id} went back from {before.phase} to {after.phase}"
    if before.outcome and after.outcome != before.outcome:
        yield f"(16) record {after.id} ended {before.outcome} and then {after.outcome}"
    if not before.commits <= after.commits:
        yield f"(19) record {after.id} no longer names {', '.join(sorted(before.commits - after.commits))}"
