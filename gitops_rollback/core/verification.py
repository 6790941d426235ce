"""Did it help? Each check's answer, and whether all of them held for long enough.

No data never verifies. Only what was measured after the engine had applied our commit counts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from gitops_rollback.core.fields import Object, Unclear, entries, part, text
from gitops_rollback.core.measurement import Measurement, Outcome
from gitops_rollback.core.new_pods import WorkloadFacts, new_pods
from gitops_rollback.core.pod_trouble import restarted_since
from gitops_rollback.core.policy import LIMITED, Check, Comparison, Policy, Trigger
from gitops_rollback.core.workloads import Progress, rollout_status

COUNTED = "counted"  # the type of a check that no policy can write
COMPARING = ("regression", "gauge")
FLAT_FOR = timedelta(minutes=1)  # so long ago a restart must be; the hold time counts from then on


@dataclass(frozen=True)
class CheckResult:
    """One check at one look. `ok` is None where it could not be told."""

    name: str
    ok: bool | None
    message: str
    value: float | None = None  # what was measured, where that is a number
    final: bool = False  # it says for good that it is bad
    at: datetime | None = None  # since when it has been so, of what happens once


def checks_of(policy: Policy, fired: Sequence[str]) -> tuple[Check, ...]:
    """The policy's checks; for one that names none, that each fired trigger is back within its limit, or normal.

    The engine's own word is always asked besides, by the convergence of every changed application.
    """
    if policy.verification.checks:
        return policy.verification.checks
    return (*measured_by(policy, fired), *counted_by(policy, fired))


def counted_by(policy: Policy, names: Sequence[str]) -> tuple[Check, ...]:
    """Checks that these triggers see nothing worse than was normal, of those that compare with before."""
    return tuple(
        Check(name=trigger.name, type=COUNTED, query_from=trigger.name)
        for trigger in policy.triggers
        if trigger.name in names and trigger.type in COMPARING
    )


def measured_by(policy: Policy, names: Sequence[str]) -> tuple[Check, ...]:
    """Checks that these triggers are back within their limits, of those that a metric store answers."""
    return tuple(
        Check(name=trigger.name, type="prometheus", query_from=trigger.name)
        for trigger in policy.triggers
        if trigger.name in names and trigger.type in LIMITED
    )


def unknown_triggers(policy: Policy, fired: Sequence[str]) -> tuple[str, ...]:
    """The fired triggers that the policy does not hold: where it names no checks, nothing would look at them."""
    if policy.verification.checks:
        return ()
    known = {trigger.name for trigger in policy.triggers}
    return tuple(name for name in fired if name not in known)


def judge(check: Check, trigger: Trigger | None, measurement: Measurement) -> CheckResult:
    """One measured check against its limits; a check without limits has its trigger's. Equal to the limit is good."""
    if measurement.outcome is not Outcome.VALUE or measurement.value is None:
        return CheckResult(check.name, None, measurement.detail or "no data yet")
    at_most, at_least = limits(check, trigger)
    value = measurement.value
    if at_most is None and at_least is None:
        return CheckResult(check.name, None, "the check names no limit")
    if at_most is not None and value > at_most:
        return CheckResult(check.name, False, f"{value:.4g} is above {at_most:.4g}", value)
    if at_least is not None and value < at_least:
        return CheckResult(check.name, False, f"{value:.4g} is below {at_least:.4g}", value)
    if measurement.unseen:  # one that is bad says enough; that all are good is not known
        return CheckResult(check.name, None, f"{measurement.unseen} of its series have no number", value)
    return CheckResult(check.name, True, f"{value:.4g}", value)


def limits(check: Check, trigger: Trigger | None) -> tuple[float | None, float | None]:
    """(at most, at least), the tolerance added on the bad side only, so that a better value never fails."""
    at_most, at_least = check.at_most, check.at_least
    if at_most is None and at_least is None and trigger is not None:
        if trigger.comparison is Comparison.GREATER_THAN:
            at_most = trigger.threshold
        else:
            at_least = trigger.threshold
    if at_most is not None:
        at_most += abs(at_most) * check.tolerance
    if at_least is not None:
        at_least -= abs(at_least) * check.tolerance
    return at_most, at_least


def judge_workload(name: str, facts: WorkloadFacts, desired: Object, since: datetime, at: datetime) -> CheckResult:
    """A rollout that is complete, with the images that `desired` names, and no restart lately since `since`."""
    if facts.workload is None:
        return CheckResult(name, None, "the workload is not there")
    status = rollout_status(facts.workload)
    if status.progress is not Progress.COMPLETE:
        return CheckResult(name, False if status.progress is Progress.FAILED else None, status.why)
    try:
        return _judge_pods(name, facts, desired, max(since, at - FLAT_FOR), status.why)
    except Unclear as error:
        return CheckResult(name, None, f"{error} cannot be read")


def all_of(name: str, results: Sequence[CheckResult]) -> CheckResult:
    """One result for several: the first that is bad, else the first that is not known, else good."""
    order = (False, None, True)
    return min(results, key=lambda one: order.index(one.ok), default=CheckResult(name, None, "nothing was looked at"))


def _judge_pods(name: str, facts: WorkloadFacts, desired: Object, since: datetime, why: str) -> CheckResult:
    found = new_pods(facts)
    wanted, running = _images(desired), [_images({"spec": {"template": pod}}) for pod in found.pods]
    if not wanted:
        return CheckResult(name, None, "the engine does not show which images it wants")
    if not running:
        return CheckResult(name, None, "no Pod of its newest template is there")
    stray = next((images for images in running if any(images.get(key) != image for key, image in wanted.items())), None)
    if stray is not None:
        key = next(key for key, image in wanted.items() if stray.get(key) != image)
        return CheckResult(name, False, f"container {key} runs {stray.get(key) or 'nothing'}, not {wanted[key]}")
    restarted = [pod for pod in found.pods if restarted_since(pod, since)]
    if restarted:
        return CheckResult(name, False, f"Pod {text(part(restarted[0], 'metadata'), 'name')} restarted")
    return CheckResult(name, True, why)


def _images(workload: Object) -> dict[str, str]:
    """The main containers' images by container."""
    containers = entries(part(workload, "spec", "template", "spec"), "containers")
    return {text(one, "name"): text(one, "image") for one in containers if one.get("image")}
