"""Promise 13, second part: budgets hold over restarts and replicas, counted on the branch."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from gitops_rollback.sandbox.simulation.events import Event, Rollback
from gitops_rollback.sandbox.simulation.promises.promise import Promise
from gitops_rollback.sandbox.simulation.world import World

SLACK = timedelta(seconds=90)  # a rollback counts from its decision, and lands a little later
APPLICATION = ((1, timedelta(minutes=30)), (2, timedelta(hours=24)))
REPOSITORY = ((4, timedelta(hours=1)), (3, timedelta(minutes=10)))


def check(world: World, event: Event) -> Iterator[str]:
    """The limits of `reliability.md` row 13b; a jumping clock makes times worthless."""
    if not isinstance(event, Rollback) or world.stepped:
        return
    for most, per in REPOSITORY:
        young = [one for one in world.rollbacks if event.at - one.at < per - SLACK]
        if len(young) > most:
            yield f"{len(young)} rollbacks within {per}, {most} are allowed"
    # A commit that changes an application's files is a rollback of it, whoever is named.
    touched = [name for name in world.setup.names if world.truth.own_paths(name, event.commit.paths)]
    for name in dict.fromkeys((*event.applications, *touched)):
        for most, per in APPLICATION:
            mine = [one for one in world.rollbacks if one is event or name in one.applications]
            young = [one for one in mine if event.at - one.at < per - SLACK]
            if len(young) > most:
                yield f"{len(young)} rollbacks of {name} within {per}, {most} are allowed"


PROMISE = Promise("13", "budgets survive restarts", check)
