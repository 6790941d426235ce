"""Promise 15, of slots: traffic is switched to one that was there and ready when the replica looked, and looked now."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from gitops_rollback.sandbox.simulation.events import Event, Rollback, Stepped
from gitops_rollback.sandbox.simulation.promises.promise import Promise
from gitops_rollback.sandbox.simulation.traffic import SLOTS, slot_of
from gitops_rollback.sandbox.simulation.world import World

LATELY = timedelta(seconds=90)  # a tick that was slowed down, and its retries


def check(world: World, event: Event) -> Iterator[str]:
    """By what the cluster told this very replica; each commit of ours counts, of a plan or alone."""
    if world.setup.strategy != SLOTS or not isinstance(event, Rollback | Stepped):
        return
    for name in world.setup.staged:
        path = f"apps/{name}/service.yaml"
        before, after = (world.objects.text(sha, path) for sha in (event.commit.parents[0], event.commit.sha))
        slot = slot_of(after) if after is not None else ""
        if before is None or slot in ("", slot_of(before)):
            continue
        told = world.slots.told.get((event.who, f"{name}-{slot}"))
        if told is None or not told[1]:
            yield f"{event.commit.sha[:8]} switches {name} to {slot}, which the cluster did not call ready"
        elif event.at - told[0] > LATELY:
            yield f"{event.commit.sha[:8]} switches {name} to {slot}, last looked at {told[0]:%H:%M:%S}"


PROMISE = Promise("15", "a slot is switched to only where it is there and ready", check)
