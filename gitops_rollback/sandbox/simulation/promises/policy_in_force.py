"""Promise 12: the policy before the judged change allows it, and no restriction at the head forbids it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from itertools import pairwise

from gitops_rollback.sandbox.simulation.events import Event, Rollback
from gitops_rollback.sandbox.simulation.promises.promise import Promise
from gitops_rollback.sandbox.simulation.world import World

WINDOW = 10  # minutes


def check(world: World, event: Event) -> Iterator[str]:
    """Only what can be read is judged here: a broken file takes nothing away and gives nothing."""
    if not isinstance(event, Rollback):
        return
    name = event.speaker
    if name in world.setup.unwatched:
        yield f"no policy has ever named {name}"
    oldest = world.objects.commits[event.reverts[-1]]
    known = [world.policy_at(at, name) for at in (oldest.parents[0], event.restores, *_before(world, event))]
    if all(policy is not None and not policy.allows for policy in known):
        yield f"no policy of {name} from before {oldest.sha[:8]} lets anybody act"
    head = event.commit.parents[0]
    now = world.policy_at(head, name)
    if now is not None and not now.allows and not _brought_by_suspect(world, event, head, now.path):
        yield f"the policy of {name} at the head forbids it, and no suspect brought that"


def _before(world: World, event: Rollback) -> Iterator[str]:
    """The first parents of all that may be suspects: of what came since a content that lived as long as a window."""
    name, bad = event.speaker, world.cluster.content(event.speaker, event.bad)
    policy = world.policy_at(event.restores, name)
    window = timedelta(minutes=policy.window if policy is not None else WINDOW)
    stretches = world.cluster.stretches(name)
    end = max((at for at, one in enumerate(stretches) if one.content == bad), default=0)
    good = [one.last for one, later in pairwise(stretches[: end + 1]) if later.at - one.at >= window]
    for commit in world.objects.first_parents(event.bad):
        if commit.sha in good[-1:]:
            return
        if commit.parents and world.truth.own_paths(name, commit.paths):
            yield commit.parents[0]


def _brought_by_suspect(world: World, event: Rollback, head: str, path: str) -> bool:
    """Suspects are all commits that were deployed and change the application's own files, reverted or not."""
    for commit in world.objects.first_parents(head):
        if path in commit.paths:
            own = world.truth.own_paths(event.speaker, commit.paths)
            return bool(own) and world.objects.is_ancestor(commit.sha, event.bad)
    return False


PROMISE = Promise("12", "the policy in force is the newest one that the judged change did not bring", check)
