"""What do an application's workloads say: about a sync that does not come up, and about a rollback that should have?

Where its Pods can be seen depends on its engine. Nobody to ask is no data: it never fires, and never verifies.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime

from gitops_rollback.app.subject import Watched
from gitops_rollback.core.errors import EngineUnavailable, Reason, RollbackError
from gitops_rollback.core.fields import Unclear
from gitops_rollback.core.measurement import Measurement
from gitops_rollback.core.new_pods import WorkloadFacts, counts
from gitops_rollback.core.pod_trouble import PodTrouble, Symptom, judge_pods
from gitops_rollback.core.policy import Target, Trigger, Workload
from gitops_rollback.core.running_images import RunningImage, running_images
from gitops_rollback.core.sync import ApplicationState
from gitops_rollback.core.verification import CheckResult, all_of, judge_workload
from gitops_rollback.ports import ManagedObject, Workloads

KINDS = {
    ("apps", "Deployment"): "Deployment",
    ("apps", "StatefulSet"): "StatefulSet",
    ("apps", "DaemonSet"): "DaemonSet",
    ("argoproj.io", "Rollout"): "Rollout",
}
MAX_WORKLOADS = 20  # of one application that names none in its target


class WorkloadReaders:
    """`ports.Workloads` by the application's engine. `listen` sets who is called when Pods fail in a new way."""

    def __init__(self, by_instance: Mapping[str, Workloads], listen: Callable[[Callable[[], None]], None]) -> None:
        self._by_instance = by_instance
        self.listen = listen

    def read(self, application: ApplicationState, workload: Workload) -> WorkloadFacts:
        """Raises: EngineUnavailable, also where nobody shows the Pods of that engine's applications."""
        reader = self._by_instance.get(application.id.instance)
        if reader is None:
            raise EngineUnavailable(application.id.short, "its Pods cannot be seen: no Kubernetes API is configured")
        return reader.read(application, workload)


NOBODY = WorkloadReaders({}, lambda _wake: None)


def workloads_of(target: Target, state: ApplicationState) -> tuple[Workload, ...]:
    """The target's own workload, or all that the engine manages for the application."""
    if target.workload is not None:
        return (target.workload,)
    found = [
        Workload(KINDS[one.group, one.kind], one.namespace, one.name)
        for one in state.resources
        if (one.group, one.kind) in KINDS
    ]
    return tuple(found[:MAX_WORKLOADS])


def pods_word(
    workloads: Workloads, trigger: Trigger, target: Target, state: ApplicationState, t0: datetime, at: datetime
) -> Measurement:
    """1 if the new Pods of a workload do not come up, with the evidence in words; 0 if all do, or were not changed."""
    asked = tuple(Symptom(word) for word in trigger.symptoms)
    named = workloads_of(target, state)
    if not named:
        return Measurement.missing(Reason.ENGINE_UNCLEAR, at, "the engine shows no workload of the application")
    unclear, quiet = "", []
    for workload in named:
        of = f"{workload.kind} {workload.namespace}/{workload.name}"
        try:
            found: PodTrouble = judge_pods(workloads.read(state, workload), t0, at, asked)
        except RollbackError as error:
            return Measurement.failed(error.reason, at, error.message)
        except Unclear as error:
            unclear = unclear or f"{of}: {error} cannot be read"
            continue
        if found.symptom is not None:
            return Measurement.of(1.0, at)._replace(detail=f"{found.symptom.value} of {of}: {found.why}")
        quiet.append(f"{of}: {found.why}")
    if unclear:
        return Measurement.missing(Reason.ENGINE_UNCLEAR, at, unclear)
    return Measurement.of(0.0, at)._replace(detail=quiet[0])


def workloads_seen(workloads: Workloads, target: Target, state: ApplicationState) -> tuple[WorkloadFacts, ...] | None:
    """What runs of the application; None where not all of it can be seen, which is no evidence of anything.

    Nobody waits for what cannot be seen: no decision needs it.
    """
    try:
        return tuple(workloads.read(state, one) for one in workloads_of(target, state))
    except (RollbackError, Unclear):
        return None


def images_running(seen: tuple[WorkloadFacts, ...] | None) -> tuple[RunningImage, ...] | None:
    """The images of the application's Pods; None where not all of these can be seen."""
    try:
        return None if seen is None else running_images(pod for one in seen for pod in one.pods if counts(pod))
    except Unclear:
        return None


def check_workloads(
    workloads: Workloads, named: tuple[Workload, ...], watched: Watched, name: str, since: datetime, at: datetime
) -> CheckResult:
    """Whether each workload is rolled out with what git wants, without a restart since `since`."""
    if not named:
        return CheckResult(name, None, "the engine shows no workload of the application")
    try:
        wanted = watched.engine.live_objects(watched.id, watched.state.project)
        results = [
            judge_workload(name, workloads.read(watched.state, one), _desired(wanted, one), since, at) for one in named
        ]
    except RollbackError as error:
        return CheckResult(name, None, error.message)
    return all_of(name, results)


def _desired(wanted: tuple[ManagedObject, ...], workload: Workload) -> Mapping[str, object]:
    for one in wanted:
        metadata = one.desired.get("metadata")
        if one.desired.get("kind") == workload.kind and isinstance(metadata, dict):
            namespace = metadata.get("namespace") or workload.namespace
            if (namespace, metadata.get("name")) == (workload.namespace, workload.name):
                return one.desired
    return {}
