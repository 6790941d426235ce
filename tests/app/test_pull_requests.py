"""A rollback by pull request, from the alarm to its end: real git, and a forge in memory."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import pytest
from app_world import MINUTE, POLICIES, START, TICK, Replica, World, deployment, policy, running, ship
from fake_forge import BOT, FakeForge

from gitops_rollback.app.executor import Executor, Landing
from gitops_rollback.app.requesting import Requests, Wish
from gitops_rollback.core.errors import CredentialsRejected, ForgeRefused, ForgeUnavailable, LeaseLost, RollbackError
from gitops_rollback.core.pull_request import MergeMethod, PullRequestState, StatusState
from gitops_rollback.core.rollback import RollbackRecord
from gitops_rollback.ports import PushOutcome

FILE = "apps/web/web.yaml"
ASKS = "severity: page_and_suggest"
ALARM = START + 3 * MINUTE
CONTEXT = "gitops-rollback/plan"


def by_request(text: str, rules: str = "") -> str:
    """The same policy, delivered by pull request."""
    return text + f"  delivery: {{mode: pull-request, pullRequest: {{{rules}}}}}\n"


@dataclass
class Story:
    """One application that turned red by one commit, with a forge."""

    world: World
    forge: FakeForge
    one: Replica
    bad: str

    def until(self, end: datetime, start: datetime | None = None) -> None:
        """Tick from where it is; whatever is on the branch is synced by the engine's own poll."""
        self.one.until((start or self.world.clock.at) + TICK, end)

    def later(self, minutes: float) -> None:
        self.until(self.world.clock.at + timedelta(minutes=minutes))

    @property
    def record(self) -> RollbackRecord:
        records = self.one.reconciler.see_now().journal.records
        assert len(records) == 1, records
        return next(iter(records.values()))

    @property
    def pages(self) -> list[str]:
        return [message.reason for message in self.one.told.messages if message.page]

    def cure(self) -> None:
        self.world.metrics.mend("web", self.world.clock.at)

    def approve(self, by: str) -> Landing:
        """As the verb does: a lost race is tried again."""
        executor = self.one.reconciler.executor
        assert isinstance(executor, Executor)
        requests = Requests(self.one.repo, self.one.reconciler, executor, self.world.clock)
        wish = Wish(self.record.applications[0], by, "approved", waiting=self.record.id)
        landing = Landing(PushOutcome.REJECTED)
        for _ in range(3):
            if landing.outcome is PushOutcome.REJECTED:
                landing = requests.carry_out(requests.prepare(wish))
        return landing

    def comment(self) -> str:
        (found,) = self.forge.comments_of[1].values()
        return found


def a_story(world: World, text: str, name: str = "one", until: datetime = ALARM) -> Story:
    """Up to the moment when the alarm has been dealt with."""
    forge = FakeForge(world)
    world.forge = forge
    running(world, "web", extra={f"{POLICIES}/x.txt": ""})
    world.people.push("The policy", {f"{POLICIES}/web.yaml": text}, START - 50 * MINUTE)
    world.engine.deploy("web", world.head(), START - 49 * MINUTE)
    bad = ship(world, "web", START - MINUTE)
    one = world.replica(name)
    world.engine.deploy("web", bad, START)
    world.metrics.break_from("web", START + MINUTE)
    story = Story(world, forge, one, bad)
    one.until(START, until)
    return story


AUTOMATIC, SUGGESTED = by_request(policy("web")), policy("web", severity="page_and_suggest")


def test_a_plan_that_needs_nobody_is_opened_merged_and_verified(world: World) -> None:
    story = a_story(world, AUTOMATIC)
    (request,) = story.forge.requests.values()
    assert request.state is PullRequestState.MERGED
    assert request.head.startswith("gitops-rollback/application/argocd-web/")
    assert request.title == 'Revert "Ship web 1.1"'
    assert request.labels == ("rollback", "rollback/auto")
    story.cure()
    story.later(4)
    assert (story.record.outcome, story.record.commit) == ("verified", request.merge_sha)
    assert world.people.read(FILE) == deployment("web", "1.0")
    assert story.pages == [], "nobody was needed"


def test_nothing_is_pushed_to_the_branch_itself(world: World) -> None:
    story = a_story(world, AUTOMATIC, until=START + MINUTE)
    story.forge.missing = "Review required"
    story.until(ALARM)
    assert world.head() == story.bad
    (request,) = story.forge.requests.values()
    assert world.people.git("rev-parse", f"{request.head_sha}^") == story.bad


WAYS = [MergeMethod.MERGE, MergeMethod.SQUASH, MergeMethod.REBASE]


@pytest.mark.parametrize("way", WAYS)
def test_a_suggestion_is_ours_however_a_person_merged_it(world: World, way: MergeMethod) -> None:
    story = a_story(world, SUGGESTED)
    assert story.record.phase == "AwaitingApproval"
    assert story.pages, "a person is asked"
    commit = story.forge.land(1, way, "octocat", "Whatever the forge makes of it")
    story.cure()
    story.later(4)
    record = story.record
    assert (record.outcome, record.commit, record.requested_by) == ("verified", commit, "octocat")
    assert len(story.forge.requests) == 1
    assert "merge_when_ready" not in story.forge.calls, "what a person decides is merged by a person"


def test_a_copy_by_hand_is_the_landing_and_the_pull_request_is_closed(world: World) -> None:
    story = a_story(world, SUGGESTED)
    commit = world.people.push("Back to 1.0", {FILE: deployment("web", "1.0")}, ALARM)
    story.cure()
    story.later(4)
    assert (story.record.outcome, story.record.commit) == ("verified", commit)
    assert story.forge.requests[1].state is PullRequestState.CLOSED


def test_the_landing_on_a_file_that_others_changed_as_well_is_recognised(world: World) -> None:
    story = a_story(world, SUGGESTED)
    world.people.edit("Debug", FILE, 'value: "info"', 'value: "debug"', ALARM)
    story.later(0.5)
    assert story.forge.requests[1].head_sha == story.record.offer.heads[-1].commit
    commit = story.forge.land(1, MergeMethod.SQUASH, "octocat")
    story.cure()
    story.later(4)
    assert (story.record.outcome, story.record.commit) == ("verified", commit)


def test_what_landed_is_no_suspect_and_is_not_undone(world: World) -> None:
    story = a_story(world, SUGGESTED)
    story.forge.land(1, MergeMethod.SQUASH, "octocat")
    story.later(8)  # it does not help
    story.later(20)
    records = story.one.reconciler.see_now().journal.records.values()
    assert [one.outcome for one in records if one.commit] == ["unverified"]
    assert world.commits()[0] == "Merged by the forge", "nothing was landed after it"
    assert all(one.state is not PullRequestState.MERGED or one.number == 1 for one in story.forge.requests.values())


def test_the_record_is_there_before_the_pull_request(world: World) -> None:
    story = a_story(world, SUGGESTED, until=START + MINUTE)
    seen: list[RollbackRecord] = []

    def look() -> None:
        other = world.replica("other")
        seen.extend(other.reconciler.viewer.look().journal.records.values())

    story.forge.during["open"] = look
    story.until(ALARM)
    (record,) = seen
    assert record.offer is not None
    assert record.offer.number is None
    assert record.offer.heads[0].commit == story.forge.requests[1].head_sha
    assert set(record.steps[0].blobs) == {FILE}


def test_a_lost_answer_of_open_meets_the_same_pull_request(world: World) -> None:
    story = a_story(world, SUGGESTED, until=START + MINUTE)
    story.forge.loses.add("open")
    story.until(ALARM + MINUTE)
    assert list(story.forge.requests) == [1]
    assert story.record.offer is not None
    assert story.record.offer.number == 1


def test_closed_before_its_number_was_known_is_a_no_all_the_same(world: World) -> None:
    story = a_story(world, SUGGESTED, until=START + MINUTE)
    story.forge.loses.add("open")
    while not story.forge.requests:
        story.later(0.25)
    story.forge.close(1, "octocat")
    story.later(3)
    assert (story.record.outcome, story.record.reason) == ("refused", "Rejected")
    assert list(story.forge.requests) == [1]


def test_closed_unmerged_is_a_no_that_holds(world: World) -> None:
    story = a_story(world, AUTOMATIC, until=START + MINUTE)
    story.forge.missing = "Review required"
    story.until(ALARM)
    story.forge.close(1, "octocat")
    story.later(20)
    assert (story.record.outcome, story.record.reason) == ("refused", "Rejected")
    assert "octocat" in story.record.message
    assert list(story.forge.requests) == [1], "never opened again"
    assert world.head() == story.bad


def test_a_refused_push_becomes_a_pull_request_that_lands(world: World) -> None:
    hook = world.bare / "hooks" / "pre-receive"
    hook.write_text(
        '#!/bin/sh\nwhile read old new ref; do\n  if [ "$ref" = refs/heads/main ]; then\n'
        '    echo "GH006: Protected branch update failed for refs/heads/main." >&2; exit 1\n  fi\ndone\n'
    )
    hook.chmod(0o755)
    story = a_story(world, policy("web"))
    (request,) = story.forge.requests.values()
    assert request.state is PullRequestState.MERGED
    story.cure()
    story.later(4)
    assert (story.record.outcome, story.record.commit) == ("verified", request.merge_sha)


def test_a_policy_may_want_only_a_page_where_a_push_is_refused(world: World) -> None:
    hook = world.bare / "hooks" / "pre-receive"
    hook.write_text('#!/bin/sh\nwhile read old new ref; do [ "$ref" != refs/heads/main ] || exit 1; done\n')
    hook.chmod(0o755)
    story = a_story(world, policy("web") + "  delivery: {onRejected: suggest}\n")
    assert story.forge.requests == {}
    assert "BranchProtected" in story.pages


def test_suggest_writes_no_branch(world: World) -> None:
    story = a_story(world, policy("web") + "  delivery: {mode: suggest}\n")
    assert story.forge.requests == {}
    assert "SuggestOnly" in story.pages


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


def test_a_forge_that_does_not_answer_leaves_the_plan_asked_and_paged(world: World) -> None:
    story = a_story(world, SUGGESTED, until=START + MINUTE)
    story.forge.down = True
    story.until(ALARM)
    asked = [message for message in story.one.told.messages if message.event == "suggested"]
    assert asked
    assert f"approve {story.record.id}" in asked[0].text
    before = len(story.forge.calls)
    story.later(10)
    assert len(story.forge.calls) - before < 10, "asked again, and ever more seldom"
    story.forge.down = False
    story.later(11)
    assert list(story.forge.requests) == [1]


def test_a_forge_that_is_down_is_told_where_nobody_was_asked(world: World) -> None:
    story = a_story(world, AUTOMATIC, until=START + MINUTE)
    story.forge.down = True
    story.until(ALARM)
    assert "ForgeUnavailable" not in story.pages
    story.later(12)
    assert story.pages.count("ForgeUnavailable") == 1


def test_comment_and_status_follow_it_to_the_proof(world: World) -> None:
    story = a_story(world, SUGGESTED)
    head = story.forge.requests[1].head_sha
    assert story.forge.statuses[head, CONTEXT][0] is StatusState.SUCCESS
    assert "planned" in story.comment()
    written = story.forge.calls.count("comment")
    story.later(2)
    assert story.forge.calls.count("comment") == written, "what is as it should be is not written again"
    story.forge.land(1, MergeMethod.MERGE, "octocat")
    story.cure()
    story.later(4)
    assert "verified" in story.comment()
    assert story.forge.statuses[head, CONTEXT] == (StatusState.SUCCESS, story.forge.statuses[head, CONTEXT][1])
    assert story.record.offer is not None
    assert story.record.offer.settled
    after = len(story.forge.calls)
    story.later(5)
    assert len(story.forge.calls) == after, "nothing is asked of the forge any more"


def test_the_body_says_all_that_an_approver_needs(world: World) -> None:
    story = a_story(world, SUGGESTED)
    body = story.forge.bodies[1]
    for words in (
        story.bad[:12],
        "-          image: registry.example/web:1.1",
        "### Guards",
        "### Suspects",
        "Argo CD",
    ):
        assert words in body, words


def test_the_owners_of_the_files_are_asked(world: World) -> None:
    story = a_story(world, SUGGESTED, until=START + MINUTE)
    world.people.push("Owners", {".github/CODEOWNERS": "* @org/all\n/apps/web/ @web-team\n"}, START + MINUTE)
    story.until(ALARM)
    assert story.forge.reviewers[1] == ("web-team",)


def test_whoever_takes_over_goes_on_with_the_same_pull_request(world: World) -> None:
    story = a_story(world, SUGGESTED)
    other = world.replica("two")
    taken = replace(story, one=other)
    taken.later(1)
    assert list(story.forge.requests) == [1]
    moved = deployment("web", "1.1").replace("web:1.1", "web:1.1 # new")
    world.people.push("Say why", {FILE: moved}, ALARM)
    taken.later(1)
    commit = story.forge.land(1, MergeMethod.MERGE, BOT)
    taken.cure()
    taken.later(4)
    assert (taken.record.outcome, taken.record.commit) == ("verified", commit)


def test_a_word_to_us_merges_the_head_that_was_seen(world: World) -> None:
    hook = world.bare / "hooks" / "pre-receive"
    hook.write_text('#!/bin/sh\nwhile read old new ref; do [ "$ref" != refs/heads/main ] || exit 1; done\n')
    hook.chmod(0o755)
    story = a_story(world, SUGGESTED)
    landing = story.approve("anna")
    assert (landing.outcome, landing.message) == (PushOutcome.LANDED, "")
    story.cure()
    story.later(4)
    record = story.record
    assert (record.outcome, record.requested_by) == ("verified", "anna")
    assert record.commit == story.forge.requests[1].merge_sha


def test_a_word_to_us_merges_later_what_the_forge_does_not_merge_now(world: World) -> None:
    hook = world.bare / "hooks" / "pre-receive"
    hook.write_text('#!/bin/sh\nwhile read old new ref; do [ "$ref" != refs/heads/main ] || exit 1; done\n')
    hook.chmod(0o755)
    story = a_story(world, SUGGESTED, until=START + MINUTE)
    story.forge.missing = "Review required"
    story.until(ALARM)
    assert "Review required" in story.approve("anna").message
    story.later(1)
    assert story.forge.scheduled
    people = world.people.__class__(world.bare, story.forge.requests[1].head)
    people.push("And this", {"evil.yaml": "a: b\n"}, ALARM)
    story.later(1)
    assert story.forge.scheduled == {}, "the word was about another head"


def test_what_needs_nobody_is_merged_in_the_tick_that_decides(world: World) -> None:
    story = a_story(world, AUTOMATIC, until=START + MINUTE)
    while not story.forge.requests:
        story.later(0.25)
    assert story.forge.get(1).state is PullRequestState.MERGED


def test_what_a_guard_asks_about_is_a_persons_to_merge(world: World) -> None:
    story = a_story(world, AUTOMATIC, until=START - 2 * MINUTE)
    claim = "apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {name: data}\n"
    text = deployment("web", "1.2")
    bad = world.people.push("Add a claim", {"apps/web/claim.yaml": claim, FILE: text}, START + MINUTE)
    world.metrics.mend("web", START + MINUTE)
    world.engine.deploy("web", bad, START + 2 * MINUTE)
    world.metrics.break_from("web", START + 3 * MINUTE)
    story.until(START + 8 * MINUTE, START)
    assert list(story.forge.requests) == [1]
    assert story.forge.get(1).state is PullRequestState.OPEN
    assert "merge_when_ready" not in story.forge.calls
    assert story.pages


REFUSALS = [
    ForgeRefused("shop/config", "Validation Failed: head sha can't be blank", 422),
    ForgeRefused("shop/config", "Resource not accessible by integration", 403),
    CredentialsRejected("shop/config", "Bad credentials"),
]


@pytest.mark.parametrize("error", REFUSALS, ids=["422", "403", "401"])
def test_a_forge_that_says_no_is_told_in_its_words_and_asked_seldom(world: World, error: RollbackError) -> None:
    story = a_story(world, AUTOMATIC, until=START + MINUTE)
    story.forge.fails["open"] = error
    story.until(ALARM)
    told = [message.text for message in story.one.told.messages if message.page]
    assert len(told) == 1, "once, and not at each tick"
    assert error.message in told[0]
    story.later(9)
    assert story.forge.calls.count("open") <= 3
    assert story.record.phase == "AwaitingApproval", "the plan waits for `approve`"
    story.forge.fails.clear()
    story.later(6)
    assert story.forge.get(1).state is PullRequestState.MERGED


def test_who_has_lost_the_lease_says_nothing_to_the_forge(world: World) -> None:
    story = a_story(world, SUGGESTED, until=START + MINUTE)
    executor = story.one.reconciler.executor
    assert isinstance(executor, Executor)

    def lost() -> None:
        raise LeaseLost("shop/config", "another replica has it")

    def isolated(_: str, act: Callable[[], None]) -> None:
        with suppress(LeaseLost):
            act()

    story.one.reconciler.isolated = isolated
    while not [one for one in story.one.reconciler.see_now().journal.records.values() if one.offer and one.offer.heads]:
        story.forge.fails["find_open"] = ForgeUnavailable("shop/config", "not yet")
        story.later(0.25)
    story.forge.fails.clear()
    executor._confirm = lost
    story.forge.calls.clear()
    story.later(2)
    assert not {"open", "close", "comment", "set_status", "merge", "merge_when_ready"} & set(story.forge.calls)
    assert story.forge.requests == {}


def test_two_that_turn_red_by_one_commit_get_one_pull_request(world: World) -> None:
    """At most once for a culprit holds over a pull request that is on its way to land as it does over a push."""
    forge = FakeForge(world, missing="Review required")
    world.forge = forge
    running(world, "web", "api")
    for name in ("web", "api"):
        world.people.push("By request", {f"{POLICIES}/{name}.yaml": by_request(policy(name))}, START - 50 * MINUTE)
    first = world.head()
    for name in ("web", "api"):
        world.engine.deploy(name, first, START - 49 * MINUTE)
    both = {f"apps/{name}/{name}.yaml": deployment(name, "1.1") for name in ("web", "api")}
    bad = world.people.push("Ship both", both, START - MINUTE)
    one = world.replica()
    for name in ("web", "api"):
        world.engine.deploy(name, bad, START)
    world.metrics.break_from("web", START + MINUTE)
    world.metrics.break_from("api", START + 6 * MINUTE)
    one.until(START, START + 10 * MINUTE)
    assert len(forge.requests) == 1
    records = [one_ for one_ in one.reconciler.see_now().journal.records.values() if one_.open]
    assert len(records) == 1


def test_a_branch_that_is_taken_over_as_it_is_has_landed_with_its_newest_commit(world: World) -> None:
    story = a_story(world, SUGGESTED)
    text = deployment("web", "1.1").replace("web:1.1", "web:1.1 # new")
    world.people.push("Say why", {FILE: text}, ALARM)
    story.later(1)
    head = story.forge.get(1).head_sha
    world.people.git("update-ref", "refs/heads/main", head)
    story.cure()
    story.later(4)
    assert (story.record.outcome, story.record.commit) == ("verified", head)


def test_a_landing_is_found_among_much_that_others_landed(world: World) -> None:
    story = a_story(world, SUGGESTED)
    for number in range(3):
        world.people.push(f"Before {number}", {"README.md": f"{number}\n"}, ALARM)
        story.later(0.25)
    commit = story.forge.land(1, MergeMethod.SQUASH, "octocat")
    for number in range(3):
        world.people.push(f"After {number}", {"README.md": f"After {number}\n"}, ALARM)
    story.cure()
    story.later(4)
    assert (story.record.outcome, story.record.commit) == ("verified", commit)


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


@pytest.mark.parametrize("trouble", ["down", "refuses"])
def test_a_forge_in_trouble_is_in_nobodys_way(world: World, trouble: str) -> None:
    forge = FakeForge(world, down=trouble == "down")
    world.forge = forge
    running(world, "web", "api")
    world.people.push("By request", {f"{POLICIES}/web.yaml": AUTOMATIC}, START - 50 * MINUTE)
    for name in ("web", "api"):
        world.engine.deploy(name, world.head(), START - 49 * MINUTE)
    if trouble == "refuses":
        forge.fails = {name: ForgeRefused("shop/config", "Not Found", 404) for name in ("find_open", "open", "get")}
    bad = ship(world, "web", START - 2 * MINUTE)
    world.engine.deploy("web", bad, START)
    world.metrics.break_from("web", START + MINUTE)
    one = world.replica()
    one.until(START, ALARM)
    other = ship(world, "api", ALARM)
    world.engine.deploy("api", other, ALARM + MINUTE)
    world.metrics.break_from("api", ALARM + 2 * MINUTE)
    one.until(ALARM + TICK, ALARM + 5 * MINUTE)
    assert 'Revert "Ship api 1.1"' in world.commits()
