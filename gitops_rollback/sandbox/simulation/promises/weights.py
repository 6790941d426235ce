"""Promise 5, of plans that shift traffic: the bad weight never rises, and the weights keep their sum.

Whatever is undone: a commit of ours that changes weights leaves as much in sum as it found.
"""

from __future__ import annotations

from collections.abc import Iterator

from gitops_rollback.sandbox.simulation.events import Event, Rollback, Stepped
from gitops_rollback.sandbox.simulation.promises.promise import Promise
from gitops_rollback.sandbox.simulation.traffic import WEIGHTS, weights_of
from gitops_rollback.sandbox.simulation.world import World


def check(world: World, event: Event) -> Iterator[str]:
    """By the file itself, before and after each commit of ours."""
    if world.setup.strategy != WEIGHTS or not isinstance(event, Rollback | Stepped):
        return
    planned = isinstance(event, Stepped) or event.staged
    for name in world.setup.staged:
        path = f"apps/{name}/route.yaml"
        before = world.objects.text(event.commit.parents[0], path)
        after = world.objects.text(event.commit.sha, path)
        if before is None or after is None or before == after:
            continue
        old, new = weights_of(before), weights_of(after)
        if planned and new[1] > old[1]:
            yield f"{event.commit.sha[:8]} raises the weight of what is bad in {name} from {old[1]} to {new[1]}"
        if planned and sum(new) != sum(old):
            yield f"{event.commit.sha[:8]} leaves weights of {new[0]} and {new[1]} in {name}, of {sum(old)}"
        if min(new) < 0:
            yield f"{event.commit.sha[:8]} leaves a weight below 0 in {name}"


PROMISE = Promise("5", "the bad version's weight never rises, and weights keep their sum", check)
