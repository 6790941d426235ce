"""What may happen to a pull request that waits: a moved base, foreign pushes, a no, a stop, the end of the alarm."""

from __future__ import annotations

from dataclasses import replace

from app_world import MINUTE, POLICIES, START, TICK, World, deployment
from request_story import ALARM, AUTOMATIC, CONTEXT, FILE, SUGGESTED, a_story

from gitops_rollback.app.calm import Calm
from gitops_rollback.core.pull_request import MergeMethod, PullRequestState, StatusState
from gitops_rollback.core.rollback import REQUEST


def test_f28_closed_unmerged_is_a_no_that_holds(world: World) -> None:
    story = a_story(world, AUTOMATIC, until=START + MINUTE)
    story.forge.missing = "Review required"
    story.until(ALARM)
    story.forge.close(1, "octocat")
    story.later(20)
    assert (story.record.outcome, story.record.reason) == ("refused", "Rejected")
    assert "octocat" in story.record.message
    assert list(story.forge.requests) == [1], "never opened again"
    assert world.head() == story.bad


def test_a_moved_base_changes_nothing_where_the_plan_still_applies(world: World) -> None:
    story = a_story(world, SUGGESTED)
    head = story.forge.requests[1].head_sha
    world.people.push("Something else", {"README.md": "Another\n"}, ALARM)
    story.later(1)
    assert story.forge.get(1).head_sha == head


def test_a_moved_base_on_which_it_no_longer_applies_gets_a_commit_on_top(world: World) -> None:
    story = a_story(world, SUGGESTED)
    head = story.forge.requests[1].head_sha
    text = deployment("web", "1.1").replace("image: registry.example/web:1.1", "image: registry.example/web:1.1 # new")
    moved = world.people.push("Say why", {FILE: text}, ALARM)
    story.later(1)
    request = story.forge.get(1)
    assert request.head_sha != head
    for older in (head, moved):
        world.people.git("merge-base", "--is-ancestor", older, request.head_sha)
    assert "made anew" in story.comment()
    commit = story.forge.land(1, MergeMethod.SQUASH, "octocat")
    story.cure()
    story.later(4)
    assert (story.record.outcome, story.record.commit) == ("verified", commit)
    assert "web:1.0" in world.people.read(FILE)


def test_what_somebody_else_pushed_to_it_is_never_merged_by_us(world: World) -> None:
    story = a_story(world, AUTOMATIC, until=START + MINUTE)
    story.forge.missing = "Review required"
    story.until(ALARM)
    assert story.forge.scheduled
    head = story.forge.requests[1].head
    people = world.people.__class__(world.bare, head)
    people.push("And this", {"evil.yaml": "a: b\n"}, ALARM)
    story.later(1)
    assert story.forge.scheduled == {}
    story.later(1)
    assert story.pages.count("ForeignPush") == 1
    story.forge.approve()
    story.later(5)
    assert world.head() == story.bad
    assert story.forge.get(1).state is PullRequestState.OPEN


def test_a_newer_deployment_closes_it_with_the_reason(world: World) -> None:
    story = a_story(world, SUGGESTED)
    newer = world.people.push("Ship 1.2", {FILE: deployment("web", "1.2")}, ALARM)
    world.engine.deploy("web", newer, ALARM)
    story.cure()
    story.later(2)
    assert story.record.outcome == "superseded"
    assert story.forge.requests[1].state is PullRequestState.CLOSED
    assert "without what it would undo" in story.comment()


def test_the_end_of_the_alarm_closes_it(world: World) -> None:
    story = a_story(world, AUTOMATIC, until=START + MINUTE)
    story.forge.missing = "Review required"
    story.until(ALARM)
    story.cure()
    story.later(9)
    assert story.forge.get(1).state is PullRequestState.OPEN
    story.later(4)
    assert story.record.outcome == "superseded"
    assert "the alarm is over" in story.record.message
    assert story.forge.requests[1].state is PullRequestState.CLOSED
    world.metrics.break_from("web", world.clock.at)
    story.later(2)
    assert "Superseded" in story.pages, "what fires again is not passed over in silence"
    assert list(story.forge.requests) == [1]


def test_what_blocks_is_told_once_in_the_forges_words(world: World) -> None:
    story = a_story(world, AUTOMATIC, until=START + MINUTE)
    story.forge.missing = "At least 1 approving review is required"
    story.until(ALARM)
    assert story.pages == []
    story.later(8)
    assert "PullRequestBlocked" not in story.pages
    story.later(6)
    told = [message for message in story.one.told.messages if message.reason == "PullRequestBlocked"]
    assert ["At least 1 approving review" in message.text for message in told] == [True]
    story.forge.approve()
    story.cure()
    story.later(4)
    assert story.record.outcome == "verified"


def test_a_stop_takes_back_what_was_scheduled(world: World) -> None:
    story = a_story(world, AUTOMATIC, until=START + MINUTE)
    story.forge.missing = "Review required"
    story.until(ALARM)
    assert story.forge.scheduled
    stop = "apiVersion: gitops-rollback.dev/v1alpha1\nkind: RollbackPause\nspec: {all: true}\n"
    world.people.push("Stop", {".gitops-rollback/pause.yaml": stop}, ALARM)
    story.later(0.25)
    assert story.forge.scheduled == {}
    story.forge.approve()
    story.later(2)
    assert story.forge.get(1).state is PullRequestState.OPEN
    world.people.push("Go on", {".gitops-rollback/pause.yaml": None}, ALARM + 3 * MINUTE)
    story.later(2)
    assert story.forge.get(1).state is PullRequestState.MERGED


def test_a_stop_opens_nothing(world: World) -> None:
    story = a_story(world, SUGGESTED, until=START + MINUTE)
    stop = "apiVersion: gitops-rollback.dev/v1alpha1\nkind: RollbackPause\nspec: {all: true}\n"
    world.people.push("Stop", {".gitops-rollback/pause.yaml": stop}, START + MINUTE)
    story.later(5)
    assert story.forge.requests == {}
    assert world.people.git("for-each-ref", "refs/heads/gitops-rollback/") == ""


def test_merged_with_somebody_elses_commit_it_is_no_rollback_of_ours_and_is_told(world: World) -> None:
    story = a_story(world, SUGGESTED)
    head = story.forge.requests[1].head
    world.people.__class__(world.bare, head).push("And this", {"evil.yaml": "a: b\n"}, ALARM)
    story.forge.land(1, MergeMethod.SQUASH, "octocat")
    story.later(2)
    record = story.record
    assert (record.outcome, record.reason, record.commit) == ("failed", "ForeignPush", None)
    assert "ForeignPush" in story.pages


def test_where_the_plan_cannot_be_made_on_the_new_base_a_person_is_told_once(world: World) -> None:
    story = a_story(world, SUGGESTED)
    head = story.forge.requests[1].head_sha
    denies = '  guards: [{name: not-these, type: paths, paths: ["apps/**"], result: deny}]\n'
    text = deployment("web", "1.1").replace("web:1.1", "web:1.1 # new")
    world.people.push("Never", {FILE: text, f"{POLICIES}/web.yaml": SUGGESTED + denies}, ALARM)
    story.later(2)
    assert story.pages.count("ProtectedPath") == 1
    assert story.forge.get(1).head_sha == head, "neither merged nor changed by us"
    assert story.forge.statuses[head, CONTEXT][0] is StatusState.FAILURE
    assert story.record.phase == "AwaitingApproval"


def test_undone_by_somebody_beside_other_things_there_is_nothing_left_to_merge(world: World) -> None:
    story = a_story(world, SUGGESTED)
    world.people.push("Much at once", {FILE: deployment("web", "1.0"), "README.md": "Much\n"}, ALARM)
    story.later(1)
    assert (story.record.outcome, story.record.reason) == ("superseded", "AlreadyUndone")
    assert story.forge.get(1).state is PullRequestState.CLOSED


def test_a_plan_that_would_take_back_more_by_now_is_a_persons_to_merge(world: World) -> None:
    story = a_story(world, AUTOMATIC, until=START + MINUTE)
    story.forge.missing = "Review required"
    story.until(ALARM)
    assert story.forge.scheduled
    head = story.forge.requests[1].head_sha
    world.people.push("Ship 1.2", {FILE: deployment("web", "1.2")}, ALARM)  # not deployed yet
    story.later(2)
    assert story.forge.get(1).head_sha != head
    assert story.forge.scheduled == {}
    assert story.record.superseded == (world.head(),)


def test_a_guard_that_asks_by_now_takes_back_what_was_scheduled(world: World) -> None:
    """What only restricts counts from the head within one tick, whether or not it touches the plan's files."""
    story = a_story(world, AUTOMATIC, until=START + MINUTE)
    story.forge.missing = "Review required"
    story.until(ALARM)
    assert story.forge.scheduled
    asks = '  guards: [{name: these, type: paths, paths: ["apps/**"], result: ask}]\n'
    world.people.push("Ask", {f"{POLICIES}/web.yaml": AUTOMATIC + asks}, ALARM)
    story.later(0.25)
    assert story.forge.scheduled == {}
    assert story.pages == []
    story.later(4)
    assert story.pages == ["ProtectedPath"]
    story.forge.approve()
    story.later(3)
    assert story.forge.get(1).state is PullRequestState.OPEN


def test_a_guard_that_asked_for_a_moment_alone_changes_nothing_in_the_end(world: World) -> None:
    story = a_story(world, AUTOMATIC, until=START + MINUTE)
    story.forge.missing = "Review required"
    story.until(ALARM)
    asks = '  guards: [{name: these, type: paths, paths: ["apps/**"], result: ask}]\n'
    world.people.push("Ask", {f"{POLICIES}/web.yaml": AUTOMATIC + asks}, ALARM)
    story.later(0.25)
    assert story.forge.scheduled == {}
    world.people.push("Do not ask", {f"{POLICIES}/web.yaml": AUTOMATIC}, ALARM)
    story.later(1)
    assert story.forge.scheduled
    assert story.pages == []


def test_what_a_person_asked_for_needs_no_alarm(world: World) -> None:
    story = a_story(world, SUGGESTED)
    story.cure()
    story.later(2)
    tick, reconciler, record = story.one.tick(world.clock.at + TICK), story.one.reconciler, story.record
    (watched,) = tick.listing.watched
    look = reconciler._watch(watched, tick.view, tick.listing, tick.now).look
    assert look is not None
    asked = replace(record, evidence={**record.evidence, REQUEST: ".gitops-rollback/requests/web.yaml"})
    calm = Calm(world.clock)
    assert (calm.over(record, look), calm.over(asked, look)) == ("", "")
    world.clock.at += 11 * MINUTE
    assert "the alarm is over" in calm.over(record, look)
    assert calm.over(asked, look) == ""
