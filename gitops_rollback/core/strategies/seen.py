"""Has a step done what it is for? Pure, from what one look saw of Jobs, Pods and measurements.

None means that it may still come, or that nobody can tell: neither opens a gate.
Source: kubernetes batch/v1 JobStatus, apiserver pkg/storage/names; argo-cd `syncResult.resources[].hookPhase`,
gitops-engine pkg/sync/sync_context.go.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime, timedelta

from gitops_rollback.core.fields import Object, Unclear, condition, count, moment, part, text
from gitops_rollback.core.how_many import how_many
from gitops_rollback.core.new_pods import WorkloadFacts, has_ended
from gitops_rollback.core.policy import Workload
from gitops_rollback.core.sync import Operation
from gitops_rollback.core.verification import CheckResult

SUCCEEDED, FAILED = "Succeeded", "Failed"  # phases of a Canary
WHOLE_SECONDS = timedelta(seconds=1)  # the cluster's times have no fractions
COUNTED_AFTER = timedelta(minutes=1)  # a metric store may hold so long what was counted before
# What follows a `generateName`: five characters by Kubernetes, or revision, phase and time by Argo CD.
_GENERATED = re.compile(r"-?(?:[bcdfghjklmnpqrstvwxz2456789]{5}|[0-9a-f]{7}-[a-z]+-\d+)")


def quiet(check: CheckResult) -> CheckResult:
    """Nothing at all is measured any more; a measurement that is missing is not nothing."""
    if check.value is None:
        return CheckResult(check.name, None, check.message or "no data yet")
    if check.value != 0:
        return CheckResult(check.name, None, f"is {check.value:.4g} and not 0 yet", check.value)
    return CheckResult(check.name, True, "is 0", check.value)


def kept(before: CheckResult, now: CheckResult) -> CheckResult:
    """What was counted before is still there."""
    if before.value is None or now.value is None:
        when, missing = ("before", before) if before.value is None else ("now", now)
        return CheckResult(now.name, None, f"how many there were {when} is not known: {missing.message or 'no data'}")
    words = f"{now.value:.15g}, and {before.value:.15g} before"
    return CheckResult(now.name, now.value >= before.value, words, now.value)


def counted_since(check: CheckResult, job: CheckResult, now: datetime) -> CheckResult:
    """What is still there was counted after the Job had completed; what is lost needs no such proof."""
    if not check.ok or (job.at is not None and now >= job.at + COUNTED_AFTER):
        return check
    return CheckResult(check.name, None, f"{check.message}; counted again once {job.name} is done for a minute")


def emptied(name: str, facts: WorkloadFacts) -> CheckResult:
    """Not one Pod is left: one that is going has no endpoint any more, but may still write until it has gone."""
    if facts.workload is None:
        return CheckResult(name, None, "it is not there, so nobody can tell what its Pods do")
    try:
        wanted = count(part(facts.workload, "spec"), "replicas", 1)
        left = max(
            count(part(facts.workload, "status"), "replicas"), sum(1 for pod in facts.pods if not has_ended(pod))
        )
    except Unclear as exc:
        return CheckResult(name, None, f"{exc} cannot be read")
    if wanted or left:
        return CheckResult(name, None, f"{how_many(left, 'Pod')} left, and {wanted} wanted")
    return CheckResult(name, True, "has no Pod left")


def completed(name: str, job: Mapping[str, object], since: datetime) -> CheckResult:
    """The Job, as the cluster has it, completed after `since`; {} for one that is not there."""
    if not job:
        return CheckResult(name, None, "is not there yet")
    try:
        status = part(job, "status")
        failed, complete = (condition(status, word) for word in ("Failed", "Complete"))
        ended = moment(status, "completionTime")
    except Unclear as exc:
        return CheckResult(name, None, f"{exc} cannot be read")
    if failed.get("status") == "True":
        return CheckResult(name, False, f"failed: {failed.get('message') or failed.get('reason') or 'no reason given'}")
    if complete.get("status") != "True" or ended is None:
        return CheckResult(name, None, "has not completed yet")
    if ended < since - WHOLE_SECONDS:
        return CheckResult(name, None, f"completed at {ended:%T}, before it was asked for: that was another run")
    return CheckResult(name, True, f"completed at {ended:%T}", at=ended)


def hook_completed(name: str, job: Workload, operation: Operation | None, since: datetime) -> CheckResult | None:
    """The same of a Job that the engine runs as a hook; None where its newest operation ran no such hook."""
    if operation is None or operation.started_at < since - WHOLE_SECONDS:
        return None
    hooks = [one for one in operation.results if one.hook_type and one.kind == job.kind]
    near = [one for one in hooks if (one.namespace or job.namespace) == job.namespace and _is_named(one.name, job.name)]
    ran = [one for one in near if one.name == job.name] or near  # `reverse-ghjkl` may be a Job of that very name
    if not ran:
        return None
    phase = ran[-1].hook_phase
    if phase in ("Failed", "Error"):
        return CheckResult(name, False, f"failed: {ran[-1].message or phase}")
    ok = True if phase == "Succeeded" else None
    return CheckResult(name, ok, f"hook is {phase or 'not run yet'}", at=operation.finished_at if ok else None)


def promoted(name: str, canary: Object, known: str, since: datetime) -> CheckResult:
    """Flagger promoted something after `since`, and not the version `known` once more; {} for one that is not there.

    Source: flagger pkg/controller/scheduler.go `shouldSkipAnalysis`, pkg/canary/status.go `setStatusPhase`.
    """
    if not canary:
        return CheckResult(name, None, "is not there")
    try:
        status = part(canary, "status")
        phase, turned = text(status, "phase"), moment(status, "lastTransitionTime")
        applied, last = text(status, "lastAppliedSpec"), text(status, "lastPromotedSpec")
        why = text(condition(status, "Promoted"), "message")
    except Unclear as exc:
        return CheckResult(name, None, f"{exc} cannot be read")
    if turned is None or turned < since - WHOLE_SECONDS:
        return CheckResult(name, None, f"is {phase or 'without a phase'}: Flagger has not begun with it yet")
    if phase == FAILED:
        return CheckResult(name, False, f"failed: {why or 'no reason given'}")
    if phase != SUCCEEDED or last != applied or (known and last == known):
        return CheckResult(name, None, f"is {phase}, and the version that comes back is not promoted yet")
    return CheckResult(name, True, f"promoted it at {turned:%T}")


def _is_named(ran: str, name: str) -> bool:
    """That very name, or one that was generated from it: `back` is not `backup`."""
    return ran == name or (ran.startswith(name) and _GENERATED.fullmatch(ran, len(name)) is not None)
