"""Several red applications: one commit, one rollback, and nobody left behind."""

from __future__ import annotations

from datetime import datetime

from app_world import MINUTE, START, TICK, Replica, World, deployment, running

from gitops_rollback.app.executor import Executor
from gitops_rollback.app.records import open_record
from gitops_rollback.core.rollback import Phase, RollbackOutcome, advance
from gitops_rollback.core.stop import SETTINGS_DOOR, PauseState

LATER = START + 3 * MINUTE
CALM = ("calm1", "calm2", "calm3")


def _shared_commit(world: World, *names: str, calm: tuple[str, ...] = CALM) -> Replica:
    """One commit changes all of `names`; each is synced to it at START."""
    running(world, *names, *calm)
    files: dict[str, str | None] = {f"apps/{name}/{name}.yaml": deployment(name, "1.1") for name in names}
    bad = world.people.push("Ship all", files, START - MINUTE)
    one = world.replica()
    for name in names:
        world.engine.deploy(name, bad, START)
    return one


def _break(world: World, *names: str, at: datetime = START + MINUTE) -> None:
    for name in names:
        world.metrics.break_from(name, at)


def test_a_second_application_with_the_same_culprit_is_not_paged_as_a_second_rollback(world: World) -> None:
    """Without a control group the two are no incident; the first one's rollback undoes it for both."""
    one = _shared_commit(world, "cart", "web", calm=())
    _break(world, "cart", "web")
    one.until(START, LATER)
    assert world.reverts() == 1
    assert "AlreadyRolledBack" not in one.told.reasons


def _pause(replica: Replica, holds: bool) -> None:
    state = PauseState(SETTINGS_DOOR, unreadable="torn" if holds else "")
    replica.reconciler.surroundings.settings_pause = lambda: state


def test_an_incident_goes_on_where_its_first_application_has_recovered_by_itself(world: World) -> None:
    one = _shared_commit(world, "cart", "pay", "shop", "web")
    _break(world, "cart", "pay", "shop", "web")
    _pause(one, True)
    one.until(START, START + 2 * MINUTE)
    world.metrics.mend("cart", START + 2 * MINUTE)
    one.until(START + 2 * MINUTE, LATER)
    _pause(one, False)
    one.until(LATER, LATER + MINUTE)
    assert world.reverts() == 1
    body = world.people.git("log", "-1", "--format=%B", "main")
    assert any(f"Rollback-Id: {record}\n" in body for record in one.reconciler.see_now().journal.records)


def test_a_persons_no_to_an_incident_counts_for_each_of_its_applications(world: World) -> None:
    one = _shared_commit(world, "cart", "web")
    _break(world, "cart", "web")
    _pause(one, True)
    tick = one.until(START, START + 2 * MINUTE)[-1]
    cart = next(sight for sight in tick.sights if sight.watched.target.name == "cart")
    facts = one.reconciler._facts(cart, tick)
    assert facts.proposal is not None
    assert facts.proposal.plan is not None
    assert cart.look is not None
    assert len(facts.proposal.plan.applications) == 2
    refused = open_record(facts.proposal.plan, cart.look, cart.look.raised, tick.now, Phase.PENDING)
    one.reconciler.see_now()
    assert isinstance(one.reconciler.executor, Executor)
    one.reconciler.executor.keep(advance(refused, Phase.DONE, outcome=RollbackOutcome.REFUSED))
    world.metrics.mend("cart", START + 2 * MINUTE)
    _pause(one, False)
    one.until(START + 2 * MINUTE, START + 15 * MINUTE)
    assert world.reverts() == 0


def test_a_region_that_is_out_is_nobodys_commit_though_only_one_was_deployed(world: World) -> None:
    """The others were not deployed to, so nothing is under watch there; they are red all the same."""
    one = _shared_commit(world, "web", calm=(*CALM, "calm4"))
    one.until(START, START + MINUTE - TICK)
    _break(world, "web", *CALM, "calm4")
    one.until(START + MINUTE, LATER)
    assert world.reverts() == 0
    assert "MassEvent" in one.told.reasons


def test_what_still_fires_when_an_outage_has_just_ended_is_nobodys_commit_either(world: World) -> None:
    """The others are well again; the one that was deployed lags behind them."""
    one = _shared_commit(world, "web", calm=(*CALM, "calm4"))
    one.until(START, START + MINUTE - TICK)
    _break(world, "web", *CALM, "calm4")
    one.until(START + MINUTE, LATER)
    for name in (*CALM, "calm4"):
        world.metrics.mend(name, LATER)
    one.until(LATER, LATER + 3 * MINUTE)
    assert world.reverts() == 0


def test_old_troubles_of_others_hold_nobody_back(world: World) -> None:
    one = _shared_commit(world, "web", calm=(*CALM, "calm4"))
    _break(world, *CALM, "calm4", at=START - 60 * MINUTE)
    _break(world, "web")
    one.until(START, LATER)
    assert world.reverts() == 1


def test_an_incident_is_not_verified_by_the_one_of_its_applications_that_is_well(world: World) -> None:
    one = _shared_commit(world, "cart", "web")
    _break(world, "cart", "web")
    one.until(START, START + 2 * MINUTE)
    world.metrics.mend("cart", START + 2 * MINUTE)
    one.until(START + 2 * MINUTE, START + 10 * MINUTE)
    assert world.reverts() == 1
    assert "Verified" not in one.told.reasons
    assert "StillBad" in one.told.reasons
