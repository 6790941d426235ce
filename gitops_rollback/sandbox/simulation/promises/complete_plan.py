"""Promise 16, of cascades: the plan was complete before its first write, and nothing joins it afterwards."""

from __future__ import annotations

from collections.abc import Iterator

from gitops_rollback.sandbox.simulation.events import Event, Rollback, Stepped, step_of
from gitops_rollback.sandbox.simulation.needing import carried_by
from gitops_rollback.sandbox.simulation.promises.promise import Promise
from gitops_rollback.sandbox.simulation.world import World


def check(world: World, event: Event) -> Iterator[str]:
    """By what the record names that landed with the first commit; each later one takes back some of that alone."""
    if not isinstance(event, Rollback | Stepped) or not world.needs:
        return
    plan = event.rollback if isinstance(event, Stepped) else event
    n, of = step_of(event.commit)
    if isinstance(event, Rollback) and event.staged and not event.before:
        yield f"{event.commit.sha[:8]} begins a plan of {of} commits, and no record says what goes back"
        return
    named = {path for sha in (*plan.before, *plan.reverts) for path in world.objects.commits[sha].paths}
    for path in sorted(set(event.commit.paths) - named):
        yield f"{event.commit.sha[:8]} changes {path}, which the plan did not name when it began"
    carried = carried_by(world.truth, world.setup.names, event)
    if plan.before and n < of and len(carried) != 1 and not _goes_together(world, plan, event, carried):
        yield f"{event.commit.sha[:8]} is step {n} of {of}, and takes back not just one application"


def _goes_together(world: World, plan: Rollback, event: Rollback | Stepped, carried: frozenset[str]) -> bool:
    """Commits that changed several of them tie all of these, which no step can part; such a plan asks a person first.

    One may tie the first to the second, and another one the second to the third.
    """
    shared = (world.objects.commits[sha].paths for sha in event.commit.trailers.get("Rollback-Reverts", ()))
    tied = [{name for name in carried if world.truth.own_paths(name, paths)} for paths in shared]
    together = set(sorted(carried)[:1])
    for _ in tied:
        together |= {name for group in tied if group & together for name in group}
    return plan in world.approved and bool(carried) and together == carried


PROMISE = Promise("16", "a cascade is complete before its first write", check)
