"""Pushes at the sandbox's forge: refusals in its words, bots that may pass, merge requests of push options."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sandbox_forge_world import VALUES, Stage, forge_world

from gitops_rollback.sandbox.forge import BOT, Rules

KINDS = ("github", "gitlab", "gitea")
PLAN = "gitops-rollback/plan"


@pytest.fixture(params=KINDS)
def stage(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Stage]:
    """A world of each kind, with the bot's revert in the work tree."""
    with forge_world(tmp_path, request.param) as made:
        made.heads["revert"] = made.commit("revert", 'Revert "shop v2"', {VALUES: "tag: v1\n"}, BOT, base="main")
        yield made


def test_a_protected_branch_refuses_in_the_words_of_each_forge(stage: Stage) -> None:
    stage.forge.protect(Rules(approvals=1, checks=(PLAN,)))
    done = stage.push(BOT, "revert:refs/heads/main")
    said = {
        "github": (
            "GH006: Protected branch update failed for refs/heads/main.",
            "- Changes must be made through a pull request.",
            f'- Required status check "{PLAN}" is expected.',
            "[remote rejected] (protected branch hook declined)",
        ),
        "gitlab": (
            "GitLab: You are not allowed to push code to protected branches on this project.",
            "[remote rejected] (pre-receive hook declined)",
        ),
        "gitea": ("Not allowed to push to protected branch main", "[remote rejected] (pre-receive hook declined)"),
    }
    assert done.returncode == 1
    assert [words for words in said[stage.forge.kind] if words not in done.stderr + done.stdout] == []
    assert stage.forge.machine.git.head("main") == stage.heads["bad"]


def test_an_atomic_push_that_names_it_refuses_every_ref(stage: Stage) -> None:
    stage.forge.protect(Rules())
    done = stage.push(BOT, "--atomic", "revert:refs/heads/main", "revert:refs/heads/journal")
    assert done.returncode == 1
    assert stage.forge.machine.git.branches() == {"main": stage.heads["bad"]}
    lines = [line for line in done.stdout.splitlines() if line.startswith("!")]
    assert len(lines) == 2
    if stage.forge.kind != "github":
        assert all("(pre-receive hook declined)" in line for line in lines)


def test_without_atomic_github_takes_the_other_branch(stage: Stage) -> None:
    stage.forge.protect(Rules())
    stage.push(BOT, "revert:refs/heads/main", "revert:refs/heads/journal")
    taken = "journal" in stage.forge.machine.git.branches()
    assert taken == (stage.forge.kind == "github")


def test_a_bot_above_the_rules_may_push_and_github_says_so(stage: Stage) -> None:
    stage.forge.protect(Rules(checks=(PLAN,), ruleset=True, bypass=frozenset({BOT})))
    done = stage.push(BOT, "revert:refs/heads/main")
    assert done.returncode == 0, done.stderr
    assert ("Bypassed rule violations for refs/heads/main" in done.stderr) == (stage.forge.kind == "github")


def test_a_ruleset_of_github_has_its_own_words(tmp_path: Path) -> None:
    with forge_world(tmp_path, "github") as stage:
        stage.forge.protect(Rules(ruleset=True, signed=True))
        done = stage.push("writer", "main~1:refs/heads/other", "main:refs/heads/main")
        assert done.returncode == 0  # nothing new comes to main
        stage.commit("main", "more", {VALUES: "tag: v3\n"})
        done = stage.push("writer", "main:refs/heads/main")
    assert "GH013: Repository rule violations found for refs/heads/main." in done.stderr
    assert "- Commits must have verified signatures." in done.stderr
    assert "(push declined due to repository rule violations)" in done.stdout


def test_who_may_only_read_cannot_push(stage: Stage) -> None:
    done = stage.push("reader", "revert:refs/heads/mine")
    said = {
        "github": "Permission to owner/config.git denied to reader.",
        "gitlab": "You are not allowed to push code to this project.",
        "gitea": "User permission denied for writing.",
    }
    assert done.returncode != 0
    assert said[stage.forge.kind] in done.stderr
    if stage.forge.kind != "gitea":
        assert "403" in done.stderr


def test_a_wrong_token_is_refused(stage: Stage) -> None:
    address = stage.forge.url.replace("http://", "http://x:wrong@")
    stage.git("push", f"{address}/owner/config.git", "revert:refs/heads/mine", ok=(128,))
    assert "mine" not in stage.forge.machine.git.branches()


def test_gitlab_makes_a_merge_request_of_push_options(tmp_path: Path) -> None:
    with forge_world(tmp_path, "gitlab") as stage:
        stage.commit("revert", 'Revert "shop v2"', {VALUES: "tag: v1\n"}, BOT, base="main")
        options = ("merge_request.create", "merge_request.target=main", "merge_request.title=Roll back shop")
        more = ("merge_request.label=rollback", "merge_request.label=rollback/auto", "merge_request.auto_merge")
        stage.forge.protect(Rules(approvals=1))
        done = stage.push(BOT, "revert:refs/heads/ours", options=(*options, *more))
        pull = stage.forge.state.pulls[1]
        assert done.returncode == 0
        assert "View merge request for ours" in done.stderr
        assert (pull.title, pull.head, pull.base, pull.author) == ("Roll back shop", "ours", "main", BOT)
        assert pull.labels == ["rollback", "rollback/auto"]
        assert pull.scheduled is not None
        forty = stage.push(BOT, f"revert:refs/heads/{'a' * 40}-x")
    assert "You cannot create a branch with a SHA-1 or SHA-256 branch name" in forty.stderr


def test_the_head_of_a_pull_request_follows_a_push(stage: Stage) -> None:
    stage.push(BOT, "revert:refs/heads/ours")
    stage.forge.people.open("writer", "ours", "Roll back shop")
    moved = stage.commit("revert", "once more", {"README.md": "more\n"}, BOT)
    done = stage.push(BOT, "revert:refs/heads/ours")
    assert done.returncode == 0
    assert stage.forge.state.pulls[1].head_sha == moved
    space = "merge-requests" if stage.forge.kind == "gitlab" else "pull"
    assert stage.forge.machine.git.git("rev-parse", f"refs/{space}/1/head") == moved


def test_a_token_without_the_right_to_write_cannot_push(stage: Stage) -> None:
    kept = {"github": "contents=read", "gitlab": "read_repository", "gitea": "read:repository"}
    stage.forge.limit_token(BOT, kept[stage.forge.kind])
    done = stage.push(BOT, "revert:refs/heads/ours")
    assert done.returncode != 0
    assert "Write access to repository not granted." in done.stderr
    assert "403" in done.stderr


def test_github_looks_for_workflows_and_secrets_in_every_push(tmp_path: Path) -> None:
    with forge_world(tmp_path, "github") as stage:
        stage.forge.limit_token(BOT, "contents=write")
        stage.commit("ours", "a workflow", {".github/workflows/ci.yml": "on: push\n"}, BOT, base="main")
        done = stage.push(BOT, "ours:refs/heads/ours")
        assert "refusing to allow a Personal Access Token to create or update workflow" in done.stdout
        stage.forge.limit_token(BOT, "contents=write", "workflows=write")
        assert stage.push(BOT, "ours:refs/heads/ours").returncode == 0
        stage.forge.limit_token(BOT, "contents=write")  # none is needed for what others have brought
        stage.forge.machine.git.point("refs/heads/main", stage.git("rev-parse", "ours"))
        stage.commit("ours", "no workflow", {"README.md": "r\n"}, BOT)
        assert stage.push(BOT, "ours:refs/heads/more").returncode == 0
        assert stage.push(BOT, ":refs/heads/ours").returncode == 0
        stage.forge.state.knobs.secret_in_push = True
        done = stage.push(BOT, "ours:refs/heads/again")
    assert "GH013: Repository rule violations found" in done.stderr
    assert "- Push cannot contain secrets" in done.stderr
