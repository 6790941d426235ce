"""An image automation that would write the bad image back: is it kept from that, until there is something newer?"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from app_world import MINUTE, POLICIES, START, Replica, World, deployment, policy

from gitops_rollback.app.executor import Executor
from gitops_rollback.app.holding import about_hold
from gitops_rollback.app.requesting import HoldRequests, Requests, landed
from gitops_rollback.core.errors import Reason, StalledError
from gitops_rollback.core.image_holds import Due, HoldAnswer
from gitops_rollback.core.rollback import Phase, RollbackRecord
from gitops_rollback.core.stop import SETTINGS_DOOR, Pause, PauseState
from gitops_rollback.core.sync import ImageAutomation, Obstacle
from gitops_rollback.ports import PushOutcome
from gitops_rollback.sandbox.simulation.wire.history import Known, check_history

FILE = "apps/web/web.yaml"
MARK = ' # {"$imagepolicy": "flux-system:web"}'
BOT = "fluxcdbot <flux@example.org>"
OBSTACLE = Obstacle(Reason.IMAGE_AUTOMATION, "an image automation would write it again", "suspend it")
DAY = timedelta(hours=24)


def marked(version: str, mark: str = MARK) -> str:
    return deployment("web", version).replace(f":{version}\n", f":{version}{mark}\n")


def selects(world: World, version: str, policy_name: str = "flux-system:web") -> None:
    """What the policy of the automation stands at from now on."""
    automation = ImageAutomation(
        "ImageUpdateAutomation x", "flux@example.org", {policy_name: f"registry.example/web:{version}"}
    )
    state = world.engine.states["web"]
    world.engine.states["web"] = replace(state, obstacles=(OBSTACLE,), image_automations=(automation,))


def bumped(world: World, version: str, at: datetime) -> str:
    """The automation lands a version."""
    return world.people.push(f"Update image to {version}", {FILE: marked(version)}, at, BOT)


def begun(world: World, word: str = "hold") -> Replica:
    """A bad version that an automation brought is deployed, and its errors have begun."""
    said = policy("web").replace("spec:\n", f"spec:\n  onImageAutomation: {word}\n")
    first = world.first({FILE: marked("1.0.0"), f"{POLICIES}/web.yaml": said})
    world.engine.add("web")
    world.engine.deploy("web", first, START - 60 * MINUTE)
    world.engine.deploy("web", bumped(world, "1.1.0", START - MINUTE), START)
    selects(world, "1.1.0")
    world.metrics.break_from("web", START + MINUTE, START + 4 * MINUTE)
    return world.replica()


def verified(world: World) -> Replica:
    one = begun(world)
    last = one.until(START, START + 10 * MINUTE)[-1]
    assert [record.outcome for record in last.view.journal.records.values()] == ["verified"]
    return one


def held(world: World) -> bool:
    return world.people.read(FILE) == marked("1.0.0", mark="")


def titles(one: Replica) -> list[str]:
    return [message.title for message in one.told.messages]


def test_the_mark_comes_off_with_the_revert_in_one_commit_that_changes_nothing_else(world: World) -> None:
    one = verified(world)
    assert held(world)
    assert world.commits()[0].startswith('Revert "Update image to 1.1.0"')
    body = world.people.git("log", "-1", "--format=%B", "main")
    assert f"Rollback-Holds: flux-system:web {FILE}" in body
    assert world.people.git("diff", "--name-only", "main~1", "main") == FILE
    started = next(message for message in one.told.messages if message.event == "started")
    assert "held: registry.example/web:1.1.0 by flux-system:web" in started.text


def test_the_mark_comes_back_for_something_newer_by_a_commit_that_is_known_as_ours(world: World) -> None:
    one = verified(world)
    one.until(START + 10 * MINUTE, START + 11 * MINUTE)
    assert held(world), "it selects the bad one still"
    selects(world, "1.1.1")
    last = one.until(START + 11 * MINUTE, START + 12 * MINUTE)[-1]
    assert world.people.read(FILE) == marked("1.0.0")
    assert world.commits()[0] == "Let image policies write again: flux-system:web"
    assert len(world.commits()) == 4, "and nothing is written after that"
    (record,) = last.view.journal.records.values()
    assert record.release is not None
    assert check_history(world.bare, Known(bad=record.reverts)) == ()
    assert record.release.commit == world.head()
    assert (record.commit, record.outcome) == (world.people.git("rev-parse", "main~1"), "verified")
    assert titles(one)[-1].startswith("The hold of an image has ended")


def test_what_the_automation_brings_afterwards_is_judged_like_any_release(world: World) -> None:
    one = verified(world)
    selects(world, "1.1.1")
    one.until(START + 11 * MINUTE, START + 12 * MINUTE)
    world.engine.deploy("web", world.head(), START + 12 * MINUTE)
    at = START + 40 * MINUTE
    world.engine.deploy("web", bumped(world, "1.1.1", at - MINUTE), at)
    world.metrics.break_from("web", at + MINUTE, at + 4 * MINUTE)
    last = one.until(at, at + 10 * MINUTE)[-1]
    assert sorted(str(record.outcome) for record in last.view.journal.records.values()) == ["verified", "verified"]
    assert held(world)


@pytest.mark.parametrize(
    ("word", "change", "why"),
    [
        ("ask", lambda world: None, "would write it again"),
        ("hold", lambda world: selects(world, "1.1.1"), "selects registry.example/web:1.1.1 by now"),
        ("hold", lambda world: selects(world, "1.1.0", "flux-system:other"), "which image flux-system:web selects"),
        ("hold", lambda world: _mark_oddly(world), "which values of apps/web/web.yaml are marked cannot be told"),
    ],
)
def test_a_person_is_asked_where_it_is_not_allowed_or_not_clear(
    world: World, word: str, change: Callable[[World], None], why: str
) -> None:
    one = begun(world, word)
    change(world)
    last = one.until(START, START + 4 * MINUTE)[-1]
    assert world.reverts() == 0
    (record,) = last.view.journal.records.values()
    assert (record.phase, record.reason) == ("AwaitingApproval", "ImageAutomation")
    assert any(why in guard["message"] for guard in record.guards)


def _mark_oddly(world: World) -> None:
    text = "# " + MARK.strip(" #") + "\n" + world.people.read(FILE)
    world.people.push("Comment", {FILE: text}, START - MINUTE / 2)


def test_a_mark_that_is_back_too_early_is_no_verified_rollback(world: World) -> None:
    one = begun(world)
    one.until(START, START + 2 * MINUTE)
    assert held(world)
    bumped(world, "1.1.0", START + 2 * MINUTE)
    last = one.until(START + 2 * MINUTE, START + 12 * MINUTE)[-1]
    (record,) = last.view.journal.records.values()
    assert record.outcome == "unverified"
    assert "the mark of flux-system:web is back" in record.message


def test_a_hold_never_lapses_and_a_person_is_asked_once_a_day(world: World) -> None:
    one = verified(world)
    for hours in (6, 23):
        one.tick(START + timedelta(hours=hours))
    assert not [title for title in titles(one) if title.startswith("A held image needs a word")]
    for hours in (25, 26, 30, 50):
        one.tick(START + timedelta(hours=hours))
    asked = [one for one in one.told.messages if one.title.startswith("A held image needs a word")]
    assert [message.page for message in asked] == [True, True]
    assert "gitops-rollback release default/Application/argocd/web" in asked[0].text
    assert held(world)


@pytest.mark.parametrize("hour", range(0, 24, 3))
def test_a_person_is_asked_once_in_a_day_of_the_hold_whatever_the_time_of_day(hour: int) -> None:
    begun = datetime(2026, 1, 5, hour, 50, tzinfo=UTC)
    record = RollbackRecord(
        "rb-0123456789abcdef", ("web",), "flux", "shop", "b" * 40, "a" * 40, "web", ("errors",), (), Phase.DONE,
        times={"pushed": begun},
    )  # fmt: skip
    hours = (24, 25, 26, 47, 48, 60)
    asked = [about_hold(record, HoldAnswer(Due.ASK, "held"), begun + timedelta(hours=one)).state for one in hours]
    assert [asked.count(state) for state in dict.fromkeys(asked)] == [4, 2]


def test_a_pause_stops_the_end_of_a_hold_as_well(world: World) -> None:
    one = verified(world)
    selects(world, "1.1.1")
    pause = PauseState(SETTINGS_DOOR, (Pause(None, None, "ann", "a freeze"),))
    one.reconciler.holds = replace(one.reconciler.holds, settings_pause=lambda: pause)
    one.tick(START + 11 * MINUTE)
    assert held(world)
    assert any("it is not ended by itself" in message.text for message in one.told.messages)


def test_a_policy_that_asks_by_now_does_not_end_a_hold_by_itself(world: World) -> None:
    one = verified(world)
    selects(world, "1.1.1")
    world.people.push("Ask", {f"{POLICIES}/web.yaml": policy("web")}, START + 10 * MINUTE)
    one.tick(START + 11 * MINUTE)
    assert held(world)


def test_a_crash_right_after_the_push_ends_the_hold_once(world: World) -> None:
    verified(world)
    selects(world, "1.1.1")
    for name in ("two", "three"):
        world.replica(name).tick(START + 11 * MINUTE)
    assert world.commits().count("Let image policies write again: flux-system:web") == 1


def test_a_journal_elsewhere_does_not_keep_a_hold_from_its_end(world: World) -> None:
    begun(world)
    one = world.replica("apart", journal="memory")
    one.until(START, START + 10 * MINUTE)
    selects(world, "1.1.1")
    one.until(START + 11 * MINUTE, START + 12 * MINUTE)
    assert world.people.read(FILE) == marked("1.0.0")
    assert world.commits().count("Let image policies write again: flux-system:web") == 1


def test_a_person_ends_a_hold_and_is_told_what_is_written_then(world: World) -> None:
    one = verified(world)
    executor = one.reconciler.executor
    assert isinstance(executor, Executor)
    asked = HoldRequests(Requests(one.repo, one.reconciler, executor, world.clock))
    found = asked.prepare("web", "ann", "it was the database")
    assert "selects registry.example/web:1.1.0 now, the very image that was rolled back" in found.selected
    assert landed(asked.carry_out(found))
    assert world.people.read(FILE) == marked("1.0.0")
    body = world.people.git("log", "-1", "--format=%B", "main")
    assert "ann asked for it: it was the database." in body
    assert "Rollback-Requested-By: ann" in body
    with pytest.raises(StalledError, match="no image is held"):
        asked.prepare("web", "ann", "again")


def test_a_mark_that_has_no_place_any_more_keeps_no_other_one_off(world: World) -> None:
    """A person's word ends the hold all the same: else it would stay for ever, and be asked about each day."""
    other, aux = "apps/web/aux.yaml", {n: marked(n).replace("name: web", "name: aux") for n in ("1.0.0", "1.1.0")}
    said = policy("web").replace("spec:\n", "spec:\n  onImageAutomation: hold\n")
    first = world.first({FILE: marked("1.0.0"), other: aux["1.0.0"], f"{POLICIES}/web.yaml": said})
    world.engine.add("web")
    world.engine.deploy("web", first, START - 60 * MINUTE)
    bad = world.people.push("Update", {FILE: marked("1.1.0"), other: aux["1.1.0"]}, START - MINUTE, BOT)
    world.engine.deploy("web", bad, START)
    selects(world, "1.1.0")
    world.metrics.break_from("web", START + MINUTE, START + 4 * MINUTE)
    one = world.replica()
    one.until(START, START + 10 * MINUTE)
    assert held(world)
    world.people.push("No Pods", {other: "apiVersion: v1\nkind: List\n"}, START + 10 * MINUTE)
    executor = one.reconciler.executor
    assert isinstance(executor, Executor)
    requests = HoldRequests(Requests(one.repo, one.reconciler, executor, world.clock))

    assert landed(requests.carry_out(requests.prepare("web", "ann", "1.1.1 is out")))
    assert world.people.read(FILE) == marked("1.0.0")


def test_somebody_who_lands_first_makes_the_end_of_a_hold_look_anew(world: World) -> None:
    one = verified(world)
    executor = one.reconciler.executor
    assert isinstance(executor, Executor)
    asked = HoldRequests(Requests(one.repo, one.reconciler, executor, world.clock))
    late = asked.prepare("web", "ann", "it was the database")
    world.people.push("Read me", {"README.md": "The shop\n"}, START + 10 * MINUTE)
    assert asked.carry_out(late).outcome is PushOutcome.REJECTED
    assert held(world)
    assert landed(asked.carry_out(asked.prepare("web", "ann", "it was the database")))
    assert world.people.read("README.md") == "The shop\n"
