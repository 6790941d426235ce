"""Promise 9, third part: what a promoter reads is taken back once, after what came of it, and lasts.

Promise 14 of it: no such rollback is verified while the promoter could bring the same again.
"""

from __future__ import annotations

from collections.abc import Iterator

from gitops_rollback.core.errors import Reason
from gitops_rollback.sandbox.simulation.events import Document, Event, Recorded, Upstreamed
from gitops_rollback.sandbox.simulation.promises.promise import Promise
from gitops_rollback.sandbox.simulation.world import World


def check(world: World, event: Event) -> Iterator[str]:
    """By what the branch holds."""
    if isinstance(event, Upstreamed):
        yield from _once_and_after(world, event)
        yield from _is_inverse(world, event)
    elif isinstance(event, Recorded) and event.after["reason"] == Reason.VERIFIED.value:
        yield from _stands(world, event.after)


def _once_and_after(world: World, event: Upstreamed) -> Iterator[str]:
    here = [one for one in world.carried if event.identity in one.commit.trailers["Rollback-Id"]]
    if not any(world.objects.is_ancestor(one.commit.sha, event.commit.sha) for one in here):
        yield f"{event.commit.sha[:8]} takes back what {event.identity} has not taken back where the engine reads"
    same = [one for one in world.upstreamed if one.identity == event.identity]
    if len(same) > 1:
        yield f"{event.identity} was taken back upstream {len(same)} times"


def _is_inverse(world: World, event: Upstreamed) -> Iterator[str]:
    touched = {change.path for sha in event.reverts for change in world.objects.commits[sha].changes}
    for change in event.commit.changes:
        if change.path not in touched:
            yield f"{event.commit.sha[:8]} changes {change.path}, which {', '.join(event.reverts)} did not"


def _stands(world: World, record: Document) -> Iterator[str]:
    evidence = record["evidence"]
    upstream = evidence.get("upstream") if isinstance(evidence, dict) else None
    if not isinstance(upstream, dict):
        return
    commit = str(upstream["commit"])
    if commit and not world.objects.is_ancestor(commit, world.head):
        yield f"{record['id']} is verified, and {commit[:8]} is not on the branch"
    if not commit and not upstream["done"]:
        yield f"{record['id']} is verified, and nothing was taken back where the promoter reads"


PROMISE = Promise("9", "what a promoter reads is taken back once, and before it is verified", check)
