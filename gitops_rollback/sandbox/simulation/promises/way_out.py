"""Promise 16, where data moved: never half. A plan comes to its end, or people know where it stands and the way out."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from gitops_rollback.core.errors import Reason
from gitops_rollback.sandbox.simulation.events import Rollback, Stepped, Told, step_of
from gitops_rollback.sandbox.simulation.migrating import serves
from gitops_rollback.sandbox.simulation.promises.promise import Promise
from gitops_rollback.sandbox.simulation.traffic import MIGRATION, steered, steering
from gitops_rollback.sandbox.simulation.world import World

AGAIN = timedelta(minutes=17)  # people are told every quarter of an hour


def at_end(world: World) -> Iterator[str]:
    """By the branch, and by what people were told since the newest step."""
    if world.setup.strategy != MIGRATION or world.forced:
        return
    for plan in (one for one in world.carried if one.staged and one.speaker in world.setup.staged):
        yield from _half(world, plan)
    for name in world.setup.staged:
        yield from _dark(world, name)


def _half(world: World, plan: Rollback) -> Iterator[str]:
    newest, identity = world.plan(plan)[-1], plan.commit.trailers["Rollback-Id"][0]
    n, of = step_of(newest.commit)
    record = world.records.get(identity)
    if n == of or record is None or _taken_over(world, newest, plan.speaker):
        return
    pages = _told(world, identity, newest)
    if record["reason"] == "Aborted" and "safe end: " in str(record["message"]):
        return  # whoever stopped it reads this
    if not any("safe end: " in one.message.text for one in pages):
        yield f"{identity} stands at step {n}, and nobody was told how it ends safely: {pages[-1:]}"
    elif record["phase"] != "Done" and world.now - pages[-1].at > AGAIN:
        yield f"{identity} stands at step {n}, and nobody has been told so since {pages[-1].at:%H:%M:%S}"


def _taken_over(world: World, newest: Rollback | Stepped, name: str) -> bool:
    """A person has set its fields to something else since."""
    kind, objects = world.setup.strategy, world.objects
    for path in steering(kind, name):
        ours, now = (objects.text(sha, path) for sha in (newest.commit.sha, world.head))
        if ours is None or now is None or steered(kind, path, ours) != steered(kind, path, now):
            return True
    return False


def _dark(world: World, name: str) -> Iterator[str]:
    """Nobody is left without service by a commit of ours that people were not told of."""
    if serves(world.objects, name, world.head):
        return
    plans = [one for one in world.carried if one.staged and one.speaker == name]
    if not plans:
        return
    newest, identity = world.plan(plans[-1])[-1], plans[-1].commit.trailers["Rollback-Id"][0]
    record = world.records.get(identity, {})
    if _a_person_did(world, name, newest, identity):
        return
    if not _told(world, identity, newest) and record.get("reason") != "Aborted":
        yield f"{name} serves nobody since {newest.commit.sha[:8]}, and people were not told"


def _a_person_did(world: World, name: str, newest: Rollback | Stepped, identity: str) -> bool:
    """It served, people were told that all was well, and only after that somebody stopped it."""
    verified = [
        one.at
        for one in world.messages
        if one.message.rollback_id == identity and one.message.reason == Reason.VERIFIED
    ]
    line = world.objects.between(newest.commit.sha, world.head, len(world.objects.commits))
    stopped = [one.committed_at for one in line if not serves(world.objects, name, one.sha)]
    if not serves(world.objects, name, newest.commit.sha) or not verified or not stopped:
        return False
    return min(verified) <= min(stopped)


def _told(world: World, identity: str, newest: Rollback | Stepped) -> list[Told]:
    """The pages about it since its newest commit."""
    pages = (one for one in world.messages if one.message.page and one.message.rollback_id == identity)
    return [one for one in pages if one.at >= newest.at]


PROMISE = Promise("16", "data is never left half moved where people do not know the way out", at_end=at_end)
