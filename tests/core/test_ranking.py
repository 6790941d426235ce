"""Who is likeliest to be to blame, and can the number be taken at its word?"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from gitops_rollback.core.commit import Commit, FileChange
from gitops_rollback.core.ranking import IMAGE_LIKELIHOOD, Traces, is_machine, rank

NOW = datetime(2026, 11, 20, 19, 30, tzinfo=UTC)
INPUTS = {"apps/web/a.yaml", "apps/web/b.yaml"}


def commit(name: str, minutes: float, *paths: str, author: str = "Ann <ann@example.com>", message: str = "x") -> Commit:
    changes = tuple(FileChange(path, "100644", "100644", "a" * 40, "b" * 40) for path in paths)
    at = NOW - timedelta(minutes=minutes)
    return Commit(name * 40, (), "e" * 40, author, author, at, message, changes)


def test_all_shares_and_that_of_nobody_sum_to_one_and_bystanders_are_left_out() -> None:
    commits = [commit("a", 1, "apps/web/a.yaml"), commit("b", 9, "docs/x.md"), commit("c", 60, "apps/web/b.yaml")]
    found = rank(commits, INPUTS, None, NOW)
    assert [one.commit.sha[0] for one in found.suspects] == ["a", "c"]
    assert sum(one.probability for one in found.suspects) + found.none == pytest.approx(1)
    assert found.suspects[0].probability > 0.5
    assert "changes apps/web/a.yaml" in found.suspects[0].evidence


def test_what_came_after_the_onset_did_not_do_it() -> None:
    commits = [
        commit("a", 1, "apps/web/a.yaml"),
        commit("b", 20, "apps/web/a.yaml"),
        commit("c", 600, "apps/web/a.yaml"),
    ]
    found = rank(commits, INPUTS, NOW - timedelta(minutes=15), NOW)
    assert [one.commit.sha[0] for one in found.suspects] == ["b", "c", "a"]
    assert found.suspects[0].probability > 0.9
    assert found.suspects[-1].probability == 0
    assert "committed after the onset" in found.suspects[-1].evidence


def test_a_known_onset_makes_a_close_commit_much_likelier() -> None:
    commits = [commit("a", 30, "apps/web/a.yaml"), commit("b", 300, "apps/web/a.yaml")]
    vague = rank(commits, INPUTS, None, NOW).suspects[0].probability
    assert rank(commits, INPUTS, NOW - timedelta(minutes=29), NOW).suspects[0].probability > vague


def test_a_focused_change_of_a_person_outweighs_a_wide_one_of_a_machine() -> None:
    wide = commit("a", 60, "apps/web/a.yaml", *(f"x/{n}" for n in range(40)), author="renovate[bot] <bot@example.com>")
    found = rank([wide, commit("b", 70, "apps/web/b.yaml")], INPUTS, None, NOW)
    assert [one.commit.sha[0] for one in found.suspects] == ["b", "a"]
    assert {"made by a machine", "changes 40 files elsewhere too"} <= set(found.suspects[1].evidence)


def test_what_the_failing_pods_run_counts_by_the_factor_that_is_stated() -> None:
    commits = [commit("a", 30, "apps/web/a.yaml"), commit("b", 31, "apps/web/b.yaml")]
    image, workload = Traces(image="web:1.1"), Traces(workload="Deployment web")
    plain, seen = (rank(commits, INPUTS, NOW, NOW, traces).suspects for traces in ({}, {"b" * 40: image}))
    odds = [one.probability / other.probability for one, other in (plain[::-1], seen)]
    assert [one.commit.sha[0] for one in seen] == ["b", "a"]
    assert odds[1] / odds[0] == pytest.approx(IMAGE_LIKELIHOOD)
    assert "sets web:1.1, which the failing Pods run (taken 8 times as likely)" in seen[0].evidence
    both = rank(commits, INPUTS, NOW, NOW, {"b" * 40: Traces("web:1.1", "Deployment web")}).suspects
    assert both[0].probability > rank(commits, INPUTS, NOW, NOW, {"b" * 40: workload}).suspects[0].probability


def test_where_no_pods_were_seen_nothing_changes() -> None:
    commits = [commit("a", 30, "apps/web/a.yaml"), commit("b", 31, "apps/web/b.yaml")]
    assert rank(commits, INPUTS, NOW, NOW, {"b" * 40: Traces()}) == rank(commits, INPUTS, NOW, NOW)


def test_with_nobody_in_the_list_it_was_nobody_of_the_list() -> None:
    assert rank([commit("a", 1, "docs/x.md")], INPUTS, None, NOW).none == 1


@pytest.mark.parametrize(
    ("author", "machine"),
    [
        ("renovate[bot] <29139614+renovate[bot]@users.noreply.github.com>", True),
        ("fluxcdbot <fluxcdbot@users.noreply.github.com>", True),
        ("jenkins-infra-bot <x@y>", True),
        ("argocd-image-updater <noreply@argoproj.io>", True),
        ("Abbot Costello <abbot@example.com>", False),
        ("Ann <ann@example.com>", False),
        ("Fluxman <f@example.com>", False),
    ],
)
def test_machines_are_told_by_their_names(author: str, machine: bool) -> None:
    assert is_machine(commit("a", 1, "x", author=author)) is machine
