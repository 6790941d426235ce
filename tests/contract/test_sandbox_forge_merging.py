"""How the sandbox's forge merges: each way, the merge queue, forks, people's buttons, and what git holds after it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sandbox_forge_world import VALUES, Stage, forge_world, receiver, until

from gitops_rollback.sandbox.forge import BOT, Method, Rules
from gitops_rollback.sandbox.forge.people import NotAllowed

KINDS = ("github", "gitlab", "gitea")
BODY = "This reverts commit of somebody.\n\nRollback-Id: rb-1"


@pytest.fixture(params=KINDS)
def stage(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Stage]:
    """A world of each kind with one open pull request; meanwhile the base has moved on."""
    with forge_world(tmp_path, request.param) as made:
        made.heads["revert"] = made.forge.people.push(BOT, "ours", f"Revert shop\n\n{BODY}\n", {VALUES: "tag: v1\n"})
        made.heads["base"] = made.forge.people.push("owner", "main", "notes", {"NOTES.md": "n\n"})
        made.forge.people.open(BOT, "ours", "Roll back shop")
        yield made


def test_a_squash_is_one_commit_in_the_words_of_each_forge(stage: Stage) -> None:
    named = stage.forge.people.merge("writer", 1, "squash")
    git = stage.forge.machine.git
    head = git.read_commit(git.head("main"))
    said = {"github": f"Revert shop (#1)\n\n{BODY}\n", "gitea": "Roll back shop (#1)\n"}
    if stage.forge.kind == "gitlab":  # merged by a merge commit on top
        squash = git.read_commit(stage.forge.state.pulls[1].squash_sha or "")
        assert head.parents == (stage.heads["base"], squash.sha)
        assert (squash.message, named) == ("Roll back shop\n", head.sha)
    else:
        assert head.parents == (stage.heads["base"],)
        assert (head.message, named) == (said[stage.forge.kind], head.sha)
        assert head.author.name == BOT
    assert git.read("refs/heads/main", VALUES) == "tag: v1\n"
    assert git.read("refs/heads/main", "NOTES.md") == "n\n"


def test_a_rebase_makes_the_commits_anew_and_keeps_their_words(stage: Stage) -> None:
    if stage.forge.kind == "gitlab":  # there it is a call of its own, before the merge
        stage.forge.machine.rebase(stage.forge.state.pulls[1], BOT)
    else:
        stage.forge.people.merge("writer", 1, "rebase")
    git = stage.forge.machine.git
    head = git.read_commit(git.head("ours" if stage.forge.kind == "gitlab" else "main"))
    assert head.parents == (stage.heads["base"],)
    assert head.sha != stage.heads["revert"]
    assert head.message == f"Revert shop\n\n{BODY}\n"
    assert head.author.name == BOT


def test_a_fast_forward_refuses_a_base_that_has_moved(stage: Stage) -> None:
    if stage.forge.kind == "gitlab":
        stage.forge.state.settings.default_method = Method.FAST_FORWARD
    method = "merge" if stage.forge.kind == "gitlab" else "fast-forward-only"
    with pytest.raises((NotAllowed, Exception), match=r"behind|fast-forward"):
        stage.forge.people.merge("writer", 1, method)
    stage.forge.machine.rebase(stage.forge.state.pulls[1], BOT)
    stage.forge.people.merge("writer", 1, method)
    assert stage.forge.machine.git.head("main") == stage.forge.state.pulls[1].head_sha


def test_a_button_is_not_there_for_who_may_not_merge(stage: Stage) -> None:
    stage.forge.protect(Rules(approvals=1, mergers=frozenset({"owner"})))
    with pytest.raises(NotAllowed):
        stage.forge.people.merge("owner", 1)
    stage.forge.people.approve("writer", 1)
    with pytest.raises(NotAllowed):
        stage.forge.people.merge("writer", 1)
    assert stage.forge.people.merge("owner", 1) == stage.forge.machine.git.head("main")


def test_owners_of_the_code_must_approve_where_rules_say_so(stage: Stage) -> None:
    stage.forge.protect(Rules(code_owners=True))
    stage.forge.people.approve("owner", 1)
    with pytest.raises(NotAllowed, match="code-owners"):
        stage.forge.people.merge("owner", 1)
    stage.forge.people.approve("writer", 1)
    assert stage.forge.people.merge("owner", 1)


def test_a_push_takes_approvals_back_where_rules_say_so(stage: Stage) -> None:
    stage.forge.protect(Rules(approvals=1, dismiss_stale=True))
    stage.forge.people.approve("writer", 1)
    stage.forge.people.push(BOT, "ours", "once more", {"README.md": "m\n"})
    with pytest.raises(NotAllowed, match="approvals"):
        stage.forge.people.merge("owner", 1)


def test_a_draft_is_merged_by_nobody(stage: Stage) -> None:
    stage.forge.people.edit("writer", 1, draft=True)
    with pytest.raises(NotAllowed, match="draft"):
        stage.forge.people.merge("owner", 1)


def test_a_merge_queue_lands_what_waits_in_it(tmp_path: Path) -> None:
    with forge_world(tmp_path, "github") as stage:
        stage.forge.protect(Rules(queue=True, ruleset=True))
        stage.forge.state.knobs.hold_queue = True
        stage.forge.people.push(BOT, "ours", "Revert shop", {VALUES: "tag: v1\n"})
        pull = stage.forge.people.open(BOT, "ours", "Roll back shop")
        with stage.api() as client:
            refused = client.put("/repos/owner/config/pulls/1/merge", json={})
            refused = client.put("/repos/owner/config/pulls/1/merge", json={})
        assert (refused.status_code, "merge queue" in refused.json()["message"]) == (405, True)
        stage.forge.people.merge_when_ready("writer", 1)
        stage.forge.machine.settle()
        assert (pull.state, pull.queued_at is not None) == ("open", True)
        stage.forge.state.knobs.hold_queue = False
        stage.forge.people.run_queue()
        assert (pull.state, pull.merge_sha) == ("merged", stage.forge.machine.git.head("main"))


def test_time_alone_lets_the_queue_land(tmp_path: Path) -> None:
    with forge_world(tmp_path, "github") as stage:
        stage.forge.protect(Rules(queue=True))
        stage.forge.state.knobs.queue_seconds = 0.5
        stage.forge.people.push(BOT, "ours", "Revert shop", {VALUES: "tag: v1\n"})
        pull = stage.forge.people.open(BOT, "ours", "Roll back shop")
        stage.forge.people.merge_when_ready("writer", 1)
        until(lambda: pull.state == "merged")


def test_what_a_fork_brings_is_at_its_own_ref_and_on_no_branch(stage: Stage) -> None:
    pull = stage.forge.people.open_from_fork("reader", "reader/config", "Mine", {VALUES: "tag: v9\n"})
    prefix = {"github": "/repos/owner/config/pulls", "gitlab": "/projects/1/merge_requests"}
    with stage.api() as client:
        found = client.get(f"{prefix.get(stage.forge.kind, prefix['github'])}/{pull.number}").json()
    if stage.forge.kind == "gitlab":
        assert found["source_project_id"] != found["target_project_id"]
    else:
        assert found["head"]["repo"]["full_name"] == "reader/config"
    assert pull.head not in stage.forge.machine.git.branches()
    assert stage.forge.people.merge("owner", pull.number)


def test_a_push_that_brings_the_head_merges_it_where_the_forge_looks_for_that(stage: Stage) -> None:
    git = stage.forge.machine.git
    stage.forge.machine.rebase(stage.forge.state.pulls[1], BOT)
    stage.forge.people.push("owner", "main2", "on top", {"X.md": "x\n"}, base="ours")
    git.point("refs/heads/main", git.head("main2"))
    stage.forge.machine.notice("owner")
    assert stage.forge.state.pulls[1].state == ("open" if stage.forge.kind == "gitea" else "merged")


def test_a_deleted_head_closes_it_except_at_gitlab(stage: Stage) -> None:
    stage.forge.people.delete_branch("owner", "ours")
    assert stage.forge.state.pulls[1].state == ("open" if stage.forge.kind == "gitlab" else "closed")


def test_a_scheduled_merge_may_take_another_head_than_it_was_asked_for(stage: Stage) -> None:
    stage.forge.protect(Rules(approvals=1))
    stage.forge.people.merge_when_ready("owner", 1)
    moved = stage.forge.people.push("writer", "ours", "one more", {"README.md": "m\n"})
    stage.forge.people.approve("writer", 1)
    pull = stage.forge.state.pulls[1]
    assert pull.state == ("open" if stage.forge.kind == "gitlab" else "merged")
    assert stage.forge.machine.git.contains(stage.forge.machine.git.head("main"), moved) == (pull.state == "merged")


def test_a_merge_queue_builds_each_on_the_one_before_it_and_asks_for_checks_there(tmp_path: Path) -> None:
    with forge_world(tmp_path, "github") as stage, receiver() as (url, received):
        stage.forge.protect(Rules(queue=True, ruleset=True, checks=("ci",)))
        stage.forge.state.knobs.queue_wants_checks, stage.forge.state.knobs.queue_seconds = True, 0.0
        stage.forge.hook(url)
        people, git = stage.forge.people, stage.forge.machine.git
        for number, branch in enumerate(("ours", "theirs"), 1):
            sha = people.push(BOT, branch, f"Change {branch}", {f"{branch}.md": "x\n"})
            people.open(BOT, branch, f"Change {branch}")
            people.set_status(BOT, sha, "ci", "success")
            people.merge_when_ready("writer", number)
        groups = {name: sha for name, sha in git.branches().items() if name.startswith("gh-readonly-queue/main/pr-")}
        first, second = (next(sha for name, sha in groups.items() if f"/pr-{one}-" in name) for one in (1, 2))
        assert git.contains(second, first)
        stage.git("fetch", "-q", str(git.bare), "ours")
        stage.commit("more", "More", {"more.md": "x\n"}, BOT, base="FETCH_HEAD")
        refused = stage.push(BOT, "more:refs/heads/ours")
        assert "Branches that" in refused.stderr
        assert git.head("main") == stage.heads["bad"]
        for sha in (second, first):
            people.set_status(BOT, sha, "ci", "success")
        stage.forge.machine.settle()
        assert git.head("main") == second
        assert [pull.merge_sha for pull in stage.forge.state.pulls.values()] == [first, second]
        assert not [name for name in git.branches() if name.startswith("gh-readonly")]
        stage.forge.webhooks.wait()
    asked = [one.body["merge_group"]["head_sha"] for one in received if "merge_group" in one.body]
    assert asked == [first, second]
