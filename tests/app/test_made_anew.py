"""An application that is deleted and made anew is another object: its status says nothing of the old one."""

from __future__ import annotations

from dataclasses import replace

from app_world import MINUTE, START, TICK, World, running, ship
from test_unfollowed import pushed


def _made_anew(world: World) -> None:
    """Another object of the same name, which has deployed nothing yet."""
    world.engine.add("web")
    world.engine.states["web"] = replace(world.engine.states["web"], uid="another")


def test_a_rollback_of_the_old_object_ends_and_is_not_verified_by_the_new_one(world: World) -> None:
    one, at = pushed(world)
    _made_anew(world)
    world.engine.deploy("web", world.head(), at + TICK)
    world.metrics.mend("web", at)
    one.until(at + TICK, at + 5 * MINUTE)
    ended = [message for message in one.told.messages if message.event == "unverified"]
    assert [(message.reason, message.page) for message in ended] == [("Recreated", True)]
    assert "made anew" in ended[0].text
    assert world.engine.synced == [], "nobody asks the new object to sync for a rollback of the old one"


def test_another_process_knows_from_the_journal_which_object_it_was(world: World) -> None:
    _, at = pushed(world)
    _made_anew(world)
    world.engine.deploy("web", world.head(), at + TICK)
    world.metrics.mend("web", at)
    other = world.replica("two")
    records = other.until(at + TICK, at + 2 * MINUTE)[-1].view.journal.records.values()
    assert [(record.outcome, record.reason) for record in records] == [("unverified", "Recreated")]


def test_a_status_that_starts_anew_has_no_last_good_so_a_person_is_asked(world: World) -> None:
    """What the old object had deployed is no ground to go back to, and is not compared with."""
    one, at = pushed(world)
    world.metrics.mend("web", at)
    one.until(at + TICK, at + 2 * MINUTE)
    at += 40 * MINUTE
    _made_anew(world)
    bad = ship(world, "web", at, "1.0", "1.2")
    world.engine.deploy("web", bad, at + TICK)
    world.metrics.break_from("web", at + MINUTE)
    one.until(at + TICK, at + 5 * MINUTE)
    assert world.reverts() == 1
    assert "NoLastGood" in one.told.reasons


def test_a_plan_that_waits_for_a_word_about_the_old_object_ends(world: World) -> None:
    running(world, "web")
    claim = "apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {name: data}\n"
    asked = world.people.push("Add a claim", {"apps/web/claim.yaml": claim}, START - MINUTE)
    one = world.replica()
    world.engine.deploy("web", asked, START)
    world.metrics.break_from("web", START + MINUTE)
    one.until(START, START + 3 * MINUTE)
    _made_anew(world)
    world.engine.deploy("web", asked, START + 3 * MINUTE)
    records = one.until(START + 3 * MINUTE, START + 4 * MINUTE)[-1].view.journal.records.values()
    assert [(record.outcome, "made anew" in record.message) for record in records] == [("superseded", True)]
