"""What a tick tells the outside that only watches: metrics, readiness, and log lines where something changed."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

import structlog

from gitops_rollback.adapters.policies.loading import PolicySet
from gitops_rollback.app.health import Metrics
from gitops_rollback.app.tick import Sight, Tick
from gitops_rollback.core.stop import SETTINGS_DOOR, PauseState, stopped
from gitops_rollback.core.trigger import Level, Phase, Verdict

MAX_APPLICATIONS = 10_000
MAX_WARNINGS = 100  # lines at once; `lint` tells them all
log = structlog.get_logger()


class TickReport:
    """One per repository. Says a thing again only after it was different in between."""

    def __init__(
        self,
        name: str,
        metrics: Metrics,
        settings_pause: Callable[[], PauseState] = lambda: PauseState(SETTINGS_DOOR),
    ) -> None:
        self._name = name
        self._metrics = metrics
        self._settings_pause = settings_pause
        self._said: dict[str, object] = {}
        self._shown: dict[str, frozenset[str]] = {}  # by application, the triggers that the metrics show

    def __call__(self, tick: Tick) -> None:
        self._metrics.ticks.labels(self._name, "done").inc()
        policies = tick.view.policies
        self._metrics.policies.labels(self._name, "valid").set(len(policies.policies))
        self._metrics.policies.labels(self._name, "refused").set(len(policies.broken))
        self._metrics.under_way(self._name, tick.view.journal.records.values())
        self._metrics.paused.labels(self._name).set(self._paused(tick))
        self._problems(tick)
        for sight in tick.sights:
            self._sight(sight)
        for gone in self._shown.keys() - {watched.name for watched in tick.listing.watched}:
            self._show_only(gone, frozenset())

    def _paused(self, tick: Tick) -> int:
        doors = (self._settings_pause(), *tick.view.pauses)
        if not any(door.pauses or door.unreadable for door in doors):
            return 0  # thousands of names need not be asked about then
        return sum(stopped(one.name, tick.now, *doors, (one.target.name,)) is not None for one in tick.listing.watched)

    def _problems(self, tick: Tick) -> None:
        faults = tuple(str(fault) for fault in tick.view.policies.errors)
        if self._new("faults", faults):
            for fault in faults:
                log.warning("refused a policy", repo=self._name, error=fault)
        warnings = _warnings(tick.view.policies)
        if self._new("warnings", warnings):
            for warning in warnings[:MAX_WARNINGS]:
                log.warning("a policy with a warning", repo=self._name, warning=warning)
        problems = tuple((problem.subject, problem.reason.value, problem.message) for problem in tick.listing.problems)
        if self._new("problems", problems):
            for subject, reason, message in problems:
                log.warning("cannot watch", repo=self._name, application=subject, reason=reason, error=message)

    def _sight(self, sight: Sight) -> None:
        look = sight.look
        if look is None:
            return
        raised = look.raised
        if self._new(f"decision {look.name}", (raised.act, raised.reason, look.bad_revision)):
            self._metrics.decisions.labels(look.name, raised.act.value, raised.reason.value).inc()
            for answer in sight.proposal.guards if sight.proposal else ():
                self._metrics.guards.labels(answer.guard, answer.result.value).inc()
            log.info(
                "looked", application=look.name, action=raised.act.value, reason=raised.reason.value,
                revision=look.bad_revision[:12], message=raised.message,
            )  # fmt: skip
        self._show_only(look.name, frozenset(verdict.trigger for verdict in look.case.verdicts))
        for verdict in look.case.verdicts:
            self._verdict(look.name, verdict)

    def _show_only(self, application: str, triggers: frozenset[str]) -> None:
        """What is not asked any more has no state, and what it was last must not go on being shown."""
        for trigger in self._shown.pop(application, frozenset()) - triggers:
            for gauge in (self._metrics.trigger_state, self._metrics.trigger_value):
                with suppress(KeyError):
                    gauge.remove(application, trigger)
        if triggers:
            self._shown[application] = triggers

    def _verdict(self, application: str, verdict: Verdict) -> None:
        self._metrics.trigger_state.labels(application, verdict.trigger).set(_number(verdict))
        value = verdict.measurement.value if verdict.measurement else None
        if value is not None:
            self._metrics.trigger_value.labels(application, verdict.trigger).set(value)
        else:
            with suppress(KeyError):
                self._metrics.trigger_value.remove(application, verdict.trigger)
        if self._new(f"trigger {application} {verdict.trigger}", verdict.state.phase):
            log.info(
                "trigger", application=application, trigger=verdict.trigger, phase=verdict.state.phase.value,
                message=verdict.message,
            )  # fmt: skip

    def _new(self, subject: str, what: object) -> bool:
        if self._said.get(subject) == what:
            return False
        self._said[subject] = what
        while len(self._said) > MAX_APPLICATIONS:
            self._said.pop(next(iter(self._said)))
        return True


def _warnings(policies: PolicySet) -> tuple[str, ...]:
    """What each file holds that is probably not meant, and what was cut to the controller's own bounds."""
    found = [str(fault) for fault in policies.faults if not fault.is_error]
    for policy in policies.policies:
        found += [f"{policy.path}: {warning}" for warning in policy.warnings if warning not in found]
    return tuple(found)


def _number(verdict: Verdict) -> int:
    if verdict.state.last is not None and verdict.state.last.level in (Level.NO_DATA, Level.ERROR, Level.INVALID):
        return 3
    return {Phase.PENDING: 1, Phase.FIRING: 2}.get(verdict.state.phase, 0)
