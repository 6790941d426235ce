"""What ran here before, and who can be to blame?"""

from __future__ import annotations

import pytest
from app_world import MINUTE, START, World, running, ship

from gitops_rollback.app import blame

LATER = START + 3 * MINUTE


def test_a_range_longer_than_what_is_read_is_for_a_person(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blame, "MAX_RANGE", 3)
    running(world, "web")
    ship(world, "web", START - 9 * MINUTE, new="0.9")
    for number in range(3):
        world.people.push("Elsewhere", {"README.md": f"{number}\n"}, START - 8 * MINUTE)
    bad = ship(world, "web", START - MINUTE, old="0.9")
    one = world.replica()
    world.engine.deploy("web", bad, START)
    world.metrics.break_from("web", START + MINUTE)
    one.until(START, LATER)
    assert world.reverts() == 0
    assert one.told.messages
