"""What becomes of a rollback whose controller's clock is set, or which nobody follows for a while?"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

import pytest
from app_world import MINUTE, START, TICK, MemoryEngine, Replica, World, pushed, running, ship

from gitops_rollback.core.deployments import ROLLBACK_ID_INFO
from gitops_rollback.core.sync import ApplicationId
from gitops_rollback.ports import Message

LATER = START + 3 * MINUTE
HOUR = timedelta(hours=1)


class SlowEngine(MemoryEngine):
    """Takes each sync, and does nothing about it until `carry_out`."""

    def sync(self, application: ApplicationId, project: str, prune: bool, info: Mapping[str, str]) -> bool:
        self.synced.append(application.name)
        return True

    def carry_out(self, identity: str) -> None:
        """The engine applies the branch's head at last, and shows it."""
        self.deploy("web", self._head(), self._clock.at, {ROLLBACK_ID_INFO: identity})


def _pushed(world: World, engine: MemoryEngine | None = None) -> Replica:
    """A rollback that has just been pushed, and nobody has looked since."""
    world.engine = engine or world.engine
    running(world, "web")
    bad = ship(world, "web", START - MINUTE)
    one = world.replica()
    world.engine.deploy("web", bad, START)
    world.metrics.break_from("web", START + MINUTE)
    now = START
    while not world.reverts():
        one.tick(now)
        now += TICK
    world.metrics.mend("web", now)
    return one


def _slow(world: World) -> SlowEngine:
    return SlowEngine(world.url, world.head, world.clock)


def _later(one: Replica, passed: timedelta) -> None:
    """Ticks until so much more time has really passed."""
    one.until(one.clock.at + TICK, one.clock.at + passed)


def _pages(one: Replica) -> list[Message]:
    return [message for message in one.told.messages if message.page and message.event != "started"]


def _outcome(one: Replica) -> tuple[str, object]:
    (record,) = pushed(one.tick(one.clock.at + TICK))
    return record.phase.value, record.outcome


@pytest.mark.parametrize("jump", [HOUR, -HOUR])
def test_a_clock_that_jumps_while_the_engine_syncs_ends_nothing(world: World, jump: timedelta) -> None:
    engine = _slow(world)
    one = _pushed(world, engine)
    _later(one, MINUTE)
    one.clock.ahead = jump
    _later(one, 2 * MINUTE)
    assert _outcome(one) == ("Syncing", None)
    one.clock.ahead = timedelta(0)
    engine.carry_out(next(iter(one.tick(one.clock.at + TICK).view.journal.records)))
    _later(one, 2 * MINUTE)
    assert _outcome(one) == ("Done", "verified")


def test_a_clock_that_jumps_right_after_the_push_ends_nothing(world: World) -> None:
    one = _pushed(world, _slow(world))
    one.clock.ahead = HOUR
    _later(one, MINUTE)
    assert _outcome(one) == ("Syncing", None)


@pytest.mark.parametrize("jump", [HOUR, -HOUR])
def test_a_sync_that_never_comes_is_given_up_after_its_time_whatever_the_clock_says(
    world: World, jump: timedelta
) -> None:
    one = _pushed(world, _slow(world))
    _later(one, MINUTE)
    one.clock.ahead = jump
    _later(one, 8 * MINUTE)
    assert _outcome(one) == ("Syncing", None)
    _later(one, 2 * MINUTE)
    assert _outcome(one) == ("Done", "unverified")


def test_a_clock_that_jumps_while_it_is_verified_neither_ends_nor_shortens_it(world: World) -> None:
    one = _pushed(world)
    while _outcome(one)[0] != "Verifying":
        pass
    world.metrics.break_from("web", one.clock.at)
    one.clock.ahead = HOUR
    _later(one, 2 * MINUTE)
    assert _outcome(one) == ("Verifying", None)
    world.metrics.bad.clear()
    assert _outcome(one) == ("Verifying", None)
    _later(one, MINUTE)
    assert _outcome(one) == ("Done", "verified")


def test_a_clock_that_jumps_ahead_completes_no_for(world: World) -> None:
    running(world, "web")
    bad = ship(world, "web", START - MINUTE)
    one = world.replica()
    world.engine.deploy("web", bad, START)
    world.metrics.break_from("web", START + MINUTE)
    one.until(START, START + MINUTE)
    one.clock.ahead = 2 * TICK
    one.until(START + MINUTE + TICK, START + MINUTE + 2 * TICK)
    assert world.reverts() == 0
    one.until(START + MINUTE + 3 * TICK, START + MINUTE + 5 * TICK)
    assert world.reverts() == 1


def test_a_clock_that_is_right_again_after_it_ran_ahead_hides_nothing(world: World) -> None:
    running(world, "web")
    bad = ship(world, "web", START - MINUTE)
    one = world.replica()
    world.engine.deploy("web", bad, START)
    one.clock.ahead = 20 * MINUTE
    one.until(START + TICK, START + MINUTE)
    one.clock.ahead = timedelta(0)
    world.metrics.break_from("web", START + MINUTE)
    one.until(START + MINUTE + TICK, START + 2 * MINUTE)
    assert world.reverts() == 1


def test_a_controller_that_was_away_asks_for_the_sync_before_it_gives_up(world: World) -> None:
    one = _pushed(world)
    one.clock.at += 20 * MINUTE
    _later(one, 2 * MINUTE)
    assert world.engine.synced == ["web"]
    assert _outcome(one) == ("Done", "verified")


def test_a_new_controller_asks_and_waits_a_little_before_it_pages(world: World) -> None:
    engine = _slow(world)
    _pushed(world, engine)
    two = world.replica("two")
    two.clock.at += 20 * MINUTE
    _later(two, 2 * MINUTE)
    assert engine.synced
    assert _outcome(two) == ("Syncing", None)
    _later(two, MINUTE)
    assert _outcome(two) == ("Done", "unverified")
    assert [message.reason for message in _pages(two)] == ["SyncTimeout"]


def test_an_engine_that_shows_an_old_state_is_asked_twice_a_minute_at_most(world: World) -> None:
    engine = _slow(world)
    one = _pushed(world, engine)
    one.until(one.clock.at + TICK, one.clock.at + 3 * MINUTE)
    assert 3 <= len(engine.synced) <= 6


def test_a_look_in_between_asks_no_sooner(world: World) -> None:
    """Hints wake a controller that follows a rollback several times a second."""
    engine = _slow(world)
    one = _pushed(world, engine)
    for number in range(40):
        one.tick(one.clock.at + timedelta(seconds=1) * (number % 2))
    assert len(engine.synced) == 1
