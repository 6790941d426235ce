"""Is each of the 92 numbered bad inputs put to the product by a test? The number stands in the test's own name.

What concerns a part that is not built yet is listed in `LATER` with the reason; whoever builds that part takes its
numbers out, and this test asks for theirs.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
COUNTS = {"P": 28, "R": 20, "E": 10, "M": 12, "W": 12, "Q": 10}
ALL = {f"{letter}{number}" for letter, count in COUNTS.items() for number in range(1, count + 1)}

LATER: dict[str, str] = {}

# Where numbers stand beside other tests of the same reader, so that no case is written twice.
FILES = (
    "tests/app/test_comment_door.py",
    "tests/app/test_requested.py",
    "tests/bad_inputs",
    "tests/contract/test_prometheus_answers.py",
    "tests/contract/test_argocd_answers.py",
    "tests/contract/test_argocd_stream.py",
    "tests/contract/test_argocd_wire.py",
    "tests/core/test_comment_commands.py",
    "tests/core/test_in_force.py",
    "tests/git/test_git_clone.py",
)
NUMBER = re.compile(r"(?<![A-Za-z0-9])([PREMWQpremwq])([1-9][0-9]?)(?![A-Za-z0-9])")


def numbers_of_tests() -> set[str]:
    """The numbers in the names of all tests that pytest finds."""
    command = [sys.executable, "-m", "pytest", "--collect-only", "-p", "no:cacheprovider", *FILES]
    told = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert told.returncode == 0, told.stdout[-2000:]
    names = [line.partition("::")[2].replace("_", " ") for line in told.stdout.splitlines() if "::" in line]
    return {f"{letter.upper()}{number}" for name in names for letter, number in NUMBER.findall(name)}


def test_each_of_the_92_is_tested_or_listed_with_the_reason() -> None:
    found = numbers_of_tests()
    assert sorted(ALL - found - set(LATER)) == []
    assert sorted(found & set(LATER)) == []
    assert len(ALL) == 92
    assert set(LATER) <= ALL
