"""What does a rollback break elsewhere, after all? Those that need what it took back, with no deployment of their own.

Nobody watches an application that nothing was deployed to. While a rollback is verified its dependants are checked with
it; after that they are measured here, as if our commit had been deployed to them, until what breaks by it has shown.
Nothing is rolled back for it: people are told, with both ways out.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from gitops_rollback.app.dependencies import SHOWN_WITHIN, Needs, changed_by, needs, reached
from gitops_rollback.app.directory import Listing
from gitops_rollback.app.measuring import Measuring
from gitops_rollback.app.notices import AFTERMATH, Notice, digest
from gitops_rollback.app.observation import variables
from gitops_rollback.app.reading_back import Subject
from gitops_rollback.app.subject import Look
from gitops_rollback.app.view import View
from gitops_rollback.core.alarm import alarm
from gitops_rollback.core.decision import Case, Decision
from gitops_rollback.core.deployments import revision_in
from gitops_rollback.core.errors import Reason
from gitops_rollback.core.rollback import Phase, RollbackRecord
from gitops_rollback.core.sync import DeploymentRecord, SyncEvent


@dataclass(frozen=True)
class _Round:
    """The rollbacks that may show now, newest first, each with what it changed; and who needs whom."""

    listing: Listing
    shown: tuple[tuple[RollbackRecord, frozenset[str]], ...]
    needs: Needs


class Aftermath:
    """Keeps what one round of looks has in common; the looks themselves may run side by side."""

    def __init__(self, measuring: Measuring) -> None:
        self._measuring = measuring
        self._round: _Round | None = None
        self._followed: dict[str, str] = {}  # by application: the rollback by which it is measured

    def look(self, look: Look, view: View, listing: Listing, now: datetime) -> Notice | None:
        """What people should know of an application that a rollback may have broken; None where none may have."""
        record = self._cause(look, view, listing, now) if look.event is None else None
        followed = self._followed.pop(look.name, "")
        if followed and (record is None or record.id != followed):
            self._measuring.forget(look.name, followed)
        if record is None:
            return None
        self._followed[look.name] = record.id
        event = SyncEvent(look.watched.id, _deployment(record))
        policy = look.policy
        names = variables(look.watched, look.target, _live(look))
        subject = Subject(policy, look.target, look.state, event, names, apart=record.id)
        verdicts = self._measuring.measure(subject, now)
        raised = alarm(Case(look.name, policy, True, event, verdicts), now)
        quiet = bool(verdicts) and all(one.state.last is not None and not one.fires for one in verdicts)
        return about_aftermath(look, record, raised) if raised.raises_alarm or quiet else None

    def _cause(self, look: Look, view: View, listing: Listing, now: datetime) -> RollbackRecord | None:
        round_ = self._round
        if round_ is None or round_.listing is not listing:
            shown = tuple((one, changed_by(one, listing)) for one in _recent(view, now))
            round_ = self._round = _Round(listing, shown, needs(listing) if shown else {})
        needed = reached(look.name, round_.needs)
        return next((one for one, changed in round_.shown if needed & changed and look.name not in changed), None)


def _recent(view: View, now: datetime) -> Iterator[RollbackRecord]:
    """One that is verified now has its dependants checked by that."""
    pushed = [one for one in view.journal.records.values() if one.commit is not None and "pushed" in one.times]
    for record in sorted(pushed, key=lambda one: one.pushed_at, reverse=True):
        if record.phase is not Phase.VERIFYING and record.pushed_at <= now <= record.pushed_at + SHOWN_WITHIN:
            yield record


def _deployment(record: RollbackRecord) -> DeploymentRecord:
    """From its first commit on it may have broken others."""
    return DeploymentRecord((str(record.commit),), (), record.times["pushed"])


def _live(look: Look) -> str:
    revisions = (revision_in(look.records[-1], index) for index in look.watched.indexes) if look.records else ()
    return next((revision for revision in revisions if revision), "")


def about_aftermath(look: Look, record: RollbackRecord, raised: Decision) -> Notice:
    """Once when it is bad, and once when it is well again; it wakes nobody where its policy is suspended."""
    subject, name = f"{AFTERMATH}{look.name.replace('/', '.')}", look.watched.id.short
    taken, routes = record.applications[0].rpartition("/")[2], look.policy.notifications
    if not raised.raises_alarm:
        title, text = f"{name} is well again", f"{name}: nothing fires any more since {record.id} took {taken} back"
        return Notice(subject, "resumed", Reason.QUIET, "", title, text, routes=routes)
    text = (
        f"{name} went bad after {record.id} took {taken} back, which it needs; nothing was deployed to it since: "
        f"{raised.message}; to do: land again what was taken back, `gitops-rollback rollback {taken} --revert "
        f"{record.commit}`, or take {name} back as well, `gitops-rollback plan {name}`"
    )
    state, title = digest([record.id]), f"{name} went bad after a rollback of {taken}"
    wakes = not look.policy.suspend
    return Notice(subject, "page", Reason.DEPENDENCY_ROLLED_BACK, state, title, text, page=wakes, routes=routes)
