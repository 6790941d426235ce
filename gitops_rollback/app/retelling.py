"""What may nobody have been told, because the process that wrote it died before it could say it?

The journal holds every decision that people are told of, so a new process says the recent ones again. The key is the
same, so a receiver that heard it already can drop it.
Source: reliability.md 17b, at least once with a dedup key.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta

from gitops_rollback.app.records import (
    event_of,
    message_about_entry,
    message_about_record,
    message_about_waiting,
)
from gitops_rollback.core.decision import Act
from gitops_rollback.core.errors import FOR_ALL, Reason
from gitops_rollback.core.policy import Policy
from gitops_rollback.core.rollback import Phase, RollbackOutcome, RollbackRecord
from gitops_rollback.core.strategies.gate import BETWEEN
from gitops_rollback.ports import DecisionEntry, JournalView, Message

RECENT = timedelta(hours=1)  # what is older has been seen by somebody, or helps nobody any more
ENDS = frozenset(
    {
        RollbackOutcome.VERIFIED,
        RollbackOutcome.UNVERIFIED,
        RollbackOutcome.FAILED,
        RollbackOutcome.HELD,
        RollbackOutcome.SUPERSEDED,
    }
)
WAITS = frozenset({Reason.HEALTH_WAIT.value, *BETWEEN})
TOLD = frozenset(act.value for act in Act if act.tells and act is not Act.ROLL_BACK)


def recent_messages(journal: JournalView, application: str, policy: Policy, now: datetime) -> Iterator[Message]:
    """The messages of this application's decisions of the last hour, oldest first."""
    for entry in journal.decisions:
        if entry.application == application and now - entry.at <= RECENT:
            record = journal.records.get(str(entry.details.get("rollback", "")))
            message = _message(entry, record, policy)
            if message is not None:
                yield message


def said_again(written: DecisionEntry, now: datetime) -> bool:
    """Whether each process says once what stands in the journal of a whole repository.

    Only of the notice that speaks for applications, whose own decisions would be said again; it pages, and may be all
    that anybody hears of them.
    """
    return written.reason in FOR_ALL and now - written.at <= RECENT


def _message(entry: DecisionEntry, record: RollbackRecord | None, policy: Policy) -> Message | None:
    if entry.reason in FOR_ALL:
        return None  # told once, about the repository
    if entry.action == Act.ASK.value and record is not None and record.phase is not Phase.AWAITING_APPROVAL:
        return None  # somebody has answered
    if entry.action in TOLD:
        return message_about_entry(entry, record, policy)
    if record is None:
        return None
    if entry.action == Act.ROLL_BACK.value and record.phase is Phase.AWAITING_APPROVAL:
        return message_about_entry(entry, record, policy)
    if entry.action == Act.ROLL_BACK.value and record.open:
        begun = replace(record, phase=Phase.SYNCING, reason=entry.reason, message=entry.message)
        return message_about_record("started", begun, policy)
    if entry.reason in WAITS and entry.reason == record.reason and record.phase is Phase.SYNCING:
        return message_about_waiting(record, policy)
    if record.outcome in ENDS and entry.action == record.outcome.value:
        return message_about_record(event_of(record.outcome), record, policy)
    return None
