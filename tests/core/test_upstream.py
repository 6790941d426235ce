"""What a writer read, by what it left in the tree and in messages; and which commits there are to be taken back."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from gitops_rollback.core.commit import Commit, FileChange
from gitops_rollback.core.upstream import (
    Upstream,
    at_source,
    brought,
    dry_sha,
    kargo_promotion,
    named_in,
    proposed_branch,
    within,
)

NOW = datetime(2026, 1, 1, tzinfo=UTC)
A, B, C = "a" * 40, "b" * 40, "abcdef1" + "0" * 33


def commit(sha: str, *paths: str, message: str = "Change", blob: str = "1" * 40) -> Commit:
    changes = tuple(FileChange(path, "100644", "100644", "0" * 40, blob) for path in paths)
    return Commit(sha, ("9" * 40,), "8" * 40, "A <a@x>", "A <a@x>", NOW, message, changes)


@pytest.mark.parametrize(
    ("content", "sha"),
    [
        (f'{{"drySha": "{A}", "repoURL": "https://x"}}'.encode(), A),
        (f'{{"drySHA": "{A}"}}'.encode(), A),  # GitOps Promoter's examples
        (b'{"drySha": "n/a"}', ""),
        (b"{}", ""),
        (b"[]", ""),
        (b"not json", ""),
        (b"\xff", ""),
    ],
)
def test_the_metadata_of_a_hydrator_names_its_commit(content: bytes, sha: str) -> None:
    assert dry_sha(content) == sha


@pytest.mark.parametrize(
    ("message", "sha"),
    [
        (f"Render web\n\nSource: {A}\n", A),
        ("Render web from abcdef1", C),
        ("Render web at 1234567 by hand", ""),
        (f"Render {A[:7]} and {B[:7]}", ""),  # which of the two?
        ("Render web", ""),
    ],
)
def test_the_message_of_a_rendering_names_its_commit(message: str, sha: str) -> None:
    assert named_in(message, [commit(A), commit(B), commit(C)]) == sha


@pytest.mark.parametrize(
    ("paths", "found", "why"),
    [
        (("web/",), (A,), ""),
        (("api/",), (), "changes web/b.yaml as well"),
        (("web/", "api/"), (B, A), ""),
        (("none/",), (), "no commit there changes none/"),
        ((), (), "2 commits lie between"),
    ],
)
def test_only_what_the_writer_reads_is_taken_back(paths: tuple[str, ...], found: tuple[str, ...], why: str) -> None:
    line = [commit(B, "api/a.yaml", *(["web/b.yaml"] if paths == ("api/",) else [])), commit(A, "web/a.yaml")]
    shas, said = within(line, paths)
    assert (shas, why in said) == (found, True)


def test_a_copy_is_found_where_the_same_contents_stood() -> None:
    older, newer = commit(A, "staging/a.yaml"), commit(B, "staging/b.yaml", blob="2" * 40)
    wanted = {"staging/a.yaml": "1" * 40, "staging/b.yaml": "2" * 40}
    assert brought(wanted, [newer, older]) == ((newer, older), "")
    assert "staging/b.yaml is not known" in brought(wanted, [older])[1]
    assert at_source("envs/prod/web/a.yaml", "envs/staging") == "envs/staging/web/a.yaml"


def test_kargo_and_gitops_promoter_are_known_by_what_they_write() -> None:
    promotion = "prod.01j0z6y1m3k4n5p6q7r8s9t0v1.abc1234"
    assert kargo_promotion(commit(A, message=f"Promote\n\nBy {promotion}.")) == promotion
    assert kargo_promotion(commit(A, message="Promote prod.yaml")) == ""
    merge = "Promote\n\nPull-request-source-branch: environment/prod-next\nSha-dry-proposed: x\n"
    assert proposed_branch(commit(A, message=merge)) == "environment/prod-next"
    assert proposed_branch(commit(A, message="Promote\n\nPull-request-source-branch: fix\n")) == ""


def test_what_is_told_of_many_commits_is_short() -> None:
    words = Upstream("merge", "staging", (A, B, C, A)).words
    assert words == f"{A[:12]}, {B[:12]}, {C[:12]} and 1 more on staging"
