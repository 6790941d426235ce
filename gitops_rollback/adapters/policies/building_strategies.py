"""From the shape of a strategy to the core's own, as `building` does for the rest of a policy."""

from __future__ import annotations

from datetime import timedelta
from typing import TypeVar

from gitops_rollback.adapters.policies import schema, schema_actions
from gitops_rollback.adapters.policies.schema_shape import WorkloadShape
from gitops_rollback.core.infrastructure import TERRAFORM_API, RunObject
from gitops_rollback.core.strategy import (
    CANARY_KIND,
    Coordinated,
    FileField,
    JobStep,
    Provisioning,
    SkippedAnalysis,
    Strategy,
)
from gitops_rollback.core.target import Workload

Value = TypeVar("Value")


def build_strategy(shape: schema_actions.Strategy) -> Strategy:
    """The strategy as values; what it does not say of the strategy's own kind has its default."""
    match, canary = shape.match or schema_actions.Match(), shape.canary or schema_actions.Canary()
    slots, flag = shape.blue_green, shape.feature_flag
    fields = tuple(FileField(one.file, one.field) for one in match.fields or ())
    own = next((one for one in (shape.canary, slots, flag) if one is not None), None)
    named = FileField(own.file, own.field) if own is not None and own.file and own.field else None
    default = Strategy("", "")
    return Strategy(
        name=shape.name,
        type=shape.type,
        paths=tuple(match.paths or ()),
        fields=fields,
        edits=named or next(iter(fields), None),
        mode=canary.mode or default.mode,
        steps=default.steps if canary.steps is None else tuple(canary.steps),
        complement=canary.complement or "",
        pause=default_to(canary.pause, default.pause if shape.canary else timedelta(0)),
        check_each_step=default_to(canary.check_each_step, default.check_each_step),
        on_check_failed=canary.on_check_failed or default.on_check_failed,
        stable=tuple(canary.stable),
        workload=workload_of(slots.workload) if slots else None,
        to=flag.to if flag else None,
        migration=_coordinated(shape.migration) if shape.migration else None,
        fixup=_job_step(shape.data_fixup),
        provisioning=_provisioning(shape.infrastructure),
        skips=_skips(shape.rolling),
    )


def _skips(shape: schema_actions.Rolling | None) -> SkippedAnalysis | None:
    said = shape.skip_analysis if shape else None
    return SkippedAnalysis(said.file, Workload(CANARY_KIND, said.canary.namespace, said.canary.name)) if said else None


def _provisioning(shape: schema_actions.Infrastructure | None) -> Provisioning | None:
    if shape is None:
        return None
    objects = (
        RunObject(one.api_version or TERRAFORM_API, one.kind, one.namespace or "", one.name)
        for one in shape.objects or ()
    )
    return Provisioning(shape.delivery or "", shape.sync_timeout, tuple(objects), shape.status or "")


def _coordinated(shape: schema_actions.Migration) -> Coordinated:
    traffic, default = shape.traffic, Coordinated()
    return Coordinated(
        traffic=FileField(traffic.file, traffic.field) if traffic else None,
        stopped=default.stopped if traffic is None or traffic.stopped is None else traffic.stopped,
        quiet=tuple(traffic.quiet) if traffic else (),
        workload=workload_of(shape.workload),
        reverse=_job_step(shape.reverse),
        reverse_end=shape.safe_end or default.reverse_end,
        rows=tuple(shape.rows or ()),
    )


def _job_step(shape: schema_actions.JobStep | None) -> JobStep | None:
    if shape is None:
        return None
    return JobStep(FileField(shape.file, shape.field), shape.to, Workload("Job", shape.job.namespace, shape.job.name))


def workload_of(
    shape: WorkloadShape | schema.TargetWorkload | schema_actions.SlotWorkload | schema_actions.CodeWorkload | None,
) -> Workload | None:
    """The same workload, or None where the policy names none."""
    return Workload(shape.kind, shape.namespace, shape.name) if shape else None


def default_to(value: Value | None, default: Value) -> Value:
    """`value`, or the default where the policy says nothing."""
    return default if value is None else value
