"""One look at one application: what was deployed, by which policy is it judged, and is it worse since?"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from gitops_rollback.app.closures import Closures
from gitops_rollback.app.deployed import Deployed, PoliciesBefore, marked_revisions
from gitops_rollback.app.deploying import Deploying
from gitops_rollback.app.directory import Listing
from gitops_rollback.app.idle_syncs import IdleSyncs
from gitops_rollback.app.measuring import LONGEST_PAUSE, Measuring
from gitops_rollback.app.reading_back import Subject
from gitops_rollback.app.relands import relanded_in
from gitops_rollback.app.subject import Look, Watched
from gitops_rollback.app.view import PolicyStore, View
from gitops_rollback.core.alarm import NOT_WATCHED, alarm, looked_too_late
from gitops_rollback.core.blindness import Absences, sees_nothing, told_blind
from gitops_rollback.core.clearance import cleared
from gitops_rollback.core.decision import Act, Case, Decision
from gitops_rollback.core.deployments import HARD_END, distinct, holes, our_revision, remembered, revision_in, watched
from gitops_rollback.core.errors import Reason, RollbackError, StalledError
from gitops_rollback.core.in_force import restrict
from gitops_rollback.core.paths import Paths
from gitops_rollback.core.policy import COUNTED, Policy, Target
from gitops_rollback.core.relanding import sharpened
from gitops_rollback.core.sync import ApplicationState, DeploymentRecord, Health, Source, SyncEvent
from gitops_rollback.core.tenants import Tenancy
from gitops_rollback.core.trigger import Phase, Verdict
from gitops_rollback.core.watches import earlier_watches
from gitops_rollback.crash_points import crash_point
from gitops_rollback.ports import ConfigRepo

CLOCK_SLACK = timedelta(minutes=10)
HEALTHS_KEPT = 8


@dataclass(frozen=True)
class InForce:
    """The policy that judges a change, and the target in it. `known` False: only the head has one."""

    policy: Policy
    target: Target
    known: bool
    own: Paths
    removed: bool = False  # a person took the application out of the policies: nobody watches it any more


@dataclass(frozen=True)
class _Sync:
    """A deployment to judge, after the other `records`, and the policy that judges it."""

    event: SyncEvent
    bad: str
    records: tuple[DeploymentRecord, ...]
    force: InForce
    was_watched: Callable[[datetime], bool]


class Observer:
    """Looks at applications. Keeps the deployment records that an engine may forget, and when it looked.

    `asks_together`: what the looks of one tick ask of a metric store goes there as few queries.
    """

    def __init__(
        self,
        repo: ConfigRepo,
        policies: PolicyStore,
        measuring: Measuring,
        tenancy: Tenancy | None = None,
        closures: Closures | None = None,
    ) -> None:
        self._tenancy = tenancy or Tenancy()
        self._repo = repo
        self._policies = policies
        self._measuring = measuring
        self._before = PoliciesBefore(repo, policies, closures)
        self._idle = IdleSyncs(repo, policies, closures)
        self._records: dict[str, tuple[DeploymentRecord, ...]] = {}
        self._looked: dict[str, datetime] = {}  # when each was measured last
        self._healths: dict[str, tuple[tuple[datetime, Health], ...]] = {}
        self._uids: dict[str, str] = {}
        self._deploying = Deploying(self._records)
        self._absences = Absences(LONGEST_PAUSE)
        self.asks_together = False

    def look(self, subject: Watched, view: View, now: datetime, feeds: Callable[[Source], bool]) -> Look:
        """Raises: EngineUnavailable, RepositoryUnavailable; what cannot be measured is a verdict, not an error."""
        state = self._state(subject, now)
        records = self._deployed(subject.name, state)
        self._records[subject.name] = records
        newest = watched(state, now, HARD_END, records=records)
        live = our_revision(newest.record, feeds) if newest else None
        if newest is None or live is None:
            self._measuring.forget(subject.name)
            return self._unwatched(subject, state, records, newest)
        sync = self._sync(subject, view, state, records, newest, now, feeds)
        event, bad, force, was_watched = sync.event, sync.bad, sync.force, sync.was_watched
        late = not was_watched(now)
        if force.removed or (late and self._saw_the_end(subject.name, event, now, was_watched)):
            self._measuring.forget(subject.name)
            return self._unwatched(subject, state, records, None, removed=force.removed)
        subject = replace(subject, own=force.own)
        measured = self._subject(subject, state, sync, view)
        verdicts = self._measuring.measure(measured, now)
        asked = any(verdict.fires and (late or verdict.baseline.began) for verdict in verdicts)
        told = view.told(subject.name, "" if late else bad) if asked else None
        before = distinct(sync.records)
        earlier = tuple(one.started_at for one in before if one.started_at < event.record.started_at)
        tested = cleared(view.decisions_on(subject.name), subject.name, force.policy)
        case = Case(subject.name, force.policy, force.known, event, verdicts, told, earlier, holes(records), tested)
        raised = looked_too_late(case, now, was_watched) if late else alarm(case, now)
        conclusive = any(one.state.last is not None and one.state.last.level.conclusive for one in verdicts)
        open_yet = late and (raised.act is Act.PAGE or _is_pending(verdicts))  # what is not told is looked at again
        if conclusive and not open_yet and not sees_nothing(verdicts):  # what fails may be what would see a fault
            self._looked[subject.name] = now
        seen = Look(subject, state, force.policy, force.target, case, raised, sync.records, event, bad, live)
        return replace(seen, watches=measured.watches)

    def begin(self, listing: Listing, now: datetime) -> None:
        """Before the looks of a tick: keep the engine's word, and ask the metric stores at once for many.

        Asked is about what is under watch by the listing, which may say less than a look knows: that asks the rest.
        """
        self.remember_health([fed.state for fed in listing.fed], now)
        self._deploying.see(listing)
        self._absences = self._absences.looking(now)
        if self.asks_together:
            under_watch = (self._expected(one, now) for one in listing.watched)
            self._measuring.ask_together((one for one in under_watch if one is not None), now)

    def _expected(self, one: Watched, now: datetime) -> Subject | None:
        operation = one.state.operation
        if operation is None or now - operation.started_at > HARD_END + CLOCK_SLACK:
            return None
        records = remembered(self._records.get(one.name, ()), one.state)
        event = watched(one.state, now, one.policy.timing.window, records=records)
        if event is None:
            return None
        revision = next((found for index in one.indexes if (found := revision_in(event.record, index))), "")
        return Subject(one.policy, one.target, one.state, event, variables(one, one.target, revision))

    def _deployed(self, application: str, state: ApplicationState) -> tuple[DeploymentRecord, ...]:
        """All that is known to have been deployed to this very object: one that was made anew has no past."""
        if state.uid and self._uids.setdefault(application, state.uid) != state.uid:
            for memory in self._memories:
                memory.pop(application, None)
            self._measuring.forget(application)
            self._uids[application] = state.uid
        return remembered(self._records.get(application, ()), state)

    @property
    def _memories(self) -> tuple[dict[str, Any], ...]:
        return self._records, self._healths, self._looked, self._uids

    def _sync(
        self,
        subject: Watched,
        view: View,
        state: ApplicationState,
        records: tuple[DeploymentRecord, ...],
        newest: SyncEvent,
        now: datetime,
        feeds: Callable[[Source], bool],
    ) -> _Sync:
        """The deployment to judge: of those that brought nothing the one before them, as long as it is under watch.

        Later each stands for itself again, so that a fault which begins with one of them is still told.
        """
        joined = self._idle.joined(subject, state, records, feeds)
        brought = watched(state, now, HARD_END, records=joined)
        if brought is not None and brought.record.started_at < newest.record.started_at:
            sync = self._judged(subject, view, state, joined, brought, feeds)
            if sync.was_watched(now):
                return sync
        return self._judged(subject, view, state, records, newest, feeds)

    def _judged(
        self,
        subject: Watched,
        view: View,
        state: ApplicationState,
        records: tuple[DeploymentRecord, ...],
        event: SyncEvent,
        feeds: Callable[[Source], bool],
    ) -> _Sync:
        bad = our_revision(event.record, feeds) or ""
        force = self.in_force(subject, view, Deployed(state, subject.indexes, event.record, records, bad, feeds))
        window = force.policy.timing.window + self._blind_for(subject.name, view, event)
        return _Sync(event, bad, records, force, partial(_was_watched, state, window, records))

    def _blind_for(self, application: str, view: View, event: SyncEvent) -> timedelta:
        """For how long its metric source has failed since the sync: as this process saw, else as the journal tells."""
        lived, decisions = self._measuring.blind_for(application), view.decisions_on(application)
        away = self._absences.since(event.record.started_at)
        return sum((told_blind(decisions, since, until) for since, until in away), lived)

    def _saw_the_end(
        self, application: str, event: SyncEvent, now: datetime, was_watched: Callable[[datetime], bool]
    ) -> bool:
        """This process has looked while the sync's watch ended, or since: what there was has been judged."""
        last = self._looked.get(application)
        if last is None or last < event.record.started_at:
            return False
        saw = now - last <= LONGEST_PAUSE or not was_watched(last)
        if saw:
            self._looked[application] = now
        return saw

    def look_anyway(
        self,
        subject: Watched,
        view: View,
        now: datetime,
        feeds: Callable[[Source], bool],
        because: Decision,
        measured: bool = True,
    ) -> Look:
        """The newest deployment, whether it is under watch or not, with a person's word in place of an alarm.

        `measured` False asks no metric source.
        Raises: StalledError `NoCommit` where nothing of this repository is deployed.
        """
        state = subject.engine.application(subject.id, subject.state.project)
        records = self._deployed(subject.name, state) if state else ()
        known = distinct(records)
        live = our_revision(known[-1], feeds) if known else None
        if state is not None and not any(one.bad_revision == live for one in view.open_records(subject.name)):
            known = self._idle.joined(subject, state, records, feeds)
        bad = our_revision(known[-1], feeds) if known else None
        if state is None or live is None or bad is None:
            raise StalledError(subject.name, "no commit of this repository is deployed to it", Reason.NO_COMMIT)
        event = SyncEvent(subject.id, known[-1], known[-2] if len(known) > 1 else None)
        force = self.in_force(subject, view, Deployed(state, subject.indexes, event.record, known, bad, feeds))
        subject = replace(subject, own=force.own)
        asked = self._subject(subject, state, _Sync(event, bad, known, force, lambda _at: True), view)
        verdicts = self._measuring.measure(asked, now) if measured else ()
        case = Case(subject.name, force.policy, force.known, event, verdicts)
        seen = Look(subject, state, force.policy, force.target, case, because, known, event, bad, live)
        return replace(seen, watches=asked.watches)

    def in_force(self, subject: Watched, view: View, deployed: Deployed) -> InForce:
        """The policy at the first parent of the oldest commit that may be to blame, tightened by the head's."""
        before = self._before.of(deployed, marked_revisions(view.journal.records.values()))
        head = self._policies.naming(view.heads.branch, subject.id)
        if before.policy is None:
            return InForce(subject.policy, subject.target, known=False, own=subject.own)
        found, named = before.policy
        if self._tenancy.refusal(found, subject.state.project, subject.state.namespace):
            return InForce(subject.policy, subject.target, known=False, own=subject.own)
        newest = head[0] if head else None
        if head is None and (found.path in view.policies.broken or _is_refused(named, view)):
            newest = found  # a file that cannot be read takes nothing away: the last valid policy keeps judging
        by_suspect = self._before.brought_by_suspect(before.commits, view.heads.branch, subject.id)
        policy = restrict(found, newest, by_suspect)
        if relanded_in(self._repo, before.commits, subject.name, view.journal.records.values(), view.at):
            policy = sharpened(policy)
        target = next((target for target in policy.targets if target.name == named.name), named)
        return InForce(policy, target, known=True, own=before.own, removed=newest is None and not by_suspect)

    @crash_point("engine-read")
    def _state(self, subject: Watched, now: datetime) -> ApplicationState:
        """The full state where a sync may be under watch; the listing's summary says enough of all the others."""
        operation = subject.state.operation
        if operation is not None and not subject.state.busy and now - operation.started_at > HARD_END + CLOCK_SLACK:
            return subject.state
        state = subject.engine.application(subject.id, subject.state.project)
        if state is None:
            raise RollbackError(subject.name, "the application is gone from the engine", Reason.ENGINE_UNCLEAR)
        return state

    def _unwatched(
        self,
        subject: Watched,
        state: ApplicationState,
        records: tuple[DeploymentRecord, ...],
        event: SyncEvent | None,
        removed: bool = False,
    ) -> Look:
        case = Case(subject.name, subject.policy, True, None)
        decision = NOT_WATCHED
        if removed:
            decision = Decision(Act.LEAVE, Reason.NO_POLICY, "no policy at the head names this application any more")
        elif state.malformed:
            decision = Decision(Act.LEAVE, Reason.ENGINE_UNCLEAR, state.malformed)
        elif event is not None:
            decision = Decision(Act.LEAVE, Reason.NO_COMMIT, "what was deployed is no commit of this repository")
        return Look(subject, state, subject.policy, subject.target, case, decision, records)

    def _subject(self, subject: Watched, state: ApplicationState, sync: _Sync, view: View) -> Subject:
        t0, force = sync.event.record.started_at, sync.force
        learns = any(trigger.type in COUNTED for trigger in force.policy.triggers)
        peers = {peer for trigger in force.policy.triggers for peer in trigger.counting.peers}
        rollbacks = view.journal.records.values()
        return Subject(
            policy=force.policy,
            target=force.target,
            state=state,
            event=sync.event,
            variables=variables(subject, force.target, sync.bad),
            health_before=self._health_before(subject.name, t0),
            watches=earlier_watches(subject.name, t0, force.policy.timing.window, sync.records, rollbacks)
            if learns
            else (),
            deploying=self._deploying.among(peers, t0) if peers else frozenset(),
        )

    def remember_health(self, states: Iterable[ApplicationState], now: datetime) -> None:
        """Keep the engine's word about each application, so that a later sync has a word from before it.

        Of an application that its engine no longer lists nothing is kept; an engine that is silent takes nothing away.
        """
        states = tuple(states)
        listed, engines = {str(state.id) for state in states}, {state.id.instance for state in states}
        for memory in self._memories:
            for name in [name for name in memory if name not in listed and name.split("/", 1)[0] in engines]:
                memory.pop(name, None)
        for state in states:
            known = self._healths.get(str(state.id), ())
            if not known or known[-1][1] is not state.health:
                self._healths[str(state.id)] = (*known, (now, state.health))[-HEALTHS_KEPT:]

    def _health_before(self, application: str, t0: datetime) -> Health | None:
        before = [health for at, health in self._healths.get(application, ()) if at < t0]
        return before[-1] if before else None


def _was_watched(
    state: ApplicationState, window: timedelta, records: tuple[DeploymentRecord, ...], at: datetime
) -> bool:
    return watched(state, at, window, records=records) is not None


def _is_pending(verdicts: Iterable[Verdict]) -> bool:
    """A trigger is true and may fire soon: what there was has not been judged."""
    return any(one.state.phase is Phase.PENDING for one in verdicts)


def _is_refused(target: Target, view: View) -> bool:
    return any(ref == target.application for ref in view.policies.refused)


def variables(subject: Watched, target: Target, revision: str) -> dict[str, str]:
    """What the names in a query template stand for."""
    state = subject.state
    return {
        "SERVICE": target.name,
        "NAMESPACE": target.workload.namespace if target.workload else state.namespace,
        "APPLICATION": state.id.name,
        "REVISION": revision,
        "PROJECT": state.project,
        "CLUSTER": state.destination,
    }
