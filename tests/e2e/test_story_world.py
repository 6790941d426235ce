"""A claim of a story is false in a world where it does not hold: nothing is true by itself."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from gitops_rollback.sandbox.all_stories import find_story
from gitops_rollback.sandbox.argocd.controller import Deployed
from gitops_rollback.sandbox.clock import ScaledClock
from gitops_rollback.sandbox.demo import Demo
from gitops_rollback.sandbox.people import People
from gitops_rollback.sandbox.services import FAILING, GOOD, LOOPING
from gitops_rollback.sandbox.stories import (
    APPLICATION,
    DEPLOYMENT,
    NEW_TAG,
    STORIES,
    add_smoke_test,
    came_back,
    crashing_release,
    decided,
    hanging_release,
    healthy_again,
    journal_says,
    land_again,
    nothing_written,
    one_revert,
    raced,
    release,
    seen_in_pods,
    waiting,
)
from gitops_rollback.sandbox.story_texts import PODS_TRIGGER
from gitops_rollback.sandbox.telling import CONTROLLER, JOURNAL, Claim, Telling
from gitops_rollback.sandbox.world import SERVICES, World, default_application

SPEED = 20.0
PATIENCE_SECONDS = 30.0
US = f"{CONTROLLER} <gitops-rollback@localhost>"
Record = dict[str, object]


@pytest.fixture
def telling(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Telling]:
    """A healthy world without a controller. A test's `parametrize` of it names applications that nobody syncs."""
    manual: Sequence[str] = getattr(request, "param", ())
    applications = [replace(default_application(name), auto_sync=name not in manual) for name in SERVICES]
    with_world = Telling(World(tmp_path, ScaledClock(SPEED), applications), APPLICATION)
    add_smoke_test(with_world)
    with_world.world.start()
    if not manual:
        until(lambda: with_world.live_revision() == with_world.world.people.head() and is_idle(with_world))
    yield with_world
    with_world.world.stop()


def until(condition: Callable[[], bool]) -> None:
    end, pause = time.monotonic() + PATIENCE_SECONDS, threading.Event()
    while not condition():
        assert time.monotonic() < end, "the sandbox's world did not come to that"
        pause.wait(0.05)


def is_idle(telling: Telling) -> bool:
    live = telling.live()
    return "operation" not in live and live["status"]["health"]["status"] == "Healthy"


def revert(telling: Telling, message: str = "", author: str = US, text: str = "") -> str:
    """What the controller would land; or nearly so."""
    people = telling.world.people
    old = text or people.read(DEPLOYMENT, telling.before)
    words = message or f'Revert "a release"\n\nThis reverts commit {telling.bad}.\n'
    return people.push(words, {DEPLOYMENT: old}, telling.world.clock.now(), author)


def write_journal(telling: Telling, records: Sequence[Record] = (), decisions: Sequence[Record] = ()) -> None:
    telling.world.people.git("branch", "--force", JOURNAL, "main")
    files = {f"records/rb-{number}.json": json.dumps(record) for number, record in enumerate(records)}
    if decisions:
        files["decisions/2026-11/26/a.jsonl"] = "\n".join(json.dumps(entry) for entry in decisions)
    People(telling.world.bare, JOURNAL).push("Write", files, telling.world.clock.now())


def false(claims: Sequence[Claim]) -> list[str]:
    """The texts of those that do not hold."""
    return [claim.text for claim in claims if not claim.holds]


def test_a_true_revert_makes_every_claim_true(telling: Telling) -> None:
    release(telling)
    until(lambda: telling.live_revision() == telling.bad)
    reverted = revert(telling)
    telling.refresh()
    until(lambda: telling.live_revision() == reverted and is_idle(telling))
    write_journal(telling, [{"outcome": "verified", "phase": "Done"}])
    assert false([*one_revert(telling), *healthy_again(telling), *journal_says(telling, "verified")]) == []


ONE = "the branch has one commit of the controller"
NAMED = "it names the bad commit"
KEPT = "the bad commit is still in the history"
RESTORED = "apps/checkout-api is as it was before"


def nobody_reverts(_telling: Telling) -> None:
    pass


def revert_twice(telling: Telling) -> None:
    revert(telling)
    telling.world.people.push("Again", {"notes/again.md": "again"}, telling.world.clock.now(), US)
    revert(telling, text=telling.world.people.read(DEPLOYMENT))


def revert_another_commit(telling: Telling) -> None:
    revert(telling, f"This reverts commit {telling.before}.")


def drop_the_bad_commit(telling: Telling) -> None:
    telling.world.people.git("update-ref", "refs/heads/main", telling.before)
    revert(telling)


def revert_to_something_else(telling: Telling) -> None:
    text = telling.world.people.read(DEPLOYMENT, telling.before)
    revert(telling, text=text + "# touched\n")


def a_person_reverts(telling: Telling) -> None:
    revert(telling, author="Jonas Lindqvist <jonas.lindqvist@shop.example>")


@pytest.mark.parametrize(
    ("act", "broken"),
    [
        pytest.param(nobody_reverts, [ONE, NAMED, RESTORED], id="nobody-reverts"),
        pytest.param(a_person_reverts, [ONE, NAMED, RESTORED], id="a-person-reverts"),
        pytest.param(revert_twice, [ONE], id="reverted-twice"),
        pytest.param(revert_another_commit, [NAMED], id="another-commit-named"),
        pytest.param(drop_the_bad_commit, [KEPT], id="history-rewritten"),
        pytest.param(revert_to_something_else, [RESTORED], id="another-state"),
    ],
)
def test_a_revert_that_is_none_is_seen(telling: Telling, act: Callable[[Telling], None], broken: list[str]) -> None:
    release(telling)
    act(telling)
    assert false(one_revert(telling)) == broken


def test_a_revert_that_the_engine_has_not_applied_is_seen(telling: Telling) -> None:
    release(telling)
    until(lambda: telling.live_revision() == telling.bad and is_idle(telling))
    revert(telling)
    assert "Argo CD has applied it" in false(healthy_again(telling))


@pytest.mark.parametrize("telling", [SERVICES], indirect=True)
def test_an_engine_that_syncs_nothing_has_applied_nothing(telling: Telling) -> None:
    release(telling)
    revert(telling)
    telling.refresh()
    until(lambda: bool((telling.live().get("status") or {}).get("sync")))
    assert telling.live_revision() == ""
    assert {"Argo CD has applied it", "Argo CD says Synced"} <= set(false(healthy_again(telling)))


@pytest.mark.parametrize(
    ("act", "broken"),
    [
        pytest.param(crashing_release, "Argo CD says Healthy", id="pods-that-crash"),
        pytest.param(hanging_release, "no operation is left running", id="a-hook-that-hangs"),
    ],
)
def test_an_engine_that_is_not_well_is_seen(telling: Telling, act: Callable[[Telling], None], broken: str) -> None:
    act(telling)
    until(lambda: telling.live_revision() == telling.bad and broken in false(healthy_again(telling)))


@pytest.mark.parametrize(
    "outcomes", [pytest.param([], id="none"), pytest.param(["unverified"], id="other"), pytest.param(["verified"] * 2)]
)
def test_a_journal_with_another_outcome_is_seen(telling: Telling, outcomes: list[str]) -> None:
    write_journal(telling, [{"outcome": outcome, "phase": "Done"} for outcome in outcomes])
    assert false(journal_says(telling, "verified")) == ["the journal holds one record, verified"]


@pytest.mark.parametrize(
    ("trigger", "message", "broken"),
    [
        pytest.param(PODS_TRIGGER, "held 2m00s: pods 3 of 3 replicas are updated and available", [], id="true"),
        pytest.param("high-error-rate", "held 2m00s: pods 2 of 3 replicas are updated and available", [0, 1]),
        pytest.param(f"{PODS_TRIGGER}\nRollback-Trigger: high-error-rate", "held 2m00s: high-error-rate 0", [0, 1]),
    ],
)
def test_a_rollback_that_the_pods_did_not_cause_or_prove_is_seen(
    telling: Telling, trigger: str, message: str, broken: list[int]
) -> None:
    release(telling)
    revert(telling, f"Revert\n\nThis reverts commit {telling.bad}.\n\nRollback-Trigger: {trigger}\n")
    write_journal(telling, [{"outcome": "verified", "phase": "Done", "message": message}])
    claims = ("the Pods were the reason, and no metric", "the rollout was seen to be complete")
    assert [text for text in false(seen_in_pods(telling)) if text in claims] == [claims[number] for number in broken]


def test_a_plan_that_waits_for_nobody_is_seen(telling: Telling) -> None:
    assert false(waiting(telling))
    write_journal(telling, [{"outcome": "refused", "phase": "Done"}])
    assert false(waiting(telling))
    write_journal(telling, [{"outcome": None, "phase": "AwaitingApproval"}])
    assert not false(waiting(telling))


def test_a_reason_that_the_journal_does_not_give_is_seen(telling: Telling) -> None:
    assert not decided(telling, "Schedule").holds
    write_journal(telling, decisions=[{"reason": "Quiet", "action": "leave"}])
    assert not decided(telling, "Schedule").holds
    assert not telling.paged()
    write_journal(telling, decisions=[{"reason": "Schedule", "action": "ask"}])
    assert decided(telling, "Schedule").holds
    assert telling.paged()


def test_a_branch_that_somebody_else_wrote_to_is_seen(telling: Telling) -> None:
    release(telling)
    assert false(nothing_written(telling)) == []
    people, now = telling.world.people, telling.world.clock.now()
    people.push("Write", {"notes/a.md": "a"}, now, "A Stranger <stranger@shop.example>")
    assert false(nothing_written(telling)) == ["the branch's head is what people landed"]
    revert(telling)
    assert len(false(nothing_written(telling))) == 2


def test_a_commit_that_a_push_race_loses_is_seen(telling: Telling) -> None:
    release(telling)
    people = telling.world.people
    head = people.head()
    for name in ("one", "two", "three"):
        telling.landed[name] = people.push(name, {f"notes/{name}.md": name}, telling.world.clock.now())
    revert(telling)
    lost = "no commit of the others is lost"
    assert lost not in false(raced(telling))
    people.git("update-ref", "refs/heads/main", head)
    revert(telling)
    assert lost in false(raced(telling))


def test_a_second_revert_of_what_came_back_is_seen(telling: Telling) -> None:
    release(telling)
    revert(telling)
    land_again(telling)
    write_journal(telling, decisions=[{"reason": "CameBack", "action": "hold"}])
    assert false(came_back(telling)) == []
    revert(telling)
    assert false(came_back(telling)) == [ONE, "the returned release was not reverted again"]


def test_what_runs_decides_how_a_service_behaves(telling: Telling) -> None:
    world = telling.world
    world.failing_tags.add(NEW_TAG)
    images = (f"registry.example/shop/checkout-api:{tag}" for tag in ("1.41.0", NEW_TAG, f"{NEW_TAG}-crash"))
    assert [world.behaviour_of(Deployed(("a",), (image,))) for image in images] == [GOOD, FAILING, LOOPING]


def test_a_release_of_an_image_that_nobody_names_is_refused(telling: Telling) -> None:
    telling.world.people.push("Empty", {DEPLOYMENT: "kind: Deployment\n"}, telling.world.clock.now())
    with pytest.raises(ValueError, match="names no image"):
        release(telling)


class DeadDemo(Demo):
    """Its controller cannot start."""

    def start_controller(self, **more: str) -> None:
        super().start_controller(GITOPS_ROLLBACK_REPO="", **more)


def test_a_controller_that_does_not_start_is_told_at_once(tmp_path: Path) -> None:
    demo = DeadDemo(STORIES[0], 50.0, tmp_path / "demo", lambda _line: None)
    with pytest.raises(RuntimeError, match="the controller did not start"):
        demo.run()
    demo.close()


class KilledAtTheEnd(Demo):
    """Its controller is killed instead of stopped."""

    def stop_controller(self) -> int | None:
        self.kill_controller()
        return super().stop_controller()


def test_a_story_is_not_true_if_the_controller_did_not_end_cleanly(tmp_path: Path) -> None:
    story = find_story("bad-release")
    assert story is not None
    lines: list[str] = []
    at_once = replace(story, act=lambda _telling: None, ended=lambda _telling: True, claims=lambda _telling: [])
    demo = KilledAtTheEnd(at_once, 50.0, tmp_path / "demo", lines.append)
    assert not demo.run()
    demo.close()
    assert " ✖ the controller ended cleanly" in lines


def test_the_demo_exits_with_1_if_its_story_did_not_end_as_told(tmp_path: Path) -> None:
    program = (
        "from dataclasses import replace\n"
        "from datetime import timedelta\n"
        "from gitops_rollback.cli import demo\n"
        "from gitops_rollback.cli.verbs.demo import command\n"
        "story = demo.ALL_STORIES[0]\n"
        "demo.find_story = lambda _name, _engine: replace(story, act=lambda _t: None, longest=timedelta(seconds=1))\n"
        f"command(['--out', {str(tmp_path / 'out')!r}, '--speed', '50'])\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 1, done.stderr
    assert "the story did NOT end as told" in done.stdout
