"""Gitea's and Forgejo's own ways, held to what a real Gitea 1.26 answered."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from forge_canned import HEAD, Reply, answering, pull
from structlog.testing import capture_logs

from gitops_rollback.core.errors import ForgeRefused
from gitops_rollback.core.pull_request import (
    Mergeability,
    MergeMethod,
    MergeOutcome,
    Permission,
    PullRequestState,
    StatusState,
)

ROOT = "/repos/owner/config"
GET, MERGE = f"GET {ROOT}/pulls/1", f"POST {ROOT}/pulls/1/merge"
BRANCH = "gitops-rollback/revert/shop/0123456789ab"
RECORDED = {
    one["note"]: one
    for one in map(json.loads, (Path(__file__).parent / "gitea" / "answers.jsonl").read_text().splitlines())
}


def recorded(*notes: str) -> dict[str, Reply | list[Reply]]:
    """What was answered, by method and path; several answers of one path in the order of `notes`."""
    found: dict[str, list[Reply]] = {}
    for note in notes:
        one: dict[str, Any] = RECORDED[note]
        headers = tuple(f"{key}: {value}" for key, value in one["headers"].items() if key != "content-type")
        path = one["path"].removeprefix("/api/v1").split("?")[0]
        found.setdefault(f"{one['method']} {path}", []).append(Reply(one["body"] or None, one["status"], headers))
    return dict(found)


def test_a_writer_learns_who_it_is_and_that_it_may_not_ask_about_others() -> None:
    with answering(recorded("version", "who am I", "repository")) as canned:
        facts = canned.client("gitea").facts()
    assert (facts.kind, facts.version, facts.login) == ("gitea", "development", "bot")
    assert (facts.permission, facts.auto_merge) == (Permission.WRITE, True)
    assert facts.methods == (MergeMethod.MERGE, MergeMethod.SQUASH, MergeMethod.REBASE)
    (trouble,) = facts.trouble
    assert "forge.approvers" in trouble


def test_forgejo_says_its_own_name() -> None:
    version = {"GET /version": Reply({"version": "13.0.1+gitea-1.22.0"})}
    with answering({**recorded("who am I", "repository"), **version}) as canned:
        assert canned.client("gitea").facts().kind == "forgejo"


def test_rights_are_told_to_an_administrator_and_to_nobody_else() -> None:
    notes = ("permission of owner", "permission of reader", "permission of stranger")
    with answering(recorded("permission of writer", *notes)) as canned:
        client = canned.client("gitea")
        said = [client.permission(who) for who in ("owner", "writer", "reader", "stranger")]
    assert said == [Permission.ADMIN, Permission.WRITE, Permission.READ, Permission.NONE]
    with answering(recorded("permission asked by the bot (write only)")) as canned:
        assert canned.client("gitea").permission("writer") is Permission.UNKNOWN
        assert canned.client("gitea", approvers=("@writer",)).permission("writer") is Permission.WRITE


def test_a_writer_sees_of_a_protected_branch_what_concerns_it() -> None:
    with answering(recorded("branch as the bot sees it", "protections asked by the bot")) as canned:
        found = canned.client("gitea").rules("main")
    assert (found.protected, found.we_may_push, found.we_may_merge) == (True, False, True)
    assert (found.approvals, found.checks, found.signed) == (1, ("gitops-rollback/plan",), None)
    assert "push whitelist of main" in found.remedies[0]


def test_one_that_exists_already_is_found_in_the_list() -> None:
    replies = recorded("list pull requests", "get pull request")
    refused = {f"POST {ROOT}/pulls": Reply(RECORDED["open again: conflict"]["body"], 409)}
    with answering({**replies, **refused}) as canned:
        found = canned.client("gitea").open(BRANCH, "main", "Revert", "plan")
    assert (found.number, found.head, found.base, found.author) == (1, BRANCH, "main", "bot")
    assert (found.state, found.mergeability) == (PullRequestState.OPEN, Mergeability.READY)
    assert found.head_sha == HEAD
    assert not found.from_fork


def test_a_branch_that_was_just_pushed_is_not_known_yet_and_one_that_is_not_there_never_is() -> None:
    """The real one learns of a push by a queue; until then it answers as for a branch that does not exist."""
    unknown = Reply({"errors": None, "message": "not found"}, 404)
    with answering({f"POST {ROOT}/pulls": [unknown, unknown, Reply(pull(), 201)]}) as canned:
        assert canned.client("gitea").open("b", "main", "t", "").number == 1
    with answering({f"POST {ROOT}/pulls": unknown}) as canned, pytest.raises(ForgeRefused, match="404"):
        canned.client("gitea").open("b", "main", "t", "")


def test_the_list_is_compared_here_since_the_server_filters_neither_head_nor_base() -> None:
    listed = [pull(number=2, base={"ref": "release", "sha": "0" * 40, "repo_id": 1}), pull(number=3, head=fork())]
    with answering({f"GET {ROOT}/pulls": Reply(listed)}) as canned:
        assert canned.client("gitea").find("b", "main") is None
        assert canned.client("gitea").open_pull_requests("main")[0].number == 3


def fork() -> dict[str, object]:
    return {"ref": "b", "sha": HEAD, "repo_id": 9}


def test_a_label_goes_by_its_number_and_one_that_was_not_taken_is_noticed() -> None:
    replies = {
        **recorded("labels", "get pull request"),
        f"POST {ROOT}/pulls": Reply(RECORDED["get pull request"]["body"], 201),
        f"POST {ROOT}/issues/1/labels": [
            Reply(RECORDED["add label"]["body"]),
            Reply(RECORDED["label that does not exist"]["body"]),
        ],
    }
    with answering(replies) as canned, capture_logs() as logs:
        client = canned.client("gitea")
        client.open(BRANCH, "main", "Revert", "plan", ("rollback/auto",))
        assert canned.sent(f"POST {ROOT}/issues/1/labels") == [{"labels": [1]}]
        client.open(BRANCH, "main", "Revert", "plan", ("rollback/auto",))
    assert any("did not take the labels rollback/auto" in str(line) for line in logs)


def test_a_label_that_is_missing_is_made_and_one_that_another_makes_first_is_used() -> None:
    replies = {
        f"GET {ROOT}/labels": [Reply([]), Reply([{"id": 8, "name": "new"}])],
        f"POST {ROOT}/labels": Reply({"message": "label exists"}, 422),
        f"POST {ROOT}/issues/1/labels": Reply([{"id": 8, "name": "new"}]),
        f"POST {ROOT}/pulls": Reply(pull(), 201),
        GET: Reply(pull(labels=[{"id": 8, "name": "new"}])),
    }
    with answering(replies) as canned:
        assert canned.client("gitea").open("b", "main", "t", "", ("new",)).labels == ("new",)
        assert canned.sent(f"POST {ROOT}/issues/1/labels") == [{"labels": [8]}]


def test_a_head_that_was_just_pushed_is_not_a_conflict_yet() -> None:
    """The real one says `mergeable: false` for both, until it has worked it out."""
    with answering(recorded("request after our push")) as canned:
        patient = canned.client("gitea", settling=timedelta(hours=1))
        assert patient.get(2).mergeability is Mergeability.CHECKING
        found = canned.client("gitea").get(2)
    assert (found.mergeability, found.merge_sha) == (Mergeability.CONFLICT, None)


@pytest.mark.parametrize(
    ("note", "outcome"),
    [
        ("merge without approval: refused", MergeOutcome.NOT_READY),  # a status may still come
        ("merge with status but no approval: refused", MergeOutcome.REFUSED),
    ],
)
def test_what_a_real_refusal_means(note: str, outcome: MergeOutcome) -> None:
    with answering(recorded("get pull request", note)) as canned:
        merged = canned.client("gitea").merge(1, HEAD, MergeMethod.MERGE, "Revert\n\nwhy")
        (sent,) = canned.sent(MERGE)
    assert (merged.outcome, merged.message) == (outcome, RECORDED[note]["body"]["message"])
    assert (sent["head_commit_id"], sent["MergeTitleField"], sent["MergeMessageField"]) == (HEAD, "Revert", "why")


@pytest.mark.parametrize(
    ("status", "words", "outcome"),
    [
        (405, "Please try again later", MergeOutcome.NOT_READY),
        (405, "Work in progress PRs cannot be merged", MergeOutcome.REFUSED),
        (405, "User not allowed to merge PR", MergeOutcome.REFUSED),
        (405, "squash is not allowed an allowed merge style for this repository", MergeOutcome.REFUSED),
        (409, "head out of date", MergeOutcome.LOST_RACE),
        (409, "merge push out of date", MergeOutcome.NOT_READY),
        (409, "PushRejected with remote message: no", MergeOutcome.REFUSED),
        (423, "Repo is archived", MergeOutcome.REFUSED),
    ],
)
def test_what_its_words_mean(status: int, words: str, outcome: MergeOutcome) -> None:
    with answering({GET: Reply(pull()), MERGE: Reply({"message": words}, status)}) as canned:
        assert canned.client("gitea").merge(1, HEAD, MergeMethod.MERGE, "m").outcome is outcome


def test_a_conflict_comes_as_fields_of_no_message() -> None:
    conflict = {"Style": "merge", "StdOut": "CONFLICT (content)", "StdErr": "", "Err": {}}
    with answering({GET: Reply(pull()), MERGE: Reply(conflict, 409)}) as canned:
        merged = canned.client("gitea").merge(1, HEAD, MergeMethod.MERGE, "m")
    assert merged.outcome is MergeOutcome.NOT_READY
    assert "CONFLICT" in merged.message


def test_a_scheduled_merge_is_a_201_and_a_second_one_a_409() -> None:
    with answering(recorded("get pull request", "schedule auto-merge")) as canned:
        assert (
            canned.client("gitea").merge_when_ready(1, HEAD, MergeMethod.MERGE, "m").outcome is MergeOutcome.SCHEDULED
        )
    twice = Reply({"message": "pull request is already scheduled to auto merge when checks succeed [pull_id: 1]"}, 409)
    with answering({GET: Reply(pull()), MERGE: twice}) as canned:
        assert (
            canned.client("gitea").merge_when_ready(1, HEAD, MergeMethod.MERGE, "m").outcome is MergeOutcome.SCHEDULED
        )


def test_a_head_that_moved_while_it_was_scheduled_is_taken_back() -> None:
    moved = Reply(pull(head={"ref": "b", "sha": "b" * 40, "repo_id": 1}))
    replies = {GET: [Reply(pull()), Reply(pull()), moved], MERGE: Reply(None, 201)}
    with answering({**replies, f"DELETE {ROOT}/pulls/1/merge": Reply(None, 204)}) as canned:
        assert (
            canned.client("gitea").merge_when_ready(1, HEAD, MergeMethod.MERGE, "m").outcome is MergeOutcome.LOST_RACE
        )
        assert f"DELETE {ROOT}/pulls/1/merge" in canned.asked


def test_what_the_schedule_merged_is_merged_and_asking_again_is_no_error() -> None:
    with answering(recorded("after approval: merged by the schedule?", "merge again: refused")) as canned:
        client = canned.client("gitea")
        found, again = client.get(1), client.merge(1, HEAD, MergeMethod.MERGE, "m")
    assert (found.state, found.merge_sha, found.merged_by) == (PullRequestState.MERGED, again.sha, "bot")
    assert (again.outcome, again.sha) == (MergeOutcome.MERGED, "13fe830b973d4dfa9805f7e882f5f982dc80f7ef")
    assert found.labels == ("rollback/auto",)


def test_the_state_of_a_status_is_called_status_and_an_equal_one_is_not_written() -> None:
    with answering(recorded("combined status")) as canned:
        client = canned.client("gitea")
        url = "http://127.0.0.1:8080/r/rb-1"
        client.set_status(HEAD, "gitops-rollback/plan", StatusState.SUCCESS, "1 file, +1 -1", url)
    assert [one.split()[0] for one in canned.asked] == ["GET"]


def test_comments_and_files_are_read_as_they_came() -> None:
    with answering(recorded("list comments", "reviews", "files of the request")) as canned:
        client = canned.client("gitea")
        (found,) = client.comments(1)
        paths = client.changed_paths(2)
    assert (found.id, found.author, found.edited, found.by_bot) == ("5", "bot", False, False)
    assert found.body == "<!-- gitops-rollback:rb-1 -->\nplan v2"
    assert paths == (".gitops-rollback/requests/2026-11-23-shop.yaml",)


def test_a_commit_that_no_merge_made_belongs_to_none() -> None:
    sha = RECORDED["pull request of a commit"]["path"].split("/")[-2]
    replies = recorded("pull request of a commit", "list pull requests")
    with answering(replies) as canned:
        client = canned.client("gitea")
        assert client.pull_requests_of(sha) == ()
        assert [one.number for one in client.pull_requests_of(HEAD)] == [1]
