"""Drills that nobody has to think of: in their window, once, where nothing else is going on, and never left behind."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta

import pytest
from app_world import MINUTE, POLICIES, START, TICK, Replica, World, policy, running, ship

from gitops_rollback.app.beforehand import end_drills
from gitops_rollback.core.breaking import Break
from gitops_rollback.core.drill import Drill, Outcome, drills
from gitops_rollback.core.drill_schedule import DrillSchedule
from gitops_rollback.core.journal import CONTROLLER
from gitops_rollback.core.policy import ScheduleWindow
from gitops_rollback.core.sync import Health

JOURNAL = "refs/heads/gitops-rollback-journal"
FILE = "apps/web/web.yaml"
OPENS = START + MINUTE
SCHEDULE = DrillSchedule(
    (ScheduleWindow(f"{OPENS.minute} {OPENS.hour} * * *", timedelta(hours=2)),),
    (Break.IMAGE,),
    timedelta(minutes=10),
)
STOP = "apiVersion: gitops-rollback.dev/v1alpha1\nkind: RollbackPause\nspec: {all: true}\n"


@dataclass
class Scheduled:
    """A controller that may drill `web`."""

    world: World
    one: Replica

    def known(self) -> tuple[Drill, ...]:
        return drills(self.one.reconciler.see_now().journal.decisions)

    def another(self) -> Replica:
        made = self.world.replica("two")
        end_drills(made.reconciler, lambda _practice: None, SCHEDULE)
        return made


def allowed(name: str) -> str:
    return policy(name).replace(f"name: {name}}}\n      data", f"name: {name}}}\n      drill: allowed\n      data")


@pytest.fixture
def scheduled(world: World) -> Scheduled:
    running(world, "web", "api", since=START - timedelta(days=1))
    world.people.push("The policy", {f"{POLICIES}/web.yaml": allowed("web")}, START - 50 * MINUTE)
    for name in ("web", "api"):
        world.engine.compare(name, world.head(), START - 40 * MINUTE)
    one = world.replica()
    end_drills(one.reconciler, lambda _practice: None, SCHEDULE)
    one.tick(START)
    return Scheduled(world, one)


def test_it_begins_as_the_window_opens_and_is_found_taken_back_and_verified(scheduled: Scheduled) -> None:
    world, one = scheduled.world, scheduled.one
    before = world.people.read(FILE)
    one.tick(OPENS - TICK)
    assert scheduled.known() == ()
    one.tick(OPENS)
    (begun,) = scheduled.known()
    assert (begun.by, begun.open) == (CONTROLLER, True)
    assert "gitops-rollback-drill" in world.people.read(FILE)
    world.engine.deploy("web", begun.commit, OPENS + TICK)
    world.metrics.break_from("web", OPENS + 2 * TICK, OPENS + 3 * MINUTE)
    one.until(OPENS + TICK, OPENS + 9 * MINUTE)
    (ended,) = scheduled.known()
    assert ended.outcome is Outcome.PASSED, ended.words
    assert world.people.read(FILE) == before
    titles = [message.title for message in one.told.messages]
    assert titles[0] == "DRILL: started: argocd/web"
    assert all(title.startswith("DRILL: ") for title in titles), titles


def test_neither_a_restart_nor_another_replica_begins_a_second_one(scheduled: Scheduled) -> None:
    scheduled.one.tick(OPENS)
    (first,) = scheduled.known()
    scheduled.one.until(OPENS + TICK, first.deadline + MINUTE)
    two = scheduled.another()
    two.until(first.deadline + 2 * MINUTE, first.deadline + 5 * MINUTE)
    (only,) = scheduled.known()
    assert (only.id, only.outcome) == (first.id, Outcome.FAILED)


def test_two_replicas_at_the_same_moment_begin_one(scheduled: Scheduled) -> None:
    two = scheduled.another()
    two.reconciler.see_now()
    scheduled.one.tick(OPENS)
    two.tick(OPENS)
    assert len(scheduled.known()) == 1


def test_who_takes_over_takes_back_what_nobody_found_at_its_deadline(scheduled: Scheduled) -> None:
    world = scheduled.world
    before = world.people.read(FILE)
    scheduled.one.tick(OPENS)
    (begun,) = scheduled.known()
    two = scheduled.another()
    two.tick(begun.deadline - TICK)
    assert world.people.read(FILE) != before
    two.tick(begun.deadline)
    assert world.people.read(FILE) == before


@pytest.mark.parametrize("given", ["not allowed", "paused", "suspended", "red", "pending", "another is red"])
def test_none_begins(scheduled: Scheduled, given: str) -> None:
    world, one = scheduled.world, scheduled.one
    files = {
        "not allowed": {f"{POLICIES}/web.yaml": policy("web")},
        "paused": {".gitops-rollback/pause.yaml": STOP},
        "suspended": {f"{POLICIES}/web.yaml": allowed("web").replace("spec:\n", "spec:\n  suspend: true\n")},
    }.get(given)
    if files:
        world.people.push("Another word", files, START)
    if given == "red":
        world.engine.states["web"] = replace(world.engine.states["web"], health=Health.DEGRADED)
    if given == "pending":
        world.metrics.break_from("web", OPENS - TICK)
    if given == "another is red":
        world.engine.deploy("api", ship(world, "api", START), START + TICK)
        world.metrics.break_from("api", START + 2 * TICK)
    one.until(OPENS, OPENS + MINUTE)
    assert scheduled.known() == ()
    assert "gitops-rollback-drill" not in world.people.read(FILE)


def test_where_no_file_may_be_broken_it_is_said_and_left_until_the_next_due_time(scheduled: Scheduled) -> None:
    scheduled.world.engine.add("production", path="apps/web")
    scheduled.one.until(OPENS, OPENS + 3 * MINUTE)
    told = [message for message in scheduled.one.told.messages if message.event == "failed"]
    assert [message.title for message in told] == ["DRILL: failed: argocd/web"]
    assert "this application alone reads" in told[0].text
    assert not told[0].page
    view = scheduled.one.reconciler.see_now()
    assert [entry.action for entry in view.journal.decisions].count("drill-due") == 3


def test_what_the_journal_does_not_take_is_not_begun(scheduled: Scheduled) -> None:
    """Nobody would know later that it was begun, or take it back."""
    world = scheduled.world
    head = world.head()
    hook = world.bare / "hooks" / "update"
    hook.write_text(f'#!/bin/sh\n[ "$1" = {JOURNAL} ] && echo protected branch hook declined >&2 && exit 1\nexit 0\n')
    hook.chmod(0o755)
    scheduled.one.until(OPENS, OPENS + MINUTE)
    assert world.head() == head
