"""What forbids or delays acting, whatever the plan says: stops, memory, earlier rollbacks, everybody red at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from gitops_rollback.app.directory import Listing
from gitops_rollback.app.outbreaks import Alarm, Outbreak
from gitops_rollback.app.subject import Look
from gitops_rollback.app.view import REMEMBERED, View
from gitops_rollback.core.decision import Circumstances, Proposal
from gitops_rollback.core.errors import ObjectMissing
from gitops_rollback.core.ownership import rolled_back_before
from gitops_rollback.core.rollback import Phase, RollbackOutcome, rollback_id
from gitops_rollback.core.stop import PauseState, stopped
from gitops_rollback.ports import ConfigRepo

UNSETTLED_TICKS = 3


@dataclass
class Surroundings:
    """Knows the repository's memory and the other applications. `settings_pause` is asked anew each time."""

    repo: ConfigRepo
    settings_pause: Callable[[], PauseState]
    committer: str
    _seen: set[str] = field(default_factory=set)
    _ticks: int = 0
    _unseen: tuple[str, ...] = ()

    def see(self, listing: Listing, looked_at: Sequence[str]) -> None:
        """Take note of a tick: which applications there are, and which could be looked at."""
        names = {watched.name for watched in listing.watched}
        self._ticks += 1
        self._seen = (self._seen | set(looked_at)) & names
        self._unseen = tuple(sorted(names - self._seen))

    def around(self, alarm: Alarm, view: View, outbreak: Outbreak, now: datetime, writable: bool) -> Circumstances:
        """Everything that stands around this application's alarm."""
        look, proposal = alarm.look, alarm.proposal
        return Circumstances(
            stopped=self.stopped(look, view, now),
            suspended=f"policy {look.policy.name} is suspended" if look.policy.suspend else "",
            journal_trouble=self._journal_trouble(look, view),
            unsettled=self._unsettled(),
            settled=self._settled(look, view),
            rolled_back=self._rolled_back(look, proposal, view),
            mass_event=outbreak.too_many,
            part_of=_part_of(look, outbreak),
            unwritable="" if writable else "the journal could not be written to at the start",
        )

    def stopped(self, look: Look, view: View, now: datetime) -> str:
        """Which of the three doors stops this application, in words; "" if none does."""
        control, head = view.pauses
        stop = stopped(look.name, now, self.settings_pause(), control, head, (look.target.name,))
        return stop.message if stop else ""

    def _unsettled(self) -> str:
        if not self._unseen or self._ticks >= UNSETTLED_TICKS:
            return ""
        return f"{len(self._unseen)} applications have not been looked at since the start"

    def _journal_trouble(self, look: Look, view: View) -> str:
        """Commits of ours that the journal does not know: what was done before is not known, so nothing is done now."""
        if view.journal.trouble:
            return view.journal.trouble
        for commit in self.repo.recent(view.heads.branch, REMEMBERED):
            named = commit.trailers.get("Rollback-Id", ()) if self.committer in commit.committer else ()
            concerns = look.name in commit.trailers.get("Rollback-Application", ()) or look.watched.own.of(commit.paths)
            if named and concerns and not any(identity in view.journal.records for identity in named):
                return f"the journal does not know our own commit {commit.sha[:12]} ({named[0]})"
        return ""

    def _rolled_back(self, look: Look, proposal: Proposal, view: View) -> str:
        """At most once for each (application, bad revision) and each (repository, culprit)."""
        culprits = {suspect.commit.sha for suspect in proposal.attribution.suspects}
        records = view.journal.records.values()
        before = rolled_back_before(look.name, look.bad_revision, culprits, self.repo.name, records)
        return f"{before} has rolled it back before; a second rollback is a person's decision" if before else ""

    def _settled(self, look: Look, view: View) -> str:
        """This very rollback has ended without a push of its own: a person's or a guard's no, or a held one."""
        own = rollback_id(self.repo.name, look.name, look.bad_revision)
        for record in view.journal.records.values():
            same = look.name in record.applications and record.bad_revision == look.bad_revision
            if not (same or record.id == own) or record.phase is not Phase.DONE or record.commit is not None:
                continue
            if record.outcome is not RollbackOutcome.SUPERSEDED:
                return f"{record.id} ended {record.outcome.value if record.outcome else ''}: {record.message}"
        return ""


def _part_of(look: Look, outbreak: Outbreak) -> str:
    """In an incident with one culprit the first application speaks for all."""
    incident = outbreak.incident_of(look.name)
    if incident is None or incident.culprit is None or outbreak.speaker_of(incident) == look.name:
        return ""
    first, count = outbreak.speaker_of(incident), len(incident.applications)
    return f"{first} is rolled back for all {count} applications that have {incident.culprit[:12]}"
