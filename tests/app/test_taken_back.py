"""Which states did people take back, by what the branch's line of states shows?"""

from __future__ import annotations

import pytest

from gitops_rollback.app.inputs import taken_back


@pytest.mark.parametrize(
    ("line", "found"),
    [
        pytest.param("ABC", "", id="only forward"),
        pytest.param("ABA", "B", id="taken back"),
        pytest.param("ABCA", "BC", id="two at once"),
        pytest.param("ABAB", "B", id="landed again, it takes back nothing"),
        pytest.param("ABABCB", "BC", id="what is new since it landed again is taken back in its turn"),
        pytest.param("ABABABC", "B", id="to and fro"),
        pytest.param("AABBA", "B", id="the same state twice is no return"),
    ],
)
def test_a_return_takes_back_what_lies_between(line: str, found: str) -> None:
    assert "".join(sorted(taken_back(line))) == found
