"""Promise 8, second part: a trailer counts only on a commit that is ours; a forged one is ignored."""

from __future__ import annotations

import json
from collections.abc import Iterator

from gitops_rollback.core.errors import Reason
from gitops_rollback.core.rollback import rollback_id
from gitops_rollback.sandbox.simulation.events import Event, Recorded, Told
from gitops_rollback.sandbox.simulation.promises.promise import Promise
from gitops_rollback.sandbox.simulation.remote import JOURNAL, Accepted
from gitops_rollback.sandbox.simulation.rest import REPOSITORY
from gitops_rollback.sandbox.simulation.world import World


def check(world: World, event: Event) -> Iterator[str]:
    """No record, no message and no decision stands on the words of a commit that is not ours."""
    if isinstance(event, Recorded):
        yield from _known(world, str(event.after["id"]), "a record")
        for step in _steps(event):
            if step in world.objects.commits and step not in world.ours and _forges(world, step):
                yield f"{event.after['id']} takes {step[:8]}, which somebody forged, for its own commit"
    if isinstance(event, Told) and event.message.rollback_id:
        yield from _known(world, event.message.rollback_id, "a message")
    if isinstance(event, Accepted) and event.ref == JOURNAL:
        for application, revision in _called_rolled_back(world, event):
            if not any(_concerns(one, application) for one in _written(world, event)):
                yield f"{application} at {revision[:8]} was never rolled back, yet that is why it is left alone"


def _known(world: World, identity: str, what: str) -> Iterator[str]:
    """An id that stands in forged trailers alone is nobody's."""
    if identity not in world.records and identity in _invented(world):
        yield f"{what} names {identity}, which only a forged commit names"


def _invented(world: World) -> Iterator[str]:
    """Ids of forged trailers that are not the name that this very rollback would have."""
    for commit in world.objects.first_parents(world.head):
        if commit.sha in world.ours or "Rollback-Id" not in commit.message:
            continue
        said = commit.trailers
        identity, name, bad = (
            said[f"Rollback-{word}"][0] if f"Rollback-{word}" in said else ""
            for word in ("Id", "Application", "Bad-Revision")
        )
        if identity != rollback_id(REPOSITORY, name, bad):
            yield identity


def _forges(world: World, sha: str) -> bool:
    return "Rollback-Id" in world.objects.commits[sha].message


def _steps(event: Recorded) -> Iterator[str]:
    steps = event.after["steps"]
    for step in steps if isinstance(steps, list) else ():
        if step["commit"] is not None:
            yield str(step["commit"])


def _called_rolled_back(world: World, event: Accepted) -> Iterator[tuple[str, str]]:
    before = world.objects.files(event.old) if event.old else {}
    for path, blob in world.objects.files(event.new).items():
        if path.startswith("decisions/") and before.get(path) != blob:
            old = world.objects.blobs[before[path]] if path in before else b""
            for line in world.objects.blobs[blob][len(old) :].splitlines():
                entry = json.loads(line)
                if entry["reason"] == Reason.ALREADY_ROLLED_BACK.value:
                    yield str(entry["application"]), str(entry["revision"])


def _written(world: World, event: Accepted) -> Iterator[object]:
    """The records as the journal has them with this push: a decision and what it is about may be written at once."""
    for path, blob in world.objects.files(event.new).items():
        if path.startswith("records/"):
            yield json.loads(world.objects.blobs[blob])


def _concerns(record: object, application: str) -> bool:
    """A record of this application, or one with a commit, whose culprit it may share."""
    if not isinstance(record, dict):
        return False
    return application in record["applications"] or any(step["commit"] for step in record["steps"])


PROMISE = Promise("8", "a trailer counts only on a commit that is ours", check)
