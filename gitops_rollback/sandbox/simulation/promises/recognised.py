"""Promise 8, at a forge: what landed is known as ours, however it landed, and each pull request comes to an end."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from gitops_rollback.core.errors import Reason
from gitops_rollback.sandbox.simulation.events import Document, Event, Landed, Told
from gitops_rollback.sandbox.simulation.promises.promise import Promise
from gitops_rollback.sandbox.simulation.rest import left_open
from gitops_rollback.sandbox.simulation.world import World

LOOK = timedelta(seconds=30)  # from the fetch to the last word of one look, in a world where calls are slow


def check(world: World, event: Event) -> Iterator[str]:
    """People are not told that somebody else has pushed what a replica of ours has."""
    if world.landings is None or not isinstance(event, Told) or event.message.reason != Reason.FOREIGN_PUSH:
        return
    for sha in world.landings.offered:
        if sha[:12] in event.message.text:
            yield f"{event.who} calls {sha[:8]} somebody else's, and it is ours"


def at_end(world: World) -> Iterator[str]:
    """By the journal: a landing has its commit, and nothing waits for a pull request that is over."""
    if world.forge is None or world.landings is None or world.forced:
        return
    for landed in world.landings.all:
        record = world.records.get(landed.identity)
        if record is not None and not _crossed(world, landed, record) and landed.commit.sha not in _commits(record):
            said = f"{record['phase']} {record['outcome'] or ''} {record['reason']}"
            yield f"{landed.identity} landed as {landed.commit.sha[:8]}, which its record does not know ({said})"
    yield from left_open(world)


def _crossed(world: World, landed: Landed, record: Document) -> bool:
    """A person merged what somebody's no or a newer deployment had ended, or ended in a look that saw neither.

    Who finds nothing left to undo has seen the landing, and should have known it.
    """
    ended = world.landings.ended.get(landed.identity) if world.landings is not None else None
    if ended is None or landed.automatic or record["outcome"] not in ("refused", "superseded"):
        return False
    if record["reason"] == Reason.ALREADY_UNDONE and landed.at < ended:
        return False
    stills = (one for times in world.still.values() for one in times if one[0] <= ended and one[1] >= landed.at)
    began = min((start for start, _ in stills), default=ended)
    return landed.at >= min(began, ended) - LOOK


def _commits(record: Document) -> tuple[object, ...]:
    steps = record["steps"]
    return tuple(step["commit"] for step in steps) if isinstance(steps, list) else ()


PROMISE = Promise("8", "what landed by pull request is known as ours, however it landed", check, at_end)
