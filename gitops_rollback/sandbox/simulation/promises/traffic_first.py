"""Promise 15, where data moved: nothing is moved back while anything still serves or writes."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from gitops_rollback.sandbox.simulation.events import Event, Given, Stepped
from gitops_rollback.sandbox.simulation.migrating import reverses, serves
from gitops_rollback.sandbox.simulation.promises.promise import Promise
from gitops_rollback.sandbox.simulation.traffic import MIGRATION
from gitops_rollback.sandbox.simulation.world import World

LATELY = timedelta(seconds=90)  # a tick that was slowed down, and its retries


def check(world: World, event: Event) -> Iterator[str]:
    """By git, by the Pods as they are, and by what this very replica was told of requests and Pods just before."""
    if world.setup.strategy != MIGRATION or not isinstance(event, Stepped | Given):
        return
    name, sha, before = event.rollback.speaker, event.commit.sha, event.commit.parents[0]
    if (
        name not in world.setup.staged
        or not reverses(world.objects, name, sha)
        or reverses(world.objects, name, before)
    ):
        return
    of = f"{sha[:8]} moves the data of {name} back"
    if serves(world.objects, name, before):
        yield f"{of}, and git lets {serves(world.objects, name, before)} Pods serve"
    left = world.databases.servers[name].at(event.at)
    if left:
        yield f"{of}, and {left} Pods are still there"
    requests = world.store.seen.get((event.who, f"requests of {name}"))
    if requests is None or requests.value != 0 or event.at - requests.really > LATELY:
        yield f"{of}, and the newest word on requests was {requests}"


PROMISE = Promise("15", "no data is moved back while traffic is not zero", check)
