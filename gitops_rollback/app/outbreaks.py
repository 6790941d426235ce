"""Is one commit behind many red applications, or are too many red at once? Looks at the whole repository each tick."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from gitops_rollback.app.directory import Listing
from gitops_rollback.app.measuring import Measuring
from gitops_rollback.app.observation import variables
from gitops_rollback.app.outages import OneLook, Outages, outages
from gitops_rollback.app.queries import Question, Span, tick_of
from gitops_rollback.app.risen import Beside, Risen, Standing
from gitops_rollback.app.subject import Look, Watched
from gitops_rollback.app.view import View
from gitops_rollback.core.commit import Commit, is_sha
from gitops_rollback.core.decision import Proposal
from gitops_rollback.core.deployments import deployments
from gitops_rollback.core.errors import Reason, RollbackError
from gitops_rollback.core.incidents import (
    CONTROL_GROUP,
    Incident,
    ObservedApplication,
    breaker,
    group,
    incident_of,
    many,
    spreading,
)
from gitops_rollback.core.plan import PlanOutcome
from gitops_rollback.core.policy import Check, Policy, Trigger
from gitops_rollback.core.rollback import Phase, RollbackRecord
from gitops_rollback.core.sync import ApplicationState
from gitops_rollback.core.trigger import Level, level
from gitops_rollback.ports import ConfigRepo

MEMORY = timedelta(minutes=10)  # red within this time counts as red at once
ASKED_AS_CONTROL = 12
LONG_AGO = timedelta(days=3650)
CALM = timedelta(minutes=2)  # a mass event that comes back within this time was never over
UNKNOWN = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True)
class Alarm:
    """One red application, and the commits that would be undone for it."""

    look: Look
    proposal: Proposal

    @property
    def suspects(self) -> tuple[Commit, ...]:
        return tuple(suspect.commit for suspect in self.proposal.attribution.suspects)

    @property
    def is_undone(self) -> bool:
        """Git holds the state before already: this one has nothing to say for others."""
        plan = self.proposal.plan
        return plan is not None and plan.reversal.outcome is PlanOutcome.EMPTY

    @property
    def has_telemetry(self) -> bool:
        """Its metric source had a value of it at this look."""
        asked = {trigger.name for trigger in asked_of(self.look.policy)}
        measured = [one.measurement for one in self.look.case.verdicts if one.trigger in asked]
        return any(one is not None and one.value is not None for one in measured)

    @property
    def has_lost_telemetry(self) -> bool:
        """Its metric source shows nothing of it any more: another trigger raised this alarm."""
        return any(verdict.reason is Reason.TELEMETRY_LOST for verdict in self.look.case.verdicts)

    @property
    def since(self) -> datetime:
        """When the first of its triggers fired."""
        return self.look.raised.fired_at or UNKNOWN


@dataclass(frozen=True)
class Outbreak:
    """What one tick says about all red applications together. `too_many` "" means that the breaker does not hold.

    It stops actions at once. People are told of it while `spreading` is "", and that it is over once it is `calm`.
    """

    incidents: tuple[Incident, ...] = ()
    too_many: str = ""
    spreading: str = ""
    calm: bool = False
    raised: frozenset[str] = frozenset()  # those that raise an alarm at this very tick, and are not undone in git
    failing: Mapping[str, datetime] = field(default_factory=dict)  # metric sources that hide others, and since when
    alarms: tuple[Alarm, ...] = ()  # of this tick
    observed: tuple[ObservedApplication, ...] = ()
    outages: Outages = field(default_factory=Outages)

    @property
    def is_mass_event(self) -> bool:
        """People should know that many are red at once."""
        return bool(self.too_many) and not self.spreading

    def with_sources(self, seen: Iterable[OneLook]) -> Outbreak:
        """With what these looks say about metric sources that answer nobody."""
        return replace(self, outages=outages(seen))

    def incident_of(self, application: str) -> Incident | None:
        return incident_of(application, self.incidents)

    def speaker_of(self, incident: Incident) -> str:
        """Who acts for all: the first that still raises an alarm; one that was red a while ago says nothing now."""
        return next((name for name in incident.applications if name in self.raised), incident.applications[0])


@dataclass(frozen=True)
class Bystanders:
    """Applications beside the alarms, by full name: quiet ones, and those that turned red without a suspect.

    `hidden` are those whose metric source failed, or had nothing to show, for everybody that it was asked about, and
    red ones of which nobody can tell whether that is new.
    """

    quiet: frozenset[str]
    red: frozenset[str] = frozenset()
    hidden: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Seen:
    """What this tick and the last ones tell of the others: `quiet` ones now, and those that stood red beside an alarm.

    `empty` are metric sources that show nothing of anybody.
    """

    quiet: frozenset[str]
    empty: frozenset[str]
    lately_red: frozenset[str]
    since: datetime  # the first of the deployments that alarms are about
    sources: frozenset[str]  # metric sources of the alarms


@dataclass
class Outbreaks:
    """Remembers who was red in the last ten minutes; what a journal tells of these minutes is added after a restart."""

    repo: ConfigRepo
    measuring: Measuring
    _red: dict[str, tuple[datetime, frozenset[str]]] = field(default_factory=dict)
    _calm_since: datetime | None = None
    _failing: dict[str, datetime] = field(default_factory=dict)
    _risen: Risen = field(init=False)

    def __post_init__(self) -> None:
        self._risen = Risen(self.measuring, MEMORY)

    def judge(
        self, alarms: Sequence[Alarm], quiet: Collection[str], view: View, listing: Listing, now: datetime
    ) -> Outbreak:
        """`quiet` are the full names of applications whose triggers all had data and did not fire at this tick."""
        for alarm in alarms:
            self._red[alarm.look.name] = (now, frozenset(commit.sha for commit in alarm.suspects))
        self._recall(view, now)
        # What lies ahead was noted by a clock that was set back since.
        red = {name: (min(at, now), why) for name, (at, why) in self._red.items()}
        self._red = {name: one for name, one in red.items() if now - one[0] <= MEMORY}
        # An outage may last longer than the memory: whoever stood beside it red so far is asked again, and not whether
        # that is new.
        lately = {name for name, (at, why) in red.items() if not why and MEMORY < now - at <= 2 * MEMORY}
        suspects = {commit.sha: commit for alarm in alarms for commit in alarm.suspects}
        empty = _empty_sources(alarms)
        sources = frozenset(alarm.look.policy.metrics.url for alarm in alarms)
        seen = Seen(frozenset(quiet), empty, frozenset(lately), _deployed_at(alarms, now), sources)
        beside = self._bystanders(listing, seen, suspects, now) if alarms else Bystanders(seen.quiet)
        # An outage that has just ended explains what still fires in somebody's window, so it is remembered as well.
        self._red.update({name: (now, frozenset()) for name in beside.red if name not in self._red})
        observed = [self._observed(one, suspects, beside, listing) for one in listing.watched]
        incidents = group(observed)
        too_many = breaker(incidents, len(listing.watched))
        since = {alarm.look.name: alarm.since for alarm in alarms}
        new = [one for one in observed if one.red and not _is_answered(one, view, now)]
        waits = spreading(new, since, len(listing.watched), now) if too_many else ""
        calm = not too_many or bool(waits and not many(new, len(listing.watched)))
        self._calm_since = min(self._calm_since or now, now) if calm else None
        over = self._calm_since is not None and now - self._calm_since >= CALM
        self._failing = self._failing_now(incidents, beside, listing, now)
        raised = frozenset(alarm.look.name for alarm in alarms if not alarm.is_undone)
        failing = dict(self._failing)
        return Outbreak(incidents, too_many, waits, over, raised, failing, tuple(alarms), tuple(observed))

    def _failing_now(
        self, incidents: Sequence[Incident], beside: Bystanders, listing: Listing, now: datetime
    ) -> dict[str, datetime]:
        """Metric sources that hide so many that it might be a mass event, and since when."""
        hidden = tuple(Incident((name,)) for name in sorted(beside.hidden))
        if not breaker((*incidents, *hidden), len(listing.watched)):
            return {}
        sources = {one.policy.metrics.url for one in listing.watched if one.name in beside.hidden}
        return {source: self._failing.get(source, now) for source in sources}

    def _recall(self, view: View, now: datetime) -> None:
        for record in view.journal.records.values():
            at = record.times.get("pushed")
            if at is None or now - at > MEMORY:
                continue
            for application in record.applications:
                self._red.setdefault(application, (at, frozenset(record.reverts)))

    def _observed(
        self, watched: Watched, suspects: dict[str, Commit], beside: Bystanders, listing: Listing
    ) -> ObservedApplication:
        red = self._red.get(watched.name)
        return ObservedApplication(
            application=watched.name,
            red=red is not None or watched.name in beside.red,
            quiet=watched.name in beside.quiet,
            metric_source=watched.policy.metrics.url,
            suspects=red[1] if red else frozenset(),
            carries=frozenset(sha for sha, commit in suspects.items() if self._carries(watched, commit, listing)),
        )

    def _carries(self, watched: Watched, commit: Commit, listing: Listing) -> bool:
        if not renders(watched, commit, listing):
            return False
        states = [fed.state for fed in listing.named(watched.name)]
        live = [revision for state in states for revision in _synced_to(state) if is_sha(revision)]
        return any(self.repo.is_ancestor(commit.sha, revision) for revision in live)

    def _bystanders(
        self,
        listing: Listing,
        seen: Seen,
        suspects: dict[str, Commit],
        now: datetime,
    ) -> Bystanders:
        """Others that nobody deployed a suspect to are asked now: they are the control group, or they are red as well.

        Red without a suspect is only what was quiet of late: an old trouble of its own holds nobody back. No data is
        an answer, since not everybody has traffic, but not of the sources that are empty.
        """
        quiet = seen.quiet
        uninvolved = [
            one
            for one in listing.watched
            if one.name not in self._red
            and one.name not in quiet
            and not any(self._carries(one, commit, listing) for commit in suspects.values())
        ]
        unwell = {one.name: is_new for one in uninvolved if (is_new := _turned_unwell(one, now)) is not None}
        others = _asked_first(uninvolved, seen.sources)
        self._risen.keep({one.name for one in others})
        stand = {one.name: self._stands(one, seen.since, now) for one in others}
        said = {name: tuple(one.level for one in standing) for name, standing in stand.items()}
        answering = {one.policy.metrics.url for one in listing.watched if one.name in quiet and asked_of(one.policy)}
        answering |= {one.policy.metrics.url for one in others if _is_answer(said[one.name], one, seen.empty)}
        failed = [one for one in others if Level.ERROR in said[one.name] and one.policy.metrics.url in answering]
        again = {one.name: self._stands(one, seen.since, now) for one in failed}  # a lost answer hides nobody
        stand |= again
        said |= {name: tuple(one.level for one in standing) for name, standing in again.items()}
        calm = {name for name, levels in said.items() if levels and set(levels) == {Level.FALSE}}
        hidden = {one.name for one in others if said[one.name] and one.policy.metrics.url not in answering}
        before = {
            one.name: one.name in seen.lately_red or self._was_quiet(one, stand[one.name], now)
            for one in others
            if Level.TRUE in said[one.name]
        }
        red = {name for name, was_quiet in before.items() if was_quiet}
        hidden |= {name for name, was_quiet in before.items() if was_quiet is None}
        red |= {name for name, is_new in unwell.items() if is_new}
        return Bystanders(frozenset(quiet) | (calm - set(unwell)), frozenset(red), frozenset(hidden))

    def _was_quiet(self, watched: Watched, standing: Sequence[Standing], now: datetime) -> bool | None:
        """At some tick of the last ten minutes, however short that was: an old trouble is never well in between.

        None: nobody can tell.
        """
        counted = {one.was_quiet for one in standing if one.level is Level.TRUE and one.counted}
        if True in counted:
            return True
        limits = any(one.level is Level.TRUE and not one.counted for one in standing)
        was = self._limits_were_quiet(watched, now) if limits else False
        return None if was is False and None in counted else was

    def _limits_were_quiet(self, watched: Watched, now: datetime) -> bool | None:
        policy, interval = watched.policy, watched.policy.timing.interval
        last = tick_of(now, interval)
        span = Span(last - MEMORY // interval * interval, last - interval, interval)
        questions = [Question.of(trigger, _names(watched)) for trigger in policy.triggers if trigger.is_asked]
        try:
            asker = self.measuring.asker(policy, watched.state.destination, policy.metrics.timeout, now)
        except RollbackError:
            return None
        told = asker.histories(questions, span)
        if any(history.fault for history in told):
            return None
        by_tick = zip(*(history.ticks for history in told), strict=True)
        return any(all(tick.level is Level.FALSE for tick in ticks) for ticks in by_tick)

    def _stands(self, watched: Watched, since: datetime, now: datetime) -> tuple[Standing, ...]:
        """What each trigger that a metric source answers says then."""
        beside = Beside(watched.name, watched.policy, watched.state, _names(watched))
        return tuple(
            Standing(self._level(watched, trigger, now))
            if trigger.is_asked
            else self._risen.says(beside, trigger, since, now)
            for trigger in asked_of(watched.policy)
        )

    def _level(self, watched: Watched, trigger: Trigger, now: datetime) -> Level:
        check = Check(trigger.name, "prometheus", query_from=trigger.name)
        try:
            measured = self.measuring.measure_check(watched.policy, check, _names(watched), now, now - LONG_AGO)
        except RollbackError:
            return Level.ERROR
        return level(measured, trigger.comparison, trigger.threshold)


def _asked_first(uninvolved: Iterable[Watched], sources: Collection[str]) -> list[Watched]:
    """So many that each of the alarms' metric sources has a control group: those of these sources in turn, then others.

    What is behind another source says nothing about an outage of theirs.
    """
    so_far: Counter[str] = Counter()

    def place(one: Watched) -> tuple[bool, int]:
        source = one.policy.metrics.url
        so_far[source] += 1
        return source not in sources, so_far[source]

    return sorted(uninvolved, key=place)[: max(ASKED_AS_CONTROL, CONTROL_GROUP * len(sources))]


def _names(watched: Watched) -> dict[str, str]:
    revisions = watched.state.sync_revisions
    return variables(watched, watched.target, revisions[0] if revisions else "")


def _synced_to(state: ApplicationState) -> tuple[str, ...]:
    """What was deployed last; where the engine tells of no deployment, what it compares to: that may be deployed."""
    known = deployments(state)
    return known[-1].revisions if known else state.sync_revisions


def renders(watched: Watched, commit: Commit, listing: Listing) -> bool:
    """The commit changes what the application renders from."""
    fed = listing.named(watched.name)
    return bool(watched.own.of(commit.paths)) or any(one.touches(commit.paths, commit.sha) for one in fed)


def _empty_sources(alarms: Sequence[Alarm]) -> frozenset[str]:
    """Metric sources that show nothing of all those that raise an alarm, though they had data of some."""
    lost = {alarm.look.policy.metrics.url for alarm in alarms if alarm.has_lost_telemetry}
    return frozenset(lost - {alarm.look.policy.metrics.url for alarm in alarms if alarm.has_telemetry})


def _is_answer(levels: Collection[Level], one: Watched, empty: Collection[str]) -> bool:
    nothing = {Level.ERROR, Level.NO_DATA} if one.policy.metrics.url in empty else {Level.ERROR}
    return bool(set(levels) - nothing)


def asked_of(policy: Policy) -> tuple[Trigger, ...]:
    """The triggers that a metric source answers."""
    return tuple(trigger for trigger in policy.triggers if trigger.is_measured)


def _turned_unwell(one: Watched, now: datetime) -> bool | None:
    """Its engine says a word that one of its triggers is about: whether of late. None where it does not."""
    states = {word for trigger in one.policy.triggers if trigger.type == "health" for word in trigger.states}
    if one.state.health.value not in states:
        return None
    since = one.state.health_changed_at
    return since is not None and now - since <= MEMORY


def _deployed_at(alarms: Sequence[Alarm], now: datetime) -> datetime:
    """Since when the first of the deployments is live that alarms are about."""
    return min((alarm.look.event_started for alarm in alarms if alarm.look.event is not None), default=now)


def _is_answered(one: ObservedApplication, view: View, now: datetime) -> bool:
    """A rollback of the last minutes undoes all that it may be red by, or a plan that names it waits for a word."""
    return bool(one.suspects) and any(
        one.suspects <= frozenset(record.reverts) and _deals_with(record, one.application, now)
        for record in view.journal.records.values()
    )


def _deals_with(record: RollbackRecord, application: str, now: datetime) -> bool:
    if record.phase is Phase.AWAITING_APPROVAL:
        return application in record.applications
    pushed = record.times.get("pushed")
    return record.commit is not None and (record.open or (pushed is not None and now - pushed <= MEMORY))
