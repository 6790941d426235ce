"""A drill: is what it breaks found, taken back and verified like a real fault, counted as none, and never left?"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import pytest
from app_world import MINUTE, POLICIES, START, TICK, Replica, World, policy, running, ship

from gitops_rollback.app.beforehand import end_drills
from gitops_rollback.app.drills import Drills, Wanted
from gitops_rollback.app.executor import Executor
from gitops_rollback.app.heartbeats import Seen
from gitops_rollback.app.requesting import Requests, Wish, found_by
from gitops_rollback.cli.drill import Following
from gitops_rollback.core.breaking import Break
from gitops_rollback.core.drill import GRACE, OVERDUE_AFTER, Drill, Outcome, drills, practice_of
from gitops_rollback.core.drill import Practice as Known
from gitops_rollback.core.errors import StalledError
from gitops_rollback.core.rollback import Phase
from gitops_rollback.core.sync import Health

FILE = "apps/web/web.yaml"
PATIENCE = timedelta(minutes=20)


@dataclass
class Practice:
    """A controller that runs, and a person who drills on a clone of their own."""

    world: World
    one: Replica
    person: Replica
    measured: list[Known]

    @property
    def drills(self) -> Drills:
        made = self.person.reconciler
        return Drills(self.person.repo, made, made.holds, self.world.clock)

    def seen(self) -> Seen:
        made, now = self.person.reconciler, self.world.clock.now()
        view = made.see_now()
        assert isinstance(made.executor, Executor)
        return Seen(view, made.directory.look(view, now), now, made.executor)

    def begin(self, how: Break = Break.IMAGE, people: bool = False) -> Drill:
        seen = self.seen()
        wanted = Wanted(how, "kim", PATIENCE, people)
        drill = self.drills.begin(found_by(Wish("web", ""), seen.listing), wanted, seen)
        assert drill is not None
        return drill

    def go_on(self, drill: Drill, end: datetime) -> Drill:
        """The controller ticks, and the person looks after each tick."""
        while drill.open and self.world.clock.at < end:
            self.one.tick(self.world.clock.at + TICK)
            drill = self.drills.go_on(drill, self.seen())
        return drill

    def deployed(self, drill: Drill, fails: bool = True) -> None:
        """The engine applies it, and its requests fail until something newer is applied."""
        self.world.engine.deploy("web", drill.commit, self.world.clock.at + TICK)
        if fails:
            self.world.metrics.break_from("web", self.world.clock.at + 2 * TICK, self.world.clock.at + 3 * MINUTE)


def drilled_policy(more: str = "") -> str:
    return policy("web").replace("name: web}\n      data", "name: web}\n      drill: allowed\n      data") + more


@pytest.fixture
def practice(world: World) -> Practice:
    running(world, "web", since=START - timedelta(days=1))
    world.people.push("The policy", {f"{POLICIES}/web.yaml": drilled_policy()}, START - 50 * MINUTE)
    world.engine.compare("web", world.head(), START - 40 * MINUTE)
    measured: list[Known] = []
    one, person = world.replica(), world.replica("person")
    end_drills(one.reconciler, measured.append)
    one.tick(START)
    return Practice(world, one, person, measured)


def test_it_is_found_taken_back_and_verified_and_every_message_says_so(practice: Practice) -> None:
    world = practice.world
    before = world.people.read(FILE)
    drill = practice.begin()
    assert "gitops-rollback-drill" in world.people.read(FILE)
    practice.deployed(drill)
    ended = practice.go_on(drill, START + 15 * MINUTE)
    assert ended.outcome is Outcome.PASSED, ended.words
    assert list(ended.phases) == ["deployed", "fired", "decided", "pushed", "synced", "verified"]
    assert world.people.read(FILE) == before
    revert, bad = world.commits()[:2]
    assert revert.startswith('Revert "DRILL: break web')
    assert bad.startswith("DRILL: break web")
    assert f"Rollback-Drill: {drill.id}" in world.people.git("log", "-1", "--format=%B", "main")
    titles = [one.title for one in (*practice.one.told.messages, *practice.person.told.messages)]
    assert titles
    assert all(title.startswith("DRILL: ") for title in titles), titles


def test_it_spends_no_budget_and_no_cooldown(practice: Practice) -> None:
    """The application's budget is one rollback in half an hour."""
    drill = practice.begin()
    practice.deployed(drill)
    assert practice.go_on(drill, START + 15 * MINUTE).outcome is Outcome.PASSED
    world = practice.world
    bad = ship(world, "web", world.clock.at)
    world.engine.deploy("web", bad, world.clock.at + TICK)
    world.metrics.break_from("web", world.clock.at + 2 * TICK)
    practice.one.until(world.clock.at + TICK, world.clock.at + 4 * MINUTE)
    assert world.commits()[0] == 'Revert "Ship web 1.1"'
    assert not practice.one.told.messages[-1].title.startswith("DRILL")


def test_what_nobody_finds_the_drill_takes_back_itself_at_its_deadline(practice: Practice) -> None:
    world = practice.world
    before = world.people.read(FILE)
    drill = practice.begin(Break.CONFIG)
    practice.deployed(drill, fails=False)
    world.clock.at = drill.deadline - 2 * TICK
    ended = practice.go_on(drill, drill.deadline + MINUTE)
    assert (ended.outcome, ended.cleaned) == (Outcome.FAILED, world.head())
    assert world.people.read(FILE) == before
    assert "had not taken it back" in practice.person.told.messages[-1].text


def test_a_controller_cleans_up_after_one_that_is_gone(practice: Practice) -> None:
    world = practice.world
    before = world.people.read(FILE)
    drill = practice.begin(Break.CRASH_LOOP)
    practice.one.tick(drill.deadline + GRACE - TICK)
    assert world.people.read(FILE) != before
    practice.one.tick(drill.deadline + GRACE)
    assert world.people.read(FILE) == before
    (known,) = drills(practice.seen().view.journal.decisions)
    assert known.outcome is Outcome.FAILED


def test_what_others_landed_meanwhile_stays_when_it_is_stopped(practice: Practice) -> None:
    world = practice.world
    drill = practice.begin()
    world.people.edit("Log more", FILE, '"info"', '"debug"', START)
    ended = practice.drills.clean_up(drill, Outcome.STOPPED, "stopped by KeyboardInterrupt", practice.seen())
    assert ended.outcome is Outcome.STOPPED
    text = world.people.read(FILE)
    assert '"debug"' in text
    assert "drill" not in text


def test_at_ctrl_c_it_takes_back_what_it_broke(practice: Practice) -> None:
    world, made = practice.world, practice.person
    before = world.people.read(FILE)
    drill = practice.begin()
    executor = made.reconciler.executor
    assert isinstance(executor, Executor)

    def interrupt(_seconds: float) -> None:
        raise KeyboardInterrupt

    requests = Requests(made.repo, made.reconciler, executor, world.clock)
    following = Following(requests, practice.drills, drill, interrupt)
    with pytest.raises(KeyboardInterrupt):
        following.to_its_end()
    assert following.drill.outcome is Outcome.STOPPED
    assert world.people.read(FILE) == before


def test_people_are_paged_and_timed_and_the_controller_does_nothing(practice: Practice) -> None:
    world = practice.world
    drill = practice.begin(people=True)
    practice.deployed(drill)
    practice.one.until(START + TICK, START + 4 * MINUTE)
    (record,) = practice.one.reconciler.see_now().journal.records.values()
    assert (record.phase, record.reason) == (Phase.AWAITING_APPROVAL, "Drill")
    assert [message.title for message in practice.one.told.messages if message.page] == [
        "DRILL: A rollback is ready and waits for a word: argocd/web"
    ]
    fixed = world.people.push("Mend the image", {FILE: world.people.read(FILE, drill.base)}, world.clock.at)
    world.engine.deploy("web", fixed, world.clock.at + TICK)
    ended = practice.go_on(drill, START + 8 * MINUTE)
    assert ended.outcome is Outcome.PASSED
    assert list(ended.phases)[-2:] == ["pushed", "verified"]
    assert "people found" in ended.words


def test_a_person_s_yes_to_the_waiting_plan_ends_a_drill_of_people(practice: Practice) -> None:
    world, made = practice.world, practice.person
    drill = practice.begin(people=True)
    practice.deployed(drill)
    practice.one.until(START + TICK, START + 3 * MINUTE)
    (waiting,) = practice.one.reconciler.see_now().journal.records.values()
    executor = made.reconciler.executor
    assert isinstance(executor, Executor)
    requests = Requests(made.repo, made.reconciler, executor, world.clock)
    landing = requests.carry_out(requests.prepare(Wish("web", "kim", "yes", waiting=waiting.id)))
    assert landing.outcome == "landed"
    ended = practice.go_on(drill, START + 8 * MINUTE)
    assert (ended.outcome, ended.rollback) == (Outcome.PASSED, waiting.id)


@pytest.mark.parametrize(
    ("given", "why"),
    [
        pytest.param("not-allowed", "drill: allowed", id="it is not marked"),
        pytest.param("asks", "use --people", id="nothing is automatic"),
        pytest.param("shared", "this application alone reads", id="another application reads the file"),
        pytest.param("red", "Degraded", id="something is wrong already"),
        pytest.param("second", "is under way", id="another drill is open"),
        pytest.param("paused", "paused", id="it is paused"),
    ],
)
def test_none_is_begun(practice: Practice, given: str, why: str) -> None:
    world = practice.world
    stop = "apiVersion: gitops-rollback.dev/v1alpha1\nkind: RollbackPause\nspec: {all: true}\n"
    files = {
        "not-allowed": {f"{POLICIES}/web.yaml": policy("web")},
        "asks": {f"{POLICIES}/web.yaml": drilled_policy().replace("auto_rollback", "page_and_suggest")},
        "paused": {".gitops-rollback/pause.yaml": stop},
    }.get(given)
    if files:
        world.people.push("Another policy", files, START)
    if given == "shared":
        world.engine.add("production", path="apps/web")
    if given == "red":
        world.engine.states["web"] = replace(world.engine.states["web"], health=Health.DEGRADED)
    if given == "second":
        practice.begin()
    head = world.head()
    with pytest.raises(StalledError, match=why):
        practice.begin()
    assert world.head() == head


def test_it_is_overdue_ninety_days_after_the_last_one_that_was_passed(practice: Practice) -> None:
    assert [one.overdue for one in practice.measured] == ["it never passed a drill"]
    drill = practice.begin()
    practice.deployed(drill)
    ended = practice.go_on(drill, START + 15 * MINUTE)
    practice.one.tick(practice.world.clock.at + TICK)
    assert practice.measured[-1].overdue == ""
    known = practice.seen().view.journal
    for entries in (known.decisions, ()):  # the lines of long ago are not read any more
        soon, late = (
            practice_of("argocd/web", entries, known.records.values(), ended.times["verified"] + OVERDUE_AFTER + more)
            for more in (-TICK, timedelta(0))
        )
        assert (soon.overdue, late.overdue) == ("", "it passed the last drill 90 days ago")
