"""In how many simulated worlds is each planted bug found, counted from seed 0? Prints a table as markdown.

Run: `python benchmarks/planted_bugs.py [NUMBER ...]`; with `--most N` no search takes more than N seeds. Exit 1 if a
bug was not found, or its patch no longer applies.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from planting import Planted, Search

SIMULATION = Path(__file__).resolve().parents[1] / "tests" / "simulation"
MOST = 2000
ASKED = 500  # seeds: the median must be below


sys.path.insert(0, str(SIMULATION))
planting = import_module("planting")


def main(arguments: list[str]) -> int:
    """Search side by side, one process for each core."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("numbers", nargs="*", type=int, help="which bugs; all of them if none is named")
    parser.add_argument("--most", type=int, default=MOST, help="the most seeds that a search may take")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="how many searches side by side")
    asked = parser.parse_args(arguments)
    bugs = [bug for bug in planting.planted() if not asked.numbers or bug.number in asked.numbers]
    with ThreadPoolExecutor(asked.jobs) as pool:
        results = list(pool.map(partial(_searched, most=asked.most), bugs))
    print(*table(bugs, results), sep="\n")
    missed = [bug for bug, result in zip(bugs, results, strict=True) if result is None or not result.found]
    return 1 if missed else 0


def _searched(bug: Planted, most: int) -> Search | None:
    try:
        found = planting.search(bug, 0, most)
    except planting.PatchStale as stale:
        print(stale, file=sys.stderr, flush=True)
        return None
    print(f"{bug.number} {bug.name}: {found.seeds} seeds; {found.line or 'not found'}", file=sys.stderr, flush=True)
    return found


def table(bugs: list[Planted], results: list[Search | None]) -> list[str]:
    """One row for each bug, then the median."""
    lines = ["| number | planted bug | promises | scenario | seeds until found |", "|---|---|---|---|---|"]
    for bug, result in zip(bugs, results, strict=True):
        words = "patch is stale" if result is None else str(result.seeds) if result.found else "not found"
        lines.append(f"| {bug.number} | {bug.bug} | {', '.join(bug.promises)} | {bug.scenario} | {words} |")
    found = [result.seeds for result in results if result is not None and result.found]
    median = f"{statistics.median(found):g} (asked: below {ASKED})" if found else "none"
    lines += ["", f"{len(found)} of {len(bugs)} found; median of the seeds until found: {median}."]
    lines += [f"Number {number} has no feature yet: {words}." for number, words in sorted(planting.NOT_BUILT.items())]
    return lines


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
