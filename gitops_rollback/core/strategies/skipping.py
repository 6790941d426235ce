"""A revert that Flagger promotes without analysis: `skipAnalysis` stands in the same commit, and goes with the next.

After a promotion the revert is a new version for Flagger, and the bad one serves for as long as that is analysed. While
a canary is in progress, or failed, its primary is the version before, and nothing is to be skipped.
Source: flagger pkg/controller/scheduler.go `shouldSkipAnalysis`, pkg/canary/spec.go `hasSpecChanged`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from gitops_rollback.core.fields import Object, Unclear, part, text
from gitops_rollback.core.images import image_changes
from gitops_rollback.core.manifest import at, objects
from gitops_rollback.core.manifest_fields import FieldFault, Value
from gitops_rollback.core.manifest_presence import value_at, with_field
from gitops_rollback.core.strategies.migration import Read, Sides, Unfit, content_of
from gitops_rollback.core.strategies.seen import SUCCEEDED
from gitops_rollback.core.strategies.stages import DROP, FINISH, PUT, SET, FieldValue, PlannedStep, Stages, StepGate
from gitops_rollback.core.strategy import SkippedAnalysis

TARGETS = ("Deployment", "DaemonSet")  # what Flagger promotes


def skipping(strategy: str, skips: SkippedAnalysis, read: Read, stages: Stages) -> Stages:
    """The stages with the field set by the revert, and put back after it. Raises: FieldFault, Unfit."""
    if stages.closing is not None:
        raise Unfit(f"strategy {strategy}: two rules say what must be seen after the revert")
    place, restored = skips.edits, read(skips.file).restored
    content_of(read, skips.file)
    if restored is None:
        raise FieldFault("there is no such file where the revert leads to")
    stood = value_at(restored, place.field)
    if stood == (True,):
        return stages
    if not stood:
        with_field(restored, place.field, True)  # a place for it must be certain before anything is written
    back = FieldValue(place.file, place.field, stood[0], SET) if stood else _out(place.file, place.field)
    title = f"Flagger analyses again, skipAnalysis true -> {_word(stood)}"
    named = f"Canary {skips.canary.namespace}/{skips.canary.name}"
    way = f"once {named} serves the version before, {'set' if stood else 'take'} spec.skipAnalysis of {place.file} "
    way += f"{'to ' + _word(stood) if stood else 'out'} again"
    return replace(
        stages,
        setting=(FieldValue(place.file, place.field, True, PUT),),
        closing=StepGate(FINISH, way, promoted=skips.canary, known=skips.promoted),
        after=(PlannedStep(title, (back,)),),
    )


def why_not(canary: Object | None, sides: Iterable[Sides]) -> tuple[str, str]:
    """Why no analysis is to be skipped ("": it is), and the version that Flagger promoted last, as the object has it.

    `canary` None: it could not be seen; {}: it is not there. `sides` are the files that the revert changes.
    """
    if canary is None:
        return "its Canary cannot be seen", ""
    try:
        status = part(canary, "status")
        phase, last = text(status, "phase"), text(status, "lastPromotedSpec")
        suspended = part(canary, "spec").get("suspend") is True
    except Unclear as unclear:
        return f"{unclear} of its Canary cannot be read", ""
    if suspended:
        return "its Canary is suspended, so Flagger promotes nothing", ""
    if phase != SUCCEEDED:
        return f"its Canary is {phase or 'not there'}, and has not promoted the bad version", ""
    if not any(_promotes(one) for one in sides):
        return "the revert changes no image and no Pods, so Flagger has nothing to promote", ""
    return "", last


def _promotes(sides: Sides) -> bool:
    """The revert of this file changes what Flagger compares: what cannot be read does not count."""
    if sides.now is None or sides.restored is None:
        return False
    return bool(image_changes(sides.now, sides.restored)) or _pods(sides.now) != _pods(sides.restored)


def _pods(content: bytes) -> Mapping[str, object]:
    found = objects(content) or ()
    return {one.key: at(one.document, "spec", "template") for one in found if one.kind in TARGETS}


def _out(path: str, field: str) -> FieldValue:
    return FieldValue(path, field, None, DROP)


def _word(stood: tuple[Value, ...]) -> str:
    return str(stood[0]).lower() if stood else "none"
