"""How far is an open rollback? Asks the engine about every application that our commit changed, then the checks."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial

from gitops_rollback.app.beside import Beside
from gitops_rollback.app.dependencies import built_on, dependants_of
from gitops_rollback.app.directory import Fed, Listing
from gitops_rollback.app.gates import Gates
from gitops_rollback.app.holding import hold_checks
from gitops_rollback.app.lasting import Lasting
from gitops_rollback.app.measuring import Measuring
from gitops_rollback.app.observation import variables
from gitops_rollback.app.offered_trees import OfferedTrees
from gitops_rollback.app.pools import OneByOne, Pool
from gitops_rollback.app.probing import Probe, check_address
from gitops_rollback.app.queries import span_since
from gitops_rollback.app.recovering import Case, Recovering
from gitops_rollback.app.runs import UNSEEN, Runs, caused
from gitops_rollback.app.steady import Steady
from gitops_rollback.app.stepping import Stepper
from gitops_rollback.app.subject import Watched
from gitops_rollback.app.undeployed import Undeployed
from gitops_rollback.app.upstreams import standing
from gitops_rollback.app.view import PolicyStore, View
from gitops_rollback.app.workloads import NOBODY, check_workloads, workloads_of
from gitops_rollback.core.convergence import blocked_by, converged, failed_fast, unapplied, works_in_vain
from gitops_rollback.core.deployments import contains_our_operation, deployments, revision_in
from gitops_rollback.core.errors import ObjectMissing, Reason, RollbackError
from gitops_rollback.core.plan import PlanOutcome
from gitops_rollback.core.policy import ChartVersions, Check, Policy, Target
from gitops_rollback.core.progress import ApplicationProgress, Progress
from gitops_rollback.core.provision import provided, provision_in
from gitops_rollback.core.rollback import Phase, RollbackRecord
from gitops_rollback.core.strategies.gate import unless_better
from gitops_rollback.core.strategies.stages import between, must_have
from gitops_rollback.core.sync import ApplicationState
from gitops_rollback.core.trigger import MAX_GAP_INTERVALS
from gitops_rollback.core.verification import (
    COUNTED,
    CheckResult,
    checks_of,
    judge,
    measured_by,
    unknown_triggers,
)
from gitops_rollback.crash_points import crash_point
from gitops_rollback.ports import ConfigRepo, Objects, Workloads

MAX_HELD = 1000
MAX_READ_BACK = 40  # ticks between two looks that are read from the metric store afterwards
LABEL_DIGITS = 12
LONG_BEFORE = timedelta(days=1)  # longer than any range that a check asks over

_Holds = Callable[[str], bool]  # whether a revision holds a commit


@dataclass(frozen=True)
class _Asked:
    """One check of one application."""

    check: Check
    policy: Policy
    target: Target
    watched: Watched


@dataclass(frozen=True)
class _Judged:
    """Whose checks count: the applications that the record names, and those that our commit changed beside them."""

    named: tuple[Watched, ...]
    beside: tuple[Watched, ...]

    @property
    def all(self) -> tuple[Watched, ...]:
        return (*self.named, *self.beside)


class Follower:
    """Follows open rollbacks. Keeps only since when each has been as it is; a restart counts anew.

    `pool` asks about the applications of one rollback side by side: thirty that are asked one after the other take
    longer than a tick may. It must not be the one whose threads call `progress`, or the one that measures.
    """

    def __init__(
        self,
        repo: ConfigRepo,
        policies: PolicyStore,
        measuring: Measuring,
        probe: Probe,
        steady: Steady,
        workloads: Workloads = NOBODY,
        pool: Pool | None = None,
        objects: Objects = UNSEEN,
    ) -> None:
        self.runs = Runs(objects)
        self._workloads = workloads
        self._pool: Pool = pool or OneByOne()
        self._repo = repo
        self._policies = policies
        self.measuring = measuring
        self._probe = probe
        self._lasting = Lasting(steady)
        self._recovering = Recovering(measuring)
        self._beside = Beside()
        self.offered = OfferedTrees(repo)
        self.stepper = Stepper(repo)
        self._undeployed = Undeployed(repo)
        self._judging: dict[str, str] = {}
        self._held_changes: dict[tuple[str, tuple[str, ...]], bool] = {}

    @crash_point("follow")
    def progress(
        self, record: RollbackRecord, watched: Watched, view: View, listing: Listing, now: datetime
    ) -> Progress:
        """One look at the rollback. An application whose engine does not answer is unseen, never converged."""
        policy = provided(self._policy(record, watched)[0], provision_in(record.evidence))
        record = self.stepper.as_on_branch(record, view.heads.branch, policy.chart_versions)
        if record.phase is Phase.AWAITING_APPROVAL:
            landing = self.offered.landing(record, view.heads.branch)
            over = "" if landing is not None else self._superseded(record, watched, policy)
            return Progress(record, policy, False, superseded=over, landing=landing)
        commit = record.commit
        landed = commit is not None and self._repo.is_ancestor(commit, view.heads.branch)
        if commit is None or not landed:
            return Progress(record, policy, landed)
        since = self._lasting.times(record, now)
        affected = self._affected(record, listing)
        asked = self._pool.map(lambda fed: self._application(record, fed, since.pushed, view, now), affected)
        applications = tuple(one for one in asked if one is not None)
        provision = caused(self._repo, record, listing.watched, policy)
        runs = self.runs.seen(record, provision, affected, lambda revision: self._contains(revision, commit))
        above = standing(self._repo, record, view.heads.branch, applications, policy, self.runs.objects)
        found = Progress(record, policy, True, applications, began=since.began, watching=since.watching, runs=runs)
        found = replace(found, came_back=above.came_back, stopped=self.stepper.stopped_again(record, view.heads.branch))
        if record.phase is not Phase.VERIFYING:
            return self._between(found, watched, listing, view.heads.branch, now)
        named = tuple(one for one in listing.watched if one.name in record.applications) or (watched,)
        ask = partial(self._said_before, record)
        changed = {fed.name for fed in affected}
        beside = self._beside.of(record, changed | dependants_of(changed, listing), listing.watched, ask)
        judged = _Judged(named, beside)
        checks = (*self._checks(found, judged, now), *hold_checks(self._repo, record, view.heads.branch))
        checks += (*(one.check for one in runs if not one.unseen), *above.checks)
        found = replace(found, checks=checks)
        return replace(found, held_since=self._holding(found, judged, now))

    def _between(self, found: Progress, watched: Watched, listing: Listing, head: str, now: datetime) -> Progress:
        """What the gate before the next commit of its plan needs to know; nothing where no more are to come."""
        record = found.record
        ahead = self.stepper.ahead(record, head, lambda stages, later: built_on(record, stages, listing, later))
        if ahead is None or ahead.stages is None:
            return replace(found, ahead=ahead)
        identity = f"{record.id}/{record.commit}"
        if not found.applications or not all(one.applied for one in found.applications):
            self._lasting.bad(identity)
            return replace(found, ahead=ahead)
        run = self._lasting.run(identity, now, MAX_GAP_INTERVALS * found.policy.timing.interval)
        gate = ahead.stages.gate(ahead.done)
        if gate is not None:
            full = next((one.state for one in found.applications if one.application == watched.name), None)
            gates = Gates(
                self._workloads, lambda names, at: self._measured(found, watched, names, at), self.runs.objects
            )
            seen = gates.seen(gate, record, replace(watched, state=full or watched.state), now)
            return replace(found, ahead=replace(ahead, since=self._lasting.good(identity, now, run), gate=seen))
        fired = self._ask_triggers(found, watched, record.triggers, now) if ahead.stages.checked else ()
        checks = tuple(unless_better(one, record, found.policy) for one in fired)
        stable = self._ask_triggers(found, watched, ahead.stages.stable, now)
        since = self._lasting.good(identity, now, run)
        return replace(found, ahead=replace(ahead, since=since, checks=checks, stable=stable))

    def _measured(
        self, found: Progress, watched: Watched, names: Sequence[str], at: datetime
    ) -> tuple[CheckResult, ...]:
        """What these triggers measured at an instant, whatever they are for."""
        return self._ask_triggers(replace(found, began=at - LONG_BEFORE), watched, names, at)

    def _ask_triggers(
        self, found: Progress, watched: Watched, names: Sequence[str], now: datetime
    ) -> tuple[CheckResult, ...]:
        """What these triggers of the policy measure now, of those that a metric store answers."""
        policy, target = self._policy(found.record, watched)
        asked = [_Asked(check, policy, target, watched) for check in measured_by(policy, names)]
        return tuple(self._pool.map(lambda one: self._check(one, found, now), asked))

    @crash_point("verification-read")
    def _checks(self, found: Progress, judged: _Judged, at: datetime, past: bool = False) -> tuple[CheckResult, ...]:
        """Each application's checks: in an incident none of them may speak for the others.

        What a check said at an instant in the `past` is known only of those that a metric store answers.
        """
        record = found.record
        asked = [one for watched in judged.named for one in self._asked(record, watched, past)]
        asked += [one for watched in judged.beside for one in self._asked(record, watched, past=True)]
        answers = self._pool.map(lambda one: self._check(one, found, at), asked)
        results = [
            replace(result, name=f"{result.name} of {one.watched.id.name}") if len(judged.all) > 1 else result
            for one, result in zip(asked, answers, strict=True)
        ]
        message = "the policy does not know this trigger, so nothing shows that it is quiet"
        unknown = [unknown_triggers(self._policy(record, one)[0], record.triggers) for one in judged.named]
        lost = [name for name in record.triggers if all(name in names for names in unknown)]
        return (*results, *(CheckResult(name, None, message) for name in lost))

    def _asked(self, record: RollbackRecord, watched: Watched, past: bool) -> list[_Asked]:
        policy, target = self._policy(record, watched)
        checks = [one for one in checks_of(policy, record.triggers) if one.type == "prometheus" or not past]
        return [_Asked(check, policy, target, watched) for check in checks]

    def _said_before(self, record: RollbackRecord, watched: Watched, at: datetime) -> Iterable[CheckResult]:
        """What its checks said then, before the bad sync."""
        found = Progress(record, watched.policy, True, began=at - LONG_BEFORE)
        return self._pool.map(lambda one: self._check(one, found, at), self._asked(record, watched, past=True))

    def policy_of(self, record: RollbackRecord, watched: Watched) -> Policy:
        """The policy before the change that is, or is to be, rolled back."""
        return self._policy(record, watched)[0]

    def _policy(self, record: RollbackRecord, watched: Watched) -> tuple[Policy, Target]:
        """The policy before the change that was rolled back: a change does not bring the checks that clear it."""
        for revision in (self._judged_by(record), self._before(record), record.restores):
            found = self._policies.naming(revision, watched.id) if revision else None
            if found is not None:
                return found
        return watched.policy, watched.target

    def _judged_by(self, record: RollbackRecord) -> str:
        """The revision whose policy decided, older than every suspect; the record names its first digits.

        Those that were left alone are suspects, too, and may have brought a policy that calls everything good.
        """
        known = self._judging.get(record.id) or self._named(record, record.policy.rpartition("@")[2])
        self._judging[record.id] = known
        while len(self._judging) > MAX_HELD:
            self._judging.pop(next(iter(self._judging)))
        return known

    def _named(self, record: RollbackRecord, digits: str) -> str:
        if len(digits) < LABEL_DIGITS or not record.restores:
            return ""
        try:
            line = [commit.sha for commit in self._repo.commits(record.restores, record.bad_revision)]
        except ObjectMissing:
            line = []
        return next((sha for sha in (*line, record.restores) if sha.startswith(digits)), "")

    def _before(self, record: RollbackRecord) -> str:
        """The first parent of the oldest commit that it undoes; "" where that is not known here."""
        try:
            parents = self._repo.commit(record.reverts[-1]).parents if record.reverts else ()
        except ObjectMissing:
            parents = ()
        return parents[0] if parents else ""

    def _superseded(self, record: RollbackRecord, watched: Watched, policy: Policy) -> str:
        """Why nobody needs a waiting plan any more: something was deployed on which it could not be built."""
        state = watched.engine.application(watched.id, watched.state.project)
        if state is not None and record.is_about_another(watched.name, state.uid):
            return f"{watched.name} was deleted and made anew meanwhile"
        known = deployments(state) if state else ()
        if not known or not watched.indexes:
            return ""
        newest = revision_in(known[-1], watched.indexes[0])
        if (
            newest is None
            or newest == record.bad_revision
            or self._still_holds(newest, record.reverts, policy.chart_versions)
        ):
            return ""
        return f"{newest[:12]} was deployed meanwhile, without what it would undo"

    def _still_holds(self, revision: str, reverts: tuple[str, ...], charts: ChartVersions) -> bool:
        """True if the very changes can still be taken back there: a commit to other files mends nothing.

        Where nobody can tell the plan waits on.
        """
        if not reverts or not self._repo.has(revision):
            return True
        known = self._held_changes.get((revision, reverts))
        if known is None:
            found = self._repo.reverse(revision, reverts, charts=charts)
            known = found.outcome is PlanOutcome.CLEAN and not found.superseded
            while len(self._held_changes) >= MAX_HELD:
                self._held_changes.pop(next(iter(self._held_changes)))
            self._held_changes[revision, reverts] = known
        return known

    def _affected(self, record: RollbackRecord, listing: Listing) -> tuple[Fed, ...]:
        """Every application that renders from a path that our commit changed, and those that it is about by name."""
        steps, names = between(record)
        paths = {path for step in steps for path in step.blobs}
        at = record.commit or record.bad_revision
        return tuple(fed for fed in listing.fed if fed.name in names or fed.touches(paths, at))

    def _application(
        self, record: RollbackRecord, fed: Fed, since: datetime, view: View, now: datetime
    ) -> ApplicationProgress | None:
        commit, since = must_have(record, fed.name, since)
        try:
            state = fed.engine.application(fed.state.id, fed.state.project)
        except RollbackError as error:
            return ApplicationProgress(fed.name, None, why=error.message)
        if state is None:
            return ApplicationProgress(fed.name, None, gone=True)
        if record.is_about_another(fed.name, state.uid):
            return ApplicationProgress(fed.name, None, anew=True)
        state = self._undeployed.followed(record, between(record)[1], fed, state, view)
        if state is None:
            return None
        has, bad = (partial(self._contains, commit=one) for one in (commit, record.bad_revision))
        found = _judged(fed, state, record, since, has, bad)
        asked = [at for at in (found.asked_at, self._lasting.asked(_asking(record), fed.name)) if at is not None]
        if found.asked_at is not None:
            self.asks(record, fed.name, min(found.asked_at, now))  # another replica may have asked: that counts as well
        return replace(found, asked_at=max(asked, default=None))

    def asks(self, record: RollbackRecord, application: str, now: datetime) -> None:
        """We ask the engine for a sync now; an engine that shows an older state is not asked at each look for that."""
        self._lasting.ask(_asking(record), application, now)

    def _contains(self, revision: str, commit: str) -> bool:
        return bool(revision) and self._repo.is_ancestor(commit, revision)

    def _check(self, asked: _Asked, found: Progress, now: datetime) -> CheckResult:
        check, policy = asked.check, asked.policy
        record, switched = found.record, found.began or now
        if check.type == "engine":
            return CheckResult(check.name, True, "every application was seen converged")
        if check.type == "http":
            return check_address(self._probe, check)
        full = (one.state for one in found.applications if one.application == asked.watched.name)
        watched = replace(asked.watched, state=next(full, None) or asked.watched.state)
        if check.type == "kubernetes":
            named = (check.workload,) if check.workload else workloads_of(asked.target, watched.state)
            return check_workloads(self._workloads, named, watched, check.name, switched, now)
        trigger = next((one for one in policy.triggers if one.name == check.query_from), None)
        names = variables(asked.watched, asked.target, record.commit or record.bad_revision)
        if check.type == COUNTED and trigger is not None:
            case = Case(policy, trigger, names, record, watched.name, deployments(watched.state))
            return self._recovering.check(check.name, case, switched + policy.verification.start_after, now)
        if check.type != "prometheus":
            return CheckResult(check.name, None, f"checks of type {check.type} are not evaluated by this version")
        return judge(check, trigger, self.measuring.measure_check(policy, check, names, now, switched))

    def _holding(self, found: Progress, judged: _Judged, now: datetime) -> datetime | None:
        """Since when everything has been good at each look; None as soon as one thing is not.

        What nobody looked at has not held: the ticks between two looks are read back, a long silence begins anew.
        """
        identity = found.record.id
        start = (found.began or now) + found.policy.verification.start_after
        good = all(one.converged for one in found.applications) and all(check.ok is True for check in found.checks)
        if not found.applications or not good or now < start:
            self._lasting.bad(identity)
            return None
        intervals = (found.policy.timing.interval, *(one.policy.timing.interval for one in judged.all))
        run = self._lasting.run(identity, now, MAX_GAP_INTERVALS * max(intervals))
        missed = span_since(run.last, now, min(intervals)).instants if run else ()
        if len(missed) > MAX_READ_BACK or not all(self._was_good(found, judged, at) for at in missed):
            run = None
        return self._lasting.good(identity, now, run)

    def _was_good(self, found: Progress, judged: _Judged, at: datetime) -> bool:
        return all(check.ok is True for check in self._checks(found, judged, at, past=True))


def _judged(
    fed: Fed, state: ApplicationState, record: RollbackRecord, since: datetime, contains: _Holds, reached: _Holds
) -> ApplicationProgress:
    index = fed.indexes[0] if len(state.sources) > 1 else None
    bad = (record.bad_revision,)
    done, why = converged(state, contains, since, index, bad)
    applied = done or not unapplied(state, contains, since, index, bad)
    blockage = blocked_by(state, works_in_vain(state, contains, reached, index))
    failure = failed_fast(state, contains, since, index)
    blocked = blockage is not None and blockage.terminate
    failed = failure[1] if failure is not None and failure[0] is Reason.SYNC_FAILED else ""
    asked = _asked_at(state, record)
    return ApplicationProgress(fed.name, state, done, applied, why, blocked=blocked, asked_at=asked, failed=failed)


def _asked_at(state: ApplicationState, record: RollbackRecord) -> datetime | None:
    if state.operation is None or not contains_our_operation(state, record.id):
        return None
    at = state.operation.finished_at or state.operation.started_at
    earlier = len(record.steps) > 1 and at is not None and at < record.pushed_at.replace(microsecond=0)
    return None if earlier else at


def _asking(record: RollbackRecord) -> str:
    """Each commit of a plan is asked for by itself."""
    return f"{record.id}/{record.commit}" if len(record.steps) > 1 else record.id
