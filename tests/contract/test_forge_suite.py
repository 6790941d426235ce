"""What each forge owes by the port's docstrings, put to each kind in turn."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from forge_doors import BRANCH, FORGES, MERGE, MESSAGE, ForgeDoor, forge_door, until
from forge_of_the_page_door import READ_FORGES, read_door
from sandbox_forge_world import VALUES

from gitops_rollback.adapters.forges.settings import default_api
from gitops_rollback.core.errors import CredentialsRejected, ForgeRefused, ForgeUnavailable
from gitops_rollback.core.pull_request import (
    CommitStatus,
    Mergeability,
    MergeMethod,
    MergeOutcome,
    Permission,
    PullRequestState,
    StatusState,
)
from gitops_rollback.sandbox.forge import BOT
from gitops_rollback.sandbox.forge.faults import Fault, down, lost_answer

PLAN = "gitops-rollback/plan"
MARK = "gitops-rollback:acme/rb-1"


@pytest.fixture(params=FORGES)
def at(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[ForgeDoor]:
    with forge_door(request.param, tmp_path) as made:
        yield made


@pytest.fixture(params=READ_FORGES)
def read(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[ForgeDoor]:
    """Forges that are written to, and one of a package of its own that is only read: it owes this much all the same."""
    with read_door(request.param, tmp_path) as made:
        yield made


def test_it_says_who_we_are_and_what_we_may_do(at: ForgeDoor) -> None:
    facts = at.forge.facts()
    assert (facts.kind, facts.login, facts.permission) == (at.kind, BOT, Permission.WRITE)
    assert MergeMethod.MERGE in facts.methods
    assert at.forge.web_url.endswith(at.forge.repository)


def test_a_pull_request_is_opened_once_and_found_by_its_branches(at: ForgeDoor) -> None:
    head = at.branch()
    opened = at.forge.open(BRANCH, "main", "Revert shop", "plan", ("rollback/auto",), ("writer",))
    again = at.forge.open(BRANCH, "main", "Revert shop", "another text", ("rollback/auto",))
    found = at.forge.find(BRANCH, "main")
    assert found is not None
    assert opened.number == again.number == found.number
    assert (found.head, found.head_sha, found.base) == (BRANCH, head, "main")
    assert (found.author, found.title, found.state) == (BOT, "Revert shop", PullRequestState.OPEN)
    assert opened.labels == found.labels == ("rollback/auto",)
    assert found.url.startswith("http://127.0.0.1:")
    assert at.stage.forge.state.pulls[opened.number].reviewers == ["writer"]


def test_only_the_pull_request_of_just_these_branches_is_found(read: ForgeDoor) -> None:
    read.branch(f"{BRANCH}/more")
    read.branch("other", "v3")
    read.branch("release/1")
    read.open(f"{BRANCH}/more", "main", "a")
    elsewhere = read.open("other", "release/1", "b")
    assert read.forge.find(BRANCH, "main") is None
    assert read.forge.find("other", "main") is None
    found = read.forge.find("other", "release/1")
    assert found is not None
    assert found.number == elsewhere.number


def test_one_that_was_closed_is_found_until_there_is_another(read: ForgeDoor) -> None:
    read.branch()
    first = read.open(BRANCH, "main", "a")
    read.close(first.number)
    over = read.forge.find(BRANCH, "main")
    assert over is not None
    assert (over.number, over.state) == (first.number, PullRequestState.CLOSED)
    second = read.open(BRANCH, "main", "b")
    assert second.number != first.number
    found = read.forge.find(BRANCH, "main")
    assert found is not None
    assert (found.number, found.state) == (second.number, PullRequestState.OPEN)


def test_a_branch_of_a_fork_is_not_ours_though_it_has_the_same_name(read: ForgeDoor) -> None:
    people = read.stage.forge.people
    theirs = people.open_from_fork("stranger", "stranger/config", "mine", {VALUES: "tag: v9\n"})
    read.branch(theirs.head)
    assert read.forge.find(theirs.head, "main") is None
    assert read.forge.get(theirs.number).from_fork
    ours = read.open(theirs.head, "main", "ours")
    assert ours.number != theirs.number
    assert not ours.from_fork


def test_a_file_of_a_fork_is_read_at_the_forge_without_fetching_it(at: ForgeDoor) -> None:
    text = "reason: cards fail\n" * 20
    theirs = at.stage.forge.people.open_from_fork("stranger", "stranger/config", "mine", {"asks/a b.yaml": text})
    sha = at.forge.get(theirs.number).head_sha
    assert at.forge.read_file(sha, "asks/a b.yaml", 1 << 16) == text.encode()
    assert at.forge.read_file(sha, "asks/a b.yaml", len(text) - 1) is None
    assert at.forge.read_file(sha, "asks/none.yaml", 1 << 16) is None
    assert at.forge.read_file("0" * 40, VALUES, 1 << 16) is None


def test_f28_an_answer_that_is_lost_opens_no_second_pull_request(at: ForgeDoor) -> None:
    at.branch()
    at.stage.forge.faults.add(lost_answer(), "POST", "merge_requests" if at.kind == "gitlab" else "pulls")
    opened = at.forge.open(BRANCH, "main", "Revert shop", "plan", ("rollback/auto",))
    assert [one.number for one in at.stage.forge.state.pulls.values()] == [opened.number]
    assert opened.labels == ("rollback/auto",)


def test_a_label_or_a_reviewer_that_is_refused_is_no_reason_to_fail(at: ForgeDoor) -> None:
    at.branch()
    at.stage.forge.faults.add(Fault(422, '{"message": "no"}'), "POST", "labels", None)
    at.stage.forge.faults.add(Fault(422, '{"message": "no"}'), "POST", "requested_reviewers", None)
    at.stage.forge.faults.add(Fault(422, '{"message": "no"}'), "PUT", "merge_requests", None)
    assert at.forge.open(BRANCH, "main", "Revert shop", "plan", ("a",), ("writer", "nobody-such")).number


def test_open_ones_come_newest_first_and_of_late_only_those_that_changed(read: ForgeDoor) -> None:
    numbers = [read.opened(f"b{index}").number for index in range(3)]
    read.close(numbers[1])
    assert [one.number for one in read.forge.open_pull_requests("main")] == [numbers[2], numbers[0]]
    assert read.forge.open_pull_requests("other") == ()
    later = read.stage.forge.clock.now() + timedelta(hours=1)
    assert read.forge.open_pull_requests("main", later) == ()


def test_more_than_one_page_is_read_to_its_end(read: ForgeDoor) -> None:
    files = {f"apps/many/{index:03}.yaml": "a: 1\n" for index in range(130)}
    read.stage.forge.people.push("writer", "many", "many files", files)
    opened = read.open("many", "main", "many")
    assert read.forge.changed_paths(opened.number) == tuple(sorted(files))


def test_a_renamed_file_is_told_by_both_names(read: ForgeDoor) -> None:
    read.stage.forge.people.push("writer", "moved", "move", {VALUES: None, "apps/shop/new.yaml": "tag: v2\n"})
    opened = read.open("moved", "main", "move")
    assert set(read.forge.changed_paths(opened.number)) == {VALUES, "apps/shop/new.yaml"}


def test_closing_twice_and_closing_what_is_merged_are_no_errors(at: ForgeDoor) -> None:
    opened, merged = at.opened("one"), at.opened("two", "v3")
    at.forge.close(opened.number)
    at.forge.close(opened.number)
    at.stage.forge.people.merge("owner", merged.number)
    at.forge.close(merged.number)
    assert at.forge.get(opened.number).state is PullRequestState.CLOSED
    assert at.forge.get(merged.number).state is PullRequestState.MERGED


def test_who_closed_one_unmerged_is_told(at: ForgeDoor) -> None:
    number = at.opened().number
    at.stage.forge.people.close("writer", number)
    closed = at.forge.get(number)
    assert (closed.state, closed.closed_by) == (PullRequestState.CLOSED, "writer")


def test_what_is_not_there_is_a_refusal(read: ForgeDoor) -> None:
    with pytest.raises(ForgeRefused) as caught:
        read.forge.get(999)
    assert caught.value.status == 404


# Merging


@pytest.mark.parametrize("method", list(MergeMethod))
def test_a_merge_puts_the_change_on_the_branch_and_tells_the_commit(at: ForgeDoor, method: MergeMethod) -> None:
    opened = at.opened()
    if method not in at.forge.facts().methods:
        assert at.forge.merge(opened.number, opened.head_sha, method, MESSAGE).outcome is MergeOutcome.REFUSED
        return
    merged = at.forge.merge(opened.number, opened.head_sha, method, MESSAGE)
    assert (merged.outcome, merged.sha) == (MergeOutcome.MERGED, at.stage.forge.machine.git.head("main"))
    now = at.forge.get(opened.number)
    assert (now.state, now.merge_sha, now.merged_by) == (PullRequestState.MERGED, merged.sha, BOT)
    if method is not MergeMethod.REBASE:
        assert at.stage.forge.machine.git.read_commit(merged.sha).message.startswith(MESSAGE.strip())
    again = at.forge.merge(opened.number, opened.head_sha, method, MESSAGE)
    assert (again.outcome, again.sha) == (MergeOutcome.MERGED, merged.sha)


def test_a_merge_whose_answer_is_lost_is_done_once(at: ForgeDoor) -> None:
    opened = at.opened()
    at.stage.forge.faults.add(lost_answer(), path="/merge")
    merged = at.forge.merge(opened.number, opened.head_sha, MERGE, MESSAGE)
    assert (merged.outcome, merged.sha) == (MergeOutcome.MERGED, at.stage.forge.machine.git.head("main"))


def test_another_head_than_the_one_that_was_seen_is_never_merged(at: ForgeDoor) -> None:
    opened = at.opened()
    moved = at.stage.forge.people.push("writer", BRANCH, "more", {VALUES: "tag: v7\n"})
    for merge in (at.forge.merge, at.forge.merge_when_ready):
        assert merge(opened.number, opened.head_sha, MERGE, MESSAGE).outcome is MergeOutcome.LOST_RACE
    assert at.forge.get(opened.number).head_sha == moved
    assert at.stage.forge.state.pulls[opened.number].open


def test_a_closed_one_is_not_merged(at: ForgeDoor) -> None:
    opened = at.opened()
    at.stage.forge.people.close("writer", opened.number)
    assert at.forge.merge(opened.number, opened.head_sha, MERGE, MESSAGE).outcome is MergeOutcome.REFUSED


def test_right_after_it_was_opened_a_merge_may_have_to_be_asked_for_again(at: ForgeDoor) -> None:
    at.branch()
    opened = at.forge.open(BRANCH, "main", "Revert shop", "plan")
    until(
        lambda: at.forge.merge(opened.number, opened.head_sha, MERGE, MESSAGE),
        lambda merged: merged.outcome is not MergeOutcome.NOT_READY,
    )
    assert at.forge.get(opened.number).state is PullRequestState.MERGED


def test_a_conflict_is_told(at: ForgeDoor) -> None:
    opened = at.opened()
    at.stage.forge.people.push("owner", "main", "shop v4", {VALUES: "tag: v4\n"})
    until(lambda: at.forge.get(opened.number), lambda one: one.mergeability is Mergeability.CONFLICT)
    merged = at.forge.merge(opened.number, opened.head_sha, MERGE, MESSAGE)
    assert merged.outcome in (MergeOutcome.NOT_READY, MergeOutcome.REFUSED)


def test_a_draft_is_no_candidate(read: ForgeDoor) -> None:
    read.branch()
    drafted = read.stage.forge.people.open("writer", BRANCH, "not yet", draft=True)
    found = read.forge.get(drafted.number)
    assert (found.draft, found.mergeability) == (True, Mergeability.DRAFT)


def test_what_a_rule_lacks_is_told_and_the_merge_comes_with_it(at: ForgeDoor) -> None:
    at.protect(approvals=1, checks=(PLAN,))
    opened = at.opened()
    at.forge.set_status(opened.head_sha, PLAN, StatusState.SUCCESS, "1 file")
    refused = at.forge.merge(opened.number, opened.head_sha, MERGE, MESSAGE)
    assert refused.outcome in (MergeOutcome.REFUSED, MergeOutcome.NOT_READY)
    assert refused.message
    at.stage.forge.people.approve("writer", opened.number)
    until(
        lambda: at.forge.merge(opened.number, opened.head_sha, MERGE, MESSAGE),
        lambda merged: merged.outcome is MergeOutcome.MERGED,
    )


def test_a_scheduled_merge_is_done_by_the_forge_once_nothing_is_missing(at: ForgeDoor) -> None:
    at.protect(approvals=1, checks=(PLAN,))
    opened = at.opened()
    asked = at.forge.merge_when_ready(opened.number, opened.head_sha, MERGE, MESSAGE)
    assert asked.outcome is MergeOutcome.SCHEDULED
    again = at.forge.merge_when_ready(opened.number, opened.head_sha, MERGE, MESSAGE)
    assert again.outcome is MergeOutcome.SCHEDULED
    at.forge.set_status(opened.head_sha, PLAN, StatusState.SUCCESS, "1 file")
    at.stage.forge.people.approve("writer", opened.number)
    merged = until(lambda: at.forge.get(opened.number), lambda one: one.state is PullRequestState.MERGED)
    assert merged.merge_sha == at.stage.forge.machine.git.head("main")


def test_a_scheduled_merge_can_be_taken_back_and_none_is_no_error(at: ForgeDoor) -> None:
    at.protect(approvals=1, checks=(PLAN,))
    opened = at.opened()
    at.forge.cancel_merge(opened.number)
    assert at.forge.merge_when_ready(opened.number, opened.head_sha, MERGE, MESSAGE).outcome is MergeOutcome.SCHEDULED
    at.forge.cancel_merge(opened.number)
    at.forge.set_status(opened.head_sha, PLAN, StatusState.SUCCESS, "1 file")
    at.stage.forge.people.approve("writer", opened.number)
    at.stage.forge.machine.settle()
    assert at.forge.get(opened.number).state is PullRequestState.OPEN


def test_where_nothing_is_missing_it_is_merged_at_once(at: ForgeDoor) -> None:
    opened = at.opened()
    merged = until(
        lambda: at.forge.merge_when_ready(opened.number, opened.head_sha, MERGE, MESSAGE),
        lambda one: one.outcome not in (MergeOutcome.NOT_READY, MergeOutcome.SCHEDULED),
    )
    assert merged.outcome is MergeOutcome.MERGED


def test_pull_requests_are_found_by_what_they_brought_and_by_their_head(at: ForgeDoor) -> None:
    opened, other = at.opened("one"), at.opened("two", "v6")
    merged = at.forge.merge(opened.number, opened.head_sha, MERGE, MESSAGE)
    assert opened.number in [one.number for one in at.forge.pull_requests_of(merged.sha)]
    assert [one.number for one in at.forge.pull_requests_of(other.head_sha)] == [other.number]
    assert at.forge.pull_requests_of("0" * 40) == ()


# Comments, statuses, people


def test_our_comment_is_written_once_and_edited_in_place(at: ForgeDoor) -> None:
    number = at.opened().number
    at.stage.forge.people.comment("writer", number, f"<!-- {MARK} -->\nI copied your mark")
    first = at.forge.comment(number, MARK, "plan 1")
    assert at.forge.comment(number, MARK, "plan 2") == first
    other = at.forge.comment(number, "gitops-rollback:acme/rb-2", "another")
    before = at.writes()
    assert at.forge.comment(number, MARK, "plan 2") == first
    assert at.writes() == before
    said = {one.id: one for one in at.forge.comments(number)}
    assert said[first].body == f"<!-- {MARK} -->\nplan 2"
    assert (said[first].author, len(said)) == (BOT, 3)
    assert other != first


def test_a_comment_whose_answer_is_lost_is_not_written_twice(at: ForgeDoor) -> None:
    number = at.opened().number
    at.stage.forge.faults.add(lost_answer(), "POST", "notes" if at.kind == "gitlab" else "comments")
    at.forge.comment(number, MARK, "plan 1")
    assert [one.body for one in at.forge.comments(number)] == [f"<!-- {MARK} -->\nplan 1"]


def test_comments_tell_who_wrote_what_where_and_whether_it_was_changed(at: ForgeDoor) -> None:
    number, people = at.opened().number, at.stage.forge.people
    plain = people.comment("reader", number, "/rollback plan")
    people.comment_line("writer", number, VALUES, 1, "why this?")
    found = {one.author: one for one in at.forge.comments(number)}
    assert (found["reader"].body, found["reader"].path, found["reader"].edited) == ("/rollback plan", "", False)
    assert (found["writer"].body, found["writer"].path) == ("why this?", VALUES)
    at.stage.forge.clock.wait(2.0, at.stage.forge.faults.over)
    people.edit_comment("reader", plain, "/rollback approve")
    assert next(one for one in at.forge.comments(number) if one.author == "reader").edited
    later = at.stage.forge.clock.now() + timedelta(hours=1)
    assert at.forge.comments(number, later) == ()


def test_a_reaction_is_shown(at: ForgeDoor) -> None:
    number = at.opened().number
    at.stage.forge.people.comment("writer", number, "/rollback plan")
    (said,) = at.forge.comments(number)
    at.forge.react(number, said, done=True)
    assert [who for who, _ in at.stage.forge.state.pulls[number].comments[-1].reactions] == [BOT]


def test_a_reaction_that_is_refused_is_no_matter(at: ForgeDoor) -> None:
    number = at.opened().number
    at.stage.forge.people.comment("writer", number, "/rollback plan")
    (said,) = at.forge.comments(number)
    at.stage.forge.faults.add(down(), times=None)
    at.forge.react(number, said, done=False)


def test_a_status_is_written_when_it_changes_and_not_again(at: ForgeDoor) -> None:
    head = at.opened().head_sha
    assert at.forge.status(head, PLAN) is None
    at.forge.set_status(head, PLAN, StatusState.PENDING, "planning")
    assert at.forge.status(head, PLAN) == CommitStatus(StatusState.PENDING, "planning")
    at.forge.set_status(head, PLAN, StatusState.SUCCESS, "1 file, +1 -1", "http://127.0.0.1:8080/r/rb-1")
    assert at.forge.status(head, PLAN) == CommitStatus(StatusState.SUCCESS, "1 file, +1 -1")
    before = at.writes()
    at.forge.set_status(head, PLAN, StatusState.SUCCESS, "1 file, +1 -1", "http://127.0.0.1:8080/r/rb-1")
    assert at.writes() == before
    at.forge.set_status(head, PLAN, StatusState.FAILURE, "x" * 400)
    (now,) = at.stage.forge.state.statuses_of(head).values()
    assert now.state in ("failure", "failed")
    assert now.description.startswith("x" * 100)


def test_a_new_text_for_a_state_that_stays_is_no_error(at: ForgeDoor) -> None:
    head = at.opened().head_sha
    for state in (StatusState.PENDING, StatusState.SUCCESS):
        at.forge.set_status(head, PLAN, state, "first")
        at.forge.set_status(head, PLAN, state, "second")
        at.forge.set_status(head, PLAN, state, "third")
    (now,) = at.stage.forge.state.statuses_of(head).values()
    assert now.state == "success"


def test_what_somebody_may_do_is_told_or_is_unknown(at: ForgeDoor) -> None:
    said = {who: at.forge.permission(who) for who in ("owner", "writer", "reader", "stranger", "nobody-such")}
    if at.kind == "gitea":  # told to administrators alone
        assert set(said.values()) == {Permission.UNKNOWN}
        assert at.client(approvers=("Writer",)).permission("writer") is Permission.WRITE
        return
    assert said == {
        "owner": Permission.ADMIN,
        "writer": Permission.WRITE,
        "reader": Permission.READ,
        "stranger": Permission.NONE,
        "nobody-such": Permission.NONE,
    }


def test_an_administrator_of_gitea_is_told_what_others_may_do(tmp_path: Path) -> None:
    with forge_door("gitea", tmp_path) as at:
        forge = at.client(token="token-of-owner")
        said = {who: forge.permission(who) for who in ("owner", "writer", "reader", "nobody-such")}
    assert list(said.values()) == [Permission.ADMIN, Permission.WRITE, Permission.READ, Permission.NONE]


def test_the_rules_of_a_branch_are_told_as_far_as_we_may_see(at: ForgeDoor) -> None:
    assert at.forge.rules("main").protected is False
    at.protect(approvals=2, checks=(PLAN,), pushers=("owner",))
    found = at.forge.rules("main")
    # GitHub tells of its older kind of protection no more than that it is there.
    assert (found.protected, found.we_may_push) == (True, None if at.kind == "github" else False)
    assert found.remedies
    if at.kind == "gitea":
        assert (found.approvals, found.checks) == (2, (PLAN,))


# Trouble


def test_a_wrong_token_is_told_and_never_shown(read: ForgeDoor) -> None:
    with pytest.raises(CredentialsRejected) as caught:
        read.client(token="canary-7f3a").get(1)
    assert "canary-7f3a" not in str(caught.value)


def test_a_forge_that_is_down_or_says_no_json_is_unavailable(read: ForgeDoor) -> None:
    number = read.opened().number
    read.stage.forge.faults.add(down(), times=None)
    with pytest.raises(ForgeUnavailable):
        read.forge.get(number)
    read.stage.forge.faults.reset()
    read.stage.forge.faults.add(Fault(200, "<html>sign in</html>", {"Content-Type": "text/html"}), times=None)
    with pytest.raises(ForgeUnavailable, match="no forge's API"):
        read.forge.get(number)


def test_a_write_to_a_forge_that_is_down_is_an_error(at: ForgeDoor) -> None:
    at.stage.forge.faults.add(down(), times=None)
    with pytest.raises(ForgeUnavailable):
        at.forge.set_status("0" * 40, PLAN, StatusState.SUCCESS, "x")


def test_one_lost_answer_of_a_read_is_not_noticed(read: ForgeDoor) -> None:
    number = read.opened().number
    read.stage.forge.faults.add(Fault(cut=True), "GET")
    assert read.forge.get(number).number == number


def test_a_guess_by_the_name_of_the_host_is_asked_about_first(at: ForgeDoor) -> None:
    number = at.opened().number
    assert at.client(guessed=True).get(number).number == number
    for wrong in FORGES:
        if wrong != at.kind:
            other = at.client(kind=wrong, api=default_api(wrong, at.stage.forge.url), guessed=True)
            with pytest.raises((ForgeRefused, ForgeUnavailable), match=r"forge\.kind|no forge's API"):
                other.get(number)


def test_requests_are_counted_by_what_was_wanted_and_answered(at: ForgeDoor) -> None:
    number = at.opened().number
    at.meter.requests.clear()
    at.forge.get(number)
    assert at.meter.requests[at.kind, "get", "200"] + at.meter.requests[at.kind, "get", "304"] == 1
