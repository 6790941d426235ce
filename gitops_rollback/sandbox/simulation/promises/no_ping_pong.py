"""Promise 9: what was taken back once and came back is held, and not reverted again by itself."""

from __future__ import annotations

from collections.abc import Iterator

from gitops_rollback.sandbox.simulation.events import Event, Rollback
from gitops_rollback.sandbox.simulation.promises.promise import Promise
from gitops_rollback.sandbox.simulation.world import World


def check(world: World, event: Event) -> Iterator[str]:
    """By the state of the application's files, whoever brought them back."""
    if not isinstance(event, Rollback):
        return
    for name in event.applications:
        state = world.truth.inputs(name, event.bad)
        for earlier in (one for one in world.carried if one.at < event.at):
            if name in earlier.applications and world.truth.inputs(name, earlier.bad) == state:
                yield f"the state of {name} that {earlier.commit.sha[:8]} took back came back, and is taken back again"


PROMISE = Promise("9", "if the reverted state comes back it is held and paged", check)
