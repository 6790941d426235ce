"""Promise 5, of plans that shift traffic: no more of it goes to an old version that does not bear what it has."""

from __future__ import annotations

from collections.abc import Iterator

from gitops_rollback.sandbox.simulation.events import Event, Stepped
from gitops_rollback.sandbox.simulation.metrics import RED
from gitops_rollback.sandbox.simulation.promises.promise import Promise
from gitops_rollback.sandbox.simulation.traffic import WEIGHTS, stable_share
from gitops_rollback.sandbox.simulation.world import World


def check(world: World, event: Event) -> Iterator[str]:
    """By what the replica was told last of the old version. Nobody holds it where no traffic is left to shift."""
    if world.setup.strategy != WEIGHTS or not isinstance(event, Stepped):
        return
    name = event.rollback.speaker
    if name not in world.setup.staged:
        return
    before, after = (stable_share(world.objects, name, sha) for sha in (event.commit.parents[0], event.commit.sha))
    seen = world.store.seen.get((event.who, f"strain of {name}"))
    if after > before and seen is not None and seen.value == RED:
        yield f"{event.commit.sha[:8]} gives {after:.0%} to what did not bear {before:.0%} at {seen.really:%H:%M:%S}"


PROMISE = Promise("5", "an old version that does not bear its traffic is given no more of it", check)
