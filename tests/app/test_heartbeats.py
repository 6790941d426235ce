"""A heartbeat: does a commit land and reach the engine by the way of a rollback, and does it count for none?"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, time, timedelta

import pytest
from app_world import MINUTE, POLICIES, START, TICK, Replica, World, policy, running, ship
from fake_forge import FakeForge

from gitops_rollback.app.beforehand import take_heartbeats
from gitops_rollback.app.checkup import of_forge, of_heartbeat
from gitops_rollback.app.executor import Executor
from gitops_rollback.core.heartbeat import Beat, OfficeHours, Outcome, Rhythm, newest_beat
from gitops_rollback.core.journal import DecisionEntry
from gitops_rollback.core.paths import HEARTBEAT
from gitops_rollback.core.pull_request import BranchRules, PullRequestState

DAY = timedelta(days=1)
ALWAYS = OfficeHours(tuple(range(7)), time(0), time(23, 59, 59, 999999))
NEVER = OfficeHours((), time(9), time(17))


@dataclass
class Heart:
    """One application that has been quiet for days, and a controller that has kept a journal since then."""

    world: World
    one: Replica
    ended: list[Beat] = field(default_factory=list)

    @property
    def newest(self) -> Beat | None:
        return newest_beat(self.one.reconciler.see_now().journal.decisions)

    @property
    def pages(self) -> list[str]:
        return [message.text for message in self.one.told.messages if message.page]

    def until(self, end: datetime) -> None:
        self.one.until(self.world.clock.at + TICK, end)

    def poll(self) -> None:
        """The engine compares with the branch's head."""
        self.world.engine.compare("web", self.world.head(), self.world.clock.at)


def a_heart(world: World, office: OfficeHours = ALWAYS, text: str = "", forge: FakeForge | None = None) -> Heart:
    world.forge = forge
    running(world, "web", since=START - 3 * DAY)
    if text:
        world.people.push("The policy", {f"{POLICIES}/web.yaml": text}, START - 50 * MINUTE)
    one = world.replica()
    heart = Heart(world, one)
    take_heartbeats(one.reconciler, forge, Rhythm(office=office), heart.ended.append)
    one.tick(START)
    executor = one.reconciler.executor
    assert isinstance(executor, Executor)
    known = DecisionEntry(START - 2 * DAY, "controller", "started", "Quiet", "", "started")
    executor.enter(known)
    return heart


def by_request(rules: str = "") -> str:
    return policy("web") + f"  delivery: {{mode: pull-request, pullRequest: {{{rules}}}}}\n"


def test_it_lands_reaches_the_engine_and_is_timed(world: World) -> None:
    heart = a_heart(world)
    before = world.head()
    heart.until(START + MINUTE)
    assert world.people.git("diff", "--name-only", before, world.head()).split() == [HEARTBEAT]
    assert world.people.read(HEARTBEAT).startswith("# +argocd:skip-file-rendering\n")
    message = world.people.git("log", "-1", "--format=%an <%ae>%n%B")
    assert message.startswith("gitops-rollback <gitops-rollback@example.com>")
    assert "Rollback-Heartbeat: hb-" in message
    assert "Rollback-Id" not in message
    beat = heart.newest
    assert beat is not None
    assert (beat.outcome, list(beat.times)[-1]) == (Outcome.SEEN, "seen")
    assert [one.id for one in heart.ended] == [beat.id]
    assert heart.pages == []


def test_the_next_one_changes_one_line_and_comes_a_week_later(world: World) -> None:
    heart = a_heart(world)
    heart.until(START + MINUTE)
    first = world.head()
    heart.one.tick(START + 6 * DAY)
    assert world.head() == first
    heart.one.tick(START + 7 * DAY + MINUTE)
    assert world.people.git("diff", "--numstat", first, world.head()).split() == ["1", "1", HEARTBEAT]


def test_none_is_made_on_the_first_day(world: World) -> None:
    running(world, "web")
    one = world.replica()
    take_heartbeats(one.reconciler, None, Rhythm(office=ALWAYS), lambda _beat: None)
    one.until(START, START + 2 * MINUTE)
    assert world.commits() == ["First"]


def test_none_is_made_out_of_office_hours_or_where_nothing_is_automatic(world: World) -> None:
    heart = a_heart(world, NEVER)
    heart.until(START + MINUTE)
    assert world.commits() == ["First"]


def test_none_is_made_where_a_person_decides_all(world: World) -> None:
    heart = a_heart(world, text=policy("web", severity="page_and_suggest"))
    heart.until(START + MINUTE)
    assert world.commits()[0] == "The policy"


def test_none_is_made_while_it_is_stopped(world: World) -> None:
    heart = a_heart(world)
    stop = "apiVersion: gitops-rollback.dev/v1alpha1\nkind: RollbackPause\nspec: {all: true}\n"
    world.people.push("Stop", {".gitops-rollback/pause.yaml": stop}, START)
    heart.until(START + MINUTE)
    assert world.commits()[0] == "Stop"


def test_it_stays_out_of_the_way_of_a_rollback_and_counts_for_none(world: World) -> None:
    heart = a_heart(world)
    heart.until(START + MINUTE)
    bad = ship(world, "web", START + MINUTE)
    world.engine.deploy("web", bad, START + 2 * MINUTE)
    world.metrics.break_from("web", START + 3 * MINUTE)
    heart.until(START + 5 * MINUTE)
    assert world.commits()[:3] == ['Revert "Ship web 1.1"', "Ship web 1.1", "Heartbeat of gitops-rollback"]
    (record,) = heart.one.reconciler.see_now().journal.records.values()
    assert record.reverts == (bad,)


def test_an_application_of_the_whole_repository_is_not_changed_by_it(world: World) -> None:
    heart = a_heart(world)
    world.engine.add("all", path="")
    world.engine.deploy("all", world.head(), START - 2 * DAY)
    heart.until(START + MINUTE)
    tick = heart.one.tick(START + 2 * MINUTE)
    (fed,) = [one for one in tick.listing.fed if one.state.id.name == "all"]
    assert not fed.touches((HEARTBEAT,), world.head())
    assert fed.touches(("README.md",), world.head())


def protect(world: World, names: str) -> None:
    hook = world.bare / "hooks" / "update"
    hook.write_text(f'#!/bin/sh\ncase "$1" in {names}) echo "protected branch hook declined" >&2; exit 1;; esac\n')
    hook.chmod(0o755)


def test_a_refused_one_pages_once_in_office_hours(world: World) -> None:
    heart = a_heart(world)
    protect(world, "refs/heads/main")
    heart.until(START + 2 * MINUTE)
    beat = heart.newest
    assert beat is not None
    assert (beat.outcome, beat.reason, beat.told) == (Outcome.REFUSED, "BranchProtected", True)
    (page,) = heart.pages
    assert "BranchProtected" in page
    (world.bare / "hooks" / "update").unlink()
    heart.one.tick(START + 8 * DAY)
    heart.one.tick(START + 8 * DAY + TICK)
    over = [message for message in heart.one.told.messages if message.over and "heartbeat" in message.topic]
    assert len(over) == 1, "what was paged is over"


def test_at_night_a_fault_waits_for_the_morning(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    heart = a_heart(world)
    monkeypatch.setattr(world.engine, "refresh", lambda application, project: None)
    beats = heart.one.reconciler.heartbeats
    assert beats is not None
    heart.until(START + TICK)
    beats.rhythm = Rhythm(office=NEVER)
    heart.until(START + 11 * MINUTE)
    assert heart.pages == []
    beats.rhythm = Rhythm(office=ALWAYS)
    heart.until(START + 12 * MINUTE)
    assert len(heart.pages) == 1


def test_what_the_engine_never_looks_at_is_a_fault(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    heart = a_heart(world)
    monkeypatch.setattr(world.engine, "refresh", lambda application, project: None)
    heart.until(START + 11 * MINUTE)
    beat = heart.newest
    assert beat is not None
    assert (beat.outcome, beat.reason) == (Outcome.UNSEEN, "SyncTimeout")
    assert len(heart.pages) == 1


def test_by_pull_request_it_is_opened_merged_and_seen(world: World) -> None:
    forge = FakeForge(world)
    heart = a_heart(world, text=by_request(), forge=forge)
    heart.until(START + 2 * MINUTE)
    (request,) = forge.requests.values()
    assert request.state is PullRequestState.MERGED
    assert request.head.startswith("gitops-rollback/heartbeat/")
    beat = heart.newest
    assert beat is not None
    assert (beat.outcome, beat.number) == (Outcome.SEEN, 1)
    assert set(beat.times) == {"begun", "opened", "landed", "seen"}
    assert heart.pages == []


def test_a_refused_push_goes_on_as_a_pull_request(world: World) -> None:
    forge = FakeForge(world)
    heart = a_heart(world, forge=forge)
    protect(world, "refs/heads/main")
    heart.until(START + 2 * MINUTE)
    assert len(forge.requests) == 1
    assert heart.pages == []


def test_one_that_is_not_merged_in_time_says_what_blocks_it_and_ends_after_a_day(world: World) -> None:
    forge = FakeForge(world, missing="Review required")
    heart = a_heart(world, text=by_request("landWithin: 2m"), forge=forge)
    heart.until(START + 5 * MINUTE)
    (page,) = heart.pages
    assert "Review required" in page
    heart.one.tick(START + DAY + 2 * MINUTE)
    heart.one.tick(START + DAY + 3 * MINUTE)
    beat = heart.newest
    assert beat is not None
    assert (beat.outcome, beat.reason) == (Outcome.REFUSED, "PullRequestBlocked")
    assert forge.requests[1].state is PullRequestState.CLOSED


def test_another_process_goes_on_with_it(world: World) -> None:
    forge = FakeForge(world, missing="Review required")
    heart = a_heart(world, text=by_request(), forge=forge)
    heart.until(START + MINUTE)
    two = world.replica("two")
    take_heartbeats(two.reconciler, forge, Rhythm(office=ALWAYS), lambda _beat: None)
    forge.approve()
    two.until(START + MINUTE + TICK, START + 2 * MINUTE)
    beat = newest_beat(two.reconciler.see_now().journal.decisions)
    assert beat is not None
    assert (beat.outcome, len(forge.requests)) == (Outcome.SEEN, 1)


def of_doctor(heart: Heart) -> tuple[bool, str]:
    view = heart.one.reconciler.see_now()
    (found,) = of_heartbeat("shop/config", view, Rhythm(), heart.world.clock.now())
    return found.well, found.message + found.remedy


def test_doctor_tells_the_newest_one_and_when_it_is_overdue(world: World) -> None:
    heart = a_heart(world)
    well, words = of_doctor(heart)
    assert well
    assert "gitops-rollback heartbeat" in words
    heart.until(START + MINUTE)
    well, words = of_doctor(heart)
    assert well
    assert "reaches the engine by a push in" in words
    heart.one.clock.at = START + 15 * DAY
    well, words = of_doctor(heart)
    assert not well
    assert "overdue" in words


def test_doctor_tells_why_the_newest_one_was_refused(world: World) -> None:
    heart = a_heart(world)
    protect(world, "refs/heads/main")
    heart.until(START + MINUTE)
    well, words = of_doctor(heart)
    assert not well
    assert words.startswith("BranchProtected")


def test_what_the_rules_ask_of_a_commit_is_said_with_what_helps(world: World) -> None:
    forge = FakeForge(world, branch_rules=BranchRules(signed=True, linear=True, queue=True))
    unsigned = list(of_forge(forge, "shop/config", "main"))
    assert [one.well for one in unsigned] == [True, False, True, True]
    assert "signingKeyFile" in unsigned[1].remedy
    assert "squash or rebase" in unsigned[2].remedy
    assert all(one.well for one in of_forge(forge, "shop/config", "main", signs=True))
