"""Does the version that a revert brings back lie within an Argo Rollout's `rollbackWindow`? Then no step is replayed.

Rollouts counts by when ReplicaSets were made, and not by their revision numbers: which version a revert leads to is
told by the images of its Pod template. What cannot be told is None, and never within.
Source: argo-rollouts docs/features/rollback.md; rollout/sync.go `isRollbackWithinWindow`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from gitops_rollback.core.fields import Object, Unclear, entries, moment, part, text
from gitops_rollback.core.how_many import how_many
from gitops_rollback.core.images import UNKNOWN_NAME, Image, ImageChange, parse_image
from gitops_rollback.core.new_pods import ROLLOUT_HASH, WorkloadFacts, owner_of, uid_of


@dataclass(frozen=True)
class Within:
    """`yes` None: it cannot be told. `why` is half a sentence for people."""

    yes: bool | None
    why: str


def within_window(facts: WorkloadFacts | None, changes: Iterable[ImageChange] | None, revisions: int) -> Within:
    """`changes` are the images that the revert changes; `revisions` is what the Rollout's window says."""
    if facts is None or facts.workload is None:
        return Within(None, "its ReplicaSets cannot be seen")
    if changes is None:
        return Within(None, "which images come back cannot be told")
    try:
        return _within(facts, facts.workload, tuple(changes), revisions)
    except Unclear as unclear:
        return Within(None, f"{unclear} of its ReplicaSets cannot be read")


def _within(facts: WorkloadFacts, rollout: Object, changes: tuple[ImageChange, ...], revisions: int) -> Within:
    owned = [one for one in facts.replica_sets if owner_of(one) == uid_of(rollout)]
    stable = text(part(rollout, "status"), "stableRS")
    serving = next((one for one in owned if stable and _hash(one) == stable), None)
    if serving is None:
        return Within(None, "the ReplicaSet that serves now is not there")
    wanted = _after(_images(serving), changes)
    made, now = {_hash(one): _made(one) for one in owned}, _made(serving)
    back = [_hash(one) for one in owned if one is not serving and _images(one) == wanted]
    if not back:
        return Within(False, f"no ReplicaSet of it is left ({_words(wanted)})")
    distances = {_distance(made[one], now, made.values()) for one in back}
    verdicts = {distance is not None and distance <= revisions for distance in distances}
    if len(verdicts) > 1:
        return Within(None, f"several of its ReplicaSets run {_words(wanted)}")
    far = max((one for one in distances if one is not None), default=None)
    if far is None:
        return Within(False, "it came after the one that serves now, as Argo Rollouts counts")
    return Within(verdicts.pop(), f"it lies {how_many(far, 'version')} back, of {revisions}")


def _distance(made: datetime, now: datetime, every: Iterable[datetime]) -> int | None:
    """How many versions back, 1 for the one before; None for one that is not older than the one that serves."""
    return 1 + sum(made < one < now for one in every) if made < now else None


def _after(images: frozenset[Image], changes: tuple[ImageChange, ...]) -> frozenset[Image]:
    """The images of a Pod template once these changes are made. Where only a tag is known, by the tag."""
    return frozenset(next(filter(None, (_changed(one, change) for change in changes)), one) for one in images)


def _changed(image: Image, change: ImageChange) -> Image | None:
    named = change.name in (image.name, UNKNOWN_NAME)
    if not named or image.version not in change.before or not change.after:
        return None
    if len(change.after) > 1:
        raise Unclear("the version that comes back")
    return Image(image.name, change.after[0])


def _images(replica_set: Object) -> frozenset[Image]:
    pods = part(replica_set, "spec", "template", "spec")
    named = (text(one, "image") for kind in ("initContainers", "containers") for one in entries(pods, kind))
    return frozenset(parse_image(one) for one in named if one)


def _made(replica_set: Object) -> datetime:
    created = moment(part(replica_set, "metadata"), "creationTimestamp")
    if created is None:
        raise Unclear("creationTimestamp")
    return created


def _hash(replica_set: Object) -> str:
    return text(part(replica_set, "metadata", "labels"), ROLLOUT_HASH)


def _words(images: frozenset[Image]) -> str:
    return ", ".join(map(str, sorted(images)))
