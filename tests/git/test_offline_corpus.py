"""Reverts that people made in six real repositories, and harder ones that nobody chose; one batch process each."""

from __future__ import annotations

import re
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from gitops_rollback.sandbox.corpus import Case, ask, load

Answer = dict[str, object]
MARKER = re.compile(r"^(<{7}|>{7})( |$)", re.MULTILINE)
# The commit removed conflict markers that an earlier one had brought; the person took that back, markers and all.
HALF_MERGED = ("phalanx/024796b15139", "clean", "conflict", "GateFailed")
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(frozen=True)
class Replay:
    git_dir: Path
    cases: list[Case]
    answers: list[Answer]

    @property
    def clean(self) -> list[tuple[Case, Answer]]:
        return [(c, a) for c, a in zip(self.cases, self.answers, strict=True) if a["outcome"] == "clean"]

    def texts(self, tree: object, paths: object) -> dict[str, str]:
        """The content of some paths of a tree; absent ones are left out."""
        assert isinstance(paths, list)
        return {path: text for path in paths if (text := self._text(f"{tree}:{path}")) is not None}

    def _text(self, name: str) -> str | None:
        done = subprocess.run(["git", f"--git-dir={self.git_dir}", "cat-file", "blob", name], capture_output=True)
        return done.stdout.decode() if done.returncode == 0 else None


def _replay(corpus: Path, file: str, git_dir: Path) -> Replay:
    cases = load(corpus, file, git_dir)
    requests: list[Answer] = [{"id": case.name, "at": case.shas[2], "revert": case.shas[1]} for case in cases]
    return Replay(git_dir, cases, ask(git_dir, requests, sys.executable))


@pytest.fixture(scope="module")
def chosen(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Replay:
    return _replay(shared / "corpus", "cases.jsonl", tmp_path_factory.mktemp("chosen") / "cases.git")


@pytest.fixture(scope="module")
def sampled(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Replay:
    return _replay(shared / "corpus", "sampled.jsonl", tmp_path_factory.mktemp("sampled") / "sampled.git")


@pytest.fixture(params=["chosen", "sampled"])
def replay(request: pytest.FixtureRequest) -> Replay:
    found = request.getfixturevalue(request.param)
    assert isinstance(found, Replay)
    return found


def test_what_plain_git_can_undo_has_the_same_outcome_here(replay: Replay) -> None:
    differing = [
        (case.name, case.fields["plain"], answer["outcome"], answer["reason"])
        for case, answer in zip(replay.cases, replay.answers, strict=True)
        if case.fields["plain"] not in ("conflict", answer["outcome"])
    ]
    assert set(differing) <= {HALF_MERGED}


def test_four_of_five_conflicts_of_people_are_solved_and_three_as_they_did(chosen: Replay) -> None:
    solved = [(case, answer) for case, answer in chosen.clean if case.fields["plain"] == "conflict"]
    assert len(solved) >= 4
    assert sum(answer["tree"] == case.trees[3] for case, answer in solved) >= 3


def test_most_conflicts_are_solved_and_what_is_superseded_is_named(sampled: Replay) -> None:
    rungs = Counter(answer["rung"] for case, answer in sampled.clean if case.fields["plain"] == "conflict")
    assert rungs[3] >= 34
    assert rungs[4] >= 230
    for case, answer in sampled.clean:
        assert (answer["rung"] == 4) == bool(answer["superseded"]), case.name
        assert answer["superseded"] in ([], [case.shas[2]])


def test_the_tree_is_the_persons_own_in_at_least_96_of_100(chosen: Replay) -> None:
    equal = {case.name: answer["tree"] == case.trees[3] for case, answer in chosen.clean}
    assert sum(equal.values()) / len(chosen.cases) >= 0.96
    assert not [c.name for c, _ in chosen.clean if equal[c.name] < bool(c.fields["plain_equal"])]


def test_no_clean_result_holds_conflict_markers(replay: Replay) -> None:
    for case, answer in replay.clean:
        for path, text in replay.texts(answer["tree"], answer["paths"]).items():
            assert not MARKER.search(text), f"{case.name}: {path}"


def test_what_was_yaml_before_and_after_is_yaml_in_the_result(replay: Replay) -> None:
    checked = 0
    for case, answer in replay.clean:
        for path, text in replay.texts(answer["tree"], answer["paths"]).items():
            before = [case.files[path][version] for version in ("base", "state") if path in case.files]
            if path.endswith((".yaml", ".yml")) and all(part is None or _parses(part) for part in before):
                checked += 1
                assert _parses(text), f"{case.name}: {path}"
    assert checked > 100


def _parses(text: str) -> bool:
    try:
        return bool([*yaml.parse(text, Loader=LOADER)])
    except yaml.YAMLError:
        return False


def test_no_path_is_changed_that_the_commit_did_not_touch(replay: Replay) -> None:
    strayed = []
    for case, answer in replay.clean:
        touched = {path for path, texts in case.files.items() if texts["base"] != texts["culprit"]}
        assert isinstance(answer["paths"], list)
        strayed += [(case.name, path) for path in answer["paths"] if path not in touched and not _moved(case, path)]
    assert not strayed


def _moved(case: Case, path: str) -> bool:
    """The path came into being after the culprit, while one that the culprit touched went away."""
    gone = any(texts["culprit"] is not None and texts["state"] is None for texts in case.files.values())
    return gone and path in case.files and case.files[path]["culprit"] is None


def test_an_encrypted_file_is_only_ever_swapped_whole(replay: Replay) -> None:
    for case, answer in replay.clean:
        for path, text in replay.texts(answer["tree"], answer["paths"]).items():
            if "ENC[AES256_GCM" in text:
                assert text in [texts["base"] for texts in case.files.values()], f"{case.name}: {path}"


def test_a_conflict_names_the_later_commit_and_its_paths(replay: Replay) -> None:
    for case, answer in zip(replay.cases, replay.answers, strict=True):
        if answer["outcome"] == "conflict":
            explained = answer["explained"]
            assert isinstance(explained, list)
            assert explained
            known = {entry["path"] for entry in explained}
            conflicts = case.fields.get("conflicts")
            assert conflicts is None or isinstance(conflicts, dict)
            assert known == set(conflicts or known), case.name
            assert {entry["commit"] for entry in explained} <= {case.shas[2], None}
            assert all(entry["why"] and entry["todo"] for entry in explained)


def test_undoing_again_at_the_result_never_makes_a_second_change(replay: Replay) -> None:
    requests: list[Answer] = [{"at": answer["commit"], "revert": case.shas[1]} for case, answer in replay.clean]
    outcomes = Counter(answer["outcome"] for answer in ask(replay.git_dir, requests, sys.executable))
    assert outcomes["clean"] == 0
    assert outcomes["empty"] >= 0.98 * len(requests)
