"""Did a rollback help a trigger that compares with before? What was normal then, and what has been counted since.

What was normal is read once for each rollback; what came since the switch is read anew at each look, so a restart
judges by the same numbers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from gitops_rollback.app.bounded import keep
from gitops_rollback.app.counting import Normal, counted_in, first_after, normal_before
from gitops_rollback.app.measuring import Measuring
from gitops_rollback.app.queries import Question
from gitops_rollback.core.errors import RollbackError
from gitops_rollback.core.measurement import Measurement
from gitops_rollback.core.policy import Policy, Trigger
from gitops_rollback.core.regression.recovery import gauge_recovery, recovery
from gitops_rollback.core.rollback import RollbackRecord
from gitops_rollback.core.sync import DeploymentRecord
from gitops_rollback.core.verification import CheckResult
from gitops_rollback.core.watches import Past, earlier_watches, in_evidence


@dataclass(frozen=True)
class Case:
    """Which trigger of which policy, after which rollback of which application; `names` fill its queries."""

    policy: Policy
    trigger: Trigger
    names: Mapping[str, str]
    record: RollbackRecord
    application: str
    deployed: tuple[DeploymentRecord, ...] = ()  # as the engine tells it

    @property
    def past(self) -> Past:
        """What lies before the bad revision was deployed, or, where that is not known, decided upon.

        The earlier watches are those that were known when it was decided: what was normal then is so now. Of an
        application for which another one spoke then they are the engine's.
        """
        t0 = self.record.times.get("deployed", self.record.times["decided"])
        known = in_evidence(self.application, self.record.evidence)
        told = earlier_watches(self.application, t0, self.policy.timing.window, self.deployed, ())
        return Past(t0, known or told)

    @property
    def key(self) -> tuple[str, str, str]:
        return self.record.id, self.application, self.trigger.name


@dataclass
class Recovering:
    """Keeps what was normal, by rollback, application and trigger."""

    measuring: Measuring
    _normal: dict[tuple[str, str, str], Normal] = field(default_factory=dict)

    def check(self, name: str, case: Case, since: datetime, now: datetime) -> CheckResult:
        """What the counts of the time after `since` say, called `name`; that it is still bad is final."""
        question = Question.of(case.trigger, case.names)
        if question.fault:
            return CheckResult(name, None, question.fault)
        timeout = case.policy.metrics.timeout
        try:
            asker = self.measuring.asker(case.policy, case.names.get("CLUSTER", ""), timeout, since)
        except RollbackError as error:
            return CheckResult(name, None, error.message)
        known = self._normal.get(case.key) or normal_before(asker, question, case.past, case.policy.timing.interval)
        if isinstance(known, Measurement):
            return CheckResult(name, None, known.detail or "what was normal before cannot be read")
        keep(self._normal, case.key, known)
        span = first_after(since, now, known.tick)
        found = counted_in(asker, question, known, span) if span.instants else ()
        if isinstance(found, Measurement):
            return CheckResult(name, None, found.detail or "no data yet")
        seconds = known.tick.total_seconds()
        judge = recovery if known.gauge is None else gauge_recovery
        said = judge(known.baseline, seconds, found)
        return CheckResult(name, said.recovered, said.message, said.rate, final=said.final)
