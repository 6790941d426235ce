"""A rollback by pull request, from the alarm to its end: real git, and a forge in memory."""

from __future__ import annotations

from dataclasses import replace

import pytest
from app_world import MINUTE, POLICIES, START, World, deployment, policy, running
from fake_forge import BOT, FakeForge
from request_story import ALARM, AUTOMATIC, CONTEXT, FILE, SUGGESTED, a_story, by_request

from gitops_rollback.core.audit import audit_line
from gitops_rollback.core.pull_request import MergeMethod, PullRequestState, StatusState
from gitops_rollback.core.rollback import RollbackRecord
from gitops_rollback.ports import PushOutcome


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


def test_a_push_past_the_rules_of_the_branch_is_audited_with_each_rule(world: World) -> None:
    hook = world.bare / "hooks" / "pre-receive"
    rules = ("Changes must be made through a pull request.", "2 of 2 required status checks are expected.")
    said = "\\n\\n".join(["Bypassed rule violations for refs/heads/main:", *(f"- {rule}" for rule in rules)])
    hook.write_text(f"#!/bin/sh\n! grep -q refs/heads/main || printf '{said}\\n' >&2\n")
    hook.chmod(0o755)
    story = a_story(world, policy("web"))
    journal = story.one.reconciler.see_now().journal
    (entry,) = [one for one in journal.decisions if one.action == "bypassed"]
    line = audit_line(entry, journal.records[story.record.id], "shop/config")
    assert line["rule"] == " ".join(rules)
    assert (line["rollback"], line["by"], line["commit"]) == (story.record.id, "controller", story.record.commit)
    story.cure()
    story.later(4)
    assert (story.record.outcome, story.forge.requests) == ("verified", {})


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


def test_where_the_policy_wants_a_pull_request_a_word_to_us_merges_it_and_pushes_nothing(world: World) -> None:
    story = a_story(world, by_request(SUGGESTED))
    assert story.approve("anna").outcome is PushOutcome.LANDED
    assert story.forge.requests[1].state is PullRequestState.MERGED
    assert world.head() == story.forge.requests[1].merge_sha


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


def test_no_branch_is_pushed_that_the_journal_does_not_know(world: World) -> None:
    hook = world.bare / "hooks" / "update"
    hook.write_text('#!/bin/sh\ncase "$1" in *-journal) echo "journal is locked" >&2; exit 1;; esac\n')
    hook.chmod(0o755)
    story = a_story(world, AUTOMATIC)
    branches = world.people.git("for-each-ref", "--format=%(refname)", "refs/heads/gitops-rollback").split()
    assert (branches, story.forge.requests) == ([], {})
    hook.unlink()
    story.later(1)
    assert story.record.offer is not None
    assert story.record.offer.number == 1
    assert story.record.offer.made(story.forge.requests[1].head_sha)


def test_of_two_that_made_the_plan_at_once_the_later_one_takes_what_is_there(world: World) -> None:
    hook = world.bare / "hooks" / "update"
    hook.write_text('#!/bin/sh\ncase "$1" in *-journal) echo "journal is locked" >&2; exit 1;; esac\n')
    hook.chmod(0o755)
    story = a_story(world, SUGGESTED)
    hook.unlink()
    faster = replace(story, one=world.replica("two"))
    faster.later(1)
    head = story.forge.requests[1].head_sha
    tip = world.head(story.forge.requests[1].head)
    told = len(story.one.told.messages)
    story.later(2)
    faster.later(1)
    assert story.record.offer is not None
    assert story.record.offer.newest is not None
    assert story.record.offer.newest.commit == head == story.forge.get(1).head_sha == tip
    assert "failed" not in [one.event for one in story.one.told.messages[told:]]
    assert list(story.forge.requests) == [1]
