"""Two syncs shortly after each other: how sure must it be which of them did it?"""

from __future__ import annotations

import pytest
from app_world import MINUTE, POLICIES, START, TICK, Replica, World, policy, pushed, running, ship

from gitops_rollback.app.requesting import Requests, Wish
from gitops_rollback.cli.asking import plan_document, plan_lines


def suspicious(world: World, suspects: str) -> tuple[Replica, str, str]:
    """Red by one of two commits, three minutes apart, under a policy with `suspects`; the commits, older first."""
    running(world, "web")
    text = policy("web").replace("  triggers:", f"{suspects}  triggers:")
    world.people.push("Say how sure", {f"{POLICIES}/web.yaml": text}, START - 50 * MINUTE)
    older = ship(world, "web", START - 4 * MINUTE)
    newer = ship(world, "web", START - MINUTE, old="1.1", new="1.2")
    one = world.replica()
    world.engine.deploy("web", older, START - 3 * MINUTE)
    world.engine.deploy("web", newer, START)
    world.metrics.break_from("web", START + MINUTE)
    one.until(START, START + 3 * MINUTE)
    return one, older, newer


@pytest.mark.parametrize(
    "suspects",
    ["", "  suspects: {threshold: 0.5}\n", "  suspects: {threshold: 0.5, below: range}\n"],
    ids=["no threshold", "sure enough, or a person", "sure enough, or the range"],
)
def test_a_sync_that_is_likely_enough_goes_back_alone(world: World, suspects: str) -> None:
    one, _, newer = suspicious(world, suspects)
    (record,) = pushed(one.tick(START + 4 * MINUTE))
    assert record.reverts == (newer,)
    assert world.reverts() == 1


def test_below_the_threshold_the_whole_range_goes_back_and_the_commit_says_why(world: World) -> None:
    one, older, newer = suspicious(world, "  suspects: {threshold: 0.95, below: range}\n")
    (record,) = pushed(one.tick(START + 4 * MINUTE))
    assert record.reverts == (newer, older)
    assert "web:1.0" in world.people.read("apps/web/web.yaml")
    body = " ".join(world.people.git("log", "-1", "--format=%B", "main").split())
    assert "below the policy's threshold of 0.95: the whole range goes back" in body


def test_below_the_threshold_a_person_is_asked_with_both_numbers(world: World) -> None:
    one, _, newer = suspicious(world, "  suspects: {threshold: 0.95}\n")
    assert world.reverts() == 0
    (told,) = [message for message in one.told.messages if message.event == "suggested"]
    assert told.reason == "SuspectUncertain"
    (record,) = one.tick(START + 4 * MINUTE).view.journal.records.values()
    assert (record.reverts, record.phase) == ((newer,), "AwaitingApproval")
    certainty = record.evidence["certainty"]
    assert isinstance(certainty, dict)
    assert (certainty["threshold"], certainty["below"]) == (0.95, "ask")
    assert 0.5 < certainty["probability"] < 0.95
    assert f"{certainty['probability']:g}" in told.text
    assert "0.95" in told.text


def test_a_plan_shows_which_probability_stood_against_which_threshold(world: World) -> None:
    one, _, _ = suspicious(world, "  suspects: {threshold: 0.99}\n")
    requests = Requests(one.repo, one.reconciler, one.reconciler.executor, world.clock)
    prepared = requests.prepare(Wish("web", "ann", "plan"))
    document = plan_document(prepared, one.repo)
    assert (document["reason"], document["automatic"]) == ("SuspectUncertain", False)
    certainty = document["certainty"]
    assert isinstance(certainty, dict)
    assert (certainty["threshold"], certainty["below"]) == (0.99, "ask")
    (line,) = [line for line in plan_lines(prepared, one.repo) if line.startswith("certain ")]
    assert f"{certainty['probability']:g}, below the policy's threshold of 0.99" in line


def test_a_change_that_lowers_the_threshold_does_not_judge_itself(world: World) -> None:
    running(world, "web")
    path, asking = f"{POLICIES}/web.yaml", "  suspects: {threshold: 0.99}\n  triggers:"
    world.people.push("Say how sure", {path: policy("web").replace("  triggers:", asking)}, START - 50 * MINUTE)
    bad = ship(world, "web", START - MINUTE, files={path: policy("web")})
    one = world.replica()
    world.engine.deploy("web", bad, START)
    world.metrics.break_from("web", START + MINUTE)
    one.until(START, START + 3 * MINUTE)
    assert world.reverts() == 0
    assert "SuspectUncertain" in one.told.reasons


def test_of_two_deployments_that_the_onset_fits_alike_neither_goes_back_by_itself(world: World) -> None:
    running(world, "web")
    one = world.replica()
    world.engine.deploy("web", ship(world, "web", START - 2 * MINUTE), START - TICK)
    newer = ship(world, "web", START - MINUTE, old="1.1", new="1.2")
    world.engine.deploy("web", newer, START)
    world.metrics.break_from("web", START + 2 * MINUTE)
    last = one.until(START, START + 4 * MINUTE)[-1]
    assert world.reverts() == 0
    (told,) = [message for message in one.told.messages if message.event == "suggested"]
    assert told.reason == "SeveralSuspects"
    assert "were deployed 15s apart" in told.text
    (record,) = last.view.journal.records.values()
    assert (record.reverts, record.phase) == ((newer,), "AwaitingApproval")
