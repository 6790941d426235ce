"""Promise 5, of plans of several commits: what a person has set since our last step is not set by the next one."""

from __future__ import annotations

from collections.abc import Iterator

from gitops_rollback.sandbox.simulation.events import Event, Stepped
from gitops_rollback.sandbox.simulation.promises.promise import Promise
from gitops_rollback.sandbox.simulation.traffic import steered, steering
from gitops_rollback.sandbox.simulation.world import World


def check(world: World, event: Event) -> Iterator[str]:
    """The fields at the head that a step is built on are as the commit before it left them."""
    if not isinstance(event, Stepped) or not world.setup.strategy:
        return
    name = event.rollback.speaker
    if name not in world.setup.staged:
        return
    line = world.plan(event.rollback)
    before = line[line.index(event) - 1]
    for path in steering(world.setup.strategy, name):
        left, found = (_fields(world, sha, path) for sha in (before.commit.sha, event.commit.parents[0]))
        if left != found:
            yield f"{event.commit.sha[:8]} is step {event.n}, though {path} is set to {found} after our {left}"


def _fields(world: World, sha: str, path: str) -> tuple[object, ...]:
    text = world.objects.text(sha, path)
    return steered(world.setup.strategy, path, text) if text is not None else ()


PROMISE = Promise("5", "a person's edit of the same field stops a plan", check)
