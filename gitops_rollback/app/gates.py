"""What does a look see of the thing that a step of a coordinated rollback is for? Asks engine, Pods and metrics."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from gitops_rollback.app.subject import Watched
from gitops_rollback.app.workloads import check_workloads
from gitops_rollback.core.errors import RollbackError
from gitops_rollback.core.infrastructure import RunObject
from gitops_rollback.core.policy import Workload
from gitops_rollback.core.rollback import RollbackRecord
from gitops_rollback.core.strategies.seen import (
    completed,
    counted_since,
    emptied,
    hook_completed,
    kept,
    promoted,
    quiet,
)
from gitops_rollback.core.strategies.stages import StepGate
from gitops_rollback.core.sync import ApplicationState
from gitops_rollback.core.verification import CheckResult
from gitops_rollback.ports import Objects, Workloads

FLAGGER_API = "flagger.app/v1beta1"
Measured = Callable[[Sequence[str], datetime], tuple[CheckResult, ...]]


@dataclass(frozen=True)
class Gates:
    """`measured` gives what triggers measure at an instant. Keeps nothing: whoever comes next sees the same."""

    workloads: Workloads
    measured: Measured
    objects: Objects

    def seen(self, gate: StepGate, record: RollbackRecord, watched: Watched, now: datetime) -> tuple[CheckResult, ...]:
        """All that the gate asks for; what nobody can tell is None."""
        return tuple(self._seen(gate, record, watched, now))

    def _seen(self, gate: StepGate, record: RollbackRecord, watched: Watched, now: datetime) -> Iterator[CheckResult]:
        yield from map(quiet, self._asked(gate.quiet, now))
        if gate.empty is not None:
            yield self._emptied(_named(gate.empty), watched, gate.empty)
        ran = self._completed(gate.job, record, watched) if gate.job is not None else None
        if ran is not None:
            yield ran
        if gate.complete is not None:
            name = _named(gate.complete)
            yield check_workloads(self.workloads, (gate.complete,), watched, name, record.pushed_at, now)
        if gate.promoted is not None:
            canary = canary_of(gate.promoted, watched.state, self.objects)
            name = _named(gate.promoted)
            if canary is None:
                yield CheckResult(name, None, "cannot be seen")
            else:
                yield promoted(name, canary, gate.known, record.pushed_at)
        if gate.kept:
            counted = next((one.pushed_at for one in record.steps if one.n == gate.counted), None)
            before = self._asked(gate.kept, counted or record.pushed_at)
            found = map(kept, before, self._asked(gate.kept, now))
            yield from found if ran is None else (counted_since(one, ran, now) for one in found)

    def _asked(self, names: Sequence[str], at: datetime) -> tuple[CheckResult, ...]:
        """One for each name, in their order: a trigger that the policy does not know measures nothing."""
        found = {one.name: one for one in self.measured(names, at)}
        lost = "the policy has no such trigger that a metric store answers"
        return tuple(found.get(name, CheckResult(name, None, lost)) for name in names)

    def _emptied(self, name: str, watched: Watched, workload: Workload) -> CheckResult:
        try:
            return emptied(name, self.workloads.read(watched.state, workload))
        except RollbackError as error:
            return CheckResult(name, None, error.message)

    def _completed(self, job: Workload, record: RollbackRecord, watched: Watched) -> CheckResult:
        name = _named(job)
        try:
            hook = hook_completed(name, job, watched.state.operation, record.pushed_at)
            objects = () if hook is not None else watched.engine.live_objects(watched.id, watched.state.project)
        except RollbackError as error:
            return CheckResult(name, None, error.message)
        live = next((one.live for one in objects if _is(one.live, job)), {})
        return hook or completed(name, live, record.pushed_at)


def canary_of(canary: Workload, state: ApplicationState, objects: Objects) -> Mapping[str, object] | None:
    """Flagger's object; {} if there is none, None where it cannot be seen."""
    wanted = RunObject(FLAGGER_API, canary.kind, canary.namespace, canary.name)
    try:
        return objects.find(state, [wanted]).get(wanted, {})
    except RollbackError:
        return None


def _named(workload: Workload) -> str:
    return f"{workload.kind} {workload.namespace}/{workload.name}"


def _is(document: Mapping[str, object], job: Workload) -> bool:
    metadata = document.get("metadata")
    if document.get("kind") != job.kind or not isinstance(metadata, Mapping):
        return False
    return (metadata.get("namespace"), metadata.get("name")) == (job.namespace, job.name)
