"""Promise 8, at a forge: what landed is known as ours, however it landed, and each pull request comes to an end."""

from __future__ import annotations

from collections.abc import Iterator

from gitops_rollback.core.rollback import PULL_REQUEST
from gitops_rollback.sandbox.simulation.events import Document
from gitops_rollback.sandbox.simulation.forge.pulls import OURS
from gitops_rollback.sandbox.simulation.landings import WAITS
from gitops_rollback.sandbox.simulation.promises.promise import Promise
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
    for record in world.records.values():
        pull = world.forge.pulls.get(_number(record))
        if record["phase"] == WAITS and pull is not None and not pull.is_open:
            yield f"{record['id']} still waits, and #{pull.number} is {pull.state.value}"
        if record["phase"] == "Done" and pull is not None and pull.is_open and pull.author == OURS:
            yield f"{record['id']} has ended, and #{pull.number} still stands open"


def _commits(record: Document) -> tuple[object, ...]:
    steps = record["steps"]
    return tuple(step["commit"] for step in steps) if isinstance(steps, list) else ()


def _number(record: Document) -> int:
    evidence = record["evidence"]
    offer = evidence.get(PULL_REQUEST) if isinstance(evidence, dict) else None
    number = offer.get("number") if isinstance(offer, dict) else None
    return number if isinstance(number, int) else 0


PROMISE = Promise("8", "what landed by pull request is known as ours, however it landed", at_end=at_end)
