"""The defects of the sketch that show only in a controller at work: after a restart, after a failure, over time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta

import pytest
from app_world import MINUTE, POLICIES, START, Replica, World, policy, pushed, running, ship

from gitops_rollback.adapters.policies.reader import read_policy
from gitops_rollback.app.measuring import Measuring
from gitops_rollback.app.progress import Follower
from gitops_rollback.app.steady import Steady
from gitops_rollback.app.tick import Tick
from gitops_rollback.core.plan import GuardAnswer

HTTP = "[{name: front, type: http, url: 'http://127.0.0.1:9/health', timeout: 7s}]"


def checking(checks: str) -> str:
    return policy("web").replace("timeout: 5m}", f"timeout: 5m, checks: {checks}}}")


@dataclass
class Front:
    """Answers what it is told, and keeps the patience that it was given."""

    answers: int
    patience: list[timedelta] = field(default_factory=list)

    def status(self, url: str, timeout: timedelta) -> int:
        self.patience.append(timeout)
        return self.answers


def following(one: Replica, world: World, front: Front) -> Follower:
    follower = one.reconciler.follower
    return Follower(
        one.repo, follower._policies, Measuring(lambda _settings: world.metrics), front, Steady(world.clock)
    )


def broken(world: World, text: str = "", front: Front | None = None) -> Replica:
    """A bad release of `web`, rolled back, whose errors go on."""
    running(world, "web")
    if text:
        first = world.people.push("Write the policy", {f"{POLICIES}/web.yaml": text}, START - 3 * MINUTE)
        world.engine.deploy("web", first, START - 2 * MINUTE)
    bad = ship(world, "web", START - MINUTE)
    one = world.replica()
    if front is not None:
        one.reconciler.follower = following(one, world, front)
    world.engine.deploy("web", bad, START)
    world.metrics.break_from("web", START + MINUTE)
    one.until(START, START + 3 * MINUTE)
    assert world.reverts() == 1
    return one


def outcomes(tick: Tick) -> Sequence[tuple[object, str]]:
    return [(record.outcome, record.reason) for record in pushed(tick)]


def test_a_rollback_that_did_not_help_was_retried_and_paged_every_tick_for_ever(world: World) -> None:
    one = broken(world)
    one.until(START + 3 * MINUTE, START + 10 * MINUTE)
    paged = len([message for message in one.told.messages if message.page])
    last = one.until(START + 10 * MINUTE, START + 20 * MINUTE)[-1]
    assert outcomes(last) == [("unverified", "StillBad")]
    assert (world.reverts(), len([message for message in one.told.messages if message.page])) == (1, paged)


def test_known_syncs_were_lost_with_the_memory(world: World) -> None:
    broken(world)
    for name in ("two", "three"):
        world.replica(name).until(START + 4 * MINUTE, START + 6 * MINUTE)
    assert world.reverts() == 1


def test_the_cooldown_was_lost_with_the_memory(world: World) -> None:
    one = broken(world, policy("web").replace("cooldown: 0s", "cooldown: 2h"))
    world.metrics.mend("web", START + 4 * MINUTE)
    one.until(START + 4 * MINUTE, START + 6 * MINUTE)
    later = START + 40 * MINUTE
    world.engine.deploy("web", ship(world, "web", later - MINUTE, new="1.2"), later)
    world.metrics.break_from("web", later + MINUTE)
    tick = world.replica("two").until(later, later + 4 * MINUTE)[-1]
    assert world.reverts() == 1
    assert "Cooldown" in {answer.reason for answer in guards(tick)}


def guards(tick: Tick) -> tuple[GuardAnswer, ...]:
    return tuple(answer for sight in tick.sights if sight.proposal for answer in sight.proposal.guards)


@pytest.mark.parametrize(("answers", "outcome"), [(200, ("verified", "Verified")), (503, ("unverified", "StillBad"))])
def test_the_timeout_of_an_http_check_was_not_used_and_its_answer_neither(
    world: World, answers: int, outcome: tuple[str, str]
) -> None:
    front = Front(answers)
    one = broken(world, checking(HTTP), front)
    last = one.until(START + 3 * MINUTE, START + 10 * MINUTE)[-1]
    assert outcomes(last) == [outcome]
    assert set(front.patience) == {timedelta(seconds=7)}


def test_the_kubernetes_check_always_said_complete(world: World) -> None:
    workload = "workload: {kind: Deployment, namespace: shop, name: web}"
    text = checking(f"[{{name: pods, type: kubernetes, {workload}, expect: complete}}]")
    one = broken(world)
    follower, judged = one.reconciler.follower, read_policy(text.encode(), "web.yaml", "c" * 40).wanted("web.yaml")
    follower._policy = lambda _record, watched: (judged, watched.target)
    world.metrics.mend("web", START + 3 * MINUTE)
    last = one.until(START + 3 * MINUTE, START + 10 * MINUTE)[-1]
    assert outcomes(last) == [("unverified", "VerificationTimeout")]
