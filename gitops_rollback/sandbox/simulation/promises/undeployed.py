"""Promise 15, where people deploy by hand: a rollback elsewhere deploys nothing there that waits for them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from gitops_rollback.sandbox.simulation.events import Event, SyncAsked
from gitops_rollback.sandbox.simulation.promises.promise import Promise
from gitops_rollback.sandbox.simulation.world import World

LATELY = timedelta(seconds=30)


def check(world: World, event: Event) -> Iterator[str]:
    """What a sync would apply now has run there before, or the rollback names it; by all that was told of late."""
    if not isinstance(event, SyncAsked) or not event.told or any(state.auto_sync for state in event.told):
        return
    name = event.application
    mine = [one for one in world.rollbacks if event.identity in one.commit.trailers.get("Rollback-Id", ())]
    if not mine or any(name in one.applications for one in mine):
        return
    ran = {one.inputs for one in world.truth.runs(name)}
    if not any(world.truth.inputs(name, head) in ran for head in _heads_of_late(world, event.at)):
        yield f"{event.who} syncs {name}, which people deploy by hand, to what never ran there"


def _heads_of_late(world: World, at: datetime) -> Iterator[str]:
    """Nobody can know of a commit that came a moment ago."""
    for commit in world.objects.first_parents(world.head):
        yield commit.sha
        if commit.committed_at <= at - LATELY:
            return


PROMISE = Promise("15", "what waits for people is not deployed by a rollback elsewhere", check)
