"""Promise 17: one bad input cannot stop, slow or crash the work on the others. A poison is in every world."""

from __future__ import annotations

from collections.abc import Iterator

from gitops_rollback.sandbox.simulation.events import Broken, Event
from gitops_rollback.sandbox.simulation.promises.promise import Promise
from gitops_rollback.sandbox.simulation.world import World


def check(_world: World, event: Event) -> Iterator[str]:
    """No exception but those of the product's own family, which say what is wrong outside."""
    if isinstance(event, Broken):
        yield f"{event.who}: {event.error}"


PROMISE = Promise("17", "one bad input cannot stop or crash the work on the others", check)
