"""What only GitLab does: codes that are final later, states of a status, paths of subgroups, versions."""

from __future__ import annotations

import pytest
from forge_canned import HEAD, Reply, answering, merge_request

from gitops_rollback.core.errors import ForgeRefused
from gitops_rollback.core.pull_request import (
    Mergeability,
    MergeMethod,
    MergeOutcome,
    Permission,
    PullRequestState,
    StatusState,
)

ROOT = "/projects/owner%2Fconfig"
GET, MERGE = f"GET {ROOT}/merge_requests/1", f"PUT {ROOT}/merge_requests/1/merge"
PROJECT = {f"GET {ROOT}": Reply({"merge_method": "merge", "squash_option": "default_off"})}
NEW = {"GET /version": Reply({"version": "17.11.1-ee", "revision": "abc"})}


def test_a_path_of_subgroups_is_one_word_of_the_address() -> None:
    path = "/projects/acme%2Fplatform%2Fdeploy/merge_requests/1"
    with answering({f"GET {path}": Reply(merge_request())}) as canned:
        assert canned.client("gitlab", repository="acme/platform/deploy").get(1).number == 1


@pytest.mark.parametrize(
    ("word", "mergeability"),
    [
        ("mergeable", Mergeability.READY),
        ("preparing", Mergeability.CHECKING),
        ("approvals_syncing", Mergeability.CHECKING),
        ("ci_still_running", Mergeability.CHECKING),
        ("ci_must_pass", Mergeability.BLOCKED),
        ("not_approved", Mergeability.BLOCKED),
        ("need_rebase", Mergeability.BLOCKED),
        ("conflict", Mergeability.CONFLICT),
        ("draft_status", Mergeability.DRAFT),
        ("brand_new", Mergeability.BLOCKED),
    ],
)
def test_its_words_for_what_stands_against_a_merge(word: str, mergeability: Mergeability) -> None:
    with answering({GET: Reply(merge_request(detailed_merge_status=word))}) as canned:
        assert canned.client("gitlab").get(1).mergeability is mergeability


def test_an_older_server_has_a_shorter_word() -> None:
    old = merge_request(merge_status="cannot_be_merged")
    del old["detailed_merge_status"]
    with answering({GET: Reply(old)}) as canned:
        assert canned.client("gitlab").get(1).mergeability is Mergeability.CONFLICT


@pytest.mark.parametrize(
    ("fields", "sha"),
    [
        ({"merge_commit_sha": "a" * 40, "squash_commit_sha": "b" * 40}, "a" * 40),
        ({"merge_commit_sha": None, "squash_commit_sha": "b" * 40}, "b" * 40),
        ({"merge_commit_sha": None, "squash_commit_sha": None}, HEAD),
    ],
)
def test_what_came_onto_the_branch_depends_on_the_way_of_merging(fields: dict[str, object], sha: str) -> None:
    with answering({GET: Reply(merge_request(state="merged", **fields))}) as canned:
        assert canned.client("gitlab").get(1).merge_sha == sha


def test_one_that_is_being_merged_is_still_open_and_found() -> None:
    listed = [merge_request(iid=3, state="closed"), merge_request(iid=1, state="locked")]
    with answering({f"GET {ROOT}/merge_requests": Reply(listed), GET: Reply(merge_request(state="locked"))}) as canned:
        found = canned.client("gitlab").find("b", "main")
    assert found is not None
    assert (found.number, found.state) == (1, PullRequestState.OPEN)
    assert "state=" not in canned.asked[0]


@pytest.mark.parametrize(
    ("status", "word", "outcome"),
    [
        (405, "checking", MergeOutcome.NOT_READY),
        (422, "preparing", MergeOutcome.NOT_READY),
        (405, "mergeable", MergeOutcome.NOT_READY),
        (405, "not_approved", MergeOutcome.REFUSED),
        (422, "conflict", MergeOutcome.NOT_READY),
        (405, "draft_status", MergeOutcome.REFUSED),
        (401, "mergeable", MergeOutcome.REFUSED),
        (409, "mergeable", MergeOutcome.LOST_RACE),
    ],
)
def test_what_a_refused_merge_means_shows_in_the_merge_request(status: int, word: str, outcome: MergeOutcome) -> None:
    replies = {GET: Reply(merge_request(detailed_merge_status=word)), **PROJECT}
    with answering({**replies, MERGE: Reply({"message": f"{status} said"}, status)}) as canned:
        merged = canned.client("gitlab").merge(1, HEAD, MergeMethod.MERGE, "m")
    assert merged.outcome is outcome
    assert "said" in merged.message


def test_an_empty_message_is_left_out_and_a_squash_has_it_twice() -> None:
    with answering({GET: Reply(merge_request()), **PROJECT, MERGE: Reply(merge_request())}) as canned:
        client = canned.client("gitlab")
        client.merge(1, HEAD, MergeMethod.MERGE, " \n")
        client.merge(1, HEAD, MergeMethod.SQUASH, "Revert\n\nwhy\n")
        plain, squashed = canned.sent("PUT")
    assert plain == {"sha": HEAD, "squash": False}
    words = "Revert\n\nwhy"
    assert squashed == {"sha": HEAD, "squash": True, "squash_commit_message": words, "merge_commit_message": words}


@pytest.mark.parametrize(
    ("merge_method", "squash", "allowed"),
    [
        ("merge", "never", {MergeMethod.MERGE}),
        ("merge", "always", {MergeMethod.SQUASH}),
        ("rebase_merge", "default_on", {MergeMethod.MERGE, MergeMethod.SQUASH}),
        ("ff", "default_off", set(MergeMethod)),  # it has no merge commits: asked for one, it goes the project's way
    ],
)
def test_a_way_of_merging_that_the_project_has_not_is_refused_before_it_is_asked(
    merge_method: str, squash: str, allowed: set[MergeMethod]
) -> None:
    project = Reply({"merge_method": merge_method, "squash_option": squash})
    with answering({GET: Reply(merge_request()), f"GET {ROOT}": project, MERGE: Reply(merge_request())}) as canned:
        client = canned.client("gitlab")
        outcomes = {method: client.merge(1, HEAD, method, "m").outcome for method in MergeMethod}
    assert {method for method, one in outcomes.items() if one is not MergeOutcome.REFUSED} == allowed


@pytest.mark.parametrize(
    ("version", "names"),
    [
        ("17.11.0", {"auto_merge"}),
        ("18.2.1-ee", {"auto_merge"}),
        ("17.10.4", {"merge_when_pipeline_succeeds"}),
        ("9.5", {"merge_when_pipeline_succeeds"}),
        ("", {"auto_merge", "merge_when_pipeline_succeeds"}),
    ],
)
def test_waiting_is_asked_for_in_the_words_of_the_server(version: str, names: set[str]) -> None:
    seen = [Reply(merge_request()), Reply(merge_request(merge_when_pipeline_succeeds=True))]
    replies = {GET: seen, **PROJECT, "GET /version": Reply({"version": version}), MERGE: Reply(merge_request())}
    with answering(replies) as canned:
        asked = canned.client("gitlab").merge_when_ready(1, HEAD, MergeMethod.MERGE, "m")
        (sent,) = canned.sent("PUT")
    assert asked.outcome is MergeOutcome.SCHEDULED
    assert {name for name in sent if sent[name] is True} == names


def test_without_a_pipeline_it_is_merged_directly() -> None:
    seen = [Reply(merge_request()), Reply(merge_request()), Reply(merge_request(state="merged"))]
    refused = [Reply({"message": "405 Method Not Allowed"}, 405), Reply(merge_request(state="merged"))]
    with answering({GET: seen, **PROJECT, **NEW, MERGE: refused}) as canned:
        asked = canned.client("gitlab").merge_when_ready(1, HEAD, MergeMethod.MERGE, "m")
        sent = canned.sent("PUT")
    assert asked.outcome is MergeOutcome.MERGED
    assert ["auto_merge" in one for one in sent] == [True, False]


def test_a_server_that_waits_for_pipelines_alone_has_no_such_way() -> None:
    waiting = Reply(merge_request(detailed_merge_status="not_approved"))
    with answering({GET: waiting, **PROJECT, **NEW, MERGE: Reply({"message": "405"}, 405)}) as canned:
        asked = canned.client("gitlab").merge_when_ready(1, HEAD, MergeMethod.MERGE, "m")
    assert asked.outcome is MergeOutcome.UNAVAILABLE


STATUSES, POST = f"GET {ROOT}/repository/commits/{HEAD}/statuses", f"POST {ROOT}/statuses/{HEAD}"


def status(state: str, text: str) -> dict[str, object]:
    return {"id": 1, "name": "plan", "status": state, "description": text, "target_url": None}


def test_a_status_that_waits_gets_a_new_text_by_the_other_word_for_waiting() -> None:
    with answering({STATUSES: Reply([status("pending", "old")]), POST: Reply({}, 201)}) as canned:
        canned.client("gitlab").set_status(HEAD, "plan", StatusState.PENDING, "new")
        assert canned.sent("POST") == [{"state": "running", "name": "plan", "description": "new"}]


def test_a_state_that_is_there_already_is_done_and_another_fault_is_told() -> None:
    same = {"message": "Cannot transition status via :run from :running"}
    with answering({STATUSES: Reply([status("running", "old")]), POST: Reply(same, 400)}) as canned:
        canned.client("gitlab").set_status(HEAD, "plan", StatusState.PENDING, "new")
    with answering({STATUSES: Reply([]), POST: Reply({"message": "state is invalid"}, 400)}) as canned:
        with pytest.raises(ForgeRefused, match="state is invalid"):
            canned.client("gitlab").set_status(HEAD, "plan", StatusState.ERROR, "new")
        assert canned.sent("POST")[0]["state"] == "failed"


@pytest.mark.parametrize(
    ("member", "permission"),
    [
        (Reply({"access_level": 50, "state": "active"}), Permission.ADMIN),
        (Reply({"access_level": 40, "state": "active"}), Permission.ADMIN),
        (Reply({"access_level": 30, "state": "active"}), Permission.WRITE),
        (Reply({"access_level": 20, "state": "active"}), Permission.READ),
        (Reply({"access_level": 40, "state": "blocked"}), Permission.NONE),
        (Reply({"message": "404 Not found"}, 404), Permission.NONE),
    ],
)
def test_a_right_is_asked_for_by_the_number_of_the_user(member: Reply, permission: Permission) -> None:
    users = Reply([{"id": 5, "username": "alicia"}, {"id": 9, "username": "Alice"}])
    with answering({"GET /users": users, f"GET {ROOT}/members/all/9": member}) as canned:
        assert canned.client("gitlab").permission("alice") is permission


def test_a_reaction_alone_may_make_a_note_look_edited_and_what_gitlab_writes_is_no_comment() -> None:
    def note(number: int, **more: object) -> dict[str, object]:
        made = {"id": number, "author": {"username": "alice"}, "body": "x", "created_at": "2026-11-23T08:00:00.100Z"}
        return made | {"updated_at": "2026-11-23T08:00:00.300Z"} | more

    notes = [
        note(3, updated_at="2026-11-23T08:01:00.000Z"),
        note(2, system=True),
        note(1, author={"username": "project_7_bot_0a1b"}),
    ]
    with answering({f"GET {ROOT}/merge_requests/1/notes": Reply(notes)}) as canned:
        found = canned.client("gitlab").comments(1)
    assert [(one.id, one.edited, one.by_bot) for one in found] == [("1", False, True), ("3", True, False)]


def test_an_existing_one_is_taken_by_its_branches_whatever_the_refusal_says() -> None:
    words = {"message": ["Another open merge request already exists for this source branch: !1"]}
    replies = {f"POST {ROOT}/merge_requests": Reply(words, 409), f"GET {ROOT}/merge_requests": Reply([merge_request()])}
    with answering({**replies, GET: Reply(merge_request())}) as canned:
        assert canned.client("gitlab").open("b", "main", "t", "d", ("a", "b")).number == 1
        assert canned.sent("POST")[0]["labels"] == "a,b"
