"""The controller's memory: branch `gitops-rollback-journal` of a repository, read and written through the git port.

Reading an unchanged head costs nothing and an advanced one only what changed, since every parsed file is kept by its
blob. The branch only grows: one that vanished or went back was tampered with, or the clone is from an old backup, and
in both cases nobody may act on what it says.
Source: safety.md, The journal; reliability.md F34 and F44.
"""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from gitops_rollback import __version__
from gitops_rollback.core import journal
from gitops_rollback.core.errors import JournalBroken, ObjectMissing, Reason, StalledError
from gitops_rollback.core.journal import DecisionEntry
from gitops_rollback.core.rollback import RollbackRecord, merge
from gitops_rollback.crash_points import crash_point
from gitops_rollback.ports import ConfigRepo, JournalView, TreeEntry

BRANCH = "gitops-rollback-journal"
DAYS = 30
MAX_RECORDS = 5_000
MAX_DECISIONS = 20_000
MAX_READ_BYTES = 8 << 20
LEAN_FILE_BYTES = 512 << 10  # from here on a day's file of one application takes lines without their details
FULL_FILE_BYTES = 1 << 20  # and from here on nothing that could wait for a batch
REGULAR = "100644"


@dataclass(frozen=True)
class _Parsed:
    """What one file held."""

    record: RollbackRecord | None = None
    entries: tuple[DecisionEntry, ...] = ()
    damaged: tuple[str, ...] = ()


@dataclass
class _Files:
    """All that was read at one head: parsed files by blob, and the view made of them."""

    parsed: dict[str, _Parsed] = field(default_factory=dict)
    view: JournalView = field(default_factory=lambda: JournalView(None, {}))


class GitJournal:
    """The journal in `repo`. Bounded: `days` of decisions, and of ended rollbacks the newest `max_records`."""

    def __init__(
        self, repo: ConfigRepo, branch: str = BRANCH, days: int = DAYS, max_records: int = MAX_RECORDS
    ) -> None:
        self.ref = f"refs/heads/{branch}"
        self._repo = repo
        self._days = days
        self._max_records = max_records
        self._seen: str | None = None
        self._files = _Files()
        self._lock = threading.Lock()

    @crash_point("journal-read")
    def read(self, head: str | None) -> JournalView:
        """The journal at `head`; empty if there never was one.

        Raises: JournalBroken `JournalLost` if it was there before, `JournalRewound` if `head` does not descend from the
        head that was read before, `JournalNewer` for a later schema. It stays so until the branch is mended.
        """
        with self._lock:
            if head is None and self._seen is None:
                return JournalView(None, {})
            if head is None:
                raise JournalBroken(self._repo.name, f"the journal {self.ref} has vanished", Reason.JOURNAL_LOST)
            if self._seen not in (None, head) and not self._repo.is_ancestor(str(self._seen), head):
                message = f"the journal {self.ref} was rewound or replaced"
                raise JournalBroken(self._repo.name, message, Reason.JOURNAL_REWOUND)
            view = self._view(head)
            self._seen = head
            return view

    @crash_point("journal-build")
    def commit(
        self, head: str | None, records: Iterable[RollbackRecord], decisions: Iterable[DecisionEntry], at: datetime
    ) -> str:
        """A commit on `head` (None: an orphan) with these records and entries; `head` itself if they say nothing new.

        A record that is further on at `head` is not taken back: see `merge`. Raises: JournalBroken `JournalNewer`.
        """
        with self._lock:
            view = JournalView(None, {}) if head is None else self._view(head)
            merged = [self._merged(head, view, record) for record in records]
            put = {record.id: record for record in merged if view.records.get(record.id) != record}
            entries = list(decisions)
            if head is None and not any(entry.action == "started" for entry in entries):
                entries.insert(0, journal.started(at, __version__))
            files = {journal.record_path(name): journal.encode_record(record) for name, record in put.items()}
            files.update(self._appended(head, entries))
            if head is not None and not files:
                return head
            return self._repo.write_files(head, dict(sorted(files.items())), _subject(put, entries), at)

    def _merged(self, head: str | None, view: JournalView, record: RollbackRecord) -> RollbackRecord:
        known = view.records.get(record.id)
        if known is None and head is not None:
            known = self._older(head, record.id)
        return record if known is None else merge(known, record)

    def _older(self, head: str, rollback_id: str) -> RollbackRecord | None:
        """A record that the bounded view left out; None if there is none, or it cannot be read and is written anew."""
        path = journal.record_path(rollback_id)
        blob = self._repo.entry_id(head, path)
        return None if blob is None else self._parse(TreeEntry(path, REGULAR, blob)).record

    def _appended(self, head: str | None, entries: list[DecisionEntry]) -> dict[str, bytes]:
        files: dict[str, bytes] = {}
        for entry in entries:
            path = journal.decision_path(entry.application, entry.at)
            if path not in files:
                files[path] = self._day(head, path)
            files[path] = _append(files[path], entry)
        return {path: text for path, text in files.items() if text}

    def _day(self, head: str | None, path: str) -> bytes:
        blob = None if head is None else self._repo.entry_id(head, path)
        text = b"" if blob is None else self._repo.read(blob, MAX_READ_BYTES)
        # A torn last line must not swallow the line that follows it.
        return text + b"\n" if text and not text.endswith(b"\n") else text

    def _view(self, head: str) -> JournalView:
        if self._files.view.head == head:
            return self._files.view
        old, new = self._files, _Files()
        records, damaged = self._records(head, old, new)
        entries, torn = self._decisions(head, old, new)
        new.view = JournalView(head, records, entries, damaged=(*damaged, *torn))
        self._files = new
        return new.view

    def _records(self, head: str, old: _Files, new: _Files) -> tuple[dict[str, RollbackRecord], tuple[str, ...]]:
        found: list[RollbackRecord] = []
        damaged: list[str] = []
        for entry in self._repo.files(head, journal.RECORDS):
            parsed = self._parsed(entry, old, new)
            damaged += parsed.damaged
            if parsed.record is not None:
                found.append(parsed.record)
        still_open = [record for record in found if record.open]
        ended = sorted((record for record in found if not record.open), key=_last_time)[-self._max_records :]
        return {record.id: record for record in (*ended, *still_open)}, tuple(damaged)

    def _decisions(self, head: str, old: _Files, new: _Files) -> tuple[tuple[DecisionEntry, ...], tuple[str, ...]]:
        entries: list[DecisionEntry] = []
        damaged: list[str] = []
        newest = self._repo.commit(head).committed_at + timedelta(days=1)
        oldest = newest - timedelta(days=self._days + 1)
        for month in _months(oldest, newest):
            for entry in reversed(self._repo.files(head, f"{journal.DECISIONS}/{month}")):
                day = "/".join(entry.path.split("/")[1:3])
                if f"{oldest:%Y-%m/%d}" <= day <= f"{newest:%Y-%m/%d}" and len(entries) < MAX_DECISIONS:
                    parsed = self._parsed(entry, old, new)
                    entries += parsed.entries
                    damaged += parsed.damaged
        return tuple(sorted(entries, key=lambda entry: (entry.at, entry.application))), tuple(damaged)

    def _parsed(self, entry: TreeEntry, old: _Files, new: _Files) -> _Parsed:
        # By path too: two files of one content are two entries, and a record must stand under its own name.
        key = f"{entry.mode} {entry.blob} {entry.path}"
        parsed = old.parsed.get(key)
        new.parsed[key] = self._parse(entry) if parsed is None else parsed
        return new.parsed[key]

    def _parse(self, entry: TreeEntry) -> _Parsed:
        if entry.mode != REGULAR:
            return _Parsed(damaged=(f"{entry.path}: not a regular file",))
        try:
            text = self._repo.read(entry.blob, MAX_READ_BYTES)
        except ObjectMissing:
            raise
        except StalledError as exc:
            return _Parsed(damaged=(f"{entry.path}: {exc.message}",))
        return (
            _parse_record(entry.path, text) if entry.path.startswith(journal.RECORDS) else _parse_day(entry.path, text)
        )


def _parse_record(path: str, text: bytes) -> _Parsed:
    try:
        record = journal.decode_record(text)
    except ValueError as exc:
        return _Parsed(damaged=(f"{path}: {exc}",))
    if journal.record_path(record.id) != path:
        return _Parsed(damaged=(f"{path}: holds the record of another rollback",))
    return _Parsed(record)


def _parse_day(path: str, text: bytes) -> _Parsed:
    entries, damaged = journal.decode_entries(text)
    return _Parsed(entries=entries, damaged=tuple(f"{path}: {sentence}" for sentence in damaged))


def _append(text: bytes, entry: DecisionEntry) -> bytes:
    if len(text) > FULL_FILE_BYTES and entry.action in journal.BATCHED:
        return text
    if len(text) > LEAN_FILE_BYTES:
        entry = dataclasses.replace(entry, details={"cut": "too many decisions on this day"})
    line = journal.encode_entry(entry)
    # A push whose answer was lost is tried again, and may have landed: what stands there is not said twice.
    return text if text.startswith(line) or b"\n" + line in text else text + line


def _last_time(record: RollbackRecord) -> tuple[float, str]:
    return (max((at.timestamp() for at in record.times.values()), default=0.0), record.id)


def _months(oldest: datetime, newest: datetime) -> list[str]:
    """Each month from the newest back to the oldest, as `yyyy-mm`."""
    first, last = oldest.year * 12 + oldest.month - 1, newest.year * 12 + newest.month - 1
    return [f"{month // 12:04d}-{month % 12 + 1:02d}" for month in range(last, first - 1, -1)]


def _subject(records: Mapping[str, RollbackRecord], entries: list[DecisionEntry]) -> str:
    if len(records) == 1:
        record = next(iter(records.values()))
        return f"Record {record.id}: {record.phase.value}\n"
    if records:
        return f"Record {len(records)} rollbacks\n"
    return "Record one decision\n" if len(entries) == 1 else f"Record {len(entries)} decisions\n"
