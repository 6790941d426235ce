"""What takes back what Kargo promoted: another Freight, promoted to the same Stage. Nobody but a person does that here.

What a Stage carries is read from its status; a Freight is known by the first letters of its name, which are part of the
name of each Promotion. Source: kargo api/v1alpha1/stage_types.go (StageStatus, FreightCollection, FreightReference).
"""

from __future__ import annotations

from collections.abc import Mapping

from gitops_rollback.core.infrastructure import RunObject
from gitops_rollback.core.upstream import CHECK, Upstream
from gitops_rollback.core.verification import CheckResult

API_VERSION, KIND = "kargo.akuity.io/v1alpha1", "Stage"


def stage_object(stage: str) -> RunObject | None:
    """The Stage of a `project:stage`, as Kubernetes knows it; None where the project is not known."""
    project, _, name = stage.partition(":")
    return RunObject(API_VERSION, KIND, project, name) if project and name else None


def judge_stage(upstream: Upstream, document: Mapping[str, object] | None) -> CheckResult:
    """Does the Stage carry another Freight than the bad one, with no Promotion under way? None: that cannot be seen."""
    status = _mapping((document or {}).get("status"))
    carried = _carried(status)
    if not carried:
        why = "is not seen, so what it carries is not known" if document is None else "does not say what it carries"
        return CheckResult(CHECK, None, f"Kargo's Stage {upstream.stage} {why}; to do: {upstream.commands}")
    names = ", ".join(name[:12] for name in carried)
    if any(name.startswith(upstream.freight) for name in carried):
        message = f"Kargo's Stage {upstream.stage} carries Freight {names} still; to do: {upstream.commands}"
        return CheckResult(CHECK, None, message)
    if _mapping(status.get("currentPromotion")):
        return CheckResult(CHECK, None, f"a Promotion to Kargo's Stage {upstream.stage} is under way")
    return CheckResult(CHECK, True, f"Kargo's Stage {upstream.stage} carries Freight {names}, and the bad one no more")


def _carried(status: Mapping[str, object]) -> tuple[str, ...]:
    """The names of all that is deployed to it: the first of its history, which has one Freight for each origin."""
    history = status.get("freightHistory")
    newest = _mapping(history[0]) if isinstance(history, list | tuple) and history else {}
    names = (_mapping(one).get("name") for one in _mapping(newest.get("items")).values())
    return tuple(sorted(name for name in names if isinstance(name, str) and name))


def _mapping(value: object) -> Mapping[str, object]:
    return value if isinstance(value, Mapping) else {}
