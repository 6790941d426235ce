"""Does the table of promises stay true? Each of the 21 names code, a check and a planted fault that are there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "gitops_rollback"
FOLDERS = (PACKAGE, PACKAGE / "sandbox/simulation", ROOT / "tests/simulation/planted")
TABLE = (ROOT / "benchmarks/simulation.md").read_text("utf-8").partition("## The promises")[2].partition("\n## ")[0]
ROWS = {
    int(found[1]): line.strip("| ").split(" | ")
    for line in TABLE.splitlines()
    if (found := re.match(r"\| (\d+) \|", line))
}


def test_all_promises_are_in_the_table() -> None:
    assert sorted(ROWS) == list(range(1, 22))


@pytest.mark.parametrize("number", range(1, 22))
def test_a_promise_names_what_keeps_it_what_checks_it_and_what_breaks_it(number: int) -> None:
    for folder, cell in zip(FOLDERS, ROWS[number][2:], strict=True):
        named = re.findall(r"`([^`]+)`", cell)
        assert named, f"promise {number}: nothing of {folder.name}"
        assert [name for name in named if not (folder / name).is_file()] == []


@pytest.mark.parametrize("number", range(1, 22))
def test_the_planted_fault_of_a_promise_says_that_it_breaks_it(number: int) -> None:
    for name in re.findall(r"`([^`]+)`", ROWS[number][4]):
        head = (FOLDERS[2] / name).read_text("utf-8").partition("diff --git")[0]
        (broken,) = re.findall(r"^Promises: (.+)$", head, re.MULTILINE)
        assert str(number) in broken.split(", "), f"{name} breaks {broken}"
