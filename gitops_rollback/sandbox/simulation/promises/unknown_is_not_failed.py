"""Promise 4: after a push without success the next word with the remote is a read."""

from __future__ import annotations

from collections.abc import Iterator

from gitops_rollback.sandbox.simulation.events import Asked, Event
from gitops_rollback.sandbox.simulation.promises.promise import Promise
from gitops_rollback.sandbox.simulation.world import World

LOST = ("rejected", "unknown", "rewound", "locked")


def check(_world: World, event: Event) -> Iterator[str]:
    """A plain no of a rule is an answer, and known: the push without the refused ref may follow it."""
    if not isinstance(event, Asked) or not event.last.startswith("push") or "protected" in event.last:
        return
    if any(word in event.last for word in LOST):
        yield f"{event.who} pushes again right after `{event.last}`, without a look at the remote"


PROMISE = Promise("4", "after an unsuccessful push the first action is to read the remote", check)
