"""Promise 3, second part: what runs is read again just before a push, and a newer sync cancels it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from gitops_rollback.core.message import UPSTREAM_TRAILER
from gitops_rollback.core.ownership import CONTROLLER
from gitops_rollback.sandbox.simulation.events import Asked, Event, short, step_of
from gitops_rollback.sandbox.simulation.holds import RELEASES
from gitops_rollback.sandbox.simulation.promises.promise import Promise
from gitops_rollback.sandbox.simulation.remote import MAIN
from gitops_rollback.sandbox.simulation.world import World


def check(world: World, event: Event) -> Iterator[str]:
    """Of an incident's applications the one that is acted for must be known to run the bad revision still."""
    if not isinstance(event, Asked):
        return
    update = next((one for one in event.updates if one.ref == MAIN), None)
    if update is None:
        return
    said = world.objects.commits[update.new].trailers
    if RELEASES in said or UPSTREAM_TRAILER in said:
        return  # it takes nothing back of what runs
    if step_of(world.objects.commits[update.new])[0] > 1:
        return  # the first commit of its plan has been deployed, which is newer than the bad one
    if _next_plan(world, said):
        return  # what did not help runs, and what comes next is a person's to begin
    names = [short(name) for name in said.get("Rollback-Application", ())]
    bad = said.get("Rollback-Bad-Revision", ("",))[0]
    against = [_moved_on(world, event.who, name, bad) for name in names]
    if all(against):
        yield f"{event.who} pushes, though {'; '.join(against)}"


def _next_plan(world: World, said: Mapping[str, tuple[str, ...]]) -> bool:
    """A person says so, after a rollback from the same bad revision."""
    asked = said.get("Rollback-Requested-By", (CONTROLLER,))[-1] != CONTROLLER
    return asked and any(one.bad in said.get("Rollback-Bad-Revision", ()) for one in world.carried)


def _moved_on(world: World, who: str, name: str, bad: str) -> str:
    """Why this application is none to act for any more; "" where it is one."""
    shown = world.cluster.shown.get((who, name))
    if not shown:
        return f"it never saw what {name} runs"
    known = shown[-1]
    # An older state that is shown late says nothing new.
    heard = [one.state.operation for one in shown if one.state.operation and one.state.operation.started_at]
    told = max(heard, key=lambda one: one.started_at or known.at, default=known.state.operation)
    if told is not None and world.cluster.is_newer(name, told, bad) and not _tried(world, bad, told.revisions[0]):
        return f"the engine told it at {known.at:%H:%M:%S} that {name} goes to {told.revisions[0][:8]}"
    now = world.cluster.moving(name, bad)
    if now is not None and now.at > known.at and not _tried(world, bad, now.revision):
        began = f"{now.at:%H:%M:%S}"
        return f"{name} has gone to {now.revision[:8]} since {began}, and it looked last at {known.at:%H:%M:%S}"
    return ""


def _tried(world: World, bad: str, revision: str) -> bool:
    """What is newer is a rollback of the same bad revision, which a person wants to be followed by another one."""
    return any(one.bad == bad and world.objects.is_ancestor(one.commit.sha, revision) for one in world.carried)


PROMISE = Promise("3", "a sync that is newer than the bad one cancels the push", check)
