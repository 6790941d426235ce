"""A change that was rolled back and that people land again: watched more closely, and blamed sooner."""

from __future__ import annotations

from datetime import timedelta

from app_world import MINUTE, POLICIES, START, TICK, World, deployment, policy, running, ship

FILE = "apps/web/web.yaml"


def test_a_change_that_people_bring_back_fires_sooner_and_is_the_likelier_one(world: World) -> None:
    running(world, "web")
    slow = policy("web").replace("for: 30s", "for: 2m")
    world.people.push("Wait longer", {f"{POLICIES}/web.yaml": slow}, START - 50 * MINUTE)
    one = world.replica()
    bad = ship(world, "web", START)
    world.engine.deploy("web", bad, START)
    world.metrics.break_from("web", START + MINUTE)
    one.until(START, START + 4 * MINUTE)
    assert world.commits()[0] == 'Revert "Ship web 1.1"'
    world.metrics.mend("web", START + 4 * MINUTE)
    one.until(START + 4 * MINUTE, START + 6 * MINUTE)
    later = START + timedelta(hours=2)
    again = world.people.push('Reapply "Ship web 1.1"', {FILE: deployment("web", "1.1", "debug")}, later)
    other = world.people.edit("Write less", FILE, "debug", "warn", later + MINUTE)
    world.engine.deploy("web", other, later + 2 * MINUTE)
    world.metrics.break_from("web", later + 3 * MINUTE)
    one.tick(later + 2 * MINUTE)
    one.until(later + 3 * MINUTE, later + 4 * MINUTE + 2 * TICK)
    records = one.reconciler.see_now().journal.records.values()
    (second,) = (record for record in records if record.bad_revision == other)
    assert second.times["fired"] - (later + 3 * MINUTE) == MINUTE
    suspects = [str(words) for words in second.evidence["suspects"]]
    assert suspects[0].startswith(again[:12])
    assert "lands again what rb-" in suspects[0]
