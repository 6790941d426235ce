"""Promise 14, of infrastructure: verified only where each run that the rollback caused is over."""

from __future__ import annotations

from collections.abc import Iterator

from gitops_rollback.sandbox.simulation.events import Event, Recorded
from gitops_rollback.sandbox.simulation.promises.promise import Promise
from gitops_rollback.sandbox.simulation.world import World


def check(world: World, event: Event) -> Iterator[str]:
    """By what really ran; what a later commit changed again may have run instead."""
    if world.cloud is None or not isinstance(event, Recorded) or event.after["outcome"] != "verified":
        return
    if event.before is not None and event.before["outcome"] == "verified":
        return
    for plan in world.carried:
        if event.after["id"] not in plan.commit.trailers["Rollback-Id"]:
            continue
        end = world.plan(plan)[-1].commit
        for path, thing in world.cloud.things.items():
            if path not in end.paths and not (thing.code and thing.code in end.paths):
                continue
            if not world.cloud.has_run(path, end.sha, event.at):
                yield f"{event.after['id']} is verified, and the run of {thing.name} is not over"


PROMISE = Promise("14", "verified only where the runs of infrastructure are over", check)
