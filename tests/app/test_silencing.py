"""Does a silence keep messages back and nothing else, and is what was kept back told when it ends?"""

from __future__ import annotations

from app_world import MINUTE, START, Replica, World, running, ship

from gitops_rollback.app.pausing import REF, SILENCES, change_pauses
from gitops_rollback.core.handover import ShiftTimes
from gitops_rollback.core.stop import Pause
from gitops_rollback.ports import Message, RefUpdate


def silence(world: World, minutes: int) -> None:
    """As a person does."""
    kim = Pause("Application/argocd/web", START + minutes * MINUTE, "Kim", "we look at it")
    repo = world.clone("person")
    change_pauses(repo, world.clock, lambda _before: (kim,), "Silence web", paper=SILENCES)
    repo.close()


def break_it(world: World) -> None:
    """A release that goes wrong a minute after it was synced."""
    world.engine.deploy("web", ship(world, "web", START - MINUTE), START)
    world.metrics.break_from("web", START + MINUTE)


def loud(replica: Replica) -> list[Message]:
    """What people are told."""
    return [one for one in replica.told.messages if not one.silenced]


def test_what_is_silenced_is_done_and_not_told_until_it_ends(world: World) -> None:
    running(world, "web")
    silence(world, 20)
    replica = world.replica()
    break_it(world)
    replica.until(START, START + 10 * MINUTE)
    assert world.reverts() == 1
    assert [one.title for one in loud(replica)] == ["Messages of Application/argocd/web are silenced: shop/config"]
    quiet = [one for one in replica.told.messages if one.silenced]
    assert quiet[0].event == "started"
    assert "Kim: we look at it" in quiet[0].silenced
    replica.until(START + 20 * MINUTE, START + 21 * MINUTE)
    last = loud(replica)[1]
    assert "are told again" in last.title
    assert "roll-back TriggerFired" in last.text


def test_a_process_that_starts_anew_knows_that_it_is_silent_and_what_was_not_told(world: World) -> None:
    running(world, "web")
    silence(world, 20)
    break_it(world)
    world.replica().until(START, START + 10 * MINUTE)
    after = world.replica("two")
    after.until(START + 11 * MINUTE, START + 12 * MINUTE)
    assert [one.title for one in loud(after)] == []
    after.tick(START + 21 * MINUTE)
    assert "roll-back TriggerFired" in loud(after)[0].text


def test_the_next_shift_is_told_when_it_begins_once_for_all_replicas(world: World) -> None:
    running(world, "web")
    change = START + 5 * MINUTE
    shifts = ShiftTimes((change.time().replace(second=0, microsecond=0),))
    one, two = world.replica(), world.replica("two")
    for replica in (one, two):
        replica.reconciler.surroundings.shifts = shifts
    break_it(world)
    one.until(START, START + 7 * MINUTE)
    (told,) = [message for message in one.told.messages if message.event == "handover"]
    assert "under way: argocd/web: rb-" in told.text
    two.until(START + 8 * MINUTE, START + 9 * MINUTE)
    assert [message for message in two.told.messages if message.event == "handover"] == []
    late = world.replica("late")
    late.reconciler.surroundings.shifts = ShiftTimes(((change - 60 * MINUTE).time(),))
    late.until(START + 9 * MINUTE, START + 10 * MINUTE)
    assert [message for message in late.told.messages if message.event == "handover"] == []


def test_a_silence_that_cannot_be_read_silences_nobody_and_is_said(world: World) -> None:
    running(world, "web")
    repo = world.clone("person")
    repo.fetch()
    files = {"silence.yaml": b"kind: Nonsense\n"}
    repo.push([RefUpdate(REF, repo.write_files(None, files, "Odd\n", START), None)])
    repo.close()
    replica = world.replica()
    break_it(world)
    replica.until(START, START + 3 * MINUTE)
    assert [one.event for one in loud(replica)].count("started") == 1
    assert any("silence.yaml of branch gitops-rollback-control cannot be read" in one.text for one in loud(replica))
