"""Promise 16, of infrastructure: no second change of ours while the run of the one before it is open."""

from __future__ import annotations

from collections.abc import Iterator

from gitops_rollback.sandbox.simulation.events import Event, Landed, Rollback, Stepped
from gitops_rollback.sandbox.simulation.promises.promise import Promise
from gitops_rollback.sandbox.simulation.world import World


def check(world: World, event: Event) -> Iterator[str]:
    """Of one plan no next step at all, of two no change of the same object; people may do what they like.

    So may they let a plan go on that says whose run is open: its own steps still wait for one another.

    By what really ran: a run that a later change has made unnecessary is over with that one's.
    """
    if world.cloud is None or not isinstance(event, Rollback | Stepped):
        return
    own, cloud = event.rollback if isinstance(event, Stepped) else event, world.cloud
    for plan in [*world.rollbacks, *world.approved]:
        for earlier in (one for one in world.plan(plan) if one is not event):
            for path in sorted(set(earlier.commit.paths) & set(cloud.things)):
                concerns = plan is own or (path in event.commit.paths and not isinstance(own, Landed))
                if concerns and not cloud.has_run(path, earlier.commit.sha, event.at):
                    yield f"{event.commit.sha[:8]} follows, and {path} has not run with {earlier.commit.sha[:8]} yet"


PROMISE = Promise("16", "no second change while a run is open", check)
