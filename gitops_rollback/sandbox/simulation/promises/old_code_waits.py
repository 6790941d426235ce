"""Promise 15, where data moved: old code comes back only to data that it can read, of which nothing is missing."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from gitops_rollback.sandbox.simulation.events import Event, Stepped
from gitops_rollback.sandbox.simulation.migrating import code_of, reverses, serves, wants
from gitops_rollback.sandbox.simulation.promises.promise import Promise
from gitops_rollback.sandbox.simulation.traffic import MIGRATION
from gitops_rollback.sandbox.simulation.world import World


def check(world: World, event: Event) -> Iterator[str]:
    """By what the database really holds when a step brings other code, or lets it serve."""
    if world.setup.strategy != MIGRATION or not isinstance(event, Stepped):
        return
    name = event.rollback.speaker
    if name not in world.setup.staged:
        return
    objects, sha, before = world.objects, event.commit.sha, event.commit.parents[0]
    code, data = code_of(objects, name, sha), world.databases.data[name]
    comes = code != code_of(objects, name, before) or serves(objects, name, sha) > serves(objects, name, before)
    if not comes:
        return
    if wants(code) != data.fits:
        yield f"{sha[:8]} brings {code} of {name} back, and the data is still as 5.{data.fits} wants it"
    begun = _reverse_pushed(world, event)
    if begun is None or not any(at >= begun for at in data.undone):
        yield f"{sha[:8]} brings {code} of {name} back, and no Job has moved the data back since {begun}"
    policy = world.policy_at(event.rollback.restores, name)
    if begun is None or policy is None or "rows: [rows]" not in policy.strategies:
        return
    then, now = data.count(begun), data.count(event.at)
    if now < then:
        yield f"{sha[:8]} goes on with {name}, which has {now} rows of {then}"


def _reverse_pushed(world: World, event: Stepped) -> datetime | None:
    """When the step of this plan came that deploys the reverse."""
    name, plan = event.rollback.speaker, world.plan(event.rollback)
    found = (one.at for one in plan if one.at < event.at and reverses(world.objects, name, one.commit.sha))
    return next(found, None)


PROMISE = Promise("15", "old code serves only data that was moved back for it, whole", check)
