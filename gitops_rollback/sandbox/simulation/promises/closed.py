"""Promise 7, at a forge: a pull request that a person closed is a no, for this deployment and for good."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from gitops_rollback.sandbox.simulation.events import Event, MergeAsked, Rollback
from gitops_rollback.sandbox.simulation.forge.pulls import OURS
from gitops_rollback.sandbox.simulation.promises.promise import Promise
from gitops_rollback.sandbox.simulation.world import World

SEEN = timedelta(minutes=2)  # a forge that answers is looked at within some ticks


def check(world: World, event: Event) -> Iterator[str]:
    """Pushed, opened again or merged: none of it may follow, by ourselves."""
    if world.forge is None or not isinstance(event, Rollback | MergeAsked):
        return
    commit = event.commit if isinstance(event, Rollback) else world.objects.commits[event.head]
    identities = set(commit.trailers.get("Rollback-Id", ()))
    for pull in world.forge.pulls.values():
        no = pull.author == OURS and pull.closed_by not in ("", OURS) and pull.closed_at is not None
        if no and event.at - (pull.closed_at or event.at) > SEEN and identities & _identities(world, pull.head):
            yield f"{event.who} carries out {', '.join(identities)}, and {pull.closed_by} has closed #{pull.number}"


def at_end(world: World) -> Iterator[str]:
    """Nor is it proposed a second time."""
    if world.forge is None:
        return
    for pull in world.forge.pulls.values():
        no = pull.author == OURS and pull.closed_by not in ("", OURS)
        again = [one.number for one in world.forge.pulls.values() if one.head == pull.head and one.number > pull.number]
        if no and again:
            yield f"#{again[0]} is #{pull.number} once more, which {pull.closed_by} has closed"


def _identities(world: World, branch: str) -> set[str]:
    """The rollback that a branch of ours is named from."""
    digits = branch.rpartition("/")[2]
    return {one for one in world.records if one.removeprefix("rb-").startswith(digits)}


PROMISE = Promise("7", "a pull request that a person has closed is a no for good", check, at_end)
