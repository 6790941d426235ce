"""Promise 19: the journal only grows, each line has a reason, and each commit of ours has its record."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator

from gitops_rollback.sandbox.simulation.events import Document, Event, Rollback, Stepped
from gitops_rollback.sandbox.simulation.promises.promise import Promise
from gitops_rollback.sandbox.simulation.remote import JOURNAL, Accepted
from gitops_rollback.sandbox.simulation.world import World


def check(world: World, event: Event) -> Iterator[str]:
    """Each update of the journal, file by file."""
    if not isinstance(event, Accepted) or event.ref != JOURNAL:
        return
    before = world.objects.files(event.old) if event.old else {}
    after = world.objects.files(event.new)
    for path in before:
        if path not in after:
            yield f"{path} vanished from the journal"
    for path, blob in after.items():
        if before.get(path) == blob or not path.startswith("decisions/"):
            continue
        old = world.objects.blobs[before[path]] if path in before else b""
        text = world.objects.blobs[blob]
        if not text.startswith(old):
            yield f"{path} was rewritten, not appended to"
        lines = text[len(old) :].splitlines()
        for line in lines:
            if not json.loads(line)["reason"]:
                yield f"{path} has a decision without a reason"
        known = Counter(text.splitlines())
        for line in lines:
            if known[line] > 1:
                yield f"{path} says the same thing twice: {line[:200]!r}"


def at_end(world: World) -> Iterator[str]:
    """Commits on the branch and records with a commit match one to one."""
    if world.forced:
        return
    mine = {rollback.commit.sha: set(rollback.commit.trailers["Rollback-Id"]) for rollback in world.rollbacks}
    steps = [
        (step["commit"], one["id"])
        for one in world.records.values()
        if isinstance(one["steps"], list)
        for step in one["steps"]
        # A plan that waited at the forge may be carried out by another one's commit, blob for blob.
        if not (_waited(one) and one["id"] not in mine.get(step["commit"], {one["id"]}))
    ]
    recorded = Counter(sha for sha, _ in steps)
    commits: list[Rollback | Stepped] = [*world.rollbacks, *world.steps]
    for rollback in commits:
        count = recorded[rollback.commit.sha]
        named = {name for sha, name in steps if sha == rollback.commit.sha}
        if named and named != set(rollback.commit.trailers["Rollback-Id"]):
            yield f"{rollback.commit.sha[:8]} names another Rollback-Id than its record"
        if count != 1 and not (world.refusing and count == 0):
            yield f"{rollback.commit.sha[:8]} on the branch has {count} records"
    ended = Counter(_release(one) for one in world.records.values())
    for release in world.releases:
        if not ended[release.commit.sha] and not world.refusing:
            yield f"{release.commit.sha[:8]} ends a hold, and no record says so"
    landed = {rollback.commit.sha for rollback in world.rollbacks} | world.ours
    for sha in recorded:
        if sha is not None and sha not in landed:
            yield f"a record names {sha[:8]}, which is not on the branch"


def _waited(record: Document) -> bool:
    evidence = record["evidence"]
    return isinstance(evidence, dict) and "pullRequest" in evidence


def _release(record: Document) -> str:
    evidence = record["evidence"]
    ended = evidence.get("release") if isinstance(evidence, dict) else None
    return str(ended["commit"]) if ended else ""


PROMISE = Promise("19", "everything is explained", check, at_end)
