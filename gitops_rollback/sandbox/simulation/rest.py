"""Has a world come to rest? Every application is well, or a person knows of it; no rollback is under way."""

from __future__ import annotations

from collections.abc import Iterator

from gitops_rollback.sandbox.simulation.events import PREFIX
from gitops_rollback.sandbox.simulation.metrics import RED
from gitops_rollback.sandbox.simulation.world import World

WAITING = ("AwaitingApproval", "Done")


def at_rest(world: World) -> bool:
    """Nothing is left to be done by anybody but a person."""
    return not any(unsettled(world))


def unsettled(world: World) -> Iterator[str]:
    """What is neither well nor told."""
    for record in world.records.values():
        if record["phase"] not in WAITING and not world.forced:
            yield f"{record['id']} is still {record['phase']}: {record['message']}"
    for name in world.setup.names:
        state = world.cluster.apps[name].state
        if state.busy and not told_of(world, name):
            yield f"the engine is still busy with {name}, and nobody was told"
        if world.store.value(name, world.now) == RED and not told_of(world, name):
            yield f"{name} is bad, and nobody was told"


def told_of(world: World, name: str) -> bool:
    """A person has heard of the fault that this application has now."""
    since = world.truth.bad_since(name, world.now)
    full = f"{PREFIX}{name}"
    for told in world.messages:
        named = full in (told.message.application, *_applications(world, told.message.rollback_id))
        general = told.message.application in ("shop/config",)
        if (named or general) and (since is None or told.at >= since):
            return True
    return False


def _applications(world: World, identity: str) -> tuple[str, ...]:
    record = world.records.get(identity)
    names = record["applications"] if record else ()
    return tuple(names) if isinstance(names, (list, tuple)) else ()
