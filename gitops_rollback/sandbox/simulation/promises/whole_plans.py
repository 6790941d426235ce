"""Promise 16, of plans of several commits: step by step, each once, to the end; or held, and people know where."""

from __future__ import annotations

from collections.abc import Iterator

from gitops_rollback.sandbox.simulation.events import Document, Event, Recorded, Rollback, Stepped, step_of
from gitops_rollback.sandbox.simulation.promises.promise import Promise
from gitops_rollback.sandbox.simulation.world import World


def check(world: World, event: Event) -> Iterator[str]:
    """Each commit descends from the one before it and has a higher number of the same sum; verified means all."""
    if isinstance(event, Rollback) and step_of(event.commit)[0] > 1:
        yield f"{event.commit.sha[:8]} is step {step_of(event.commit)[0]} of a plan that nobody began"
    if isinstance(event, Stepped):
        line = world.plan(event.rollback)
        before = line[line.index(event) - 1].commit
        n, of = step_of(before)
        if event.n <= n or event.of != of:
            yield f"{event.commit.sha[:8]} is step {event.n}/{event.of}, and follows {n}/{of}"
        if not world.objects.is_ancestor(before.sha, event.commit.sha):
            yield f"{event.commit.sha[:8]} does not descend from {before.sha[:8]}, the step before it"
    if isinstance(event, Recorded) and event.after["outcome"] == "verified":
        plan = _plan_of(world, event.after)
        for path in left(world, plan) if plan is not None else ():
            yield f"{event.after['id']} is verified, and {path} is still as the culprit left it"


def at_end(world: World) -> Iterator[str]:
    """What stands half way says so in its record, and to people, with what is not done."""
    for plan in world.carried if not world.forced else ():
        if not plan.staged:
            continue  # one commit is never half way, and one that people squashed has lost its trailers
        n, of = step_of(world.plan(plan)[-1].commit)
        record = world.records.get(plan.commit.trailers["Rollback-Id"][0])
        if n == of or record is None or record["outcome"] in ("verified", "superseded"):
            continue
        if not list(left(world, plan)):
            continue  # people have done what was left
        if record["reason"] == "Aborted" and "stands at step" in str(record["message"]):
            continue  # whoever stopped it reads this
        told = [one.message for one in world.messages if one.message.rollback_id == record["id"] and one.message.page]
        if not any(word in one.text for one in told for word in ("at step", "not done any more")):
            yield f"{record['id']} stands at step {n} of {of}, and nobody was told so"


def _plan_of(world: World, record: Document) -> Rollback | None:
    return next(
        (one for one in world.carried if one.staged and record["id"] in one.commit.trailers["Rollback-Id"]), None
    )


def left(world: World, plan: Rollback) -> Iterator[str]:
    """Files of the culprits that have been as they left them ever since our last commit, whoever has pushed since."""
    last = world.plan(plan)[-1].commit.sha
    since = [one.sha for one in world.objects.first_parents(world.head) if world.objects.is_ancestor(last, one.sha)]
    going = (*plan.before, *plan.reverts)
    for path in sorted({change.path for sha in going for change in world.objects.commits[sha].changes}):
        changes = [one for sha in going for one in world.objects.commits[sha].changes if one.path == path]
        old, new = changes[-1].old_blob, changes[0].new_blob
        if old != new and all(world.objects.files(sha).get(path) == new for sha in since):
            yield path


PROMISE = Promise("16", "a plan of several commits goes to its end, or is held where people know it", check, at_end)
