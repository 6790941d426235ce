"""Promise 8, at a forge: what landed is known as ours, however it landed, and each pull request comes to an end."""

from __future__ import annotations

from collections.abc import Iterator

from gitops_rollback.sandbox.simulation.events import Document
from gitops_rollback.sandbox.simulation.promises.promise import Promise
from gitops_rollback.sandbox.simulation.rest import left_open
from gitops_rollback.sandbox.simulation.world import World


def at_end(world: World) -> Iterator[str]:
    """By the journal: a landing has its commit, and nothing waits for a pull request that is over."""
    if world.forge is None or world.landings is None or world.forced:
        return
    for landed in world.landings.all:
        record = world.records.get(landed.identity)
        # A merge may cross a person's no, or the end of what git holds already.
        crossed = record is not None and record["outcome"] in ("refused", "superseded") and not landed.automatic
        if record is not None and not crossed and landed.commit.sha not in _commits(record):
            said = f"{record['phase']} {record['outcome'] or ''} {record['reason']}"
            yield f"{landed.identity} landed as {landed.commit.sha[:8]}, which its record does not know ({said})"
    yield from left_open(world)


def _commits(record: Document) -> tuple[object, ...]:
    steps = record["steps"]
    return tuple(step["commit"] for step in steps) if isinstance(steps, list) else ()


PROMISE = Promise("8", "what landed by pull request is known as ours, however it landed", at_end=at_end)
