"""Has a world come to rest? Every application is well, or a person knows of it; no rollback is under way."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime, timedelta

from gitops_rollback.core.rollback import PULL_REQUEST, STEP_HELD_AT
from gitops_rollback.sandbox.simulation.events import Document
from gitops_rollback.sandbox.simulation.forge.pulls import OURS
from gitops_rollback.sandbox.simulation.metrics import GREEN, RED
from gitops_rollback.sandbox.simulation.world import World

WAITING = ("AwaitingApproval", "Done")
REPOSITORY = "shop/config"
TICK = timedelta(seconds=15)
JUDGING = timedelta(seconds=120)  # the longest `for`, the initial delay, and some ticks
LONGEST_RUN = 400  # ticks


def at_rest(world: World) -> bool:
    """Nothing is left to be done by anybody but a person."""
    return not any(unsettled(world)) and not any(left_open(world))


def unsettled(world: World) -> Iterator[str]:
    """What is neither well nor told."""
    for record in world.records.values():
        if record["phase"] not in WAITING and not world.forced and not waits_for_people(world, record):
            yield f"{record['id']} is still {record['phase']}: {record['message']}"
    for name in world.setup.names:
        if world.store.value(name, world.now) == RED and not told_of(world, name) and not is_masked(world, name):
            yield f"{name} is bad, and nobody was told"


def waits_for_people(world: World, record: Document) -> bool:
    """A plan of several commits that is held between two of them may stay so: people were told why."""
    times = record["times"]
    held = times.get(STEP_HELD_AT) if isinstance(times, dict) else None
    told = (one.message for one in world.messages if one.message.rollback_id == record["id"])
    return held is not None and any(one.page and one.reason == record["reason"] for one in told)


def held_between(world: World) -> frozenset[str]:
    """Those that are held between two of their commits: people are told of them again and again."""
    held = (one for one in world.records.values() if one["phase"] not in WAITING and waits_for_people(world, one))
    return frozenset(str(one["id"]) for one in held)


def left_open(world: World) -> Iterator[str]:
    """Whose pull request and record do not end together: a forge that was away is asked again after minutes only."""
    for record in world.records.values() if world.forge is not None else ():
        pull = world.forge.pulls.get(_number(record)) if world.forge is not None else None
        if record["phase"] == WAITING[0] and pull is not None and not pull.is_open:
            yield f"{record['id']} still waits, and #{pull.number} is {pull.state.value}"
        if record["phase"] == WAITING[1] and pull is not None and pull.is_open and pull.author == OURS:
            yield f"{record['id']} has ended, and #{pull.number} still stands open"


def told_of(world: World, name: str) -> bool:
    """A person has heard of the fault that this application shows now, by name or in a notice about all."""
    since, full, mass = _since(world, name), f"{world.cluster.prefix}{name}", False
    for told in world.messages:
        message = told.message
        if message.application == REPOSITORY and message.reason == "BranchRewritten":
            return True  # a person must say which history counts; until then nobody acts
        if told.at >= since and mass:
            return True  # one notice speaks for all that are red while it holds
        if message.application.startswith(REPOSITORY) and "red at once" in message.title:
            mass = True
        if message.application.startswith(REPOSITORY) and "mass event is over" in message.title:
            mass = False
            if told.at >= since and full in re.split(r"[\s,]+", message.text):
                return True  # it names those that are still red
        if full in (message.application, *_applications(world, message.rollback_id)) and told.at >= since:
            return True
    return mass


def _since(world: World, name: str) -> datetime:
    """When that began which is shown now: the deployment to blame, or what was shown before it without a pause."""
    began = world.truth.bad_since(name, world.now) or world.now
    at = world.now
    for _ in range(LONGEST_RUN):
        if world.store.value(name, at) == GREEN:
            break
        at -= TICK
    return min(began, at)


def is_masked(world: World, name: str) -> bool:
    """Nobody could tell: something else hid the beginning of the fault, a clock was wrong, the policy was disarmed."""
    began = world.truth.bad_since(name, world.now)
    # A limit that nothing reaches judges on until the next good revision, wherever it came from.
    disarmed = any(one.name == name and one.threshold >= 1 for one in world.policy_texts.values())
    live = world.truth.inputs(name, world.cluster.live(name))
    if (name, live) in world.taken_back:
        return True  # a person took it back in git already, and only the engine has not followed
    if began is None or world.stepped or disarmed or world.policy_at(world.head, name) is None:
        return True
    if world.store.value(name, began - TICK) != GREEN or world.store.value(name, began - 2 * TICK) != GREEN:
        return True
    reds = [
        (one.start, one.end) for key in ("", name) for one in world.store.overlays.get(key, ()) if one.shows == "red"
    ]
    hidden = any(start <= began + JUDGING and end >= began - 4 * TICK for start, end in reds)
    return hidden or any(start <= began + JUDGING and end >= began for start, end in world.store.down)


def _number(record: Document) -> int:
    evidence = record["evidence"]
    offer = evidence.get(PULL_REQUEST) if isinstance(evidence, dict) else None
    number = offer.get("number") if isinstance(offer, dict) else None
    return number if isinstance(number, int) else 0


def _applications(world: World, identity: str) -> tuple[str, ...]:
    record = world.records.get(identity)
    names = record["applications"] if record else ()
    return tuple(names) if isinstance(names, (list, tuple)) else ()
