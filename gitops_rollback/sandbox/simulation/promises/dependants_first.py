"""Promise 15, of dependants: what needs something is never left without it by a commit of ours, so it goes back first.

Who needs what is read from the files themselves; that there is a dependence is what policies say.
"""

from __future__ import annotations

from collections.abc import Iterator

from gitops_rollback.sandbox.simulation.events import Event, Rollback, Stepped
from gitops_rollback.sandbox.simulation.needing import misses
from gitops_rollback.sandbox.simulation.promises.promise import Promise
from gitops_rollback.sandbox.simulation.world import World


def check(world: World, event: Event) -> Iterator[str]:
    """As the branch stands before and after each commit of ours. What a person has said yes to is theirs."""
    if not isinstance(event, Rollback | Stepped):
        return
    if isinstance(event, Stepped) and event.rollback in world.approved:
        return
    before, after = event.commit.parents[0], event.commit.sha
    for name in world.needs:
        lost = misses(world.objects, world.needs, name, after) - misses(world.objects, world.needs, name, before)
        if lost:
            yield f"{after[:8]} takes from {name} what it calls of {', '.join(sorted(lost))}"


PROMISE = Promise("15", "what needs something goes back before it", check)
