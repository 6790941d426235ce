"""Promise 16: a commit and its record land in one push, phases only move forward, and at rest nothing is half done."""

from __future__ import annotations

import json
from collections.abc import Iterator

from gitops_rollback.sandbox.simulation.events import Asked, Event, Recorded
from gitops_rollback.sandbox.simulation.promises.promise import Promise
from gitops_rollback.sandbox.simulation.remote import JOURNAL, MAIN
from gitops_rollback.sandbox.simulation.repo import AUTHOR
from gitops_rollback.sandbox.simulation.world import World

ORDER = ("Pending", "AwaitingApproval", "Pushing", "Syncing", "Verifying", "Done")


def check(world: World, event: Event) -> Iterator[str]:
    """By each push before it leaves, and by each change of a record on the remote, whoever made it."""
    if isinstance(event, Asked):
        yield from _alone(event)
        yield from _unknown(world, event)
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


def _alone(event: Asked) -> Iterator[str]:
    """Only where a rule of the server refused the journal in the push before may the branch move without it."""
    refs = {update.ref for update in event.updates}
    if MAIN in refs and JOURNAL not in refs and JOURNAL not in event.refused:
        yield f"{event.who} pushes a rollback without its record: a crash after it would leave it half done"


def _unknown(world: World, event: Asked) -> Iterator[str]:
    """What goes to the branch of a pull request may land at any moment: by then the journal must know it."""
    for update in event.updates:
        commit = world.objects.commits[update.new]
        identity = commit.trailers.get("Rollback-Id", ("",))[0]
        if update.ref in (MAIN, JOURNAL) or commit.committer != AUTHOR or not identity:
            continue
        if commit.sha not in json.dumps(world.records.get(identity, {}), default=str):
            yield f"{event.who} pushes {commit.sha[:8]} to {update.ref}, and the journal does not know it"


PROMISE = Promise("16", "a crash anywhere resumes to the same end, never half", check)
