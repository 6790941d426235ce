"""Promise 15: what cannot go back and forth is never rolled back without a person."""

from __future__ import annotations

from collections.abc import Iterator

from gitops_rollback.sandbox.simulation.events import Event, Rollback, Stepped
from gitops_rollback.sandbox.simulation.promises.promise import Promise
from gitops_rollback.sandbox.simulation.world import World


def check(world: World, event: Event) -> Iterator[str]:
    """Claims and secrets are the ones that the simulated developers know."""
    approved = isinstance(event, Stepped) and event.rollback in world.approved
    if isinstance(event, Rollback | Stepped) and not approved:
        for path in event.commit.paths:
            if path.endswith(("claim.yaml", "secret.yaml")):
                yield f"{event.commit.sha[:8]} changes {path} without a person's word"


PROMISE = Promise("15", "automatic is only what can go back and forth", check)
