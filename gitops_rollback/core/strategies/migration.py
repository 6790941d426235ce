"""A rollback where data moved: stop traffic, reverse the migration, restore the old code, start traffic.

Each step has a gate of its own, and says how a plan that is held after it ends safely. What makes a Job run is a field
that the policy names: an entry of a kustomization, a value of a chart, an annotation of the Job.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from gitops_rollback.core.manifest_fields import FieldFault, Value, alike, read_field
from gitops_rollback.core.policy import Coordinated, FileField, JobStep, Strategy
from gitops_rollback.core.strategies.stages import BACK, FINISH, FieldValue, PlannedStep, StepGate

SEQUENCE = ("stop-traffic", "reverse-migration", "restore-application", "start-traffic")
STOPPING = 1  # how many steps of its own come before the reverse migration
REPLICAS = "replica"  # in a field's name: what it sets to 0 are the Pods themselves


class Unfit(Exception):
    """What the strategy names is not there, or not as it must be; says what, for people."""


@dataclass(frozen=True)
class Sides:
    """A file before (as the plan leaves it) and now, at the head; None where there is none."""

    restored: bytes | None
    now: bytes | None


Read = Callable[[str], Sides]


@dataclass(frozen=True)
class Sequence:
    """The steps before the revert, the gate after it, and the steps that follow."""

    before: tuple[PlannedStep, ...]
    closing: StepGate
    after: tuple[PlannedStep, ...]


def sequence_of(strategy: Strategy, read: Read, first: int) -> Sequence:
    """The sequence of a `migration` strategy; its first step has number `first`. Raises: FieldFault, Unfit."""
    rules, reverse = (
        strategy.migration or Coordinated(),
        None if strategy.migration is None else strategy.migration.reverse,
    )
    if rules.traffic is None:
        raise Unfit(f"strategy {strategy.name}: it does not name what stops the traffic; {by_hand()}")
    if reverse is None:
        raise Unfit(f"strategy {strategy.name}: it declares no reverse of the migration; {by_hand()}")
    stop, start = _traffic(strategy, rules, rules.traffic, read)
    counted = first + STOPPING
    undone = job_step(strategy.name, "reverse migration", reverse, read, rules.reverse_end, rules.rows, counted)
    fixed = () if strategy.fixup is None else (fixup_step(strategy, read, rules.rows, counted),)
    pods = rules.workload if REPLICAS not in rules.traffic.field.lower() else None
    way = "leave the traffic stopped until the old version is in order, then start it as step "
    closing = StepGate(FINISH, f"{way}{counted + len(fixed) + 2} says", complete=pods, kept=rules.rows, counted=counted)
    return Sequence((stop, undone, *fixed), closing, (start,))


def fixup_step(strategy: Strategy, read: Read, rows: tuple[str, ...] = (), counted: int = 0) -> PlannedStep:
    """The data fix-up of a strategy of any type. Raises: FieldFault, Unfit."""
    if strategy.fixup is None:
        raise Unfit(f"strategy {strategy.name}: it has no data fix-up")
    return job_step(strategy.name, "data fix-up", strategy.fixup, read, FINISH, rows, counted)


def job_step(
    strategy: str, words: str, job: JobStep, read: Read, end: str, rows: tuple[str, ...], counted: int
) -> PlannedStep:
    """The step that lets a Job run, with its completion as the gate. Raises: FieldFault, Unfit."""
    content = content_of(read, job.edits.file)
    now = read_field(content, job.edits.field)
    value = alike(now, job.to, job.edits.field)
    if value == now:
        raise Unfit(
            f"strategy {strategy}: {job.edits.file}: {job.edits.field} is {now!r} already, so its Job may have run"
        )
    named = f"{job.job.namespace}/{job.job.name}"
    way = f"keep the old version from serving, and run Job {named} again until it completes"
    if end == BACK:
        way = f"set {job.edits.field} of {job.edits.file} to {now!r} again; Job {named} is one transaction"
    gate = StepGate(end, way, job=job.job, kept=rows, counted=counted)
    return PlannedStep(f"{words}, Job {named}", (FieldValue(job.edits.file, job.edits.field, value),), gate)


def by_hand() -> str:
    """The sequence, for the person who has to do it."""
    return "by hand: stop traffic, reverse the migration, restore the old code, start traffic"


def content_of(read: Read, path: str) -> bytes:
    """What a file holds at the head. Raises: FieldFault."""
    content = read(path).now
    if content is None:
        raise FieldFault("there is no such file")
    return content


def _traffic(strategy: Strategy, rules: Coordinated, place: FileField, read: Read) -> tuple[PlannedStep, PlannedStep]:
    content = content_of(read, place.file)
    now = read_field(content, place.field)
    stopped = alike(now, rules.stopped, place.field)
    back = _restored(read(place.file), place.field, now)
    of = f"strategy {strategy.name}: {place.file}: {place.field}"
    if stopped in (now, back):
        raise Unfit(f"{of} is {stopped!r} already, so nothing says what the traffic comes back to")
    empty = rules.workload if REPLICAS in place.field.lower() else None
    way = f"set {place.field} of {place.file} to {now!r} again: nothing else was changed"
    gate = StepGate(BACK, way, quiet=rules.quiet, empty=empty)
    return (
        PlannedStep(
            f"stop traffic, {place.field} {now} -> {stopped}", (FieldValue(place.file, place.field, stopped),), gate
        ),
        PlannedStep(f"start traffic, {place.field} {stopped} -> {back}", (FieldValue(place.file, place.field, back),)),
    )


def _restored(sides: Sides, field: str, now: Value) -> Value:
    """What the field held before the change; what it holds now where the file did not have it."""
    if sides.restored is None:
        return now
    try:
        return read_field(sides.restored, field)
    except FieldFault:
        return now
