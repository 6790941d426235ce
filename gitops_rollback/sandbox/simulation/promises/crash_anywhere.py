"""Promise 16: phases only move forward, and at rest a rollback is done or waits for a person."""

from __future__ import annotations

from collections.abc import Iterator

from gitops_rollback.sandbox.simulation.events import Event, Recorded
from gitops_rollback.sandbox.simulation.promises.promise import Promise
from gitops_rollback.sandbox.simulation.world import World

ORDER = ("Pending", "AwaitingApproval", "Pushing", "Syncing", "Verifying", "Done")


def check(_world: World, event: Event) -> Iterator[str]:
    """By each change of a record on the remote, whoever made it."""
    if not isinstance(event, Recorded) or event.before is None:
        return
    before, after = str(event.before["phase"]), str(event.after["phase"])
    if ORDER.index(after) < ORDER.index(before):
        yield f"{event.after['id']} went back from {before} to {after}"
    if before == "Done" and event.before["outcome"] != event.after["outcome"]:
        yield f"{event.after['id']} ended {event.before['outcome']}, and then {event.after['outcome']}"
    steps = event.before["steps"]
    if steps and not event.after["steps"]:
        yield f"{event.after['id']} forgot its commit"


PROMISE = Promise("16", "a crash anywhere resumes to the same end, never half", check)
