"""Promise 18: a secret that stands in the world is told nowhere."""

from __future__ import annotations

from collections.abc import Iterator

from gitops_rollback.sandbox.simulation.events import Event, Rollback, Told
from gitops_rollback.sandbox.simulation.files import CANARY
from gitops_rollback.sandbox.simulation.promises.promise import Promise
from gitops_rollback.sandbox.simulation.remote import JOURNAL, Accepted
from gitops_rollback.sandbox.simulation.world import World


def check(world: World, event: Event) -> Iterator[str]:
    """In commits, journal and messages."""
    if isinstance(event, Told) and CANARY in repr(event.message):
        yield f"a message to people holds a secret: {event.message.title}"
    if isinstance(event, Rollback) and CANARY in event.commit.message:
        yield f"the message of {event.commit.sha[:8]} holds a secret"
    if isinstance(event, Accepted) and event.ref == JOURNAL:
        for change in world.objects.commits[event.new].changes:
            if change.new_blob is not None and CANARY.encode() in world.objects.blobs[change.new_blob]:
                yield f"{change.path} of the journal holds a secret"


PROMISE = Promise("18", "no secret in a commit, message or journal", check)
