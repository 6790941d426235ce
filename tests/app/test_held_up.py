"""An engine that waits for the bad revision's health cannot be freed: it is told at once, and waited for to its end."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from app_world import MINUTE, START, MemoryEngine, World, pushed, running, ship

from gitops_rollback.core.sync import ApplicationId, Health

ENDS = START + 40 * MINUTE


class WaitingEngine(MemoryEngine):
    """Waits for the health of the last deployment until `ENDS`, whatever it is asked."""

    ended = 0

    def sync(self, application: ApplicationId, project: str, prune: bool, info: object) -> bool:
        raise AssertionError("a busy engine is not asked to sync")

    def terminate(self, application: ApplicationId, project: str) -> None:
        self.ended += 1

    def waits(self, name: str, revision: str, at: datetime) -> None:
        self.deploy(name, revision, at)
        state = self.states[name]
        assert state.operation is not None
        running = replace(state.operation, in_progress=True, finished_at=None, ends_by=ENDS, sooner="Set the gate")
        self.states[name] = replace(state, operation=running, health=Health.PROGRESSING)

    def lets_go(self, name: str, at: datetime) -> None:
        self.deploy(name, self._head(), at)
        self.states[name] = replace(self.states[name], health=Health.HEALTHY)


@pytest.fixture
def engine(world: World) -> WaitingEngine:
    found = WaitingEngine(world.url, world.head, world.clock)
    world.engine = found
    running(world, "web", "cart")
    found.waits("web", ship(world, "web", START - MINUTE), START)
    world.metrics.break_from("web", START + MINUTE)
    return found


def pages(world: World, one: object) -> list[str]:
    return [message.text for message in one.told.messages if message.reason == "HealthWait"]


def test_it_pages_at_once_says_until_when_and_is_verified_after_the_wait(world: World, engine: WaitingEngine) -> None:
    one = world.replica()
    one.until(START, START + 5 * MINUTE)
    assert world.reverts() == 1
    (text,) = pages(world, one)
    assert f"until {ENDS:%H:%M:%S} UTC" in text
    assert "Set the gate" in text
    tick = one.until(START + 5 * MINUTE, ENDS)[-1]
    (record,) = tick.view.journal.records.values()
    assert (record.phase.value, record.reason, record.times["heldUntil"]) == ("Syncing", "HealthWait", ENDS)
    assert 1 < engine.ended < 90
    engine.lets_go("web", ENDS)
    world.metrics.mend("web", ENDS)
    tick = one.until(ENDS, ENDS + 3 * MINUTE)[-1]
    reasons = [entry.reason for entry in tick.view.journal.decisions if entry.application == record.applications[0]]
    assert reasons[-4:] == ["TriggerFired", "HealthWait", "TriggerFired", "Verified"]
    assert [record.outcome for record in tick.view.journal.records.values()] == ["verified"]
    assert len(pages(world, one)) == 1


def test_a_new_process_goes_on_waiting_and_writes_nothing_anew(world: World, engine: WaitingEngine) -> None:
    one = world.replica()
    one.until(START, START + 5 * MINUTE)
    written = one.tick(START + 5 * MINUTE).view.heads.journal
    two = world.replica("two")
    two.until(START + 20 * MINUTE, START + 22 * MINUTE)
    last = two.until(START + 30 * MINUTE, ENDS + timedelta(seconds=45))[-1]
    (record,) = pushed(last)
    assert (record.phase.value, record.times["heldUntil"]) == ("Syncing", ENDS)
    assert written is not None
    last = two.until(ENDS + MINUTE, ENDS + 2 * MINUTE)[-1]
    assert [(one.outcome, one.reason) for one in pushed(last)] == [("unverified", "SyncTimeout")]
