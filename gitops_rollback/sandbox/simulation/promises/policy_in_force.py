"""Promise 12: the policy before the judged change allows it, and no restriction at the head forbids it."""

from __future__ import annotations

from collections.abc import Iterator

from gitops_rollback.sandbox.simulation.events import Event, Rollback
from gitops_rollback.sandbox.simulation.promises.promise import Promise
from gitops_rollback.sandbox.simulation.world import World


def check(world: World, event: Event) -> Iterator[str]:
    """Only what can be read is judged here: a broken file takes nothing away and gives nothing."""
    if not isinstance(event, Rollback):
        return
    name = event.applications[0]
    oldest = world.objects.commits[event.reverts[-1]]
    before = world.policy_at(oldest.parents[0], name)
    if before is not None and not before.allows:
        yield f"the policy of {name} before {oldest.sha[:8]} does not let anybody act"
    head = event.commit.parents[0]
    now = world.policy_at(head, name)
    if now is not None and not now.allows and not _brought_by_culprit(world, event, head, now.path):
        yield f"the policy of {name} at the head forbids it, and no culprit brought that"


def _brought_by_culprit(world: World, event: Rollback, head: str, path: str) -> bool:
    for commit in world.objects.first_parents(head):
        if path in commit.paths:
            return commit.sha in event.reverts
    return False


PROMISE = Promise("12", "the policy in force is the newest one that the judged change did not bring", check)
