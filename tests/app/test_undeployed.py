"""Where a person decides when to deploy, a rollback elsewhere deploys nothing that waits for that."""

from __future__ import annotations

from dataclasses import replace

from app_world import MINUTE, START, TICK, MemoryEngine, World, deployment, pushed, running, ship
from test_closures import change_base, on_base

from gitops_rollback.core.sync import ApplicationId, OperationPhase

LATER = START + 3 * MINUTE


class Ended(MemoryEngine):
    """Counts how often it was asked to end an operation."""

    ended = 0

    def terminate(self, application: ApplicationId, project: str) -> None:
        self.ended += 1


def _bad_base_below(world: World) -> str:
    """`web` deploys each commit and is hurt by the base's; `cart` on the same base is deployed by hand."""
    running(world, "web", "cart", extra=on_base("web", "cart"))
    world.engine.states["cart"] = replace(world.engine.states["cart"], auto_sync=False)
    world.people.push("Release cart 2.0", {"apps/cart/cart.yaml": deployment("cart", "2.0")}, START - 9 * MINUTE)
    return change_base(world)


def test_what_waits_for_a_person_elsewhere_is_not_deployed_by_a_rollback(world: World) -> None:
    bad = _bad_base_below(world)
    one = world.replica()
    world.engine.deploy("web", bad, START)
    world.metrics.break_from("web", START + MINUTE, LATER)
    last = one.until(START, START + 9 * MINUTE)[-1]
    (record,) = pushed(last)
    assert (record.reverts, record.outcome) == ((bad,), "verified")
    assert "cart" not in world.engine.synced


def test_what_waits_beside_a_bad_commit_that_was_deployed_by_hand_is_left_to_a_person(world: World) -> None:
    bad = _bad_base_below(world)
    world.engine.deploy("cart", bad, START)
    waits = world.people.push("Release cart 3.0", {"apps/cart/cart.yaml": deployment("cart", "3.0")}, START)
    one = world.replica()
    world.engine.deploy("web", bad, START)
    world.metrics.break_from("web", START + MINUTE, LATER)
    (record,) = pushed(one.until(START, START + 6 * MINUTE)[-1])
    assert (record.reason, record.outcome, world.engine.synced) == ("PendingChanges", None, ["web"])
    (page,) = [message for message in one.told.messages if message.page]
    assert f"1 commit never deployed ({waits[:12]})" in page.text
    world.engine.deploy("cart", world.head(), START + 6 * MINUTE)
    (record,) = pushed(one.until(START + 6 * MINUTE, START + 9 * MINUTE)[-1])
    assert (record.outcome, world.engine.synced) == ("verified", ["web"])


def test_what_comes_after_a_rollback_is_not_deployed_with_it_where_people_deploy_by_hand(world: World) -> None:
    running(world, "web", "cart")
    world.engine.states["web"] = replace(world.engine.states["web"], auto_sync=False)
    world.engine.deploy("web", ship(world, "web", START - MINUTE), START)
    one = world.replica()
    world.metrics.break_from("web", START + MINUTE)
    now = START
    while not world.reverts():
        one.tick(now := now + TICK)
    world.people.push("Log more", {"apps/web/web.yaml": deployment("web", "1.0", "debug")}, now)
    (record,) = pushed(one.until(now + TICK, now + 3 * MINUTE)[-1])
    assert (record.reason, record.outcome, world.engine.synced) == ("PendingChanges", None, [])


def test_an_operation_of_a_person_on_what_ran_before_the_bad_revision_is_not_ended(world: World) -> None:
    world.engine = engine = Ended(world.url, world.head, world.clock)
    first = running(world, "web", "cart")
    world.engine.deploy("web", ship(world, "web", START - MINUTE), START)
    one = world.replica()
    world.metrics.break_from("web", START + MINUTE)
    now = START
    while not world.reverts():
        one.tick(now := now + TICK)
    state = world.engine.states["web"]
    assert state.operation is not None
    by_hand = replace(state.operation, phase=OperationPhase.RUNNING, revisions=(first,), finished_at=None)
    by_hand = replace(by_hand, in_progress=True, started_at=now, initiated_by="admin")
    world.engine.states["web"] = replace(state, operation=by_hand)
    one.until(now + TICK, now + MINUTE)
    assert (engine.ended, engine.synced) == (0, [])
    world.engine.deploy("web", first, now)
    one.until(now + MINUTE, now + 2 * MINUTE)
    assert world.engine.synced == ["web"]
