"""What was taken back on staging may go back by itself in production; what was not, a person is asked about."""

from __future__ import annotations

from datetime import timedelta

import pytest
from app_world import MINUTE, POLICIES, START, Replica, World, policy, running, ship
from fake_forge import FakeForge

from gitops_rollback.app.beforehand import set_statuses
from gitops_rollback.app.settings_before import Statuses
from gitops_rollback.core.pull_request import StatusState
from gitops_rollback.core.rollback import Phase, RollbackOutcome

BAD, OTHER = (f"1.1@sha256:{digit * 64}" for digit in "ab")
REHEARSED = "gitops-rollback/rehearsed"
LATER = START + 20 * MINUTE


def demanding(rehearse: str = "stage") -> str:
    text = policy("web").replace("spec:\n", "spec:\n  requireRehearsal: true\n")
    return text.replace("name: web}\n      data", f"name: web}}\n      rehearse: {rehearse}\n      data")


@pytest.fixture
def staged(world: World) -> World:
    """Staging took a release back, verified; production, which asks for that, runs the one before it."""
    running(world, "stage", "web", since=START - timedelta(days=1))
    world.people.push("Ask for rehearsals", {f"{POLICIES}/web.yaml": demanding()}, START - 50 * MINUTE)
    for name in ("stage", "web"):
        world.engine.compare(name, world.head(), START - 40 * MINUTE)
    return world


def practise(world: World, one: Replica) -> str:
    bad = ship(world, "stage", START - MINUTE, new=BAD)
    world.engine.deploy("stage", bad, START)
    world.metrics.break_from("stage", START + MINUTE, START + 3 * MINUTE)
    one.until(START, START + 12 * MINUTE)
    (record,) = one.reconciler.see_now().journal.records.values()
    assert record.outcome is RollbackOutcome.VERIFIED
    return bad


def release(world: World, one: Replica, image: str) -> dict[str, str]:
    """Production gets the image, and goes bad; what the guard says of its plan."""
    world.engine.compare("web", world.head(), LATER - 2 * MINUTE)
    bad = ship(world, "web", LATER - MINUTE, new=image)
    world.engine.deploy("web", bad, LATER)
    world.metrics.break_from("web", LATER + MINUTE, LATER + 3 * MINUTE)
    one.until(LATER, LATER + 4 * MINUTE)
    (record,) = [each for each in one.reconciler.see_now().journal.records.values() if bad in each.reverts]
    (answer,) = [dict(each) for each in record.guards if each["guard"] == "rehearsed"]
    acted = record.phase is not Phase.AWAITING_APPROVAL
    return {**answer, "acted": str(acted)}


def test_what_was_taken_back_on_staging_goes_back_by_itself_in_production(staged: World) -> None:
    one = staged.replica()
    practise(staged, one)
    answer = release(staged, one, BAD)
    assert (answer["result"], answer["acted"]) == ("allow", "True")
    assert "practised on stage" in answer["message"]


@pytest.mark.parametrize("image", [pytest.param(OTHER, id="another digest"), pytest.param("1.1", id="the same tag")])
def test_other_contents_under_the_same_name_ask_a_person(staged: World, image: str) -> None:
    one = staged.replica()
    practise(staged, one)
    answer = release(staged, one, image)
    assert (answer["result"], answer["reason"], answer["acted"]) == ("ask", "NotRehearsed", "False")
    assert "not practised on stage: apps/web/web.yaml was not" in answer["message"]


def test_without_any_rehearsal_a_person_is_asked_and_told_why(staged: World) -> None:
    one = staged.replica()
    answer = release(staged, one, BAD)
    assert (answer["reason"], answer["acted"]) == ("NotRehearsed", "False")
    assert [message.page for message in one.told.messages if "not practised on stage" in message.text] == [True]


def test_an_application_that_nobody_knows_is_no_place_to_rehearse(staged: World) -> None:
    staged.people.push("Elsewhere", {f"{POLICIES}/web.yaml": demanding("staging")}, START - 30 * MINUTE)
    answer = release(staged, staged.replica(), BAD)
    assert "what was practised on staging cannot be told" in answer["message"]


def test_the_commit_that_was_practised_bears_a_status_and_a_restart_sets_it_too(staged: World) -> None:
    for name in ("one", "two"):
        forge = FakeForge(staged)
        one = staged.replica(name)
        wanted = Statuses(rollbackable=False, hold=False, deployed=False)
        set_statuses(one.reconciler, forge, wanted)
        if name == "one":
            bad = practise(staged, one)
        one.tick(START + 15 * MINUTE)
        state, words = forge.statuses[bad, REHEARSED]
        assert state is StatusState.SUCCESS
        assert words.startswith("rolled back and verified on stage: rb-")
