"""Promise 14: verified only where every changed application runs our commit, is healthy and was quiet long enough."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from gitops_rollback.sandbox.simulation.events import Event, Recorded, Rollback
from gitops_rollback.sandbox.simulation.metrics import GREEN
from gitops_rollback.sandbox.simulation.promises.promise import Promise
from gitops_rollback.sandbox.simulation.world import World

BEFORE = 330  # seconds before the bad sync
LATELY = timedelta(seconds=30)  # a tick that was slowed down
HOLD = 15  # seconds: the policy holds for 30, and the record is written a moment after the last look


def check(world: World, event: Event) -> Iterator[str]:
    """Against what the cluster really runs; a clock that jumps makes holding worthless."""
    if not isinstance(event, Recorded) or event.after["outcome"] != "verified":
        return
    if event.before is not None and event.before["outcome"] == "verified":
        return
    rollback = next((one for one in world.carried if _is_step(event, one.commit.sha)), None)
    if rollback is None:
        yield f"{event.after['id']} is verified, but its commit never landed"
        return
    verified_at, end = _verified_at(world, event), world.plan(rollback)[-1]
    paths = [path for one in world.plan(rollback) for path in one.commit.paths]
    changed = [name for name in world.setup.names if world.truth.own_paths(name, paths)]
    for name in changed:
        since = [one for one in world.truth.runs(name) if one.at >= end.at]
        live = world.cluster.live(name)
        if _never_had_it(world, event, rollback, name):
            continue
        if not since and world.truth.inputs(name, live) != world.truth.inputs(name, end.commit.sha):
            yield f"{event.after['id']} is verified, but {name} still runs {live[:8]}"
        if since and not any(world.objects.is_ancestor(end.commit.sha, one.revision) for one in since):
            yield f"{event.after['id']} is verified, but nothing that ran in {name} contains it"
        if not world.cluster.was_healthy(name, verified_at):
            yield f"{event.after['id']} is verified, but {name} was not healthy then"
    for hold in world.holds.all:
        if hold.rollback is rollback and hold.ended and verified_at - hold.ended > LATELY:
            yield f"{event.after['id']} is verified, but the mark of {hold.path} is back since {hold.ended:%H:%M:%S}"
    if world.stepped or not _asks_metrics(event):
        return
    asked = {name for name in changed if _is_watched(world, event, name) and _was_well_before(world, event, name)}
    asked |= set(rollback.applications[:1])
    for name in (one for one in sorted(asked) if world.shown(one, verified_at, HOLD)[0] != GREEN):
        yield f"{event.after['id']} is verified, but {name} was not seen quiet within its hold time"


def _never_had_it(world: World, event: Recorded, rollback: Rollback, name: str) -> bool:
    """People deploy it by hand, and have deployed nothing of what is undone: nothing has to be done for it."""
    told = world.cluster.shown.get((event.who, name), ())
    live = world.cluster.live(name)
    undone = any(world.objects.is_ancestor(one, live) for one in rollback.reverts)
    by_hand = any(not one.state.auto_sync for one in told)
    return by_hand and not undone and name not in rollback.applications


def _is_watched(world: World, event: Recorded, name: str) -> bool:
    """A policy names it; else nobody has said what being well means."""
    said = (event.after["restores"], event.after["badRevision"])
    return any(isinstance(at, str) and world.policy_at(at, name) is not None for at in said)


def _was_well_before(world: World, event: Recorded, name: str) -> bool:
    """Each word about it was good for some minutes before the bad sync: what was bad then need not be well after."""
    return set(world.shown(name, _said(world, event, "deployed"), BEFORE)) == {GREEN}


def _verified_at(world: World, event: Recorded) -> datetime:
    return _said(world, event, "verified")


def _said(world: World, event: Recorded, what: str) -> datetime:
    """By the record's word, as the clock of who wrote it was then: the journal may take it much later."""
    times = event.after["times"]
    said = times.get(what) if isinstance(times, dict) else None
    return world.instant(event.who, datetime.fromisoformat(said)) if isinstance(said, str) else event.at


def _asks_metrics(event: Recorded) -> bool:
    """What fired is what must be quiet again."""
    triggers = event.after["triggers"]
    return isinstance(triggers, list) and "errors" in triggers


def _is_step(event: Recorded, sha: str) -> bool:
    steps = event.after["steps"]
    return isinstance(steps, list) and any(step["commit"] == sha for step in steps)


PROMISE = Promise("14", "verified means: applied, healthy, and quiet for the hold time", check)
