"""Plays whatever may happen to one application against the decisions, and checks after each what must never be.

The machine does what an action says the moment that it is decided, as the executor would, and remembers it. What is
allowed is said here anew, by what the machine itself has played: nothing of it is asked of the code under test.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from gitops_rollback.core.action import Action, Advance, Facts, Finish, Land, Note, Sync, Terminate, next_action
from gitops_rollback.core.alarm import alarm
from gitops_rollback.core.decision import Case, Circumstances, Proposal, decide
from gitops_rollback.core.errors import Reason
from gitops_rollback.core.ownership import rolled_back_before
from gitops_rollback.core.plan import GuardAnswer, Plan, PlanOutcome, Reversal
from gitops_rollback.core.policy import ApplicationRef, GuardResult, Policy, Severity, Target, Timing, Trigger
from gitops_rollback.core.progress import ApplicationProgress, Progress
from gitops_rollback.core.rollback import Phase, RollbackOutcome, RollbackRecord, StepRecord, advance, rollback_id
from gitops_rollback.core.suspects import Attribution
from gitops_rollback.core.sync import (
    ApplicationId,
    ApplicationState,
    DeploymentRecord,
    Health,
    SyncEvent,
    SyncStatus,
)
from gitops_rollback.core.trigger import Baseline, BaselineLevel, Hold, Level, Tick, TriggerState, Verdict, step
from gitops_rollback.core.verification import CheckResult

START = datetime(2026, 11, 25, 3, 0, tzinfo=UTC)
TICK = timedelta(seconds=15)
APP = ApplicationId("default", "Application", "argocd", "web")
REPOSITORY = "shop/config"
TRIGGER = Trigger("errors", "query", Severity.AUTO_ROLLBACK, hold_for=timedelta(seconds=30))
POLICY = Policy(
    "web", "p.yaml", "a" * 40, (Target("web", "argocd", ApplicationRef("argocd", "web")),), (TRIGGER,),
    timing=Timing(initial_delay=timedelta(seconds=75)),
)  # fmt: skip
STATE = ApplicationState(APP, "uid", "default", "c", "shop", (), SyncStatus.SYNCED, (), Health.HEALTHY, START)
HOLD = Hold.of(TRIGGER, TICK)
ORDER = list(Phase)
WORDS = ("stopped", "suspended", "journal_trouble", "unwritable", "unsettled", "mass_event", "part_of", "left_alone")
OBSTACLES = ("", "", *WORDS, "ask", "deny", "blame", "policy", "came back", "firing", "none")
SEEN = {
    "waits": ApplicationProgress(str(APP), STATE, why="OutOfSync"),
    "converged": ApplicationProgress(str(APP), STATE, converged=True),
    "blocked": ApplicationProgress(str(APP), replace(STATE, operation_requested=True), blocked=True),
    "busy": ApplicationProgress(str(APP), replace(STATE, operation_requested=True)),
    "failed": ApplicationProgress(str(APP), STATE, failed="hook failed"),
    "unseen": ApplicationProgress(str(APP), None),
    "gone": ApplicationProgress(str(APP), None, gone=True),
}


class NextAction(RuleBasedStateMachine):
    """One application, its deployments, its metric, its engine, and all that a person may say about it."""

    def __init__(self) -> None:
        super().__init__()
        self.now = START
        self.number = 0
        self.trigger = TriggerState()
        self.levels: list[Level] = []  # since the deployment under watch
        self.baseline = BaselineLevel.QUIET
        self.around: dict[str, str] = {}
        self.guard = GuardResult.ALLOW
        self.automatic, self.in_force, self.came_back, self.landed = True, True, "", True
        self.engine, self.check = "waits", True
        self.good_since: datetime | None = None
        self.records: list[RollbackRecord] = []
        self.lands: list[str] = []

    @initialize()
    def first_deployment(self) -> None:
        self.deploy(BaselineLevel.QUIET)

    @property
    def bad(self) -> str:
        return f"{self.number:040x}"

    @property
    def open(self) -> RollbackRecord | None:
        return next((one for one in self.records if one.open), None)

    # What happens

    @rule(baseline=st.sampled_from(BaselineLevel))
    def deploy(self, baseline: BaselineLevel) -> None:
        """A new revision: the trigger starts anew."""
        self.number += 1
        self.deployed_at, self.trigger, self.levels, self.baseline = self.now, TriggerState(), [], baseline

    @rule(level=st.sampled_from([*Level, Level.TRUE, Level.TRUE]), times=st.integers(1, 4))
    def measure(self, level: Level, times: int) -> None:
        for _ in range(times):
            self.now += TICK
            self.trigger = step(self.trigger, Tick(self.now, level), HOLD)
            self.levels.append(level)
            self.look()

    @precondition(lambda self: self.open is None)
    @rule(obstacle=st.sampled_from(OBSTACLES), after=st.sampled_from(Level), anew=st.booleans())
    def fail(self, obstacle: str, after: Level, anew: bool) -> None:
        """A deployment is bad, and at most one thing stands in the way."""
        self.around = {obstacle: f"{obstacle} holds"} if obstacle in WORDS else {}
        self.guard = GuardResult(obstacle) if obstacle in ("ask", "deny") else GuardResult.ALLOW
        self.automatic, self.in_force = obstacle != "blame", obstacle != "policy"
        self.came_back, self.landed = ("rb-1" if obstacle == "came back" else ""), True
        if anew:
            self.deploy(BaselineLevel(obstacle) if obstacle in (*BaselineLevel,) else BaselineLevel.QUIET)
        for level in (*[Level.TRUE] * 4, after, Level.TRUE):
            self.measure(level, 1)

    @rule(name=st.sampled_from(WORDS), on=st.booleans())
    def say(self, name: str, on: bool) -> None:
        self.around[name] = f"{name} holds" if on else ""

    @rule(guard=st.sampled_from([*GuardResult, GuardResult.ALLOW]), automatic=st.booleans(), in_force=st.booleans())
    def judge(self, guard: GuardResult, automatic: bool, in_force: bool) -> None:
        self.guard, self.automatic, self.in_force = guard, automatic, in_force

    @rule(came_back=st.sampled_from(["", "", "rb-1"]), landed=st.sampled_from([True, True, True, False]))
    def find(self, came_back: str, landed: bool) -> None:
        self.came_back, self.landed = came_back, landed

    @rule(engine=st.sampled_from(sorted(SEEN)), check=st.sampled_from([True, True, False, None]))
    def engine_says(self, engine: str, check: bool | None) -> None:
        self.engine, self.check = engine, check

    @precondition(lambda self: self.open is not None)
    @rule(minutes=st.integers(1, 20))
    def go_well_for(self, minutes: int) -> None:
        self.engine, self.check = "converged", True
        for _ in range(4 * minutes):
            self.now += TICK
            self.look()

    # One look

    def facts(self) -> Facts:
        record = self.open
        if record is not None:
            good = SEEN[self.engine].converged and self.check is True and record.phase is Phase.VERIFYING
            self.good_since = (self.good_since or self.now) if good else None
            checks = (CheckResult("errors", self.check, "measured"),)
            return Facts(Progress(record, POLICY, self.landed, (SEEN[self.engine],), checks, self.good_since))
        verdict = Verdict("errors", TRIGGER.severity, self.trigger, None, Baseline(self.baseline), message="it fires")
        event = SyncEvent(APP, DeploymentRecord((self.bad,), (), self.deployed_at))
        raised = alarm(Case(str(APP), POLICY, self.in_force, event, (verdict,)), self.now)
        if not raised.raises_alarm:
            return Facts(decision=raised)
        before = rolled_back_before(str(APP), self.bad, (self.bad,), REPOSITORY, self.records)
        around = Circumstances(**self.around, rolled_back=before and f"{before} did it")
        proposal = self.proposal()
        return Facts(decision=decide(raised, proposal, around, self.now), proposal=proposal)

    def proposal(self) -> Proposal:
        answer = GuardAnswer("irreversible", self.guard, Reason.IRREVERSIBLE, "a guard's word")
        reversal = Reversal(PlanOutcome.CLEAN, "d" * 40, (self.bad,), "e" * 40)
        name = rollback_id(REPOSITORY, str(APP), self.bad)
        plan = Plan(name, (str(APP),), self.bad, "a" * 40, "p@a", ("errors",), reversal, "Revert", (answer,))
        reason = None if self.automatic else Reason.SEVERAL_SUSPECTS
        return Proposal(Attribution((), self.automatic, reason, "whom to blame"), plan, (answer,), self.came_back)

    def look(self) -> None:
        facts = self.facts()
        action = next_action(facts, self.now)
        self.allowed(action)
        self.do(action)

    def do(self, action: Action) -> None:
        match action:
            case Land():
                self.lands.append(action.plan.bad_revision)
                self.good_since, self.engine = None, "waits"
                self.records.append(self.record_of(action))
            case Advance():
                self.put(advance(action.record, action.phase, self.now, message=action.message))
            case Finish():
                self.put(advance(action.record, Phase.DONE, self.now, outcome=action.outcome, reason=action.reason))

    def record_of(self, land: Land) -> RollbackRecord:
        steps = (StepRecord(1, 1, f"{len(self.lands):x}" * 8, {}, self.now),)
        plan, times = land.plan, {"decided": self.now, "pushed": self.now}
        return RollbackRecord(
            plan.rollback_id, plan.applications, "argocd", REPOSITORY, plan.bad_revision, plan.restores, "p@a",
            plan.triggers, plan.reversal.reverts, Phase.PUSHING, steps=steps, times=times,
        )  # fmt: skip

    def put(self, record: RollbackRecord) -> None:
        held = next(one for one in self.records if one.id == record.id)
        assert ORDER.index(record.phase) > ORDER.index(held.phase), "a phase must move forward"
        self.records = [record if one.id == record.id else one for one in self.records]

    # What is allowed

    def allowed(self, action: Action) -> None:
        match action:
            case Land():
                self.may_land(action)
            case Sync() | Terminate():
                assert action.progress.state is not None, "nobody acts on an engine that was not seen"
                assert isinstance(action, Terminate) == (self.engine == "blocked")
                assert self.engine not in ("busy", "converged")
            case Finish() if action.outcome is RollbackOutcome.VERIFIED:
                assert self.engine == "converged"
                assert self.check is True
                assert self.good_since is not None
                assert self.now - self.good_since >= POLICY.verification.hold_for
            case Finish():
                assert action.message
            case Note():
                assert action.decision.message

    def may_land(self, land: Land) -> None:
        assert self.open is None, "one rollback of an application at a time"
        assert land.plan.bad_revision not in self.lands, "at most once for a bad revision"
        assert not any(self.around.values()), f"nothing while {self.around}"
        assert self.guard.rank == 0
        assert self.automatic
        assert self.in_force
        assert not self.came_back
        assert self.baseline is BaselineLevel.QUIET
        assert self.now >= self.deployed_at + POLICY.timing.initial_delay
        assert self.levels[-1] is Level.TRUE, "never on anything but a measured value"
        assert self.levels.count(Level.TRUE) >= 2
        run = self.levels[::-1].index(Level.FALSE) if Level.FALSE in self.levels else len(self.levels)
        assert Level.TRUE in self.levels[len(self.levels) - run :]

    @invariant()
    def each_record_is_whole(self) -> None:
        assert len([one for one in self.records if one.open]) <= 1
        assert len(self.lands) == len(set(self.lands)) == len(self.records)
        assert all((one.phase is Phase.DONE) == (one.outcome is not None) for one in self.records)

    def teardown(self) -> None:
        """Whatever was played: left alone, an open rollback ends, and a person hears how."""
        for _ in range(2 * 60 * 4):
            if self.open is None:
                return
            self.now += TICK
            self.look()
        assert self.open is None, self.open


TestNextAction = NextAction.TestCase
TestNextAction.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)


@pytest.mark.parametrize("obstacle", OBSTACLES[1:])
def test_any_one_obstacle_is_enough(obstacle: str) -> None:
    machine = NextAction()
    machine.first_deployment()
    machine.fail(obstacle, Level.TRUE, True)
    assert len(machine.lands) == (0 if obstacle else 1)
