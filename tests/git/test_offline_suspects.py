"""`suspects` on a local clone: one question, or a batch of them, each answered by itself."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from small_history import START, Entry, Files, History

from gitops_rollback.app import offline_suspects

BASE = {
    "apps/web/kustomization.yaml": "resources: [../../base]\n",
    "base/kustomization.yaml": "resources: [deployment.yaml]\n",
    "base/deployment.yaml": "replicas: 1\n",
    "apps/api/deployment.yaml": "replicas: 1\n",
}


@pytest.fixture
def history(tmp_path: Path) -> History:
    return History(tmp_path / "config.git")


def batch(history: History, *questions: object) -> list[dict[str, Any]]:
    text = "".join(f"{json.dumps(one) if not isinstance(one, str) else one}\n" for one in questions).encode()
    command = [sys.executable, "-m", "gitops_rollback", "suspects", "--git-dir", str(history.git_dir), "--batch"]
    done = subprocess.run(command, input=text, capture_output=True, timeout=60, check=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


def at(minute: int) -> str:
    """A time as `small_history` gives its commits: one a minute."""
    return f"{datetime.fromtimestamp(START + 60 * minute, UTC):%Y-%m-%dT%H:%M:%SZ}"


def test_a_commit_to_a_shared_base_is_found_and_a_neighbours_is_not(history: History) -> None:
    good, bad, other, head = history.line(
        BASE, {"base/deployment.yaml": "replicas: 9\n"}, {"apps/api/deployment.yaml": "replicas: 2\n"}, {"README": "x"}
    )
    question = {"at": head, "since": good, "kustomization": "apps/web"}
    (found,) = batch(history, {"id": "q", **question})
    assert list(found) == ["id", "suspects", "none", "inputs", "scope"]
    assert found["id"] == "q"
    assert found["scope"] == "closure"
    (suspect,) = found["suspects"]
    assert suspect["commit"] == bad != other
    assert suspect["probability"] + found["none"] == pytest.approx(1)
    assert {entry["path"] for entry in found["inputs"]} == {*BASE} - {"apps/api/deployment.yaml"}


@pytest.mark.parametrize("name", ["apps/web/", "./apps/web", "apps/api/../web", "/apps/web/kustomization.yaml"])
def test_a_kustomization_is_known_by_any_spelling_of_its_folder(history: History, name: str) -> None:
    good, bad = history.line(BASE, {"base/deployment.yaml": "replicas: 9\n"})
    (found,) = batch(history, {"at": bad, "since": good, "kustomization": name})
    assert (found["scope"], [one["commit"] for one in found["suspects"]]) == ("closure", [bad])


def test_the_trees_that_are_kept_between_questions_are_bounded(
    history: History, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(offline_suspects, "MOST_FILES", 7)
    shas = history.line(BASE, *({"base/deployment.yaml": f"replicas: {n}\n"} for n in range(2, 8)))
    finder = offline_suspects.OfflineSuspects(history.git_dir)
    try:
        for since, sha in pairwise(shas):
            question = offline_suspects.Question(sha, since, kustomization="apps/web")
            listed = finder.answer(question)["suspects"]
            assert isinstance(listed, list)
            assert len(listed) == 1
            assert sum(len(tree.blobs) for tree in finder._trees.values()) <= 7
    finally:
        finder.close()


def test_the_plain_form_prints_the_same_object(history: History) -> None:
    good, bad, head = history.line(BASE, {"base/deployment.yaml": "replicas: 9\n"}, {"README": "x"})
    command = [sys.executable, "-m", "gitops_rollback", "suspects", "--git-dir", str(history.git_dir)]
    command += ["--at", head, "--since", good]
    named = ["--path", "base", "--path", "apps/*/x", "-o", "json"]
    done = subprocess.run([*command, *named], capture_output=True, timeout=60, check=False)
    assert done.returncode == 0
    (same,) = batch(history, {"at": head, "since": good, "paths": ["base", "apps/*/x"]})
    assert json.loads(done.stdout) == same
    assert same["scope"] == "paths"
    assert [one["commit"] for one in same["suspects"]] == [bad]
    none = subprocess.run([*command, "--path", "gone"], capture_output=True, timeout=60, check=False)
    assert none.returncode == 1


def test_later_than_the_onset_is_last_and_its_probability_is_nothing(history: History) -> None:
    good, bad, later = history.line(BASE, *({"base/deployment.yaml": f"replicas: {n}\n"} for n in (2, 3)))
    (found,) = batch(history, {"at": later, "since": good, "paths": ["base"], "onset": at(2)})
    listed = found["suspects"]
    assert isinstance(listed, list)
    assert [(one["commit"], one["probability"] > 0) for one in listed] == [(bad, True), (later, False)]


def test_a_revision_of_a_time_that_no_calendar_holds_is_ranked_all_the_same(history: History) -> None:
    good = history.commit(BASE)
    bad = history.commit({"base/deployment.yaml": "replicas: 9\n"}, [good], seconds=10**15)
    (found,) = batch(history, {"at": bad, "since": good, "paths": ["base"]})
    assert [one["commit"] for one in found["suspects"]] == [bad]


DEEP = '{"a":' * 700 + "1" + "}" * 700
APPLICATION = {"apiVersion": "argoproj.io/v1alpha1", "kind": "Application", "metadata": {"name": "web"}}


def test_a_whole_application_object_is_followed(history: History) -> None:
    good, bad = history.line(BASE, {"base/deployment.yaml": "replicas: 9\n"})
    application = {
        **APPLICATION,
        "spec": {"source": {"path": "apps/web"}, "syncPolicy": {"automated": {"prune": True}}},
    }
    (found,) = batch(history, {"at": bad, "since": good, "application": application})
    assert [one["commit"] for one in found["suspects"]] == [bad]


def test_links_and_submodules_are_followed_as_far_as_the_repository_goes(history: History) -> None:
    layout = {
        "apps/web/kustomization.yaml": "resources: [base, one.yaml, vendored/x.yaml, circle, out]\n",
        "apps/web/base": Entry("120000", b"../../base"),
        "apps/web/one.yaml": Entry("120000", b"../../shared/one.yaml"),
        "apps/web/vendored": Entry("160000", b"1" * 40),
        "apps/web/circle": Entry("120000", b"circle"),
        "apps/web/out": Entry("120000", b"../../../etc"),
        "base/kustomization.yaml": "resources: [a.yaml]\n",
        "base/a.yaml": "a: 1\n",
        "shared/one.yaml": "a: 1\n",
        "shared/two.yaml": "a: 1\n",
        "charts/web/Chart.yaml": "name: web\n",
        "charts/web/templates": Entry("120000", b"../../shared"),
    }
    changes: list[Files] = [
        {"base/a.yaml": "a: 2\n"},
        {"shared/one.yaml": "a: 2\n"},
        {"apps/web/vendored": Entry("160000", b"2" * 40)},
        {"apps/web/base": Entry("120000", b"../../other")},
        {"shared/two.yaml": "a: 2\n"},
    ]
    good, *bad = history.line(layout, *changes)
    (found,) = batch(history, {"at": bad[-1], "since": good, "kustomization": "apps/web"})
    assert {one["commit"] for one in found["suspects"]} == set(bad[:4])
    application = {**APPLICATION, "spec": {"source": {"path": "charts/web"}}}
    (found,) = batch(history, {"at": bad[-1], "since": good, "application": application})
    assert {one["commit"] for one in found["suspects"]} == {bad[1], bad[4]}


def test_a_wrong_question_gets_an_error_of_its_own_and_the_next_one_its_answer(history: History) -> None:
    good, bad = history.line(BASE, {"base/deployment.yaml": "replicas: 9\n"})
    whole = {"at": bad, "since": good, "paths": ["base"]}
    wrong: list[object] = [
        "not json",
        "[]",
        {**whole, "id": 1, "at": 7},
        {**whole, "id": 2, "kustomization": "x"},
        {**whole, "id": 3, "paths": "base"},
        {**whole, "id": 4, "onset": "yesterday"},
        {**whole, "id": 5, "at": "f" * 40},
        {**whole, "id": 6, "at": good, "since": bad},
        {"id": 7, "at": bad, "since": good, "application": {"kind": "Pod"}},
        {**whole, "id": 8, "onset": "0001-01-01T00:00:00+23:00"},
        f'{{"id": 9, "at": "{bad}", "since": "{good}", "application": {DEEP}}}',
    ]
    *refused, answered = batch(history, *wrong, whole)
    assert [one["id"] for one in refused] == [None, None, *range(1, 10)]
    assert "bug" not in json.dumps(refused)
    assert all(set(one) == {"id", "error"} and one["error"] for one in refused)
    assert answered["suspects"]


def test_a_question_with_thousands_of_paths_is_one_line(history: History) -> None:
    good, bad = history.line(BASE, {"base/deployment.yaml": "replicas: 9\n"})
    paths = [f"apps/of-a-large-team/{number}/values.yaml" for number in range(3_000)]
    (found,) = batch(history, {"at": bad, "since": good, "paths": [*paths, "base/deployment.yaml"]})
    assert [one["commit"] for one in found["suspects"]] == [bad]


def test_the_application_is_found_among_the_documents_of_its_file(history: History, tmp_path: Path) -> None:
    good, bad = history.line(BASE, {"base/deployment.yaml": "replicas: 9\n"})
    file = tmp_path / "app.yaml"
    source = "apiVersion: source.toolkit.fluxcd.io/v1\nkind: GitRepository\nmetadata: {name: config}\n"
    file.write_text(
        f"{source}---\napiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\n"
        "metadata: {name: web}\nspec: {path: apps/web}\n"
    )
    command = [sys.executable, "-m", "gitops_rollback", "suspects", "--git-dir", str(history.git_dir)]
    command += ["--at", bad, "--since", good, "--application", str(file), "-o", "json"]
    done = subprocess.run(command, capture_output=True, timeout=60, check=False)
    assert [one["commit"] for one in json.loads(done.stdout)["suspects"]] == [bad]
    file.write_text(source)
    assert subprocess.run(command, capture_output=True, timeout=60, check=False).returncode == 2
