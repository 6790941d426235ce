"""Promise 16, second part: a sync has a key, and is not repeated where the engine has just shown that it was done."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from gitops_rollback.core.deployments import ROLLBACK_ID_INFO
from gitops_rollback.core.sync import ApplicationState
from gitops_rollback.sandbox.simulation.events import Event, Requested, SyncAsked
from gitops_rollback.sandbox.simulation.promises.promise import Promise
from gitops_rollback.sandbox.simulation.world import World

NO_KEY = "rb-0"
SOON = timedelta(seconds=25)  # less than what a sync is given to show an effect


def check(world: World, event: Event) -> Iterator[str]:
    """By all that the engine told this very replica of late; a jumping clock makes times worthless."""
    if isinstance(event, Requested):
        yield from _requested(world, event)
    if not isinstance(event, SyncAsked) or not event.identity or not event.told or world.stepped:
        return
    ended = [_own_sync(world, state, event.identity) for state in event.told]
    if all(last is not None and event.at - last < SOON for last in ended):
        yield f"{event.who} syncs {event.application} again, though it was shown its own sync of {ended[-1]:%H:%M:%S}"


def _requested(world: World, event: Requested) -> Iterator[str]:
    """A request stays in the object of Flux, where whoever asked can read it; refreshes have no key."""
    key = (event.who, event.object, event.identity)
    last = world.requests.get(key)
    world.requests[key] = event.at
    if last is not None and event.at - last < SOON and event.identity != NO_KEY and not world.stepped:
        yield f"{event.who} asks {event.object} again for {event.identity}, which bears its request of {last:%H:%M:%S}"


def _own_sync(world: World, state: ApplicationState, identity: str) -> datetime | None:
    """When the sync of this id ended, or began, if that is the last one of all; each commit of a plan has its own."""
    operation = state.operation
    if operation is None or operation.info.get(ROLLBACK_ID_INFO) != identity:
        return None
    later = [one.commit.sha for one in world.steps if identity in one.commit.trailers["Rollback-Id"]]
    if not all(world.objects.is_ancestor(sha, operation.revisions[0]) for sha in later):
        return None
    return operation.finished_at or operation.started_at


PROMISE = Promise("16", "no sync is repeated that the engine has shown to be done", check)
