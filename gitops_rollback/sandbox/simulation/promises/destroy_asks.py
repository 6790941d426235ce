"""Promise 15, of infrastructure: what a run would destroy, or only its tool can tell, goes back by nobody alone."""

from __future__ import annotations

from collections.abc import Iterator

from gitops_rollback.sandbox.simulation.cloud_files import destroys
from gitops_rollback.sandbox.simulation.events import Event, Rollback, Stepped
from gitops_rollback.sandbox.simulation.promises.promise import Promise
from gitops_rollback.sandbox.simulation.world import World


def check(world: World, event: Event) -> Iterator[str]:
    """By the files before and after each commit of ours. What a person has said yes to is theirs."""
    if world.cloud is None or not isinstance(event, Rollback | Stepped):
        return
    if isinstance(event, Stepped) and event.rollback in world.approved:
        return
    text, said = world.objects.text, event.commit.sha[:8]
    for path in event.commit.paths:
        before, after = text(event.commit.parents[0], path), text(event.commit.sha, path)
        if path.startswith("infra/"):
            yield f"{said} changes {path}, of which only a plan of its tool can tell what it does"
        elif path in world.cloud.things and before is not None and after is None:
            yield f"{said} takes {path} away, and so its run destroys what that made"
        elif path in world.cloud.things and destroys(after) and not destroys(before):
            yield f"{said} makes the run of {path} destroy all that it manages"


PROMISE = Promise("15", "what would destroy something is never done without a person", check)
