"""Promise 5, of plans of several commits: each sets its own fields alone, and one takes the culprits back.

The fields are those that policies name: two weights of a route, the slot of a service, one flag of several, replicas
and a listed Job. The culprits go back with the last one, or, where data has moved, before the traffic comes back.
"""

from __future__ import annotations

from collections.abc import Iterator

from gitops_rollback.core.commit import FileChange
from gitops_rollback.sandbox.simulation.events import Event, Given, Rollback, Stepped, step_of
from gitops_rollback.sandbox.simulation.promises.promise import Promise
from gitops_rollback.sandbox.simulation.traffic import (
    FLAGS,
    MIGRATION,
    OFF,
    WEIGHTS,
    steered,
    steering,
    weights_of,
    without_steering,
)
from gitops_rollback.sandbox.simulation.world import World


def check(world: World, event: Event) -> Iterator[str]:
    """By the contents before and after each commit of a plan."""
    if not world.setup.strategy or not isinstance(event, Rollback | Stepped | Given):
        return
    rollback = event if isinstance(event, Rollback) else event.rollback
    if not steers(world, rollback) and not (rollback.staged and rollback.speaker in world.setup.staged):
        return
    n, of = step_of(event.commit)
    files = steering(world.setup.strategy, rollback.speaker)
    undone, reverts = _undone(world, rollback), n == revert_of(world, of)
    for change in event.commit.changes:
        if change.path in files:
            yield from _steers(world, event, change, undone if reverts else {})
        elif not reverts:
            yield f"{event.commit.sha[:8]} is step {n} of {of}, and changes {change.path} besides its field"
        elif change.path not in undone:
            yield f"{event.commit.sha[:8]} changes {change.path}, which no culprit touched"
    if of == 1 and world.setup.strategy != MIGRATION:
        yield from _as_before_or_less(world, event, undone, files[0])
    if reverts:
        yield from _all_back(world, event, undone, files)


def revert_of(world: World, of: int) -> int:
    """Which commit of a plan takes the culprits back: the last one, or, where data has moved, the last but one."""
    return of - 1 if world.setup.strategy == MIGRATION and of > 1 else of


def steers(world: World, rollback: Rollback) -> bool:
    """One commit that sets the fields of a strategy may be all of its plan."""
    if rollback.speaker not in world.setup.staged:
        return False
    if world.setup.strategy == MIGRATION and not rollback.staged:
        return False  # what no plan moves back in steps goes back whole
    return any(path in rollback.commit.paths for path in steering(world.setup.strategy, rollback.speaker))


def _as_before_or_less(
    world: World, event: Rollback | Stepped | Given, undone: dict[str, list[FileChange]], path: str
) -> Iterator[str]:
    """A commit alone gives the fields back, or lets less through than stood there: less weight, or no flag."""
    kind, text = world.setup.strategy, world.objects.text
    now, then = text(event.commit.parents[0], path), text(event.commit.sha, path)
    old = undone[path][-1].old_blob if path in undone else None
    if (
        now is None
        or then is None
        or (old is not None and steered(kind, path, world.objects.blobs[old]) == steered(kind, path, then))
    ):
        return
    less = kind == FLAGS and steered(kind, path, then) == (OFF,)
    if kind == WEIGHTS:
        (stable, canary), (more, less_weight) = weights_of(now), weights_of(then)
        less = less_weight < canary and stable + canary == more + less_weight
    if not less:
        values = steered(kind, path, now), steered(kind, path, then)
        yield f"{event.commit.sha[:8]} steers {path} to {values[1]}, from {values[0]}"


def _undone(world: World, rollback: Rollback) -> dict[str, list[FileChange]]:
    found: dict[str, list[FileChange]] = {}
    for sha in rollback.reverts:
        for change in world.objects.commits[sha].changes:
            found.setdefault(change.path, []).append(change)
    return found


def _steers(
    world: World, event: Rollback | Stepped | Given, change: FileChange, undone: dict[str, list[FileChange]]
) -> Iterator[str]:
    """Beside the fields the file stays as it is, or, in the end, becomes as it was before the culprits."""
    kind, blobs, path = world.setup.strategy, world.objects.blobs, change.path
    if change.old_blob is None or change.new_blob is None:
        yield f"{event.commit.sha[:8]} adds or removes {change.path}"
        return
    before, after = blobs[change.old_blob], blobs[change.new_blob]
    allowed = {without_steering(kind, path, before)}
    if change.path in undone:
        old = undone[change.path][-1].old_blob
        allowed.add(without_steering(kind, path, blobs[old]) if old is not None else b"")
    if without_steering(kind, path, after) not in allowed:
        yield f"{event.commit.sha[:8]} changes more of {change.path} than its field"


def _all_back(
    world: World, event: Rollback | Stepped | Given, undone: dict[str, list[FileChange]], steered_files: tuple[str, ...]
) -> Iterator[str]:
    """Nothing that the culprits changed is left, and nobody else's change is lost; the fields stay as they were."""
    files, blobs = world.objects.files(event.commit.sha), world.objects.blobs
    here = world.objects.files(event.commit.parents[0])
    for path, changes in undone.items():
        old = changes[-1].old_blob
        if path in steered_files:
            continue
        if files.get(path) != old:
            yield f"{event.commit.sha[:8]} takes the culprits back, and does not give {path} back"
        if here.get(path) not in {blob for change in changes for blob in (change.old_blob, change.new_blob)}:
            yield f"{event.commit.sha[:8]} undoes {path}, which somebody else has changed since"
    kind = world.setup.strategy
    for path in [one for one in steered_files if one in undone]:
        old, now = undone[path][-1].old_blob, files.get(path)
        if old is None or now is None:
            continue
        if without_steering(kind, path, blobs[now]) != without_steering(kind, path, blobs[old]):
            yield f"{event.commit.sha[:8]} takes the culprits back, and does not give the rest of {path} back"


PROMISE = Promise("5", "a step sets its own fields alone, and the last gives back what the culprits changed", check)
