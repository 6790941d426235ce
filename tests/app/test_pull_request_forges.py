"""A forge that does not answer, limits, refuses, or loses its answer while a plan waits for it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

import pytest
from app_world import MINUTE, POLICIES, START, TICK, World, running, ship
from fake_forge import FakeForge
from request_story import ALARM, AUTOMATIC, SUGGESTED, a_story

from gitops_rollback.app.executor import Executor
from gitops_rollback.core.errors import CredentialsRejected, ForgeRefused, ForgeUnavailable, LeaseLost, RollbackError
from gitops_rollback.core.pull_request import PullRequestState


def test_a_lost_answer_of_open_meets_the_same_pull_request(world: World) -> None:
    story = a_story(world, SUGGESTED, until=START + MINUTE)
    story.forge.loses.add("open")
    story.until(ALARM + MINUTE)
    assert list(story.forge.requests) == [1]
    assert story.record.offer is not None
    assert story.record.offer.number == 1


def test_closed_before_its_number_was_known_is_a_no_all_the_same(world: World) -> None:
    story = a_story(world, SUGGESTED, until=START + MINUTE)
    story.forge.loses.add("open")
    while not story.forge.requests:
        story.later(0.25)
    story.forge.close(1, "octocat")
    story.later(3)
    assert (story.record.outcome, story.record.reason) == ("refused", "Rejected")
    assert list(story.forge.requests) == [1]


def test_a_forge_that_does_not_answer_leaves_the_plan_asked_and_paged(world: World) -> None:
    story = a_story(world, SUGGESTED, until=START + MINUTE)
    story.forge.down = True
    story.until(ALARM)
    asked = [message for message in story.one.told.messages if message.event == "suggested"]
    assert asked
    assert f"approve {story.record.id}" in asked[0].text
    before = len(story.forge.calls)
    story.later(10)
    assert len(story.forge.calls) - before < 10, "asked again, and ever more seldom"
    story.forge.down = False
    story.later(11)
    assert list(story.forge.requests) == [1]


def test_a_forge_that_is_down_is_told_where_nobody_was_asked(world: World) -> None:
    story = a_story(world, AUTOMATIC, until=START + MINUTE)
    story.forge.down = True
    story.until(ALARM)
    assert "ForgeUnavailable" not in story.pages
    story.later(12)
    assert story.pages.count("ForgeUnavailable") == 1


REFUSALS = [
    ForgeRefused("shop/config", "Validation Failed: head sha can't be blank", 422),
    ForgeRefused("shop/config", "Resource not accessible by integration", 403),
    CredentialsRejected("shop/config", "Bad credentials"),
]


@pytest.mark.parametrize("error", REFUSALS, ids=["422", "403", "401"])
def test_f28_a_forge_that_says_no_is_told_in_its_words_and_asked_seldom(world: World, error: RollbackError) -> None:
    story = a_story(world, AUTOMATIC, until=START + MINUTE)
    story.forge.fails["open"] = error
    story.until(ALARM)
    told = [message.text for message in story.one.told.messages if message.page]
    assert len(told) == 1, "once, and not at each tick"
    assert error.message in told[0]
    story.later(9)
    assert story.forge.calls.count("open") <= 3
    assert story.record.phase == "AwaitingApproval", "the plan waits for `approve`"
    story.forge.fails.clear()
    story.later(6)
    assert story.forge.get(1).state is PullRequestState.MERGED


def test_who_has_lost_the_lease_says_nothing_to_the_forge(world: World) -> None:
    story = a_story(world, SUGGESTED, until=START + MINUTE)
    executor = story.one.reconciler.executor
    assert isinstance(executor, Executor)

    def lost() -> None:
        raise LeaseLost("shop/config", "another replica has it")

    def isolated(_: str, act: Callable[[], None]) -> None:
        with suppress(LeaseLost):
            act()

    story.one.reconciler.isolated = isolated
    while not [one for one in story.one.reconciler.see_now().journal.records.values() if one.offer and one.offer.heads]:
        story.forge.fails["find"] = ForgeUnavailable("shop/config", "not yet")
        story.later(0.25)
    story.forge.fails.clear()
    executor._confirm = lost
    story.forge.calls.clear()
    story.later(2)
    assert not {"open", "close", "comment", "set_status", "merge", "merge_when_ready"} & set(story.forge.calls)
    assert story.forge.requests == {}


@pytest.mark.parametrize("trouble", ["down", "refuses"])
def test_a_forge_in_trouble_is_in_nobodys_way(world: World, trouble: str) -> None:
    forge = FakeForge(world, down=trouble == "down")
    world.forge = forge
    running(world, "web", "api")
    world.people.push("By request", {f"{POLICIES}/web.yaml": AUTOMATIC}, START - 50 * MINUTE)
    for name in ("web", "api"):
        world.engine.deploy(name, world.head(), START - 49 * MINUTE)
    if trouble == "refuses":
        forge.fails = {name: ForgeRefused("shop/config", "Not Found", 404) for name in ("find", "open", "get")}
    bad = ship(world, "web", START - 2 * MINUTE)
    world.engine.deploy("web", bad, START)
    world.metrics.break_from("web", START + MINUTE)
    one = world.replica()
    one.until(START, ALARM)
    other = ship(world, "api", ALARM)
    world.engine.deploy("api", other, ALARM + MINUTE)
    world.metrics.break_from("api", ALARM + 2 * MINUTE)
    one.until(ALARM + TICK, ALARM + 5 * MINUTE)
    assert 'Revert "Ship api 1.1"' in world.commits()
