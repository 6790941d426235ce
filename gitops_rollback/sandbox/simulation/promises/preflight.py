"""Promise 15, second part: the revert applies cleanly, so that nobody else's change since is lost by it; else hold."""

from __future__ import annotations

from collections.abc import Iterator

from gitops_rollback.core.commit import FileChange
from gitops_rollback.sandbox.simulation.events import Event, Rollback
from gitops_rollback.sandbox.simulation.promises.promise import Promise
from gitops_rollback.sandbox.simulation.world import World


def check(world: World, event: Event) -> Iterator[str]:
    """Each file that is put back was, until then, as one of the culprits had left or found it."""
    if not isinstance(event, Rollback) or event.staged:
        return
    undone: dict[str, list[FileChange]] = {}
    for sha in event.reverts:
        for change in world.objects.commits[sha].changes:
            undone.setdefault(change.path, []).append(change)
    here = world.objects.files(event.commit.parents[0])
    for path, changes in undone.items():
        if here.get(path) not in {blob for change in changes for blob in (change.old_blob, change.new_blob)}:
            yield f"{event.commit.sha[:8]} undoes {path}, which somebody else has changed since"


PROMISE = Promise("15", "the revert applies cleanly", check)
