"""Promise 10: nobody acts while the newest data of the application is missing, or was quiet within the `for`."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from gitops_rollback.core.sync import Health
from gitops_rollback.sandbox.simulation.events import Event, Rollback
from gitops_rollback.sandbox.simulation.metrics import GREEN, RED
from gitops_rollback.sandbox.simulation.promises.promise import Promise
from gitops_rollback.sandbox.simulation.world import World

LONGER = 181  # seconds that a run of red ticks may be longer than its `for`
SHARE = 0.7  # of the ticks within a `for` that must have been red; gaps count for nothing
JUMPED = 30  # seconds of a `for` that small jumps of a clock may skip
OLD = timedelta(seconds=90)  # a tick that was slowed down, and its retries
SOONER, LEAST = 2, 30  # what lands again what a rollback took away is waited for half as long, and two ticks


def _came_back(world: World, event: Rollback) -> bool:
    """What is undone brings back a file that an earlier commit of ours took away, or is called as what it undid."""
    earlier, commits = [plan for plan in world.carried if plan.at < event.at], world.objects.commits
    ours = [one.commit for plan in earlier for one in world.plan(plan)]
    taken = {(change.path, change.old_blob) for one in ours for change in one.changes if change.old_blob}
    called = {commits[sha].subject for plan in earlier if plan.speaker == event.speaker for sha in plan.reverts}
    blamed = [commits[sha] for sha in event.reverts]
    back = any((change.path, change.new_blob) in taken for one in blamed for change in one.changes)
    return back or any(one.subject in called for one in blamed)


def check(world: World, event: Event) -> Iterator[str]:
    """By what the store and the engine told this very replica last. A jumping clock may shorten a `for` by a little."""
    if not isinstance(event, Rollback):
        return
    reds = [name for name in event.applications if is_red(world, event, name)]
    if not reds:
        seen = [world.store.seen.get((event.who, name)) for name in event.applications]
        yield f"{event.commit.sha[:8]} rolls back though the newest answers were {seen}"


def is_red(world: World, event: Rollback, name: str) -> bool:
    """The newest word of the metrics about the application was bad for the whole `for`, or the engine's word is."""
    if name in world.setup.health and world.cluster.told.get((event.who, name)) is Health.DEGRADED:
        return True
    seen = world.store.seen.get((event.who, name))
    if seen is None or seen.value != RED or event.at - seen.really > OLD:
        return False
    policy = world.policy_at(event.restores, name)
    hold = policy.hold if policy is not None else 30
    if _came_back(world, event):
        hold = max(hold // SOONER, min(hold, LEAST))
    if world.stepped:
        hold -= JUMPED
    at = min(seen.at, seen.really)
    runs = (world.shown(name, at, hold + more) for more in range(0, LONGER, 15))
    return any(GREEN not in shown and shown.count(RED) >= SHARE * len(shown) for shown in runs)


PROMISE = Promise("10", "no data, no action", check)
