"""The sandbox's forge by plain HTTP: each dialect answers with its own shapes, codes and words."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest
from sandbox_forge_world import REPOSITORY, VALUES, Json, Stage, forge_world

from gitops_rollback.sandbox.forge import BOT, Rules

KINDS = ("github", "gitlab", "gitea")
BRANCH = "gitops-rollback/revert/shop/0123456789ab"
PLAN = "gitops-rollback/plan"
PROJECT = f"/projects/{quote(REPOSITORY, safe='')}"
PULLS = {"github": f"/repos/{REPOSITORY}/pulls", "gitlab": f"{PROJECT}/merge_requests"}
PULLS["gitea"] = PULLS["github"]


@pytest.fixture(params=KINDS)
def stage(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Stage]:
    """A world of each kind, with the bot's revert on a branch of its own."""
    with forge_world(tmp_path, request.param) as made:
        made.heads["revert"] = made.commit("revert", 'Revert "shop v2"', {VALUES: "tag: v1\n"}, BOT, base="main")
        assert made.push(BOT, f"revert:refs/heads/{BRANCH}").returncode == 0
        yield made


def opened(stage: Stage, client: httpx.Client, title: str = 'Revert "shop v2"') -> httpx.Response:
    kind = stage.forge.kind
    if kind == "gitlab":
        body = {"source_branch": BRANCH, "target_branch": "main", "title": title, "labels": "rollback,rollback/auto"}
        return client.post(PULLS[kind], json=body)
    return client.post(PULLS[kind], json={"head": BRANCH, "base": "main", "title": title, "body": "plan"})


def read(stage: Stage, client: httpx.Client, number: int = 1) -> Json:
    found: Json = client.get(f"{PULLS[stage.forge.kind]}/{number}").json()
    return found


def ready(stage: Stage, client: httpx.Client) -> Json:
    """As it is once its mergeability is known."""
    for _ in range(5):
        found = read(stage, client)
        word = found.get("detailed_merge_status") or found.get("mergeable_state") or "known"
        if word not in ("checking", "unchecked", "unknown"):
            return found
    raise AssertionError("it never knew")


def merge(stage: Stage, client: httpx.Client, **more: object) -> httpx.Response:
    kind, head = stage.forge.kind, stage.heads["revert"]
    if kind == "github":
        return client.put(f"{PULLS[kind]}/1/merge", json={"sha": head, **more})
    if kind == "gitlab":
        return client.put(f"{PULLS[kind]}/1/merge", json={"sha": head, **more})
    return client.post(f"{PULLS[kind]}/1/merge", json={"Do": "merge", "head_commit_id": head, **more})


def test_a_second_pull_request_of_the_same_branch_is_refused_and_named(stage: Stage) -> None:
    with stage.api() as client:
        assert opened(stage, client).status_code == 201
        again = opened(stage, client)
    said = {
        "github": (422, f"A pull request already exists for owner:{BRANCH}."),
        "gitlab": (409, "Another open merge request already exists for this source branch: !1"),
        "gitea": (409, "pull request already exists for these targets [id: 1"),
    }
    status, words = said[stage.forge.kind]
    assert again.status_code == status
    assert words in again.text


def test_mergeability_is_unknown_at_first_and_then_known(stage: Stage) -> None:
    with stage.api() as client:
        opened(stage, client)
        first, later = read(stage, client), ready(stage, client)
    if stage.forge.kind == "github":
        assert (first["mergeable"], first["mergeable_state"]) == (None, "unknown")
        assert (later["mergeable"], later["mergeable_state"]) == (True, "clean")
    elif stage.forge.kind == "gitlab":
        assert first["detailed_merge_status"] == "checking"
        assert later["detailed_merge_status"] == "mergeable"
    else:
        assert (first["mergeable"], later["mergeable"]) == (True, True)


def test_a_conflict_is_told_from_git(stage: Stage) -> None:
    with stage.api() as client:
        opened(stage, client)
        stage.forge.people.push("owner", "main", "shop v3", {VALUES: "tag: v3\n"})
        read(stage, client)
        found = ready(stage, client)
        refused = merge(stage, client)
    if stage.forge.kind == "github":
        assert (found["mergeable"], found["mergeable_state"]) == (False, "dirty")
        assert (refused.status_code, refused.json()["message"]) == (405, "Pull Request is not mergeable")
    elif stage.forge.kind == "gitlab":
        assert (found["detailed_merge_status"], found["has_conflicts"]) == ("conflict", True)
        assert (refused.status_code, refused.json()["message"]) == (422, "Branch cannot be merged")
    else:
        assert found["mergeable"] is False
        assert refused.status_code == 405


def test_a_merge_lands_on_the_branch_as_the_forge_words_it(stage: Stage) -> None:
    with stage.api() as client:
        opened(stage, client)
        ready(stage, client)
        done = merge(stage, client)
        found = read(stage, client)
    assert done.status_code == 200, done.text
    head = stage.forge.machine.git.read_commit(stage.forge.machine.git.head("main"))
    assert found["merge_commit_sha"] == head.sha
    assert head.parents == (stage.heads["bad"], stage.heads["revert"])
    said = {
        "github": f'Merge pull request #1 from owner/{BRANCH}\n\nRevert "shop v2"\n',
        "gitlab": f"Merge branch '{BRANCH}' into 'main'\n\nRevert \"shop v2\"\n\nSee merge request {REPOSITORY}!1\n",
        "gitea": f"Merge pull request 'Revert \"shop v2\"' (#1) from {BRANCH} into main\n",
    }
    assert head.message == said[stage.forge.kind]
    assert head.author.name == BOT
    assert head.committer.name == ("GitHub" if stage.forge.kind == "github" else BOT)


def test_a_head_that_has_moved_is_not_merged(stage: Stage) -> None:
    with stage.api() as client:
        opened(stage, client)
        stage.forge.people.push("writer", BRANCH, "one more", {"README.md": "more\n"})
        read(stage, client)
        ready(stage, client)
        refused = merge(stage, client)
    words = {
        "github": "Head branch was modified. Review and try the merge again.",
        "gitlab": "SHA does not match HEAD of source branch",
        "gitea": "head out of date",
    }
    assert refused.status_code == 409
    assert words[stage.forge.kind] in refused.text
    assert stage.forge.machine.git.head("main") == stage.heads["bad"]


def status(stage: Stage, client: httpx.Client, state: str) -> httpx.Response:
    sha = stage.heads["revert"]
    if stage.forge.kind == "gitlab":
        return client.post(f"{PROJECT}/statuses/{sha}", json={"state": state, "name": PLAN, "description": "plan"})
    body = {"state": state, "context": PLAN, "description": "plan"}
    return client.post(f"/repos/{REPOSITORY}/statuses/{sha}", json=body)


def test_rules_refuse_a_merge_until_they_are_met(stage: Stage) -> None:
    stage.forge.protect(Rules(approvals=1, checks=(PLAN,)))
    with stage.api() as client:
        opened(stage, client)
        before = ready(stage, client)
        refused = merge(stage, client)
        assert status(stage, client, "success").status_code == 201
        still = merge(stage, client)
        stage.forge.people.approve("writer", 1)
        ready(stage, client)
        assert merge(stage, client).status_code == 200
    assert (refused.status_code, still.status_code) == (405, 405)
    if stage.forge.kind == "github":
        assert before["mergeable_state"] == "blocked"
        assert f'Required status check "{PLAN}" is expected.' in refused.json()["message"]
        assert "At least 1 approving review is required" in still.json()["message"]
    elif stage.forge.kind == "gitlab":
        assert before["detailed_merge_status"] == "not_approved"
        assert still.json()["message"] == "405 Method Not Allowed"
    else:
        assert refused.json()["message"] == "Not all required status checks successful"
        assert still.json()["message"] == "Does not have enough approvals"


def test_a_scheduled_merge_comes_when_nothing_is_missing(stage: Stage) -> None:
    stage.forge.protect(Rules(approvals=1))
    with stage.api() as client:
        opened(stage, client)
        node = ready(stage, client).get("node_id")
        if stage.forge.kind == "github":
            mutation = "mutation($input: EnablePullRequestAutoMergeInput!) { enablePullRequestAutoMerge(input: $input)"
            query = f"{mutation} {{ pullRequest {{ autoMergeRequest {{ enabledAt }} }} }} }}"
            variables = {"input": {"pullRequestId": node, "mergeMethod": "SQUASH"}}
            asked = client.post(f"{stage.forge.url}/api/graphql", json={"query": query, "variables": variables})
            assert asked.json()["data"]["enablePullRequestAutoMerge"]["pullRequest"]["autoMergeRequest"]
        elif stage.forge.kind == "gitlab":
            assert merge(stage, client, auto_merge=True).json()["merge_when_pipeline_succeeds"] is True
        else:
            assert merge(stage, client, merge_when_checks_succeed=True).status_code == 201
        assert stage.forge.machine.git.head("main") == stage.heads["bad"]
        stage.forge.people.approve("writer", 1)
        found = read(stage, client)
    assert found["merge_commit_sha"] == stage.forge.machine.git.head("main") != stage.heads["bad"]


def test_a_stranger_sees_nothing_and_a_wrong_token_is_no_one(stage: Stage) -> None:
    address = PROJECT if stage.forge.kind == "gitlab" else f"/repos/{REPOSITORY}"
    with stage.api("stranger") as stranger, stage.api("") as nobody, stage.api("", "wrong") as wrong:
        assert stranger.get(address).status_code == 404
        assert nobody.get(address).status_code == 404
        refused = wrong.get(address)
    words = {"github": "Bad credentials", "gitlab": "401 Unauthorized", "gitea": "invalid username, password or token"}
    assert (refused.status_code, refused.json()["message"]) == (401, words[stage.forge.kind])


def test_a_token_without_the_scope_is_told_what_is_missing(stage: Stage) -> None:
    kept = {"github": "metadata=read", "gitlab": "read_api", "gitea": "read:repository"}
    stage.forge.limit_token(BOT, kept[stage.forge.kind])
    with stage.api() as client:
        refused = opened(stage, client)
    assert refused.status_code == 403
    if stage.forge.kind == "github":
        assert refused.headers["X-Accepted-GitHub-Permissions"] == "pull_requests=write"
    elif stage.forge.kind == "gitlab":
        assert refused.json()["error"] == "insufficient_scope"
    else:
        assert "required=[write:repository]" in refused.json()["message"]
