"""Promise 15, where data moved: it goes back on a person's word alone, and not past their no or their stop."""

from __future__ import annotations

from collections.abc import Iterator

from gitops_rollback.sandbox.simulation.events import Event, Given, Rollback, Stepped
from gitops_rollback.sandbox.simulation.migrating import code_of
from gitops_rollback.sandbox.simulation.promises.promise import Promise
from gitops_rollback.sandbox.simulation.traffic import MIGRATION
from gitops_rollback.sandbox.simulation.world import World


def check(world: World, event: Event) -> Iterator[str]:
    """Releases that move data are those that bring other code to the server."""
    if world.setup.strategy != MIGRATION or not isinstance(event, Rollback | Stepped | Given):
        return
    rollback = event if isinstance(event, Rollback) else event.rollback
    identity = rollback.commit.trailers["Rollback-Id"][0]
    if isinstance(event, Given) and identity not in world.yes:
        yield f"{event.commit.sha[:8]} says that a person asked for {identity}, and nobody has"
    if isinstance(event, Stepped) and world.records.get(identity, {}).get("phase") == "Done":
        why = world.records[identity]["reason"]
        yield f"{event.commit.sha[:8]} is step {event.n} of {identity}, which has ended: {why}"
    if isinstance(event, Rollback):
        for sha in (sha for sha in rollback.reverts if _moves_data(world, sha)):
            yield f"{event.commit.sha[:8]} takes back {sha[:8]}, which moved data, without a person's word"


def _moves_data(world: World, sha: str) -> bool:
    parents = world.objects.commits[sha].parents
    return any(
        code_of(world.objects, name, sha) != code_of(world.objects, name, parents[0]) for name in world.setup.staged
    )


PROMISE = Promise("15", "what moved data goes back on a person's word alone", check)
