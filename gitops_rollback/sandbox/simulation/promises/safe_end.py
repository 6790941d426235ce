"""Promise 16, of cascades: one that is held or ends between two steps tells people how it ends safely."""

from __future__ import annotations

from collections.abc import Iterator

from gitops_rollback.sandbox.simulation.events import step_of
from gitops_rollback.sandbox.simulation.promises.promise import Promise
from gitops_rollback.sandbox.simulation.promises.whole_plans import left
from gitops_rollback.sandbox.simulation.world import World


def at_end(world: World) -> Iterator[str]:
    """By the pages about it: each names the way on."""
    for plan in world.carried if world.needs and not world.forced else ():
        n, of = step_of(world.plan(plan)[-1].commit)
        record = world.records.get(plan.commit.trailers["Rollback-Id"][0])
        if not plan.before or n == of or record is None or record["outcome"] in ("verified", "superseded"):
            continue
        told = [one.message for one in world.messages if one.message.rollback_id == record["id"] and one.message.page]
        if list(left(world, plan)) and not any("safe end" in one.text for one in told):
            yield f"{record['id']} stands at step {n} of {of}, and nobody was told how it ends safely"


PROMISE = Promise("16", "a cascade that stands still says how it ends safely", at_end=at_end)
