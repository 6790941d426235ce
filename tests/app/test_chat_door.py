"""What somebody pressed in a chat, and what becomes of it: real git; with a forge and without."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta

import pytest
from app_world import MINUTE, POLICIES, START, Replica, World, deployment, policy, running, ship
from fake_forge import FakeForge
from test_pull_requests import SUGGESTED, a_story

from gitops_rollback.app.chat_door import ChatDoor, Presses
from gitops_rollback.app.taking import take_presses, take_requests
from gitops_rollback.core.press import Button, Press
from gitops_rollback.core.pull_request import Permission, PullRequestState
from gitops_rollback.core.rollback import RollbackRecord
from gitops_rollback.core.stop import CONTROL_BRANCH

FILE = "apps/web/web.yaml"
GRACE, EVE = "U02GRACE", "U03EVE"
PEOPLE = {GRACE: "grace", "U04ADA": "ada"}


@dataclass
class Chat:
    """A plan that waits for a word, and whoever presses its buttons."""

    world: World
    one: Replica
    presses: Presses = field(default_factory=Presses)
    door: ChatDoor | None = None
    answers: list[tuple[str, str]] = field(default_factory=list)

    @property
    def record(self) -> RollbackRecord:
        (record,) = self.one.reconciler.see_now().journal.records.values()
        return record

    def press(self, button: Button, user: str = GRACE, head: str = "", age: timedelta = timedelta(0)) -> str:
        """The answer of the next look; "" without one."""
        at = self.world.clock.at
        known = len(self.answers)
        self.presses.add(Press(user, button, self.record.id, head or self.world.head(), at - age, "url"))
        self.one.until(at + timedelta(seconds=15), at + timedelta(seconds=15))
        return self.answers[-1][1] if len(self.answers) > known else ""

    def later(self, minutes: float) -> None:
        now = self.world.clock.at
        self.one.until(now + timedelta(seconds=15), now + timedelta(minutes=minutes))


@pytest.fixture
def chat(world: World) -> Chat:
    running(world, "web")
    asks = policy("web", severity="page_and_suggest")
    world.people.push("Ask", {f"{POLICIES}/web.yaml": asks}, START - 50 * MINUTE)
    world.engine.deploy("web", world.head(), START - 49 * MINUTE)
    bad = ship(world, "web", START - MINUTE)
    one = world.replica()
    world.engine.deploy("web", bad, START)
    world.metrics.break_from("web", START + MINUTE)
    one.until(START, START + 3 * MINUTE)
    found = Chat(world, one)
    found.door = take_presses(
        one.reconciler, found.presses, PEOPLE, lambda url, text: found.answers.append((url, text))
    )
    assert found.record.phase == "AwaitingApproval"
    return found


def test_an_approval_pushes_the_plan_that_was_shown(chat: Chat) -> None:
    assert chat.press(Button.APPROVE) == "Approved, and pushed."
    assert chat.world.people.read(FILE) == deployment("web", "1.0")
    chat.world.metrics.mend("web", chat.world.clock.at)
    chat.later(6)
    assert (chat.record.outcome, chat.record.requested_by) == ("verified", "grace")
    said = [one for one in chat.one.reconciler.see_now().journal.decisions if one.application == "chat"]
    assert [(one.details["by"], one.details["button"]) for one in said] == [("grace", "approve")]


def test_a16_where_the_files_have_changed_since_it_is_asked_again(chat: Chat) -> None:
    seen = chat.world.head()
    text = chat.world.people.read(FILE).replace("info", "debug")
    chat.world.people.push("Change it", {FILE: text}, chat.world.clock.at)
    assert "look at it again" in chat.press(Button.APPROVE, head=seen)
    assert chat.world.reverts() == 0


@pytest.mark.parametrize("head", ["e" * 40, "main"])
def test_a16_a_head_that_nobody_has_seen_approves_nothing(chat: Chat, head: str) -> None:
    assert "look at it again" in chat.press(Button.APPROVE, head=head)
    assert chat.world.reverts() == 0


def test_what_changed_elsewhere_does_not_matter(chat: Chat) -> None:
    seen = chat.world.head()
    chat.world.people.push("Elsewhere", {"README.md": "x\n"}, chat.world.clock.at)
    assert chat.press(Button.APPROVE, head=seen) == "Approved, and pushed."


@pytest.mark.parametrize("button", Button)
def test_a15_who_is_not_named_in_the_settings_is_not_obeyed(chat: Chat, button: Button) -> None:
    assert "chat.approvers" in chat.press(button, EVE)
    assert chat.world.reverts() == 0
    assert chat.world.head(CONTROL_BRANCH) == ""


def test_a_pause_lasts_an_hour_from_the_press(chat: Chat) -> None:
    end = chat.world.clock.at + timedelta(hours=1)
    assert f"{end:%FT%TZ}" in chat.press(Button.PAUSE)
    assert 'by: "grace"' in chat.world.people.read("pause.yaml", CONTROL_BRANCH)
    assert "paused until" in chat.press(Button.APPROVE)
    assert chat.world.reverts() == 0


def test_the_diff_is_shown_to_whoever_asks_and_nothing_is_written(chat: Chat) -> None:
    answer = chat.press(Button.DIFF)
    assert "+          image: registry.example/web:1.0" in answer
    assert chat.world.reverts() == 0


def test_an_old_press_and_one_about_nothing_of_ours_mean_nothing(chat: Chat) -> None:
    assert chat.press(Button.APPROVE, age=timedelta(minutes=11)) == ""
    chat.presses.add(Press(GRACE, Button.APPROVE, "rb-0000000000000000", chat.world.head(), chat.world.clock.at))
    chat.later(1)
    assert chat.world.reverts() == 0


@pytest.mark.parametrize(
    ("button", "verb"),
    [
        (Button.APPROVE, "gitops-rollback approve rb-"),
        (Button.PAUSE, "gitops-rollback pause default/Application/argocd/web --for 1h"),
        (Button.DIFF, "gitops-rollback explain rb-"),
    ],
)
def test_a_replica_that_stands_by_says_who_leads_and_does_nothing(chat: Chat, button: Button, verb: str) -> None:
    view, now = chat.one.reconciler.see_now(), chat.world.clock.at
    chat.presses.add(Press(GRACE, button, chat.record.id, chat.world.head(), now, "url"))
    chat.presses.add(Press(GRACE, button, "rb-0000000000000000", chat.world.head(), now, "elsewhere"))
    assert chat.door is not None
    chat.door.turn_away(view.journal.records, now, "stands by: pod-2 leads")
    ((url, said),) = chat.answers
    assert url == "url"
    assert "stands by: pod-2 leads" in said
    assert verb in said
    assert chat.world.reverts() == 0
    assert not chat.presses.take()


def test_twice_pressed_is_done_once(chat: Chat) -> None:
    chat.press(Button.APPROVE)
    assert "does not wait" in chat.press(Button.APPROVE)
    assert chat.world.reverts() == 1


def test_of_very_many_presses_the_newest_are_kept() -> None:
    presses = Presses()
    for number in range(1000):
        presses.add(Press(GRACE, Button.DIFF, f"rb-{number:016x}", "", START))
    kept = presses.take()
    assert (len(kept), kept[-1].rollback_id) == (100, f"rb-{999:016x}")
    assert presses.take() == []


@pytest.mark.parametrize(
    ("permission", "merged"), [(Permission.WRITE, True), (Permission.READ, False), (Permission.UNKNOWN, True)]
)
def test_with_a_forge_its_pull_request_is_merged_if_the_forge_says_that_the_person_may_write(
    world: World, permission: Permission, merged: bool
) -> None:
    told = a_story(world, SUGGESTED)
    forge: FakeForge = told.forge
    forge.permissions["grace"] = permission
    found = Chat(world, told.one)
    take_requests(told.one.reconciler, forge)
    take_presses(told.one.reconciler, found.presses, PEOPLE, lambda url, text: found.answers.append((url, text)), forge)
    answer = found.press(Button.APPROVE)
    found.later(2)
    assert (forge.requests[1].state is PullRequestState.MERGED) is merged
    assert ("may not write" in answer) is not merged
