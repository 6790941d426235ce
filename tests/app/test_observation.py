"""Which policy judges a change, and which files are the application's own?"""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from app_world import MINUTE, POLICIES, START, Replica, World, deployment, policy, running, ship

from gitops_rollback.core.measurement import Answer, Outcome

LATER = START + 3 * MINUTE


def test_a_commit_cannot_escape_by_narrowing_the_paths_of_its_own_policy(world: World) -> None:
    running(world, "web")
    escaping = {f"{POLICIES}/web.yaml": policy("web", paths=["apps/elsewhere/**"])}
    bad = ship(world, "web", START - MINUTE, files=escaping)
    one = world.replica()
    world.engine.deploy("web", bad, START)
    world.metrics.break_from("web", START + MINUTE)
    one.until(START, LATER)
    assert world.reverts() == 1


def test_a_commit_cannot_make_a_foreign_commit_a_suspect_by_widening_its_paths(world: World) -> None:
    running(world, "web", "cart")
    foreign = ship(world, "cart", START - 2 * MINUTE)
    widening = {f"{POLICIES}/web.yaml": policy("web", paths=["apps/**"])}
    bad = ship(world, "web", START - MINUTE, files=widening)
    one = world.replica()
    world.engine.deploy("web", bad, START)
    world.metrics.break_from("web", START + MINUTE)
    tick = one.until(START, LATER)[-1]
    assert all(foreign not in record.reverts for record in tick.view.journal.records.values())
    assert world.reverts() == 1


def test_a_commit_that_took_its_trigger_away_is_judged_by_it_after_a_harmless_second_sync(world: World) -> None:
    running(world, "web")
    bad = ship(world, "web", START - MINUTE, files={f"{POLICIES}/web.yaml": policy("web", severity="log_only")})
    one = world.replica()
    world.engine.deploy("web", bad, START)
    harmless = world.people.push("Note", {"apps/web/notes.yaml": "kind: ConfigMap\n"}, START + 20 * MINUTE / 60)
    world.engine.deploy("web", harmless, START + 30 * MINUTE / 60)
    world.metrics.break_from("web", START + MINUTE)
    tick = one.until(START + 30 * MINUTE / 60, LATER)[-1]
    look = tick.sights[0].look
    assert look is None or look.policy.triggers[0].severity == "auto_rollback"
    assert one.told.messages, "the weakened policy judged the change that weakened it"


def test_a_commit_cannot_escape_by_deleting_its_policy_below_a_later_foreign_commit(world: World) -> None:
    running(world, "web", "cart")
    ship(world, "web", START - 3 * MINUTE, files={f"{POLICIES}/web.yaml": None})
    world.people.push("Read me", {"README.md": "More\n"}, START - 2 * MINUTE)
    tip = world.people.push("Cart's limit", {f"{POLICIES}/cart.yaml": policy("cart", threshold=0.06)}, START - MINUTE)
    one = world.replica()
    world.engine.deploy("web", tip, START)
    world.metrics.break_from("web", START + MINUTE)
    one.until(START, LATER)
    assert world.reverts() == 1


def test_a_policy_that_a_person_takes_away_later_watches_nobody_from_the_next_tick_on(world: World) -> None:
    running(world, "web")
    bad = ship(world, "web", START - MINUTE)
    one = world.replica()
    world.engine.deploy("web", bad, START)
    one.tick(START)
    world.people.push("Watch web no more", {f"{POLICIES}/web.yaml": None}, START + MINUTE / 2)
    world.metrics.break_from("web", START + MINUTE)
    one.until(START + MINUTE, LATER)
    assert world.reverts() == 0
    assert not one.told.messages


def test_a_person_may_suspend_without_deploying(world: World) -> None:
    running(world, "web")
    bad = ship(world, "web", START - MINUTE)
    one = world.replica()
    world.engine.deploy("web", bad, START)
    one.tick(START)
    asking = policy("web", severity="page_and_suggest")
    world.people.push("Only suggest", {f"{POLICIES}/web.yaml": asking}, START + MINUTE / 2)
    world.metrics.break_from("web", START + MINUTE)
    one.until(START + MINUTE, LATER)
    assert world.reverts() == 0
    assert "SuggestOnly" in one.told.reasons


def test_a_preview_application_that_is_gone_leaves_nothing_behind(world: World) -> None:
    running(world, "web", "preview")
    one = world.replica()
    one.tick(START)
    del world.engine.states["preview"]
    one.tick(START + MINUTE)
    kept = one.reconciler.observer
    names = {name for memory in (kept._records, kept._healths) for name in memory}
    assert not any("preview" in name for name in names)


def test_the_image_of_the_world_is_what_ship_changes(world: World) -> None:
    running(world, "web")
    ship(world, "web", START)
    assert world.people.read("apps/web/web.yaml") == deployment("web", "1.1")


def test_a_commit_cannot_end_its_own_watch_by_a_shorter_window(world: World) -> None:
    running(world, "web")
    short = policy("web").replace("window: 30m", "window: 1m")
    bad = ship(world, "web", START - MINUTE, files={f"{POLICIES}/web.yaml": short})
    one = world.replica()
    world.engine.deploy("web", bad, START)
    world.metrics.break_from("web", START + 5 * MINUTE)
    one.until(START, START + 8 * MINUTE)
    assert world.reverts() == 1


def test_a_second_edit_of_the_policy_file_does_not_vouch_for_what_a_suspect_wrote_there(world: World) -> None:
    running(world, "web", "cart")
    bad = ship(world, "web", START - 2 * MINUTE, files={f"{POLICIES}/web.yaml": policy("web", severity="log_only")})
    comment = world.people.read(f"{POLICIES}/web.yaml") + "# the shop's front\n"
    world.people.push("Say what it is", {f"{POLICIES}/web.yaml": comment}, START - MINUTE)
    one = world.replica()
    world.engine.deploy("web", bad, START)
    world.metrics.break_from("web", START + MINUTE)
    one.until(START, LATER)
    assert {message.reason for message in one.told.messages} - {"LogOnly"}


def test_the_first_policy_of_a_young_application_judges_what_came_after_it(world: World) -> None:
    """Nothing lived for long yet, and when the range began there was no policy that anybody could have weakened."""
    first = world.first({"README.md": "The shop\n", "apps/web/web.yaml": deployment("web", "1.0")})
    world.engine.add("web")
    world.engine.deploy("web", first, START - 6 * MINUTE)
    world.engine.deploy("web", ship(world, "web", START - 5 * MINUTE), START - 4 * MINUTE)
    world.people.push("Watch web", {f"{POLICIES}/web.yaml": policy("web")}, START - 3 * MINUTE)
    bad = ship(world, "web", START - MINUTE, "1.1", "1.2")
    one = world.replica()
    world.engine.deploy("web", bad, START)
    world.metrics.break_from("web", START + MINUTE)
    tick = one.until(START, LATER)[-1]
    assert world.reverts() == 1
    assert [record.reverts for record in tick.view.journal.records.values()] == [(bad,)]


def test_what_a_release_said_that_lived_long_since_the_first_policy_is_in_force(world: World) -> None:
    """The first policy says by its window that the release was good, so what that brought is nobody's to pass over."""
    first = world.first({"README.md": "The shop\n", "apps/web/web.yaml": deployment("web", "1.0")})
    world.engine.add("web")
    world.engine.deploy("web", first, START - 80 * MINUTE)
    world.people.push("Watch web", {f"{POLICIES}/web.yaml": policy("web")}, START - 70 * MINUTE)
    only_told = policy("web").replace("auto_rollback", "log_only")
    quiet = ship(world, "web", START - 61 * MINUTE, files={f"{POLICIES}/web.yaml": only_told})
    world.engine.deploy("web", quiet, START - 60 * MINUTE)
    bad = ship(world, "web", START - MINUTE, "1.1", "1.2")
    one = world.replica()
    world.engine.deploy("web", bad, START)
    world.metrics.break_from("web", START + MINUTE)
    one.until(START, LATER)
    assert world.reverts() == 0


def test_a_commit_that_brings_the_first_policy_is_not_judged_by_it_alone(world: World) -> None:
    first = world.first({"README.md": "The shop\n", "apps/web/web.yaml": deployment("web", "1.0")})
    world.engine.add("web")
    world.engine.deploy("web", first, START - 60 * MINUTE)
    bad = ship(world, "web", START - MINUTE, files={f"{POLICIES}/web.yaml": policy("web")})
    one = world.replica()
    world.engine.deploy("web", bad, START)
    world.metrics.break_from("web", START + MINUTE)
    one.until(START, LATER)
    assert world.reverts() == 0
    assert "NoPolicyInForce" in one.told.reasons


def test_a_fault_that_began_unseen_under_an_earlier_sync_is_told_though_it_blames_nobody(world: World) -> None:
    """Nobody looked from its beginning until the next release came; that one is not to blame."""
    running(world, "web")
    world.engine.deploy("web", ship(world, "web", START - MINUTE), START)
    world.metrics.break_from("web", START + MINUTE)
    world.engine.deploy("web", ship(world, "web", START + 4 * MINUTE, old="1.1", new="1.2"), START + 5 * MINUTE)
    one = world.replica()
    one.until(START + 6 * MINUTE, START + 8 * MINUTE)
    assert world.reverts() == 0
    assert [message.reason for message in one.told.messages if message.page] == ["NotOurs"]


def test_a_fault_from_before_is_told_though_its_beginning_could_not_be_read_at_first(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It began too long before the newest release to be seen in the minutes before it, and hours are refused once."""
    running(world, "web")
    releases = [f"1.{number}" for number in range(1, 6)]
    for number, (old, new) in enumerate(pairwise(["1.0", *releases])):
        at = START + number * MINUTE
        world.engine.deploy("web", ship(world, "web", at - MINUTE / 2, old=old, new=new), at)
    world.metrics.break_from("web", START + MINUTE / 2)
    refused: list[timedelta] = []
    asked = world.metrics.query_range

    def query_range(expression: str, start: datetime, end: datetime, step: timedelta, timeout: timedelta) -> Answer:
        if end - start > 60 * MINUTE and not refused:
            refused.append(end - start)
            return Answer(Outcome.ERROR, end, expression, detail="query timed out")
        return asked(expression, start, end, step, timeout)

    monkeypatch.setattr(world.metrics, "query_range", query_range)
    one = world.replica()
    one.until(START + 5 * MINUTE, START + 8 * MINUTE)
    assert refused
    assert [message.reason for message in one.told.messages if message.page] == ["NotOurs"]


def _unseen(world: World, looks_before: bool) -> Replica:
    """A bad release, and nobody looks until its watch is over; the controller is a new one, or one that stood still."""
    running(world, "web")
    bad = ship(world, "web", START - MINUTE)
    one = world.replica()
    if looks_before:
        one.tick(START - MINUTE / 2)
    world.engine.deploy("web", bad, START)
    world.metrics.break_from("web", START + MINUTE)
    return one


@pytest.mark.parametrize("looks_before", [True, False])
def test_a_fault_whose_watch_ended_while_nobody_looked_is_told_once_and_not_undone(
    world: World, looks_before: bool
) -> None:
    one = _unseen(world, looks_before)
    one.until(START + 40 * MINUTE, START + 50 * MINUTE)
    assert [message.reason for message in one.told.messages if message.page] == ["NoRecentSync"]
    assert world.reverts() == 0
    two = world.replica("two")
    two.until(START + 51 * MINUTE, START + 52 * MINUTE)
    assert {message.key for message in two.told.messages} <= {message.key for message in one.told.messages}


def test_what_was_seen_too_late_but_could_not_be_told_is_told_by_the_next_look(world: World) -> None:
    one = _unseen(world, looks_before=True)
    one.clock.at = START + 40 * MINUTE
    one.reconciler.read_only(START + 40 * MINUTE)
    assert not one.told.messages
    one.until(START + 41 * MINUTE, START + 42 * MINUTE)
    assert [message.reason for message in one.told.messages if message.page] == ["NoRecentSync"]


def test_a_fault_that_began_after_the_watch_is_not_the_sync_s(world: World) -> None:
    one = _unseen(world, looks_before=False)
    world.metrics.bad.clear()
    world.metrics.break_from("web", START + 35 * MINUTE)
    one.until(START + 40 * MINUTE, START + 42 * MINUTE)
    assert not one.told.messages


def test_a_fault_after_a_watch_that_was_kept_to_its_end_is_nobody_s_business(world: World) -> None:
    one = _unseen(world, looks_before=True)
    world.metrics.bad.clear()
    world.metrics.break_from("web", START + 30 * MINUTE)
    one.until(START, START + 40 * MINUTE)
    assert not one.told.messages


def test_metrics_that_are_down_when_somebody_looks_again_are_asked_later(world: World) -> None:
    one = _unseen(world, looks_before=True)
    world.metrics.down = True
    one.until(START + 40 * MINUTE, START + 41 * MINUTE)
    world.metrics.down = False
    one.until(START + 42 * MINUTE, START + 43 * MINUTE)
    assert "NoRecentSync" in one.told.reasons


def test_one_trigger_that_fails_at_the_look_after_the_watch_is_asked_again_though_another_answers(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The one that fails may be the one that sees the fault."""
    second = "    - {name: calls, query: 'calls{service=\"web\"}', comparison: greater_than, threshold: 5, for: 30s}\n"
    rules = policy("web").replace("  timing:", f"{second}  timing:")
    running(world, "web", extra={f"{POLICIES}/web.yaml": rules})
    one = _stood_still(world)
    _refuse(monkeypatch, world, one, "query", until=START + 41 * MINUTE)
    one.until(START + 40 * MINUTE, START + 43 * MINUTE)
    assert [message.reason for message in one.told.messages if message.page] == ["NoRecentSync"]


def test_what_cannot_be_read_back_at_the_look_after_the_watch_is_read_by_a_later_one(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    running(world, "web")
    one = _stood_still(world)
    _refuse(monkeypatch, world, one, "query_range", until=START + 41 * MINUTE)
    one.until(START + 40 * MINUTE, START + 43 * MINUTE)
    assert [message.reason for message in one.told.messages if message.page] == ["NoRecentSync"]


def _stood_still(world: World) -> Replica:
    """Its only process looked while nothing was wrong yet, and not again while the sync was under watch."""
    bad = ship(world, "web", START - MINUTE)
    one = world.replica()
    one.tick(START - MINUTE / 2)
    world.engine.deploy("web", bad, START)
    world.metrics.break_from("web", START + 5 * MINUTE)
    one.until(START + MINUTE, START + 2 * MINUTE)
    return one


def _refuse(monkeypatch: pytest.MonkeyPatch, world: World, one: Replica, how: str, until: datetime) -> None:
    """The metric store answers no question about errors that is asked in this way."""
    answers = getattr(world.metrics, how)

    def refuses(expression: str, *when: Any, **others: Any) -> Answer:
        if "errors" in expression and one.clock.now() < until:
            return Answer(Outcome.ERROR, when[0], expression, detail="query timed out")
        return answers(expression, *when, **others)

    monkeypatch.setattr(world.metrics, how, refuses)


def test_a_fault_that_began_unseen_is_told_though_the_next_sync_came_long_after_its_own(world: World) -> None:
    running(world, "web")
    one = world.replica()
    one.tick(START - MINUTE)
    world.engine.deploy("web", ship(world, "web", START - MINUTE), START)
    world.metrics.break_from("web", START + MINUTE)
    world.engine.deploy("web", ship(world, "web", START + 44 * MINUTE, old="1.1", new="1.2"), START + 45 * MINUTE)
    one.until(START + 46 * MINUTE, START + 50 * MINUTE)
    assert world.reverts() == 0
    assert [message.reason for message in one.told.messages if message.page] == ["NotOurs"]


def test_a_fault_that_began_unseen_is_told_though_two_syncs_came_after_its_own(world: World) -> None:
    running(world, "web")
    one = world.replica()
    one.tick(START - MINUTE)
    world.engine.deploy("web", ship(world, "web", START - MINUTE), START)
    world.metrics.break_from("web", START + MINUTE)
    world.engine.deploy("web", ship(world, "web", START + 34 * MINUTE, old="1.1", new="1.2"), START + 35 * MINUTE)
    world.engine.deploy("web", ship(world, "web", START + 44 * MINUTE, old="1.2", new="1.3"), START + 45 * MINUTE)
    one.until(START + 46 * MINUTE, START + 50 * MINUTE)
    assert [message.reason for message in one.told.messages if message.page] == ["NotOurs"]


def test_what_failed_by_itself_before_any_sync_is_not_told(world: World) -> None:
    running(world, "web")
    world.metrics.break_from("web", START)
    one = world.replica()
    world.engine.deploy("web", ship(world, "web", START + 4 * MINUTE), START + 5 * MINUTE)
    one.until(START + 6 * MINUTE, START + 10 * MINUTE)
    assert not [message for message in one.told.messages if message.page]
