"""What people write on pull requests of ours, and what becomes of it: real git, and a forge in memory."""

from __future__ import annotations

from datetime import timedelta

import pytest
from app_world import MINUTE, START, TICK, World, deployment, running
from fake_forge import BOT, FakeForge
from test_pull_requests import SUGGESTED, a_story
from test_requested import FILE, PATH, REQUEST, Story
from test_requested import story as story

from gitops_rollback.adapters.forges.marking import marked
from gitops_rollback.app.chat_door import Presses
from gitops_rollback.app.check_door import CheckDoor
from gitops_rollback.app.taking import take_requests
from gitops_rollback.core.errors import ForgeUnavailable
from gitops_rollback.core.press import CheckPress
from gitops_rollback.core.pull_request import MergeMethod, Permission, PullRequestState
from gitops_rollback.core.pull_request_text import STATUS
from gitops_rollback.core.stop import CONTROL_BRANCH

ANSWERS = "gitops-rollback:answers"


def say(story: Story, body: str, by: str = "grace", edited: bool = False) -> str:
    """Our answers, once the controller has looked."""
    story.forge.say(1, body, story.world.clock.at, by, edited)
    story.tick()
    return story.forge.comments_of.get(1, {}).get(ANSWERS, "")


def test_an_approval_of_the_head_that_was_seen_lands_it(story: Story) -> None:
    pull = story.ask()
    head = story.world.head(pull.head)
    assert "Approved" in say(story, f"Looks good.\n\n/rollback approve {head}")
    story.tick(2)
    assert story.forge.requests[1].state is PullRequestState.MERGED
    story.later(6)
    (record,) = story.records
    assert (record.outcome, record.requested_by) == ("verified", "ada")
    assert story.world.people.read(FILE) == deployment("web", "1.0")
    assert ("1", True) in story.forge.reactions
    said = [one for one in story.one.reconciler.see_now().journal.decisions if one.application == "pull-requests/1"]
    assert [(one.details["by"], one.details["head"]) for one in said] == [("grace", head)]


def test_a16_an_approval_of_another_head_is_asked_again(story: Story) -> None:
    pull = story.ask()
    head = story.world.head(pull.head)
    story.forge.push(pull.head, {PATH: f"{REQUEST}  expires: 3h\n"}, story.world.clock.at)
    answer = say(story, f"/rollback approve {head}")
    assert "look at it again" in answer
    story.later(2)
    assert story.forge.requests[1].state is PullRequestState.OPEN
    assert ("1", False) in story.forge.reactions


def test_a16_what_is_pushed_after_the_approval_is_not_merged_by_it(story: Story) -> None:
    pull = story.ask()
    story.forge.missing = "Review required"
    say(story, f"/rollback approve {story.world.head(pull.head)}")
    story.forge.scheduled.clear()
    story.forge.push(pull.head, {"apps/evil.yaml": "x\n"}, story.world.clock.at)
    story.forge.missing = ""
    story.later(3)
    assert story.forge.requests[1].state is PullRequestState.OPEN


@pytest.mark.parametrize(
    ("command", "by", "permission"),
    [
        *(
            (command, "eve", Permission.READ)
            for command in ("approve {head}", "stop", "pause 2h", "reject", "to {bad}")
        ),
        *((command, "eve", Permission.NONE) for command in ("approve {head}", "retry")),
        *((command, "eve", Permission.UNKNOWN) for command in ("approve {head}", "help")),
        *((command, BOT, Permission.ADMIN) for command in ("approve {head}", "stop")),
    ],
)
def test_a15_nobody_else_is_obeyed_and_each_is_told_why(
    story: Story, command: str, by: str, permission: Permission
) -> None:
    story.forge.permissions[by] = permission
    head = story.world.head(story.ask().head)
    answer = say(story, "/rollback " + command.format(head=head, bad=story.bad), by)
    assert "✖" in answer
    assert "✔" not in answer
    assert story.forge.requests[1].state is PullRequestState.OPEN
    assert story.world.head(CONTROL_BRANCH) == ""
    assert len(story.forge.requests) == 1


def test_a16_an_edited_comment_is_no_command(story: Story) -> None:
    story.ask()
    assert "edited comment" in say(story, "/rollback stop", edited=True)
    assert story.world.head(CONTROL_BRANCH) == ""


def test_a_pause_stops_the_application_for_as_long_and_is_written_as_whoever_asked(story: Story) -> None:
    story.ask()
    assert "is paused until" in say(story, "/rollback pause 2h load test")
    text = story.world.people.read("pause.yaml", CONTROL_BRANCH)
    assert 'by: "grace"' in text
    assert f'until: "{story.world.clock.at - TICK + timedelta(hours=2):%FT%TZ}"' in text
    assert 'reason: "load test"' in text
    story.tick()
    assert "paused until" in story.comment()


def test_a_stop_has_no_end(story: Story) -> None:
    story.ask()
    assert "paused without an end" in say(story, "/rollback stop")
    assert "until" not in story.world.people.read("pause.yaml", CONTROL_BRANCH)


def test_the_same_comment_is_carried_out_once_also_after_a_restart(story: Story) -> None:
    story.ask()
    say(story, "/rollback pause 2h")
    control = story.world.head(CONTROL_BRANCH)
    two = story.world.replica("two")
    take_requests(two.reconciler, story.forge)
    calls = len(story.forge.reactions)
    two.until(story.world.clock.at + TICK, story.world.clock.at + MINUTE)
    assert story.world.head(CONTROL_BRANCH) == control
    assert len(story.forge.reactions) == calls


def test_a_no_closes_it_and_takes_it_back(story: Story) -> None:
    story.ask()
    assert "Rejected" in say(story, "/rollback reject fixed forward")
    assert story.forge.requests[1].state is PullRequestState.CLOSED
    (record,) = story.records
    assert (record.outcome, record.reason) == ("superseded", "Rejected")
    assert "fixed forward" in record.message


def test_another_way_back_becomes_a_request_of_its_own(story: Story) -> None:
    story.ask()
    good = story.world.people.git("rev-parse", f"{story.bad}~1")
    assert "Asked for in" in say(story, f"/rollback to {good}")
    assert story.forge.requests[2].head.startswith("gitops-rollback/request/comment-1-1")
    story.forge.close(1)
    story.tick(2)
    (path,) = [path for path in story.forge.comments_of[2] if "requests/" in path]
    assert "Undoes" in story.forge.comments_of[2][path]


def test_what_a_person_closed_before_its_answer_came_is_not_asked_for_again(story: Story) -> None:
    story.ask()
    good = story.world.people.git("rev-parse", f"{story.bad}~1")
    story.forge.loses.add("open")
    assert "Asked for in" not in say(story, f"/rollback to {good}")
    story.forge.push(story.forge.requests[2].head, {"theirs.txt": "mine\n"}, story.world.clock.at)
    story.forge.close(2, "grace")
    story.later(2)
    assert "Asked for in" in story.forge.comments_of[1][ANSWERS]
    assert sorted(story.forge.requests) == [1, 2]


@pytest.mark.parametrize("body", ["> /rollback stop", "```\n/rollback stop\n```", "please /rollback stop", "hello"])
def test_q6_what_is_quoted_or_code_means_nothing(story: Story, body: str) -> None:
    story.ask()
    assert say(story, body) == ""
    assert story.world.head(CONTROL_BRANCH) == ""


def test_q5_two_commands_are_asked_for_again(story: Story) -> None:
    story.ask()
    assert "2 commands" in say(story, "/rollback stop\n/rollback retry")
    assert story.world.head(CONTROL_BRANCH) == ""


def test_help_names_the_commands(story: Story) -> None:
    story.ask()
    assert "`/rollback pause 2h [why]`" in say(story, "/rollback help")


def test_q10_on_a_closed_one_nothing_is_approved(story: Story) -> None:
    head = story.world.head(story.ask().head)
    story.forge.close(1)
    answer = say(story, f"/rollback approve {head}")
    assert "✔" not in answer
    assert story.world.reverts() == 0


def test_a_plan_that_cannot_be_approved_says_why(story: Story) -> None:
    story.ask(REQUEST.replace("reason", "raeson"))
    head = story.world.head("ask-1")
    assert "✖" in say(story, f"/rollback approve {head}")


def test_a_suggestion_of_ours_is_approved_by_a_comment_as_well(world: World) -> None:
    told = a_story(world, SUGGESTED)
    take_requests(told.one.reconciler, told.forge)
    head = world.head(told.forge.requests[1].head)
    told.forge.say(1, f"/rollback approve {head}", world.clock.at)
    told.later(2)
    assert told.forge.requests[1].state is PullRequestState.MERGED
    told.cure()
    told.later(8)
    assert (told.record.outcome, told.record.requested_by) == ("verified", "grace")
    assert world.clock.at > START


def test_a_suggestion_of_ours_is_rejected_by_a_comment_as_well(world: World) -> None:
    told = a_story(world, SUGGESTED)
    take_requests(told.one.reconciler, told.forge)
    told.forge.say(1, "/rollback reject it is the cache", world.clock.at)
    told.later(1)
    assert told.forge.requests[1].state is PullRequestState.CLOSED
    assert (told.record.outcome, told.record.reason) == ("refused", "Rejected")


def test_a_forge_without_comments_delays_nothing(story: Story) -> None:
    pull = story.ask()
    story.forge.fails["comments"] = ForgeUnavailable("forge", "no answer")
    story.tick(3)
    assert story.world.head(pull.head)
    assert story.forge.requests[1].state is PullRequestState.OPEN


def brought(world: World, forge: FakeForge) -> Story:
    """A version that came by a merged pull request and was deployed a minute ago."""
    world.forge = forge
    running(world, "web", since=START - 120 * MINUTE)
    found = forge.ask({FILE: deployment("web", "1.1")}, START - 10 * MINUTE)
    commit = forge.land(found.number, MergeMethod.SQUASH, "ada")
    world.engine.deploy("web", commit, START - MINUTE)
    one = world.replica()
    take_requests(one.reconciler, forge)
    world.clock.at = START
    return Story(world, forge, one, commit)


def test_on_the_pull_request_that_brought_it_a_plan_becomes_a_request(world: World) -> None:
    told = brought(world, FakeForge(world))
    assert "Asked for in" in say(told, "/rollback plan", "ada")
    told.tick()
    pull = told.forge.requests[2]
    assert pull.head.startswith("gitops-rollback/request/comment-1-1")
    assert world.people.read(FILE, pull.head) == deployment("web", "1.0")
    say_on_two = told.forge.say(2, f"/rollback approve {world.head(pull.head)}", world.clock.at)
    told.later(8)
    assert (say_on_two.id, True) in told.forge.reactions
    assert [record.outcome for record in told.records] == ["verified"]
    assert world.people.read(FILE) == deployment("web", "1.0")


def test_on_the_pull_request_that_brought_it_a_pause_is_about_its_application(world: World) -> None:
    told = brought(world, FakeForge(world))
    assert "argocd/web is paused until" in say(told, "/rollback pause 1h")


def test_a15_on_the_pull_request_that_brought_it_nobody_else_is_obeyed(world: World) -> None:
    told = brought(world, FakeForge(world))
    told.forge.permissions["eve"] = Permission.READ
    assert "may not write" in say(told, "/rollback plan", "eve")
    assert "no plan here" in say(told, f"/rollback approve {world.head()}")
    assert list(told.forge.requests) == [1]


def test_what_is_no_longer_under_watch_is_not_read(world: World) -> None:
    told = brought(world, FakeForge(world))
    world.clock.at = START + 3 * 60 * MINUTE
    assert say(told, "/rollback plan", "ada") == ""


def press(story: Story, button: str, by: str = "grace", head: str = "") -> str:
    """Our answers, once somebody has pressed a button below the check of the pull request."""
    box: Presses[CheckPress] = Presses()
    take_requests(story.one.reconciler, story.forge, box)
    pull = story.forge.requests[1]
    at = story.world.clock.at
    box.add(CheckPress(f"check-1-{button}-{by}", by, False, 1, head or story.world.head(pull.head), button, at, ("x",)))
    story.tick()
    return story.forge.comments_of.get(1, {}).get(ANSWERS, "")


def test_the_status_offers_buttons_and_a_press_is_as_good_as_the_comment(story: Story) -> None:
    head = story.world.head(story.ask().head)
    offered = story.forge.buttons[head, STATUS]
    assert offered is not None
    assert (offered.number, [one.identifier for one in offered.shown]) == (1, ["approve", "reject", "plan"])
    assert "Approved" in press(story, "approve")
    story.tick(2)
    assert story.forge.requests[1].state is PullRequestState.MERGED
    assert story.forge.reactions == [], "there is no comment to react to"
    landed = story.world.head()
    story.later(1)
    assert story.forge.buttons[head, STATUS] is not None
    assert [one.shown for one in story.forge.buttons.values() if one is not None][-1] == ()
    assert story.world.head() == landed


def leave(story: Story, by: str = "grace") -> str:
    """The comment that a replica which stands by makes of a press of Approve."""
    pull, at = story.forge.requests[1], story.world.clock.at
    box: Presses[CheckPress] = Presses()
    box.add(CheckPress(f"check-1-approve-{by}", by, False, 1, story.world.head(pull.head), "approve", at, ("x",)))
    CheckDoor(story.forge, box).turn_away({}, at, "stands by: pod-2 leads")
    assert box.take() == []
    ((marker, body),) = [one for one in story.forge.comments_of[1].items() if "press" in one[0]]
    return marked(marker, body)


def test_a_press_that_reached_a_replica_which_stands_by_is_carried_out_by_the_leader_once(story: Story) -> None:
    story.ask()
    body = leave(story)
    assert "`grace` pressed `approve`" in body
    assert "Approved" in say(story, body, BOT)
    story.tick(2)
    assert story.forge.requests[1].state is PullRequestState.MERGED
    take_requests(story.one.reconciler, story.forge)  # as after a restart: the journal knows that it was done
    story.later(2)
    said = [one for one in story.one.reconciler.see_now().journal.decisions if one.application == "pull-requests/1"]
    assert [one.details["by"] for one in said] == ["grace"]


@pytest.mark.parametrize(
    ("by", "edited", "presser"),
    [("grace", False, "grace"), (BOT, True, "grace"), (BOT, False, "eve")],
    ids=["written-by-a-person", "edited", "pressed-by-who-may-not"],
)
def test_a15_what_nobody_of_ours_left_or_nobody_might_press_lands_nothing(
    story: Story, by: str, edited: bool, presser: str
) -> None:
    story.ask()
    story.forge.permissions["eve"] = Permission.READ
    say(story, leave(story, presser), by, edited)
    story.tick(2)
    assert story.forge.requests[1].state is PullRequestState.OPEN


def test_a_press_waits_for_a_forge_that_does_not_take_it_now(story: Story) -> None:
    story.ask()
    at = story.world.clock.at
    box: Presses[CheckPress] = Presses()
    box.add(CheckPress("check-1-plan-grace", "grace", False, 1, "a" * 40, "plan", at, ("x",)))
    story.forge.fails["comment"] = ForgeUnavailable("forge", "connection refused")
    door = CheckDoor(story.forge, box)
    door.turn_away({}, at, "stands by: pod-2 leads")
    del story.forge.fails["comment"]
    assert not [one for one in story.forge.comments_of.get(1, {}) if "press" in one]
    door.turn_away({}, at, "stands by: pod-2 leads")
    assert [one for one in story.forge.comments_of[1] if "press" in one]


@pytest.mark.parametrize(
    ("button", "by", "head", "words"),
    [
        ("approve", "eve", "", "may not"),
        ("approve", "grace", "a" * 40, "look at it again"),
        ("merge", "grace", "", ""),
    ],
    ids=["no-right", "another-head", "no-button-of-ours"],
)
def test_a_press_lands_no_more_than_a_comment_would(story: Story, button: str, by: str, head: str, words: str) -> None:
    story.ask()
    story.forge.permissions["eve"] = Permission.READ
    assert words in press(story, button, by, head)
    story.tick(2)
    assert story.forge.requests[1].state is PullRequestState.OPEN


def test_a_press_is_not_lost_while_the_forge_does_not_answer(story: Story) -> None:
    story.ask()
    story.forge.fails["permission"] = ForgeUnavailable("forge", "connection refused")
    press(story, "reject")
    del story.forge.fails["permission"]
    story.later(6)
    assert story.forge.requests[1].state is PullRequestState.CLOSED
