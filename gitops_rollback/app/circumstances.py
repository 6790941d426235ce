"""What forbids or delays acting, whatever the plan says: stops, memory, earlier rollbacks, everybody red at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from gitops_rollback.app.directory import Listing
from gitops_rollback.app.handing_over import about_handover
from gitops_rollback.app.notices import (
    Notice,
    Silence,
    about_claims,
    about_damage,
    about_engines,
    about_mass_event,
    about_pauses,
    about_unreachable,
)
from gitops_rollback.app.outages import about_sources
from gitops_rollback.app.outbreaks import Alarm, Outbreak, asked_of, renders
from gitops_rollback.app.silencing import about_silences
from gitops_rollback.app.subject import Look
from gitops_rollback.app.view import REMEMBERED, View, unnamed
from gitops_rollback.app.weighing import weighed
from gitops_rollback.core.decision import Circumstances, Proposal
from gitops_rollback.core.drill import practised
from gitops_rollback.core.errors import Reason
from gitops_rollback.core.handover import NO_HEARTBEATS, NO_SHIFTS, ShiftTimes
from gitops_rollback.core.heartbeat import Rhythm
from gitops_rollback.core.incidents import MANY_OF_SHARE
from gitops_rollback.core.ownership import about_to_roll_back, rolled_back_before
from gitops_rollback.core.plan import PlanOutcome
from gitops_rollback.core.rollback import Phase, RollbackOutcome, RollbackRecord, rollback_id
from gitops_rollback.core.stop import PauseState, promised_fix, stopped
from gitops_rollback.ports import ConfigRepo

UNSETTLED_TICKS = 3
UNSEEN_FOR = timedelta(minutes=2)  # a metric source that is restarted is back by then
NO_LEVER = (Reason.NOT_GIT, Reason.SOURCE_MISSING)


@dataclass
class Surroundings:
    """Knows the repository's memory and the other applications. `settings_pause` is asked anew each time."""

    repo: ConfigRepo
    settings_pause: Callable[[], PauseState]
    committer: str
    shifts: ShiftTimes = NO_SHIFTS
    rhythm: Rhythm = NO_HEARTBEATS  # of heartbeats, for who begins a shift
    _seen: set[str] = field(default_factory=set)
    _missed: dict[str, int] = field(default_factory=dict)  # ticks in a row without a look
    _alarmed: dict[str, int] = field(default_factory=dict)  # ticks in a row with an alarm
    _pending: set[str] = field(default_factory=set)
    _well: dict[str, bool] = field(default_factory=dict)  # as each was measured last
    _undone: dict[str, tuple[str, datetime]] = field(default_factory=dict)  # bad revision, and seen so since
    _holds: dict[str, str] = field(default_factory=dict)  # why each alarm of this tick comes to nothing by itself
    _silent: dict[str, datetime] = field(default_factory=dict)  # engines that could not be listed, and since when
    _listing: Listing | None = None

    def see(self, listing: Listing, view: View, looks: Sequence[Look]) -> None:
        """Take note of a tick: which applications there are, which could be looked at, and which may turn red."""
        self._listing, self._holds = listing, {}
        names = {watched.name for watched in listing.watched}
        looked_at = {look.name for look in looks} | {name for name in names if view.open_record(name) is not None}
        self._seen = (self._seen | looked_at) & names
        self._missed = {name: self._missed.get(name, 0) + 1 for name in names - looked_at}
        self._pending = {look.name for look in looks if look.is_pending}
        measured = {look.name: look.is_quiet for look in looks if look.case.verdicts}
        self._well = {name: well for name, well in (self._well | measured).items() if name in names}
        self._undone = {name: one for name, one in self._undone.items() if self._well.get(name) is False}
        alarmed = [look.name for look in looks if look.raised.raises_alarm]
        self._alarmed = {name: self._alarmed.get(name, 0) + 1 for name in alarmed}

    def around(self, alarm: Alarm, view: View, outbreak: Outbreak, now: datetime, writable: bool) -> Circumstances:
        """Everything that stands around this application's alarm."""
        look, proposal = alarm.look, alarm.proposal
        part_of, left_alone = self._by_another(look, view, outbreak, now)
        return Circumstances(
            stopped=self.stopped(look, view, now) or self._stopped_beside(proposal, view, now),
            suspended=_suspended(look),
            journal_trouble=self._journal_trouble(look, view),
            unsettled=self._unsettled(alarm),
            settled=self._settled(look, view),
            lapsed=_lapsed(look, view),
            rolled_back=self._rolled_back(look, proposal, view),
            mass_event=outbreak.too_many,
            spreading=outbreak.spreading,
            unseen=_unseen(look, outbreak),
            unseen_long=now - outbreak.failing.get(look.policy.metrics.url, now) >= UNSEEN_FOR,
            part_of=part_of,
            left_alone=left_alone,
            joins=_joins(self.under_way(alarm, view)),
            unapplied=self._unapplied(alarm, now),
            asked=_asked(waiting_for(proposal, view)),
            offered=_offered(waiting_for(proposal, view)),
            overlaps=self._overlaps(proposal, view),
            practised=_practised(proposal, view),
            unwritable="" if writable else "the journal cannot be written to",
            weighed=weighed(look, outbreak, view.journal.records.values(), self._fixed_by(look, view), now),
        )

    def notices(self, view: View, listing: Listing, outbreak: Outbreak, now: datetime) -> Iterator[Notice]:
        """What must be known of the whole repository. A name is odd only while every engine shows its applications."""
        known = () if listing.problems else listing.watched
        names = {name for one in known for name in (one.name, one.target.name)}
        yield from about_pauses((self.settings_pause(), *view.pauses), names, now)
        yield from about_silences(view, listing.watched, now)
        yield from about_handover(view, self.settings_pause(), self.shifts, now, self.rhythm)
        yield from about_damage(view.journal.damaged)
        if outbreak.is_mass_event or outbreak.calm:
            yield from about_mass_event(outbreak.too_many if outbreak.is_mass_event else "", self._left(view, listing))
        yield from about_sources(outbreak.outages)
        silent = self._silences(listing, now)
        answering = {fed.engine.instance for fed in listing.fed} - {one.engine for one in silent}
        yield from about_engines(silent, answering, now)
        if not silent:
            yield from about_claims(listing.claims, {one.name for one in listing.watched})
            fed_by_no_git = [one for one in listing.problems if one.reason in NO_LEVER]
            yield from about_unreachable([(one.subject, one.reason, one.message) for one in fed_by_no_git])

    def _left(self, view: View, listing: Listing) -> list[str]:
        """Who was red in the mass event, was named to nobody, and was not well when it was measured last."""
        left = unnamed(view.journal)
        watched = {one.name for one in listing.watched}
        return [name for name, well in left.items() if name in watched and not self._well.get(name, well)]

    def _silences(self, listing: Listing, now: datetime) -> tuple[Silence, ...]:
        self._silent = {one.subject: self._silent.get(one.subject, now) for one in listing.silent}
        return tuple(Silence(one.subject, self._silent[one.subject], one.reason, one.message) for one in listing.silent)

    def stopped(self, look: Look, view: View, now: datetime) -> str:
        """Which of the three doors stops this application, in words; "" if none does."""
        control, head = view.pauses
        stop = stopped(look.name, now, self.settings_pause(), control, head, (look.target.name,))
        return stop.message if stop else ""

    def _fixed_by(self, look: Look, view: View) -> datetime | None:
        return promised_fix(look.name, view.pauses, (look.target.name,))

    def _stopped_beside(self, proposal: Proposal, view: View, now: datetime) -> str:
        """Which door stops an application that would go back for the sake of this one."""
        staged = proposal.plan.staged if proposal.plan is not None else None
        carried = staged.stages.carried if staged is not None else ()
        control, head = view.pauses
        stops = (stopped(name, now, self.settings_pause(), control, head) for name in carried)
        return next((stop.message for stop in stops if stop), "")

    def _unsettled(self, alarm: Alarm) -> str:
        """One red application looks different when others are red, so those are awaited, but not for long.

        Awaited are those not seen since the start; those that may turn red and have a suspect too; and so many that
        may turn red that all together would be a mass event. One that hangs delays nobody.
        """
        if self._alarmed.get(alarm.look.name, 0) > UNSETTLED_TICKS:
            return ""
        late = {name for name, missed in self._missed.items() if missed < UNSETTLED_TICKS}
        me = {alarm.look.name}
        maybe = (late | self._pending) - me
        watched = [one for one in (self._listing.watched if self._listing else ()) if one.name in maybe]
        sharing = self._listing is not None and any(
            renders(one, suspect, self._listing) for one in watched for suspect in alarm.suspects
        )
        many = maybe and len((maybe | set(self._alarmed)) - me) + 1 >= MANY_OF_SHARE
        if late - self._seen or sharing or many:
            return f"{len(maybe)} other applications may turn red, or have not been looked at in this round"
        return ""

    def _unapplied(self, alarm: Alarm, now: datetime) -> str:
        """Somebody has put it back in git, and the engine, which may be switched off or stuck, has not followed."""
        look, plan = alarm.look, alarm.proposal.plan
        if plan is None or plan.reversal.outcome is not PlanOutcome.EMPTY:
            self._undone.pop(look.name, None)
            return ""
        bad, since = self._undone.get(look.name, ("", now))
        since = min(since, now) if bad == look.bad_revision else now
        self._undone[look.name] = (look.bad_revision, since)
        if now - since < look.policy.delivery.sync_timeout:
            return ""
        return f"git holds the state before the suspect since {since:%H:%M:%S} UTC, and the engine has not applied it"

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
        culprits = {suspect.commit.sha for suspect in proposal.attribution.undone}
        records = view.journal.records.values()
        before = rolled_back_before(look.name, look.bad_revision, culprits, self.repo.name, records)
        return f"{before} has rolled it back before; a second rollback is a person's decision" if before else ""

    def _overlaps(self, proposal: Proposal, view: View) -> str:
        culprits = {suspect.commit.sha for suspect in proposal.attribution.undone}
        other = about_to_roll_back(culprits, self.repo.name, view.journal.records.values())
        return f"{other} undoes it, too, by a pull request that has not landed: judged anew after it" if other else ""

    def _settled(self, look: Look, view: View) -> str:
        """This very rollback has ended without a push of its own: a person's or a guard's no, or a held one."""
        own = rollback_id(self.repo.name, look.name, look.bad_revision)
        for record in view.journal.records.values():
            same = look.name in record.applications and record.bad_revision == look.bad_revision
            if not (same or record.id == own) or record.phase is not Phase.DONE or record.commit is not None:
                continue
            # A request that came to nothing is no word on what the controller may do by itself.
            of_no_avail = record.request and record.outcome is RollbackOutcome.FAILED
            if record.outcome is not RollbackOutcome.SUPERSEDED and not of_no_avail:
                return f"{record.id} ended {record.outcome.value if record.outcome else ''}: {record.message}"
        return ""

    def _by_another(self, look: Look, view: View, outbreak: Outbreak, now: datetime) -> tuple[str, str]:
        """In an incident with one culprit one application speaks for all; and why that is not the first, if it is held.

        Nobody does who joins another's rollback: that may not be about this one.
        """
        incident = outbreak.incident_of(look.name)
        if incident is None or incident.culprit is None or outbreak.speaker_of(incident) == look.name:
            return "", ""
        culprit, count, held = incident.culprit[:12], len(incident.applications), ""
        raised = {one.look.name: one for one in outbreak.alarms if one.look.name in outbreak.raised}
        for name in incident.applications:
            alarm = raised.get(name)
            if name == look.name:
                break
            if alarm is None or self.under_way(alarm, view) or waiting_for(alarm.proposal, view):
                continue
            why = self._held_for(alarm, view, now)
            if not why:
                return f"{name} speaks for all {count} applications that have {culprit}", held
            held = held or f"{name}, which has {culprit}, too, is not rolled back by itself: {why}"
        return "", held

    def _held_for(self, alarm: Alarm, view: View, now: datetime) -> str:
        """Why nothing is planned because of it, asked once a tick: each of many asks about the same few."""
        name = alarm.look.name
        if name not in self._holds:
            self._holds[name] = self._held(alarm, view, now)
        return self._holds[name]

    def _held(self, alarm: Alarm, view: View, now: datetime) -> str:
        """Why nothing is planned because of this alarm, for itself or for others, though people may wait for it."""
        look, proposal = alarm.look, alarm.proposal
        return (
            self.stopped(look, view, now)
            or _suspended(look)
            or self._journal_trouble(look, view)
            or self._settled(look, view)
            or _lapsed(look, view)
            or self._rolled_back(look, proposal, view)
            or self._overlaps(proposal, view)
            or ("" if proposal.plan is not None else proposal.attribution.message)
        )

    def under_way(self, alarm: Alarm, view: View) -> RollbackRecord | None:
        """The open rollback that has undone all suspects in the application's own files; the engine has to follow."""
        suspects, look = {commit.sha for commit in alarm.suspects}, alarm.look
        for record in view.journal.records.values():
            if not record.open or record.commit is None or not suspects or not suspects <= set(record.reverts):
                continue
            paths = [path for step in record.steps for path in step.blobs]
            if look.watched.own.of(paths) and not self.repo.is_ancestor(record.commit, look.bad_revision):
                return record
        return None


def _suspended(look: Look) -> str:
    return f"policy {look.policy.name} is suspended" if look.policy.suspend else ""


def waiting_for(proposal: Proposal, view: View) -> RollbackRecord | None:
    """The plan that waits for a person's word and undoes exactly what this proposal would undo."""
    reverts = set(proposal.plan.reversal.reverts) if proposal.plan else set()
    records = (one for one in view.journal.records.values() if not one.request)
    waiting = [one for one in records if one.phase is Phase.AWAITING_APPROVAL and set(one.reverts) == reverts]
    return waiting[0] if reverts and waiting else None


def _joins(record: RollbackRecord | None) -> str:
    return f"{record.id} has undone it in git, and is verified over all that it changed" if record else ""


def _asked(record: RollbackRecord | None) -> str:
    return f"{record.id} undoes the same commit and waits for a person's word" if record else ""


def _lapsed(look: Look, view: View) -> str:
    for record in view.journal.records.values():
        same = look.name in record.applications and record.bad_revision == look.bad_revision
        closed = record.outcome is RollbackOutcome.SUPERSEDED and record.commit is None
        if same and closed and record.offer is not None and not record.request:
            return f"{record.id} was closed ({record.message}), and it fires again: roll back by hand, or fix forward"
    return ""


def _offered(record: RollbackRecord | None) -> str:
    automatic = record is not None and record.offer is not None and record.offer.automatic
    return f"{record.id} undoes the same commit by pull request" if record is not None and automatic else ""


def _practised(proposal: Proposal, view: View) -> str:
    drill = practised(view.journal.decisions, proposal.plan.reversal.reverts) if proposal.plan else None
    if drill is None or not drill.people or not proposal.plan or not proposal.plan.drill:
        return ""
    return f"{drill.id} is a drill of people: find out what is wrong, and take it back"


def _unseen(look: Look, outbreak: Outbreak) -> str:
    """Whether others are red is not known; a policy that asks no metric source waits for none."""
    since = outbreak.failing.get(look.policy.metrics.url)
    if since is None or not asked_of(look.policy):
        return ""
    return f"whether other applications are red is not known: their metric source fails since {since:%H:%M:%S} UTC"
