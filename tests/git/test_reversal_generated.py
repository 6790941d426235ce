"""Generated files go back whole with their sources, and are never put together from two generations."""

from __future__ import annotations

from pathlib import Path

import pytest
from small_history import Files, History

from gitops_rollback.adapters.git.door import Git
from gitops_rollback.adapters.git.gates import GENERATED, is_generated
from gitops_rollback.adapters.git.reversal import reverse
from gitops_rollback.core.errors import Reason
from gitops_rollback.core.plan import PlanOutcome, Reversal


@pytest.fixture
def history(tmp_path: Path) -> History:
    return History(tmp_path / "config.git")


def undo(history: History, at: str, revert: str, good: str | None = None) -> Reversal:
    return reverse(Git(history.git_dir), at, [revert], None, good)


def rendered(first: int = 1, last: int = 1) -> str:
    return f"first: {first}\na: 1\nb: 2\nc: 3\nlast: {last}\n"


MARKED: dict[str, Files] = {
    "at the root": {".gitattributes": "rendered/** linguist-generated\n"},
    "by its name": {".gitattributes": "*.yaml linguist-generated=true\n"},
    "beside it": {"rendered/.gitattributes": "all.yaml linguist-generated diff=none\n"},
    "said anew further in": {
        ".gitattributes": "*.yaml -linguist-generated\n",
        "rendered/.gitattributes": "*.yaml linguist-generated\n",
    },
}
NOT_MARKED: dict[str, Files] = {
    "another file": {".gitattributes": "other/** linguist-generated\n"},
    "taken back": {".gitattributes": "*.yaml linguist-generated\nrendered/*.yaml -linguist-generated\n"},
    "a comment": {".gitattributes": "# *.yaml linguist-generated\n\n"},
    "another word": {".gitattributes": "*.yaml text eol=lf\n"},
}
FILE = "rendered/all.yaml"


@pytest.mark.parametrize("attributes", [*MARKED.values(), *NOT_MARKED.values()], ids=[*MARKED, *NOT_MARKED])
def test_what_the_repository_says_is_generated_is_not_merged_by_line(history: History, attributes: Files) -> None:
    first: Files = {FILE: rendered(), **attributes}
    _, bad, head = history.line(first, {FILE: rendered(last=2)}, {FILE: rendered(first=2, last=2)})
    reversal = undo(history, head, bad)
    if attributes in NOT_MARKED.values():
        assert history.content(reversal.tree)[FILE] == rendered(first=2)
        return
    assert (reversal.outcome, reversal.gate_reason) == (PlanOutcome.CONFLICT, Reason.GATE_FAILED)
    assert [(one.path, one.commit, one.why) for one in reversal.explained] == [(FILE, head, GENERATED)]


def test_a_lock_file_goes_back_with_its_source(history: History) -> None:
    first: Files = {"c/Chart.yaml": "d: 1\n", "c/Chart.lock": "digest: 1\n"}
    before, bad, head = history.line(first, {"c/Chart.yaml": "d: 2\n", "c/Chart.lock": "digest: 2\n"}, {"e": "1\n"})
    reversal = undo(history, head, bad)
    assert (reversal.outcome, reversal.rung) == (PlanOutcome.CLEAN, 1)
    assert history.content(reversal.tree) == {**history.content(before), "e": "1\n"}


def test_one_that_was_generated_again_since_is_made_anew_by_a_person(history: History) -> None:
    steps: list[Files] = [{"c/Chart.yaml": f"d: {n}\n", "c/Chart.lock": f"digest: {n}\n"} for n in "123"]
    good, bad, head = history.line(*steps)
    reversal = undo(history, head, bad, good)
    assert reversal.outcome is PlanOutcome.CONFLICT
    (lock,) = [one for one in reversal.explained if one.path == "c/Chart.lock"]
    assert (lock.commit, lock.todo) == (head, "Undo its sources, and run what generates it.")
    assert lock.why.startswith("it is generated")


def test_a_marked_file_does_not_go_back_as_a_whole_without_its_sources(history: History) -> None:
    marks: Files = {".gitattributes": "*.out linguist-generated\n"}
    good, bad, head = history.line({"a.out": "1\n", **marks}, {"a.out": "2\n"}, {"a.out": "3\n"})
    assert undo(history, head, bad, good).outcome is PlanOutcome.CONFLICT


@pytest.mark.parametrize(
    "name", ["Chart.lock", "package-lock.json", ".terraform.lock.hcl", "vendir.lock.yml", "gradle.lockfile", "go.sum"]
)
def test_lock_files_are_known_by_name(name: str) -> None:
    assert is_generated(f"a/{name}", b"")
    assert not is_generated(f"a/un{name}ed.yaml", b"")
