"""Promise 18: a secret that stands in the world is told nowhere."""

from __future__ import annotations

from collections.abc import Iterator

from gitops_rollback.sandbox.simulation.events import Event, Logged, Rollback, Told
from gitops_rollback.sandbox.simulation.files import CANARY
from gitops_rollback.sandbox.simulation.promises.promise import Promise
from gitops_rollback.sandbox.simulation.remote import JOURNAL, Accepted
from gitops_rollback.sandbox.simulation.world import World


def check(world: World, event: Event) -> Iterator[str]:
    """In commits, journal, messages and log lines."""
    if isinstance(event, Told) and CANARY in repr(event.message):
        yield f"a message to people holds a secret: {event.message.title}"
    if isinstance(event, Logged) and CANARY in event.line:
        yield f"a line of the log holds a secret: {event.line.replace(CANARY, '...')[:120]}"
    if isinstance(event, Rollback) and CANARY in event.commit.message:
        yield f"the message of {event.commit.sha[:8]} holds a secret"
    if isinstance(event, Accepted) and event.ref == JOURNAL:
        for change in world.objects.commits[event.new].changes:
            if change.new_blob is not None and CANARY.encode() in world.objects.blobs[change.new_blob]:
                yield f"{change.path} of the journal holds a secret"


PROMISE = Promise("18", "no secret in a commit, message, journal or log", check)
