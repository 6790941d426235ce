"""A metric source that fails: people know within a minute, once for all, and nobody's watch ends unseen."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from app_world import MINUTE, START, TICK, Replica, World, running, ship

from gitops_rollback.core.measurement import Answer, Outcome

NAMES = ("cart", "mail", "web")


@pytest.fixture
def shop(world: World) -> Replica:
    """Three applications, each deployed at START."""
    running(world, *NAMES)
    for name in NAMES:
        world.engine.deploy(name, ship(world, name, START - MINUTE), START)
    return world.replica()


def _said(one: Replica) -> list[tuple[str, str, bool]]:
    return [(message.application.rpartition("/")[2], message.reason, message.page) for message in one.told.messages]


def _goes_down(world: World, one: Replica) -> None:
    """Just after a tick, three minutes into the watches."""
    one.until(START, START + 3 * MINUTE)
    world.metrics.down = True


def test_everybody_who_is_blind_by_one_source_is_one_page_within_a_minute(world: World, shop: Replica) -> None:
    _goes_down(world, shop)
    shop.until(START + 3 * MINUTE + TICK, START + 4 * MINUTE - TICK)
    assert _said(shop) == []
    shop.until(START + 4 * MINUTE, START + 10 * MINUTE)
    (told,) = shop.told.messages
    assert (told.reason, told.page) == ("MetricsOutage", True)
    assert told.title.startswith("The metric source default answers for none of 3 applications")
    assert all(f"Application/argocd/{name}" in told.text for name in NAMES)
    assert "connection refused" in told.text


def test_each_of_them_has_its_own_line_in_the_journal_and_the_end_is_told(world: World, shop: Replica) -> None:
    _goes_down(world, shop)
    shop.until(START + 3 * MINUTE + TICK, START + 5 * MINUTE)
    decisions = shop.reconciler.see_now().journal.decisions
    paged = [one.application for one in decisions if (one.action, one.reason) == ("page", "MetricsOutage")]
    assert sorted(name.rpartition("/")[2] for name in paged) == ["cart", "mail", "metrics-default", "web"]
    world.metrics.down = False
    shop.until(START + 5 * MINUTE + TICK, START + 6 * MINUTE)
    assert [message.title.partition(":")[0] for message in shop.told.messages[1:]] == [
        "The metric source default answers again"
    ]


def test_a_later_process_says_it_once_more_and_to_nobody_by_name(world: World, shop: Replica) -> None:
    _goes_down(world, shop)
    shop.until(START + 3 * MINUTE + TICK, START + 5 * MINUTE)
    later = world.replica("two")
    later.until(START + 5 * MINUTE + TICK, START + 8 * MINUTE)
    assert [reason for _, reason, _ in _said(later)] == ["MetricsOutage"]


def _fails_for(world: World, monkeypatch: pytest.MonkeyPatch, name: str, outcome: Outcome) -> None:
    real = world.metrics.query

    def query(expression: str, at: datetime, timeout: timedelta, priority: float = 0.0) -> Answer:
        if f'"{name}"' not in expression:
            return real(expression, at, timeout, priority)
        return Answer(outcome, at, expression, detail="it is too much")

    monkeypatch.setattr(world.metrics, "query", query)


def test_one_that_is_blind_alone_is_named(world: World, shop: Replica, monkeypatch: pytest.MonkeyPatch) -> None:
    shop.until(START, START + 3 * MINUTE)
    _fails_for(world, monkeypatch, "cart", Outcome.ERROR)
    shop.until(START + 3 * MINUTE + TICK, START + 4 * MINUTE)
    assert _said(shop) == [("cart", "MetricsUnavailable", True)]


def test_no_data_is_no_outage_and_has_five_minutes(
    world: World, shop: Replica, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.until(START, START + 3 * MINUTE)
    _fails_for(world, monkeypatch, "cart", Outcome.VALUE)
    shop.until(START + 3 * MINUTE + TICK, START + 8 * MINUTE)
    assert _said(shop) == []
    shop.until(START + 8 * MINUTE + TICK, START + 8 * MINUTE + TICK)
    assert [name for name, _, page in _said(shop) if page] == ["cart"]


@pytest.mark.parametrize(
    ("minutes", "reverts"), [pytest.param(33, 1, id="within it"), pytest.param(41, 0, id="and no longer")]
)
@pytest.mark.parametrize("restarted", [None, 27, 31], ids=["lived", "restarted meanwhile", "restarted at its end"])
def test_a_watch_lasts_as_much_longer_as_it_saw_nothing(
    world: World, shop: Replica, minutes: int, reverts: int, restarted: int | None
) -> None:
    """Half an hour, of which eight minutes were blind, up to its end; whoever is started since knows it, too."""
    shop.until(START + 20 * MINUTE, START + 23 * MINUTE)
    world.metrics.down = True
    end = START + 31 * MINUTE
    change = START + restarted * MINUTE if restarted else end
    shop.until(START + 23 * MINUTE + TICK, change)
    if restarted:
        shop = world.replica("two")
        shop.until(change + TICK, end)
    world.metrics.down = False
    begin = START + minutes * MINUTE
    world.metrics.break_from("web", begin)
    shop.until(START + 31 * MINUTE + TICK, begin + 3 * MINUTE)
    assert world.reverts() == reverts


@pytest.mark.parametrize(
    ("minutes", "reverts"), [pytest.param(33, 1, id="within it"), pytest.param(41, 0, id="and no longer")]
)
def test_what_another_one_that_led_meanwhile_did_not_see_is_no_time_under_watch(
    world: World, shop: Replica, minutes: int, reverts: int
) -> None:
    """Eight minutes again: the second replica leads through most of the outage, then the first one does as before."""
    shop.until(START + 20 * MINUTE, START + 23 * MINUTE)
    world.metrics.down = True
    world.replica("two").until(START + 23 * MINUTE + TICK, START + 29 * MINUTE)
    shop.until(START + 29 * MINUTE + TICK, START + 31 * MINUTE)
    world.metrics.down = False
    begin = START + minutes * MINUTE
    world.metrics.break_from("web", begin)
    shop.until(START + 31 * MINUTE + TICK, begin + 3 * MINUTE)
    assert world.reverts() == reverts
