"""Promise 15, where people deploy by hand: a rollback elsewhere deploys nothing there that waits for them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from gitops_rollback.sandbox.simulation.events import Event, SyncAsked
from gitops_rollback.sandbox.simulation.promises.promise import Promise
from gitops_rollback.sandbox.simulation.world import World

LATELY = timedelta(seconds=30)


def check(world: World, event: Event) -> Iterator[str]:
    """Between what ran there and what a sync would apply now stand only our own commits, or the rollback names it.

    By all that was told of late.
    """
    if not isinstance(event, SyncAsked) or not event.told or any(state.auto_sync for state in event.told):
        return
    name = event.application
    mine = [one for one in world.rollbacks if event.identity in one.commit.trailers.get("Rollback-Id", ())]
    if not mine or any(name in one.applications for one in mine):
        return
    if not any(_only_ours(world, name, head) for head in _heads_of_late(world, event.at)):
        yield f"{event.who} syncs {name}, which people deploy by hand, to what never ran there"


def _only_ours(world: World, name: str, head: str) -> bool:
    """A rollback may meet what it reverts in the company of what came since: the two never ran together."""
    ran, inputs = {one.inputs for one in world.truth.runs(name)}, world.truth.inputs
    for commit in world.objects.first_parents(head):
        now = inputs(name, commit.sha)
        if now in ran:
            return True
        if commit.sha not in world.ours and (not commit.parents or now != inputs(name, commit.parents[0])):
            return False
    return False


def _heads_of_late(world: World, at: datetime) -> Iterator[str]:
    """Nobody can know of a commit that came a moment ago."""
    for commit in world.objects.first_parents(world.head):
        yield commit.sha
        if commit.committed_at <= at - LATELY:
            return


PROMISE = Promise("15", "what waits for people is not deployed by a rollback elsewhere", check)
