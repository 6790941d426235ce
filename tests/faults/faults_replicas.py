"""Several controllers: a leader stands still, two believe to lead, nobody can lead, links are down, builds differ."""

from __future__ import annotations

import random
import signal
from collections.abc import Callable
from pathlib import Path

from fault_world import history_faults
from lease_world import OURS
from live_world import MINUTE
from proxy import black_hole
from replicas_world import ReplicasWorld, replicas_world
from upgraded_stories import TOLD, other_build, upgraded

from gitops_rollback.core.lease import lease_name
from gitops_rollback.sandbox.git_server import Operation
from gitops_rollback.sandbox.kubernetes.kinds import LEASE
from gitops_rollback.sandbox.world import REPOSITORY

STORY_SECONDS = 150.0  # of world time, from the release to the last look of its verification
SEVERAL = 2  # forms of F44 with a rollback that changes builds twice; the others are the stories of the demo


def stopped(folder: Path, seed: int) -> tuple[str, ...]:
    """F37: the leader stands still, in its push or at any moment, and wakes after another has taken over."""
    dice = random.Random(seed)
    with replicas_world(folder) as world:
        zombie = world.until_led()
        world.fail()
        if dice.random() < 0.5:
            _in_its_push(world, zombie.signal, landed=dice.random() < 0.5)
        else:
            _at_a_moment(world, dice)
            zombie.signal(signal.SIGSTOP)
        world.until_led(by_other_than=zombie.name)
        if dice.random() < 0.5:
            world.until_verified()
        zombie.signal(signal.SIGCONT)
        world.until_verified()
        world.let_pass(4 * MINUTE)
        wrong = [] if zombie.alive else ["the one that stood still ended"]
        return (*wrong, *history_faults(world))


def _in_its_push(world: ReplicasWorld, send: Callable[[int], None], landed: bool) -> None:
    """It stands still with a push of the revert under way, whose answer it gets only when it wakes."""
    world.until(lambda: world.pending(), "a trigger is pending")
    world.world.git.hang(Operation.PUSH, after=landed)
    before = _pushes(world)
    world.until(lambda: _pushes(world) > before, "a push is under way")
    send(signal.SIGSTOP)
    world.world.git.release()


def _pushes(world: ReplicasWorld) -> int:
    return sum(one.operation is Operation.PUSH for one in tuple(world.world.git.requests))


def _at_a_moment(world: ReplicasWorld, dice: random.Random) -> None:
    world.until(world.deployed, "the release was seen")
    due, began = dice.uniform(0, STORY_SECONDS), world.now()
    world.until(lambda: (world.now() - began).total_seconds() >= due, "the moment")


def two_leaders(folder: Path, seed: int) -> tuple[str, ...]:
    """F38: the API is split, or the Lease is deleted again and again; two lead, and there is one revert."""
    dice = random.Random(seed)
    with replicas_world(folder, count=1) as world:
        split = seed % 2 == 1
        if split:
            world.add_api()
        world.start_replica("other", api=1 if split else 0)
        if split:
            world.until(lambda: world.leader(1) is not None, "the other leads, too")
        world.fail()
        for _ in range(0 if split else 6):
            _at_a_moment_soon(world, dice)
            if world.leases[0].holder(REPOSITORY):
                world.leases[0].kubernetes.store.delete(LEASE, lease_name(REPOSITORY), OURS)
        world.until_verified()
        world.let_pass(4 * MINUTE)
        return history_faults(world)


def _at_a_moment_soon(world: ReplicasWorld, dice: random.Random) -> None:
    due, began = dice.uniform(0, STORY_SECONDS / 6), world.now()
    world.until(lambda: (world.now() - began).total_seconds() >= due, "the moment")


def nobody_can_lead(folder: Path, seed: int) -> tuple[str, ...]:
    """F39: the API is away: nothing is written from the renew deadline on, all is read, and it is said why."""
    with replicas_world(folder, count=1 + seed % 2) as world:
        leader = world.until_led()
        if seed % 3 == 0:
            world.leases[0].kubernetes.refuse(503, times=None)
        else:
            world.lease_link.strike(black_hole(), open_too=True)
        world.until(lambda: "cannot be held" in world.ready(leader)[1], "it says that it cannot hold the lease")
        wrong = [] if world.ready(leader)[0] == 503 else ["it calls itself ready"]
        heads = world.people.git("for-each-ref", "--format=%(objectname)", "refs/heads/gitops-rollback-journal")
        bad = world.fail()
        world.until(lambda: _fires(world), "the trigger is seen to fire all the same")
        world.let_pass(4 * MINUTE, lambda: bool(world.telling.reverts()), "a revert without a lease")
        after = world.people.git("for-each-ref", "--format=%(objectname)", "refs/heads/gitops-rollback-journal")
        wrong += [] if heads == after else ["the journal was written without a lease"]
        world.leases[0].kubernetes.reset()
        world.lease_link.heal()
        world.until_verified()
        assert bad
        return (*wrong, *history_faults(world))


def _fires(world: ReplicasWorld) -> bool:
    return any(line.get("msg") == "trigger" and line.get("phase") == "firing" for line in world.logged())


def links_down(folder: Path, seed: int) -> tuple[str, ...]:
    """F43: a subset of the links to git, engine, Prometheus and the Lease is down, once for each; then all is well."""
    with replicas_world(folder) as world:
        links = (world.links.git, world.links.argocd, world.links.prometheus, world.lease_link)
        down = [link for bit, link in enumerate(links) if (seed % 15 + 1) >> bit & 1]
        world.fail()
        world.until(world.deployed, "the release was seen")
        for link in down:
            link.link_down()
        before = len(world.telling.reverts())
        world.let_pass(4 * MINUTE)
        wrong = []
        if links[0] in down and len(world.telling.reverts()) > before:
            wrong.append("a revert landed over a link that is down")
        for link in down:
            link.heal()
        world.until_verified()
        return (*wrong, *history_faults(world))


def builds_differ(folder: Path, seed: int) -> tuple[str, ...]:
    """F44: another build is put in the place of this one in the middle of a rollback, and this one comes back.

    Or one build takes over from the other at a moment of one of the demo's stories.
    """
    form = seed % (SEVERAL + len(TOLD))
    if form >= SEVERAL:
        return upgraded(folder, TOLD[form - SEVERAL], seed)
    dice = random.Random(seed)
    other = {"PYTHONPATH": str(other_build(folder / "other-build"))}
    with replicas_world(folder, count=0) as world:
        turns = [{}, other, {}] if dice.random() < 0.5 else [other, {}, other]
        moments = sorted(dice.uniform(0, STORY_SECONDS) for _ in turns[1:])
        world.start_replica("turn-0", **turns[0])
        world.fail()
        world.until(world.deployed, "the release was seen")
        began = world.now()
        for number, (moment, build) in enumerate(zip(moments, turns[1:], strict=True), 1):
            world.until(lambda moment=moment: (world.now() - began).total_seconds() >= moment, "the moment")
            wrong = [code for code in world.end_replicas() if code]
            assert not wrong, f"it ended with {wrong}"
            world.start_replica(f"turn-{number}", **build)
        world.until_verified()
        return history_faults(world)


FAULTS = {"F37": stopped, "F38": two_leaders, "F39": nobody_can_lead, "F43": links_down, "F44": builds_differ}
