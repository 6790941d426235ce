"""What the guards are told, and what it costs to find it out."""

from __future__ import annotations

from collections import Counter
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from app_world import MINUTE, POLICIES, START, TICK, Replica, World, deployment, policy, running, ship

from gitops_rollback.adapters.git.door import Git
from gitops_rollback.core.errors import EngineUnavailable
from gitops_rollback.core.rollback import Phase
from gitops_rollback.ports import ManagedObject

LATER = START + 3 * MINUTE


def _answers(replica: Replica) -> dict[str, str]:
    """Guard -> reason of every plan that was decided about."""
    records = replica.reconciler.see_now().journal.records.values()
    return {answer["guard"]: answer["reason"] for record in records for answer in record.guards}


def test_a_tick_over_many_watched_applications_asks_git_nothing_for_each(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [f"app{number}" for number in range(12)]
    running(world, *names)
    tips = [ship(world, name, START - MINUTE) for name in names]
    one = world.replica()
    for name in names:
        world.engine.deploy(name, tips[-1], START)
    one.tick(START)
    counted: Counter[str] = Counter()
    real = Git.run

    def run(self: Git, *words: str, **options: Any) -> object:
        counted[words[0]] += 1
        return real(self, *words, **options)

    monkeypatch.setattr(Git, "run", run)
    one.tick(START + TICK)
    assert counted.total() <= 4, counted


def test_a_plan_does_not_make_a_shallow_clone_fetch_all_of_history(world: World) -> None:
    world.first({"README.md": "Old\n"}, START - timedelta(days=200))
    world.people.push("Old", {"README.md": "Old too\n"}, START - timedelta(days=100))
    files: dict[str, str | None] = {
        "apps/web/web.yaml": deployment("web", "1.0"), f"{POLICIES}/web.yaml": policy("web")
    }  # fmt: skip
    world.people.push("Add web", files, START - timedelta(days=20))
    world.engine.add("web")
    world.engine.deploy("web", world.people.push("Read", {"README.md": "Now\n"}, START - 70 * MINUTE), START - MINUTE)
    world.engine.deploy("web", world.head(), START - 60 * MINUTE)
    bad = ship(world, "web", START - MINUTE)
    one = world.replica()
    world.engine.deploy("web", bad, START)
    world.metrics.break_from("web", START + MINUTE)
    one.until(START, LATER)
    assert world.reverts() == 1
    assert one.repo._clone.boundary()


def test_a_hydrated_directory_beside_the_plan_asks(world: World) -> None:
    running(world, "web")
    world.people.push("Hydrate", {"apps/web/hydrator.metadata": "{}\n"}, START - 40 * MINUTE)
    bad = ship(world, "web", START - MINUTE)
    one = world.replica()
    world.engine.deploy("web", bad, START)
    world.metrics.break_from("web", START + MINUTE)
    one.until(START, LATER)
    assert world.reverts() == 0
    assert _answers(one)["another-writer"] == "WrittenByAnother"


def test_without_auto_sync_a_commit_that_was_never_deployed_asks(world: World) -> None:
    running(world, "web")
    world.engine.states["web"] = replace(world.engine.states["web"], auto_sync=False)
    bad = ship(world, "web", START - MINUTE)
    world.people.push("Wait", {"apps/web/more.yaml": "kind: ConfigMap\n"}, START - MINUTE / 2)
    one = world.replica()
    world.engine.deploy("web", bad, START)
    world.metrics.break_from("web", START + MINUTE)
    one.until(START, LATER)
    assert world.reverts() == 0
    assert _answers(one)["branch-is-lever"] == "PendingChanges"


def test_more_own_files_than_are_read_are_not_taken_for_all(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gitops_rollback.app.guard_facts.MAX_FILES", 3)
    running(world, "web")
    many: dict[str, str | None] = {f"apps/web/{n}.yaml": "kind: ConfigMap\n" for n in range(4)}
    world.people.push("Add many", many, START - 50 * MINUTE)
    bad = ship(world, "web", START - MINUTE)
    one = world.replica()
    world.engine.deploy("web", bad, START)
    world.metrics.break_from("web", START + MINUTE)
    one.until(START, LATER)
    assert world.reverts() == 0
    assert _answers(one)["migrations"]


def _phases(replica: Replica) -> set[Phase]:
    return {record.phase for record in replica.reconciler.see_now().journal.records.values()}


def _red_while_the_engine_hides_its_objects(world: World, monkeypatch: pytest.MonkeyPatch, until: datetime) -> Replica:
    """A bad release that fires; the engine answers no question about live objects up to `until`."""
    running(world, "web")
    bad = ship(world, "web", START - MINUTE)
    one = world.replica()
    world.engine.deploy("web", bad, START)
    world.metrics.break_from("web", START + MINUTE)

    def live_objects(*_: object) -> tuple[ManagedObject, ...]:
        if one.clock.at < until:
            raise EngineUnavailable("Argo CD", "did not answer")
        return ()

    monkeypatch.setattr(world.engine, "live_objects", live_objects)
    return one


def _go_on(replica: Replica, end: datetime) -> None:
    """A look that fails ends only itself: the next tick looks again."""
    at = START
    while at <= end:
        with suppress(EngineUnavailable):
            replica.tick(at)
        at += TICK


def test_nobody_is_asked_for_what_could_not_be_seen_for_a_moment(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    one = _red_while_the_engine_hides_its_objects(world, monkeypatch, START + MINUTE + 4 * TICK)
    _go_on(one, LATER)
    assert world.reverts() == 1
    assert _phases(one) == {Phase.VERIFYING}


def test_a_person_is_asked_about_what_stays_hidden_for_a_minute(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    one = _red_while_the_engine_hides_its_objects(world, monkeypatch, START + 60 * MINUTE)
    _go_on(one, LATER + MINUTE)
    assert world.reverts() == 0
    assert _phases(one) == {Phase.AWAITING_APPROVAL}
