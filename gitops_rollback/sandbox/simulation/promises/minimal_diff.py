"""Promise 5: our commit changes only what the culprits changed, and gives back exactly what was there before them.

One thing is left out where the commit says so: the marks of images that are not to be written back.
"""

from __future__ import annotations

from collections.abc import Iterator

from gitops_rollback.core.commit import FileChange
from gitops_rollback.sandbox.simulation.events import Event, Rollback
from gitops_rollback.sandbox.simulation.files import without_marks
from gitops_rollback.sandbox.simulation.promises.one_step import steers
from gitops_rollback.sandbox.simulation.promises.promise import Promise
from gitops_rollback.sandbox.simulation.world import World


def check(world: World, event: Event) -> Iterator[str]:
    """Path by path, against the inverse worked out from the commits themselves."""
    if not isinstance(event, Rollback) or event.staged or steers(world, event):
        return
    held = world.holds.paths(event)
    undone: dict[str, list[FileChange]] = {}
    for sha in event.reverts:
        for change in world.objects.commits[sha].changes:
            undone.setdefault(change.path, []).append(change)
    for change in event.commit.changes:
        expected = undone.get(change.path)
        if expected is None:
            yield f"{event.commit.sha[:8]} changes {change.path}, which no culprit touched"
        elif not _is_back(world, change.new_blob, expected[-1].old_blob, change.path in held):
            yield f"{event.commit.sha[:8]} leaves {change.path} as it was neither before nor after the culprits"
    after = world.objects.files(event.commit.sha)
    for path, changes in undone.items():
        if not _is_back(world, after.get(path), changes[-1].old_blob, path in held):
            yield f"{event.commit.sha[:8]} does not give {path} back"
    if len(event.commit.parents) != 1:
        yield f"{event.commit.sha[:8]} has {len(event.commit.parents)} parents"


def _is_back(world: World, now: str | None, before: str | None, held: bool) -> bool:
    """The same content; where an image is held, what lets an automation write it again is missing."""
    if not held or now is None or before is None:
        return now == before
    return world.objects.blobs[now] == without_marks(world.objects.blobs[before])


PROMISE = Promise("5", "our commit changes only the plan's paths, and equals the inverse of the culprit there", check)
