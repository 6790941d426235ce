"""Sends the audit's lines to who keeps them elsewhere: each line that the journal holds, at least once.

It is made from the journal as the leader reads it, so what a process that died had not sent the next one sends. A
receiver drops repeats by `evidence`, the hash of the journal's own line.
Source: safety.md, Audit.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from gitops_rollback.adapters.notifiers.fanout import Fanout
from gitops_rollback.adapters.notifiers.sender import Sender
from gitops_rollback.core.audit import audit_line, audited
from gitops_rollback.ports import JournalView, Message

FIRST = timedelta(hours=1)  # that a new process looks back
LATE = timedelta(minutes=30)  # a line may reach the journal that late, or be given up once and tried anew


class AuditStream:
    """One for all repositories of a process; each is seen by one thread at a time."""

    def __init__(self, senders: Sequence[Sender] = ()) -> None:
        self._senders = tuple(senders)
        self._newest: dict[str, datetime] = {}

    def see(self, repository: str, journal: JournalView, now: datetime) -> None:
        """Send what is new in this journal. Never blocks."""
        if not self._senders:
            return
        since = self._newest.get(repository, now - FIRST + LATE) - LATE
        for entry in audited(entry for entry in journal.decisions if entry.at >= since):
            record = journal.records.get(str(entry.details.get("rollback", "")))
            line = audit_line(entry, record, repository)
            key = f"{repository}/{line['evidence']}"
            message = Message("audit", entry.application, entry.action, entry.message, key, entry.reason, details=line)
            for sender in self._senders:
                sender.take(message)
            self._newest[repository] = max(entry.at, self._newest.get(repository, entry.at))

    def close(self, timeout_seconds: float) -> None:
        """As `Fanout.close`."""
        Fanout(self._senders).close(timeout_seconds)
