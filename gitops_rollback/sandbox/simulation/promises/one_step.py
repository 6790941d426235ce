"""Promise 5, of plans of several commits: each sets its own fields alone, and the last takes the culprits back.

The fields are those that policies name: two weights of a route, the slot of a service, one flag of several.
"""

from __future__ import annotations

from collections.abc import Iterator

from gitops_rollback.core.commit import FileChange
from gitops_rollback.sandbox.simulation.events import Event, Rollback, Stepped, step_of
from gitops_rollback.sandbox.simulation.promises.promise import Promise
from gitops_rollback.sandbox.simulation.traffic import (
    FLAGS,
    OFF,
    STEERING,
    WEIGHTS,
    steered,
    weights_of,
    without_steering,
)
from gitops_rollback.sandbox.simulation.world import World


def check(world: World, event: Event) -> Iterator[str]:
    """By the contents before and after each commit of a plan."""
    if not world.setup.strategy or not isinstance(event, Rollback | Stepped):
        return
    rollback = event.rollback if isinstance(event, Stepped) else event
    if not steers(world, rollback) and not (rollback.staged and rollback.speaker in world.setup.staged):
        return
    n, of = step_of(event.commit)
    steering = f"apps/{rollback.speaker}/{STEERING[world.setup.strategy]}"
    undone = _undone(world, rollback)
    for change in event.commit.changes:
        if change.path == steering:
            yield from _steers(world, event, change, undone if n == of else {})
        elif n < of:
            yield f"{event.commit.sha[:8]} is step {n} of {of}, and changes {change.path} besides its field"
        elif change.path not in undone:
            yield f"{event.commit.sha[:8]} changes {change.path}, which no culprit touched"
    if of == 1:
        yield from _as_before_or_less(world, event, undone, steering)
    if n == of:
        yield from _all_back(world, event, undone, steering)


def steers(world: World, rollback: Rollback) -> bool:
    """One commit that sets the fields of a strategy may be all of its plan."""
    if rollback.speaker not in world.setup.staged:
        return False
    return f"apps/{rollback.speaker}/{STEERING[world.setup.strategy]}" in rollback.commit.paths


def _as_before_or_less(
    world: World, event: Rollback | Stepped, undone: dict[str, list[FileChange]], steering: str
) -> Iterator[str]:
    """A commit alone gives the fields back, or lets less through than stood there: less weight, or no flag."""
    kind, text = world.setup.strategy, world.objects.text
    now, then = text(event.commit.parents[0], steering), text(event.commit.sha, steering)
    old = undone[steering][-1].old_blob if steering in undone else None
    if (
        now is None
        or then is None
        or (old is not None and steered(kind, world.objects.blobs[old]) == steered(kind, then))
    ):
        return
    less = kind == FLAGS and steered(kind, then) == (OFF,)
    if kind == WEIGHTS:
        (stable, canary), (more, less_weight) = weights_of(now), weights_of(then)
        less = less_weight < canary and stable + canary == more + less_weight
    if not less:
        yield f"{event.commit.sha[:8]} steers {steering} to {steered(kind, then)}, from {steered(kind, now)}"


def _undone(world: World, rollback: Rollback) -> dict[str, list[FileChange]]:
    found: dict[str, list[FileChange]] = {}
    for sha in rollback.reverts:
        for change in world.objects.commits[sha].changes:
            found.setdefault(change.path, []).append(change)
    return found


def _steers(
    world: World, event: Rollback | Stepped, change: FileChange, undone: dict[str, list[FileChange]]
) -> Iterator[str]:
    """Beside the fields the file stays as it is, or, in the end, becomes as it was before the culprits."""
    kind, blobs = world.setup.strategy, world.objects.blobs
    if change.old_blob is None or change.new_blob is None:
        yield f"{event.commit.sha[:8]} adds or removes {change.path}"
        return
    before, after = blobs[change.old_blob], blobs[change.new_blob]
    allowed = {without_steering(kind, before)}
    if change.path in undone:
        old = undone[change.path][-1].old_blob
        allowed.add(without_steering(kind, blobs[old]) if old is not None else b"")
    if without_steering(kind, after) not in allowed:
        yield f"{event.commit.sha[:8]} changes more of {change.path} than its field"


def _all_back(
    world: World, event: Rollback | Stepped, undone: dict[str, list[FileChange]], steering: str
) -> Iterator[str]:
    """Nothing that the culprits changed is left, and nobody else's change is lost; the fields stay as they were."""
    files, blobs = world.objects.files(event.commit.sha), world.objects.blobs
    here = world.objects.files(event.commit.parents[0])
    for path, changes in undone.items():
        old = changes[-1].old_blob
        if path == steering:
            continue
        if files.get(path) != old:
            yield f"{event.commit.sha[:8]} is the last of its plan, and does not give {path} back"
        if here.get(path) not in {blob for change in changes for blob in (change.old_blob, change.new_blob)}:
            yield f"{event.commit.sha[:8]} undoes {path}, which somebody else has changed since"
    kind, old = world.setup.strategy, undone[steering][-1].old_blob if steering in undone else None
    now = files.get(steering)
    if old is not None and now is not None and without_steering(kind, blobs[now]) != without_steering(kind, blobs[old]):
        yield f"{event.commit.sha[:8]} is the last of its plan, and does not give the rest of {steering} back"


PROMISE = Promise("5", "a step sets its own fields alone, and the last gives back what the culprits changed", check)
