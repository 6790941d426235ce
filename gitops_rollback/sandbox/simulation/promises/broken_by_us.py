"""Promise 8, of dependants: what breaks because of a rollback of ours is not rolled back by itself; people are told."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from gitops_rollback.sandbox.simulation.events import Event, Rollback
from gitops_rollback.sandbox.simulation.metrics import RED
from gitops_rollback.sandbox.simulation.needing import Broke
from gitops_rollback.sandbox.simulation.promises.promise import Promise
from gitops_rollback.sandbox.simulation.rest import told_of
from gitops_rollback.sandbox.simulation.world import World

LONG_ENOUGH = timedelta(minutes=4)  # to be seen: the longest `for`, the initial delay, and some slow ticks


def check(world: World, event: Event) -> Iterator[str]:
    """Its own newest deployment is older than our commit, nothing of its own is bad, and it was well until then."""
    if not isinstance(event, Rollback):
        return
    for broke in world.broke:
        if broke.name != event.speaker or not _by_it_alone(world, broke, event):
            continue
        ours = world.plan(broke.rollback)[-1].commit.sha
        yield f"{event.commit.sha[:8]} rolls {broke.name} back, which does badly for what {ours[:8]} took back alone"


def at_end(world: World) -> Iterator[str]:
    """Whoever still does badly for that alone: somebody has heard of it."""
    for broke in world.broke:
        name = broke.name
        policy = world.policy_at(world.head, name)
        long = world.now - broke.at >= LONG_ENOUGH and set(world.shown(name, world.now, 240)) == {RED}
        if policy is None or not policy.allows or world.stepped or not long:
            continue
        said = (one.message for one in world.messages if one.at >= broke.at and one.message.page)
        if not told_of(world, name) and not any(name in f"{one.title} {one.text}" for one in said):
            yield f"{name} does badly since a rollback took back what it needs, and nobody was told"


def _by_it_alone(world: World, broke: Broke, event: Rollback) -> bool:
    began = world.cluster.began(broke.name, event.bad)
    pushed = world.plan(broke.rollback)[-1].at
    own = any(
        ran.bad_from is not None and ran.bad_from <= event.at and ran.at >= (began or ran.at)
        for ran in world.truth.runs(broke.name)
    )
    within = broke.at <= event.at <= broke.at + timedelta(seconds=broke.seconds)
    return within and not own and (began is None or began <= pushed)


PROMISE = Promise("8", "what breaks because of a rollback is not rolled back by itself", check, at_end)
