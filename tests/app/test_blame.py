"""What ran here before, and who can be to blame?"""

from __future__ import annotations

import pytest
from app_world import MINUTE, START, World, running, ship

from gitops_rollback.app import blame
from gitops_rollback.app.inputs import Inputs

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


@pytest.mark.parametrize("helped", [True, False])
def test_how_a_rollback_ended_says_whether_its_state_was_quiet_however_long_it_lived(
    world: World, helped: bool
) -> None:
    """One that did not help was as bad as what it undid; that it was well when it was replaced nobody has measured."""
    running(world, "web")
    bad = ship(world, "web", START - MINUTE)
    one = world.replica()
    world.engine.deploy("web", bad, START)
    world.metrics.break_from("web", START + MINUTE, START + (5 if helped else 30) * MINUTE)
    one.until(START, START + 40 * MINUTE)
    assert world.reverts() == 1
    assert ("StillBad" in one.told.reasons) is not helped
    later = START + 120 * MINUTE
    for new, at in (("1.2", later), ("1.3", later + MINUTE)):
        world.engine.deploy("web", ship(world, "web", at, old="1.0" if new == "1.2" else "1.2", new=new), at)
    tick = one.until(later, later + 2 * MINUTE)[-1]
    look = tick.sights[0].look
    assert look is not None
    past = blame.Blamer(one.repo, Inputs(one.repo)).past(look, tick.view, one.reconciler.directory.feeder(look.watched))
    first, _, after = past.lived[:3]
    assert (first.inputs, first.quiet) == (after.inputs, True)
    assert after.quiet is (True if helped else None)
