"""Promise 13, third part: many red applications without a common suspect are nobody's commit."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from gitops_rollback.sandbox.simulation.events import Event, Rollback
from gitops_rollback.sandbox.simulation.metrics import GREEN, RED
from gitops_rollback.sandbox.simulation.promises.promise import Promise
from gitops_rollback.sandbox.simulation.world import World

MANY = 5
FEW, FEW_PERCENT = 3, 10  # so many are enough where they are more than this share of all
WINDOW = 570  # seconds: red within ten minutes is red at once
LONG_ENOUGH = 105  # seconds: the longest `for`, the initial delay, and two ticks


def check(world: World, event: Event) -> Iterator[str]:
    """Counted are those that turned red of late though no commit is to blame for it.

    Several that a commit of ours has just been pushed for, since they shared its culprit, are one event. Of an
    application whose policy calls nothing red, or that none has ever named, nobody can tell.
    """
    if not isinstance(event, Rollback):
        return
    watched = [name for name in world.setup.names if name not in world.setup.unwatched]
    red = [name for name in watched if _is_newly_red(world, event, name)]
    red = [name for name in red if _calls_it_red(world, event, name)]
    strangers = [name for name in red if not _carries(world, event, name) and not _was_really_bad(world, event, name)]
    count = len({_explained_by(world, event, name) for name in strangers}) + 1
    if count >= MANY or (count >= FEW and 100 * count > FEW_PERCENT * (len(watched) + 1)):
        yield f"{', '.join(strangers)} are red too and do not have the culprit, yet {event.commit.sha[:8]} was pushed"


def _is_newly_red(world: World, event: Rollback, name: str) -> bool:
    """Red without a pause, since less than the time within which troubles count as one event."""
    red = all(value == RED for value in world.shown(name, event.at, LONG_ENOUGH))
    return red and GREEN in world.shown(name, event.at, WINDOW)


def _calls_it_red(world: World, event: Rollback, name: str) -> bool:
    """By the newest policy at the head that can be read."""
    texts = (world.policy_at(commit.sha, name) for commit in world.objects.first_parents(event.commit.parents[0]))
    policy = next((text for text in texts if text is not None), None)
    return policy is not None and policy.threshold < 1


def _explained_by(world: World, event: Rollback, name: str) -> str:
    """The newest of our other commits of late whose culprit it carries; else it stands for itself."""
    late = timedelta(seconds=WINDOW)
    others = [one for one in reversed(world.rollbacks) if one is not event and event.at - one.at <= late]
    return next((one.commit.sha for one in others if _carries(world, one, name)), name)


def _was_really_bad(world: World, event: Rollback, name: str) -> bool:
    """By a commit, while it was seen red; the rollback of that commit may have been synced just now."""
    return any(world.truth.is_bad(name, event.at - timedelta(seconds=ago)) for ago in range(0, LONG_ENOUGH, 15))


def _carries(world: World, event: Rollback, name: str) -> bool:
    live = world.cluster.live(name)
    return any(
        world.objects.is_ancestor(sha, live) and world.truth.own_paths(name, world.objects.commits[sha].paths)
        for sha in event.reverts
    )


PROMISE = Promise("13", "many red applications at once are not many bad commits", check)
