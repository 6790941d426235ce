"""One commit changes two applications, and a trigger fires for one of them: who must be well again?"""

from __future__ import annotations

from datetime import datetime

import pytest
from app_world import MINUTE, START, Replica, World, deployment, running

from gitops_rollback.core.rollback import RollbackOutcome, RollbackRecord

CALM = ("calm1", "calm2", "calm3")
PUSHED = START + 3 * MINUTE  # at the latest


def _rolled_back(world: World) -> Replica:
    """One release of cart and web is deployed; web fires, and the release is taken back in both."""
    running(world, "cart", "web", *CALM)
    files: dict[str, str | None] = {f"apps/{name}/{name}.yaml": deployment(name, "1.1") for name in ("cart", "web")}
    bad = world.people.push("Ship both", files, START - MINUTE)
    one = world.replica()
    for name in ("cart", "web"):
        world.engine.deploy(name, bad, START)
    world.metrics.break_from("web", START + MINUTE, PUSHED)
    one.until(START, PUSHED)
    assert world.reverts() == 1
    assert world.people.read("apps/cart/cart.yaml") == deployment("cart", "1.0")
    return one


def _record(replica: Replica) -> RollbackRecord:
    """Of the rollback itself: one that did not help has plans after it."""
    records = replica.reconciler.see_now().journal.records.values()
    return next(record for record in records if record.commit is not None)


def test_what_got_worse_beside_it_is_not_verified(world: World) -> None:
    one = _rolled_back(world)
    world.metrics.break_from("cart", PUSHED)
    one.until(PUSHED, PUSHED + 8 * MINUTE)
    record = _record(one)
    assert record.outcome is RollbackOutcome.UNVERIFIED
    assert "cart" in record.message


@pytest.mark.parametrize("ends", [PUSHED + 60 * MINUTE, START - MINUTE], ids=["still", "ended"])
def test_what_was_bad_beside_it_before_is_not_asked_to_be_well(world: World, ends: datetime) -> None:
    world.metrics.break_from("cart", START - 60 * MINUTE, ends)
    one = _rolled_back(world)
    one.until(PUSHED, PUSHED + 3 * MINUTE)
    assert _record(one).outcome is RollbackOutcome.VERIFIED


def test_both_are_well_again(world: World) -> None:
    one = _rolled_back(world)
    one.until(PUSHED, PUSHED + 3 * MINUTE)
    record = _record(one)
    assert record.outcome is RollbackOutcome.VERIFIED
    assert "cart" in record.message
