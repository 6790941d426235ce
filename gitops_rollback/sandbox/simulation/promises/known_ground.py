"""Promise 21: a rollback ends where the application ran before and was quiet, or undoes one commit alone.

What a plan left between two of its steps is no such place: whoever took it over from there is not put back to it.
"""

from __future__ import annotations

from collections.abc import Iterator

from gitops_rollback.sandbox.simulation.events import Event, Landed, Rollback, Stepped, step_of
from gitops_rollback.sandbox.simulation.promises.promise import Promise
from gitops_rollback.sandbox.simulation.traffic import steered, steering
from gitops_rollback.sandbox.simulation.world import World


def check(world: World, event: Event) -> Iterator[str]:
    """By what really ran, and by what was taken back, by a rollback or by a person."""
    if isinstance(event, Stepped) and event.n == event.of and event.rollback not in world.approved:
        yield from _taken_back(world, event.rollback, event.commit.sha)
    if not isinstance(event, Rollback) or event.staged:
        return
    name = event.speaker
    ends = world.truth.inputs(name, event.commit.sha)
    ran = {one.inputs for one in world.truth.runs(name)}
    if len(event.reverts) > 1 and ends not in ran:
        yield f"{event.commit.sha[:8]} undoes {len(event.reverts)} commits, and {name} never ran in that state"
    yield from _taken_back(world, event, event.commit.sha)
    if not isinstance(event, Landed):
        yield from _half_way(world, event)


def _half_way(world: World, event: Rollback) -> Iterator[str]:
    """By the fields that a plan steers, of those that were never finished and not followed by a good release."""
    name, kind, objects = event.speaker, world.setup.strategy, world.objects
    if not kind:
        return
    for plan in (one for one in world.carried if one.staged and one.speaker == name and one.at < event.at):
        newest = world.plan(plan)[-1].commit
        n, of = step_of(newest)
        if n == of or objects.is_ancestor(newest.sha, event.restores):
            continue
        for path in steering(kind, name):
            texts = [objects.text(sha, path) for sha in (newest.sha, event.commit.sha, event.commit.parents[0])]
            left, ends, before = (None if text is None else steered(kind, path, text) for text in texts)
            if left is not None and left == ends != before:
                yield f"{event.commit.sha[:8]} sets {path} as step {n} of {of} of an earlier plan had left it"


def _taken_back(world: World, rollback: Rollback, end: str) -> Iterator[str]:
    """Where a plan of several commits ends is judged by its last one."""
    name = rollback.speaker
    ends = world.truth.inputs(name, end)
    for earlier in (one for one in world.carried if one.at < rollback.at):
        if name in earlier.applications and world.truth.inputs(name, earlier.bad) == ends:
            yield f"{end[:8]} ends in a state of {name} that {earlier.commit.sha[:8]} took back"
    if (name, ends) in world.taken_back:
        yield f"{end[:8]} ends in a state of {name} that a person took back"


PROMISE = Promise("21", "an automatic rollback ends on known ground", check)
