"""Promise 15, of dependants: no more levels of them go back without a person than the culprit's policy allows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from gitops_rollback.sandbox.simulation.events import Event, Rollback, Stepped
from gitops_rollback.sandbox.simulation.needing import Needs, api_file, calls_file, carried_by, level_in, level_of, ways
from gitops_rollback.sandbox.simulation.promises.promise import Promise
from gitops_rollback.sandbox.simulation.world import World


def check(world: World, event: Event) -> Iterator[str]:
    """Counted along what really needs what goes back, by the files; no word on cascades allows none."""
    if not isinstance(event, Rollback | Stepped) or not world.needs:
        return
    plan = event.rollback if isinstance(event, Stepped) else event
    if plan in world.approved or not plan.before:
        return
    going, goals = _changed_by(world, plan.before), _changed_by(world, plan.reverts)
    policy, really = world.policy_at(event.commit.parents[0], plan.speaker), _really(world, plan)
    most = (policy.depth or 0) if policy is not None else 0
    for name in sorted(
        carried_by(world.truth, world.setup.names, event) - goals
    ):  # what the culprit changed goes along
        if not any(any(ways(world.needs, name, goal, going)) for goal in goals):
            yield f"{event.commit.sha[:8]} takes back {name}, which needs nothing of what goes back"
        levels = max((steps for goal in goals for steps in ways(really, name, goal, going)), default=1)
        if levels > most:
            yield f"{event.commit.sha[:8]} takes back {name}, {levels} levels up, where {most} are allowed"


def _really(world: World, plan: Rollback) -> Needs:
    """Who calls what the plan takes away, as the branch stood when it began."""
    objects, start = world.objects, plan.commit.parents[0]
    old: dict[str, str | None] = {}
    for sha in (*plan.before, *plan.reverts):
        old |= {change.path: change.old_blob for change in objects.commits[sha].changes}
    return {
        name: tuple(
            other
            for other in others
            if api_file(other) in old
            and level_of(objects, start, calls_file(name, other)) > level_in(objects, old[api_file(other)])
        )
        for name, others in world.needs.items()
    }


def _changed_by(world: World, commits: Iterable[str]) -> frozenset[str]:
    paths = [path for sha in commits for path in world.objects.commits[sha].paths]
    return frozenset(name for name in world.setup.names if world.truth.own_paths(name, paths))


PROMISE = Promise("15", "a cascade goes no deeper than the policy allows", check)
