"""How many of a thing stands in lines that people read at night."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import gitops_rollback
from gitops_rollback.core.how_many import how_many

PRODUCT = Path(gitops_rollback.__file__).parent
SAID_BY_OTHERS = PRODUCT / "sandbox"  # in the words of the systems that it plays


@pytest.mark.parametrize(
    ("number", "thing", "said"),
    [(0, "file", "0 files"), (1, "file", "1 file"), (2, "file", "2 files"), (1, "policy", "1 policy"),
     (3, "policy", "3 policies")],
)  # fmt: skip
def test_one_thing_is_one_and_several_are_several(number: int, thing: str, said: str) -> None:
    assert how_many(number, thing) == said


def test_no_line_leaves_it_to_the_reader() -> None:
    files = [path for path in PRODUCT.rglob("*.py") if SAID_BY_OTHERS not in path.parents]

    found = [
        f"{path}: {line}" for path in files for line in path.read_text().splitlines() if re.search(r"\} \w+\(s\)", line)
    ]

    assert found == []
