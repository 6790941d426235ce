"""A person's request by pull request, from its opening to the proof: real git, and a forge in memory."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta

import pytest
from app_world import MINUTE, POLICIES, START, TICK, Replica, World, deployment, policy, running, ship
from fake_forge import BOT, FakeForge

from gitops_rollback.app.taking import take_requests
from gitops_rollback.core.pull_request import MergeMethod, Permission, PullRequest, PullRequestState, StatusState
from gitops_rollback.core.rollback import RollbackRecord, rollback_id
from gitops_rollback.core.stop import SETTINGS_DOOR, Pause, PauseState

FILE = "apps/web/web.yaml"
PATH = ".gitops-rollback/requests/web.yaml"
STATUS = "gitops-rollback/plan"
REQUEST = """\
# +argocd:skip-file-rendering
apiVersion: gitops-rollback.dev/v1alpha1
kind: RollbackRequest
spec:
  target: {policy: web, name: web}
  to: {lastHealthy: true}
  reason: cards fail @here
"""


@dataclass
class Story:
    """An application that runs a newer version, quietly, and a controller that takes requests."""

    world: World
    forge: FakeForge
    one: Replica
    bad: str

    def tick(self, times: int = 1) -> None:
        for _ in range(times):
            self.one.until(self.world.clock.at + TICK, self.world.clock.at + TICK)

    def later(self, minutes: float) -> None:
        self.one.until(self.world.clock.at + TICK, self.world.clock.at + timedelta(minutes=minutes))

    def ask(self, text: str = REQUEST, path: str = PATH, by: str = "ada") -> PullRequest:
        """The pull request, as it is once the controller has looked at it."""
        found = self.forge.ask({path: text}, self.world.clock.at, by)
        self.tick()
        return self.forge.requests[found.number]

    def comment(self, number: int = 1, path: str = PATH) -> str:
        return self.forge.comments_of[number][f"gitops-rollback:{path}"]

    def status(self, number: int = 1) -> tuple[StatusState, str]:
        return self.forge.statuses[self.world.head(self.forge.requests[number].head), STATUS]

    @property
    def records(self) -> list[RollbackRecord]:
        return list(self.one.reconciler.see_now().journal.records.values())


@pytest.fixture
def story(world: World) -> Story:
    forge = FakeForge(world)
    world.forge = forge
    running(world, "web", since=START - 120 * MINUTE)
    bad = ship(world, "web", START - 61 * MINUTE)
    world.engine.deploy("web", bad, START - 60 * MINUTE)
    one = world.replica()
    take_requests(one.reconciler, forge)
    world.clock.at = START
    return Story(world, forge, one, bad)


def test_the_revert_is_on_the_branch_within_one_look_with_plan_and_status(story: Story) -> None:
    pull = story.ask()
    world = story.world
    assert world.head() == story.bad, "nothing lands before it is merged"
    assert world.people.read(FILE, pull.head) == deployment("web", "1.0")
    assert world.people.read(PATH, pull.head) == REQUEST
    body = world.people.git("log", "-1", "--format=%B", pull.head)
    assert body.startswith('Revert "Ship web 1.1"')
    assert "Rollback-Requested-By: ada" in body
    state, words = story.status()
    (record,) = story.records
    assert (state, words) == (StatusState.SUCCESS, f"planned: undoes {story.bad[:12]} ({record.id})")
    comment = story.comment()
    assert f"`gitops-rollback explain {record.id}`" in comment
    for part in ("### Guards", "### Change", "+          image: registry.example/web:1.0", "Argo CD is then made"):
        assert part in comment
    assert f"`/rollback approve {world.head(pull.head)}`" in comment
    assert "@here" not in comment + body


def test_its_record_is_kept_under_the_path_of_the_file(story: Story) -> None:
    story.ask()
    (record,) = story.records
    assert record.id == rollback_id("shop/config", record.applications[0], story.bad, PATH)
    assert (record.phase, record.requested_by, record.request) == ("AwaitingApproval", "ada", PATH)
    assert record.times["opened"] == START


def test_another_look_changes_nothing(story: Story) -> None:
    pull = story.ask()
    head, calls = story.world.head(pull.head), len(story.forge.calls)
    story.tick(8)
    assert story.world.head(pull.head) == head
    assert not {"comment", "set_status", "open", "close", "merge"} & set(story.forge.calls[calls:])
    assert len(story.records) == 1


@pytest.mark.parametrize("way", MergeMethod)
def test_once_merged_it_is_synced_verified_and_the_comment_is_the_proof(story: Story, way: MergeMethod) -> None:
    story.ask()
    commit = story.forge.land(1, way, "grace", "Whatever the forge makes of it")
    story.later(6)
    (record,) = story.records
    assert (record.outcome, record.commit, record.requested_by) == ("verified", commit, "ada")
    assert story.world.people.read(FILE) == deployment("web", "1.0")
    assert "| verified |" in story.comment()
    assert "every check held" in story.comment()
    assert story.world.people.read(PATH) == REQUEST, "it stays as it was approved"
    story.later(3)
    assert len(story.records) == 1


def test_a_restart_between_any_two_looks_changes_nothing(story: Story) -> None:
    story.ask()
    head = story.world.head("ask-1")
    two = story.world.replica("two")
    take_requests(two.reconciler, story.forge)
    two.until(story.world.clock.at + TICK, story.world.clock.at + MINUTE)
    assert story.world.head("ask-1") == head
    story.forge.land(1, MergeMethod.SQUASH, "grace")
    two.until(story.world.clock.at + TICK, story.world.clock.at + 6 * MINUTE)
    assert [record.outcome for record in two.reconciler.see_now().journal.records.values()] == ["verified"]


def test_a_fault_of_the_file_is_told_with_its_line_and_column(story: Story) -> None:
    pull = story.ask(REQUEST.replace("reason", "raeson"))
    assert "`.gitops-rollback/requests/web.yaml:7:3`: unknown key" in story.comment()
    state, words = story.status()
    assert state is StatusState.FAILURE
    assert words.startswith("7:3: unknown key `raeson`")
    story.forge.push(pull.head, {PATH: REQUEST}, story.world.clock.at)
    story.tick()
    assert story.status()[0] is StatusState.SUCCESS
    assert "unknown key" not in story.comment()


@pytest.mark.parametrize(
    ("old", "new", "place"),
    [
        pytest.param("name: web}", "name: wbe}", "5:31", id="Q1-unknown-application"),
        pytest.param("policy: web", "policy: wbe", "5:31", id="Q1-unknown-policy"),
        pytest.param("{lastHealthy: true}", f"{{commit: '{'e' * 40}'}}", "6:16", id="Q2-unknown-commit"),
        pytest.param("{lastHealthy: true}", "{before: '2001-01-01T00:00:00Z'}", "6:16", id="Q2-before-all"),
    ],
)
def test_what_only_the_repository_can_tell_has_its_place_too(story: Story, old: str, new: str, place: str) -> None:
    pull = story.ask(REQUEST.replace(old, new))
    assert f"`{PATH}:{place}`" in story.comment()
    assert story.status()[0] is StatusState.FAILURE
    assert story.world.people.git("rev-list", "--count", f"main..{pull.head}") == "1", "nothing of ours is on it"


def test_q3_what_is_newer_than_what_runs_is_refused_at_its_place(story: Story) -> None:
    newer = ship(story.world, "web", START - MINUTE, old="1.1", new="1.2")
    story.ask(REQUEST.replace("{lastHealthy: true}", f"{{commit: '{newer}'}}"))
    assert f"`{PATH}:6:16`" in story.comment()
    assert "no way back" in story.comment()


def test_the_branch_moves_and_the_plan_still_applies(story: Story) -> None:
    pull = story.ask()
    head = story.world.head(pull.head)
    story.world.people.push("Elsewhere", {"README.md": "x\n"}, story.world.clock.at)
    story.tick(2)
    assert story.world.head(pull.head) == head
    assert story.forge.land(1, MergeMethod.MERGE, "grace")
    story.later(6)
    assert story.records[0].outcome == "verified"


def test_the_branch_moves_and_the_plan_is_made_anew_on_top_and_says_so(story: Story) -> None:
    pull, world = story.ask(), story.world
    head = world.head(pull.head)
    text = world.people.read(FILE).replace("info", "debug")
    world.people.push("Change the very file", {FILE: text}, world.clock.at)
    story.tick()
    assert world.people.git("merge-base", "--is-ancestor", head, pull.head, check=False) == ""
    assert world.head(pull.head) != head
    assert world.people.read(FILE, pull.head) == deployment("web", "1.0", "debug")
    assert f"The branch moved to `{world.head()[:12]}`, and the plan was made anew" in story.comment()
    story.forge.land(1, MergeMethod.SQUASH, "grace")
    story.later(6)
    assert story.records[0].outcome == "verified"


def test_a_second_request_for_the_same_application_is_answered_and_not_run(story: Story) -> None:
    story.ask()
    other = PATH.replace("web", "again")
    pull = story.ask(path=other)
    assert "pull request 1 asks about web already" in story.comment(2, other)
    assert story.status(2)[0] is StatusState.FAILURE
    assert story.world.people.git("rev-list", "--count", f"main..{pull.head}") == "1"
    story.forge.close(1)
    story.tick(2)
    assert story.status(2)[0] is StatusState.SUCCESS


def test_an_expired_request_does_nothing(story: Story) -> None:
    pull = story.ask(REQUEST + "  expires: 2m\n")
    head = story.world.head(pull.head)
    story.later(3)
    assert "has expired at" in story.comment()
    assert story.status()[0] is StatusState.FAILURE
    assert story.world.head(pull.head) == head


def test_closed_it_is_taken_back_and_forbids_nothing(story: Story) -> None:
    story.ask()
    story.forge.close(1, "ada")
    story.tick()
    (record,) = story.records
    assert (record.outcome, record.commit) == ("superseded", None)
    story.world.metrics.break_from("web", story.world.clock.at)
    bad = ship(story.world, "web", story.world.clock.at, old="1.1", new="1.2")
    story.world.engine.deploy("web", bad, story.world.clock.at)
    story.later(3)
    assert story.world.reverts() == 1


def test_while_it_waits_the_controller_still_acts_by_itself(story: Story) -> None:
    bad = ship(story.world, "web", START - MINUTE, old="1.1", new="1.2")
    story.world.engine.deploy("web", bad, START)
    story.ask()
    story.world.metrics.break_from("web", START + MINUTE)
    story.later(4)
    assert story.world.reverts() == 1
    assert "nothing to do" in story.comment() or "under way" in story.comment()


@pytest.mark.parametrize(
    ("author", "permission", "word"),
    [("eve", Permission.READ, "may not write"), ("eve", Permission.NONE, "may not write"),
     ("eve", Permission.UNKNOWN, "does not tell")],
)  # fmt: skip
def test_a15_who_may_not_write_is_answered_and_not_planned_for(
    story: Story, author: str, permission: Permission, word: str
) -> None:
    story.forge.permissions[author] = permission
    pull = story.ask(by=author)
    assert word in story.comment()
    assert story.world.people.git("rev-list", "--count", f"main..{pull.head}") == "1"
    assert story.records == []


def test_a15_a_fork_is_answered_and_its_branch_is_left_alone(story: Story) -> None:
    found = story.forge.ask({PATH: REQUEST}, START)
    story.forge.requests[found.number] = replace(found, from_fork=True)
    story.tick()
    assert "from a fork" in story.comment()
    assert story.records == []


def test_a_request_that_we_wrote_for_somebody_is_planned(story: Story) -> None:
    story.ask(by=BOT)
    assert story.status()[0] is StatusState.SUCCESS


def test_what_comes_with_other_changes_is_no_request(story: Story) -> None:
    found = story.forge.ask({PATH: REQUEST, "apps/web/web.yaml": "x\n"}, START)
    story.tick()
    assert "apps/web/web.yaml as well; a request comes alone" in story.comment().replace("\\", "")
    assert story.world.people.git("rev-list", "--count", f"main..{found.head}") == "1"


def test_a16_what_is_pushed_onto_the_plan_is_judged_anew(story: Story) -> None:
    pull = story.ask()
    story.forge.push(pull.head, {"apps/evil.yaml": "x\n"}, story.world.clock.at)
    story.tick()
    assert story.status()[0] is StatusState.FAILURE, "the new head has no word of ours that lets it land"
    assert "apps/evil.yaml as well" in story.comment().replace("\\", "")


def test_q8_while_a_rollback_of_it_runs_it_waits_for_its_end(story: Story) -> None:
    story.ask()
    story.forge.land(1, MergeMethod.MERGE, "grace")
    story.tick(2)
    other = PATH.replace("web", "again")
    story.ask(path=other)
    assert "is under way" in story.comment(2, other)


def test_q9_after_the_stop_nothing_is_pushed_and_it_says_by_whom(story: Story) -> None:
    stop = PauseState(SETTINGS_DOOR, (Pause(None, by="ops"),))
    story.one.reconciler.surroundings.settings_pause = lambda: stop
    pull = story.ask()
    assert "paused without an end by ops" in story.comment()
    assert story.world.people.git("rev-list", "--count", f"main..{pull.head}") == "1"


def test_q10_a_draft_is_planned_and_a_closed_one_is_not(story: Story) -> None:
    found = story.forge.ask({PATH: REQUEST}, START)
    story.forge.requests[found.number] = replace(found, draft=True)
    story.tick()
    assert story.status()[0] is StatusState.SUCCESS
    other = PATH.replace("web", "again")
    closed = story.forge.ask({other: REQUEST}, START)
    story.forge.close(closed.number)
    story.tick(2)
    assert closed.number not in story.forge.comments_of


def test_a_forge_that_is_down_delays_nothing_else_and_is_asked_again(story: Story) -> None:
    story.forge.ask({PATH: REQUEST}, START)
    story.forge.down = True
    story.tick(2)
    assert story.forge.comments_of == {}
    story.forge.down = False
    story.later(2)
    assert story.status()[0] is StatusState.SUCCESS


def test_a_guard_that_asks_is_overridden_by_name_alone(story: Story) -> None:
    asks = "  guards: [{name: friday, type: schedule, during: [{cron: '* * * * *', duration: 1h}], result: ask}]\n"
    story.world.people.push("Ask", {f"{POLICIES}/web.yaml": policy("web") + asks}, START - 30 * MINUTE)
    pull = story.ask()
    assert story.status()[0] is StatusState.FAILURE
    assert "name them in `acknowledge`" in story.comment().replace("\\", "")
    story.forge.push(pull.head, {PATH: REQUEST + "  acknowledge: [friday]\n"}, story.world.clock.at)
    story.tick()
    assert story.status()[0] is StatusState.SUCCESS
    assert "friday: ask, acknowledged" in story.comment()


def test_a_merge_that_left_something_else_is_told(story: Story) -> None:
    pull = story.ask()
    story.forge.push(pull.head, {FILE: "other: 1\n"}, story.world.clock.at)
    story.forge.land(1, MergeMethod.SQUASH, "grace")
    story.later(3)
    (record,) = story.records
    assert record.outcome == "failed"
    assert story.forge.requests[1].state is PullRequestState.MERGED


LATER = REQUEST + "  execute: after-merge\n"


def test_a_request_alone_is_reviewed_and_carried_out_once_it_is_merged(story: Story) -> None:
    pull, world = story.ask(LATER), story.world
    assert world.people.git("rev-list", "--count", f"main..{pull.head}") == "1", "nothing of ours is on it"
    assert "Once this is merged" in story.comment()
    assert story.status()[0] is StatusState.SUCCESS
    story.forge.land(1, MergeMethod.SQUASH, "grace")
    story.later(6)
    (record,) = story.records
    assert (record.outcome, record.requested_by, record.request) == ("verified", "ada", PATH)
    assert record.id == rollback_id("shop/config", record.applications[0], story.bad, PATH)
    assert world.people.read(FILE) == deployment("web", "1.0")
    assert "every check held" in story.comment()
    story.later(3)
    assert (len(story.records), world.reverts()) == (1, 1)


def from_fork(story: Story, text: str = LATER, by: str = "eve") -> PullRequest:
    """A request whose branch is in somebody else's repository."""
    found = story.forge.ask({PATH: text}, story.world.clock.at, by)
    story.forge.requests[found.number] = replace(found, from_fork=True)
    story.tick()
    return story.forge.requests[found.number]


def test_a_request_from_a_fork_is_planned_for_whoever_merges_it_and_carried_out_then(story: Story) -> None:
    story.forge.permissions["eve"] = Permission.READ
    pull, world = from_fork(story), story.world
    head = world.head(pull.head)
    assert "Once this is merged" in story.comment()
    assert "registry.example/web:1.0" in story.comment(), "the change is shown"
    assert story.status()[0] is StatusState.SUCCESS
    assert (world.head(pull.head), story.records) == (head, []), "nothing is pushed, nothing is promised"
    story.forge.land(1, MergeMethod.SQUASH, "grace")
    story.later(6)
    (record,) = story.records
    assert (record.outcome, record.requested_by, record.request) == ("verified", "eve", PATH)
    assert world.people.read(FILE) == deployment("web", "1.0")


def test_a_request_from_a_fork_keeps_nobody_else_from_asking(story: Story) -> None:
    story.forge.permissions["eve"] = Permission.READ
    from_fork(story)
    other = PATH.replace("web", "mine")
    story.ask(path=other)
    assert story.status(2)[0] is StatusState.SUCCESS
    assert len(story.records) == 1


def test_where_the_branch_refuses_a_push_a_merged_request_becomes_a_pull_request(story: Story) -> None:
    world = story.world
    hook = world.bare / "hooks" / "pre-receive"
    words = "GH006: Protected branch update failed for refs/heads/main."
    hook.write_text(f'#!/bin/sh\n! grep -q refs/heads/main || {{ echo "{words}" >&2; exit 1; }}\n')
    hook.chmod(0o755)
    from_fork(story)
    story.forge.missing = "1 approving review"
    story.forge.land(1, MergeMethod.MERGE, "grace")
    story.tick(3)
    (record,) = story.records
    assert (record.phase, record.requested_by) == ("AwaitingApproval", "eve")
    assert story.forge.requests[2].head.startswith("gitops-rollback/")
    assert "pull request #2 carries it out" in story.comment()
    assert world.reverts() == 0
    story.forge.land(2, MergeMethod.SQUASH, "grace")
    story.later(6)
    (record,) = story.records
    assert record.outcome == "verified"
    assert world.people.read(FILE) == deployment("web", "1.0")
    assert "every check held" in story.comment()
    story.later(3)
    assert (len(story.records), len(story.forge.requests)) == (1, 2)


def test_merged_long_ago_or_without_a_pull_request_it_does_nothing(story: Story) -> None:
    world = story.world
    old = PATH.replace("web", "old")
    world.people.push("Long ago", {old: LATER}, START - timedelta(hours=30))
    world.people.push("By a push", {PATH: LATER}, START - MINUTE)
    story.tick(2)
    assert world.reverts() == 0
    assert story.records == []


def test_after_a_stop_what_was_merged_waits_and_goes_on(story: Story) -> None:
    stop = [PauseState(SETTINGS_DOOR, (Pause(None, by="ops"),))]
    story.one.reconciler.surroundings.settings_pause = lambda: stop[0]
    story.ask(LATER)
    story.forge.land(1, MergeMethod.MERGE, "grace")
    story.tick(2)
    assert story.world.reverts() == 0
    assert "by ops" in story.comment()
    stop[0] = PauseState(SETTINGS_DOOR)
    story.tick(2)
    assert story.world.reverts() == 1


def test_what_is_deployed_after_the_request_was_merged_is_not_undone_by_it(story: Story) -> None:
    stop, world = [PauseState(SETTINGS_DOOR, (Pause(None, by="ops"),))], story.world
    story.one.reconciler.surroundings.settings_pause = lambda: stop[0]
    story.ask(LATER)
    story.forge.land(1, MergeMethod.SQUASH, "grace")
    newer = world.people.push("Ship web 1.2", {FILE: deployment("web", "1.2")}, world.clock.at)
    world.engine.deploy("web", newer, world.clock.at)
    stop[0] = PauseState(SETTINGS_DOOR)
    story.tick(2)
    assert world.reverts() == 0
    assert f"{newer[:12]} came after this request was merged" in story.comment()


def test_a_request_that_was_merged_before_its_plan_was_on_it_is_not_carried_out(story: Story) -> None:
    story.forge.ask({PATH: REQUEST}, START)
    story.forge.land(1, MergeMethod.MERGE, "grace")
    story.later(2)
    assert story.world.reverts() == 0


def test_a_rebase_that_keeps_the_request_and_the_revert_apart_is_its_landing(story: Story) -> None:
    pieces = story.ask() and (("Ask", {PATH: REQUEST}), ("Revert", {FILE: deployment("web", "1.0")}))
    commits = [story.world.people.push(*piece, START) for piece in pieces]
    assert [(one.outcome, one.commit) for one in story.later(6) or story.records] == [("verified", commits[1])]
