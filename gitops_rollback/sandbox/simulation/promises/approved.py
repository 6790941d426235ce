"""Promise 12, at a forge: nobody lets something be merged but what we made, with a person's word or the policy's."""

from __future__ import annotations

from collections.abc import Iterator

from gitops_rollback.sandbox.simulation.events import Event, MergeAsked, Rollback
from gitops_rollback.sandbox.simulation.forge.pulls import OURS
from gitops_rollback.sandbox.simulation.promises.promise import Promise
from gitops_rollback.sandbox.simulation.world import World


def check(world: World, event: Event) -> Iterator[str]:
    """By each merge that is asked for, before the forge hears of it."""
    if not isinstance(event, MergeAsked) or world.landings is None or world.forge is None:
        return
    pull = world.forge.pulls[event.number]
    if event.head not in world.landings.offered:
        yield f"{event.who} wants #{event.number} merged at {event.head[:8]}, which is not of our making"
    elif not world.landings.approved(pull, event.head):
        yield from (f"{event.who} wants #{event.number} merged: {why}" for why in _by_itself(world, event, pull.author))


def _by_itself(world: World, event: MergeAsked, author: str) -> Iterator[str]:
    """Why the policy lets nobody but a person merge it."""
    if author != OURS:
        yield "a person asked for it, and nobody has approved it"
        return
    commit = world.objects.commits[event.head]
    plan = Rollback.of(commit, event.at, event.who, world.cluster.ran)
    oldest = world.objects.commits[plan.reverts[-1]]
    name = plan.speaker
    known = [world.policy_at(at, name) for at in (oldest.parents[0], plan.restores)]
    if all(one is not None and not (one.allows and one.by_itself) for one in known):
        yield f"nobody has approved it, and no policy of {name} from before {oldest.sha[:8]} lets a forge do so"


PROMISE = Promise("12", "nothing is merged that nobody approved, unless the policy lets it", check)
