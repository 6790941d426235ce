"""Which commits must go back together."""

from __future__ import annotations

from dataclasses import replace

import pytest
from plan_facts import a_commit

from gitops_rollback.core.commit import Commit
from gitops_rollback.core.companions import MOST, companions, in_order, request_of


def line(*messages: str) -> tuple[Commit, ...]:
    """Commits of these messages, newest first; the sha of the one at place n begins with n."""
    return tuple(a_commit(f"{place:x}" * 40, message=message) for place, message in enumerate(messages))


def found(blamed: int, *messages: str) -> list[int]:
    """The places of what goes back with the commit at place `blamed`."""
    commits = line(*messages)
    return [commits.index(one.commit) for one in companions([commits[blamed]], commits)]


def with_(*places: int) -> str:
    return "A\n\n" + "".join(f"Rollback-With: {str(place) * 9}\n" for place in places)


@pytest.mark.parametrize(
    ("blamed", "messages", "places"),
    [
        pytest.param(0, (with_(2), "B", "C"), [2], id="an older one that it names"),
        pytest.param(2, (with_(2), "B", "C"), [0], id="a newer one that names it"),
        pytest.param(0, (with_(1), with_(3), "C", "D"), [1, 3], id="what a companion names"),
        pytest.param(0, (with_(1, 3), "B", "C", "D"), [1, 3], id="two of them"),
        pytest.param(0, (with_(0), "B"), [], id="itself"),
        pytest.param(0, (with_(7), "B"), [], id="one that the range does not hold"),
        pytest.param(0, ("A\n\nRollback-With: 111\n", "B"), [], id="too short to tell"),
        pytest.param(0, ("A\n\nRollback-With: HEAD~1\n", "B"), [], id="no sha"),
        pytest.param(0, ("A (#12)", "B (#12)", "C (#12)", "D"), [1, 2], id="a pull request that was rebased"),
        pytest.param(1, ("A (#12)", "B (#12)", "C (#12)", "D"), [0, 2], id="from its middle"),
        pytest.param(0, ("A (#12)", "B", "C (#12)"), [], id="another one stands between"),
        pytest.param(0, ("A (#12)", "B (#13)"), [], id="two pull requests"),
        pytest.param(0, ('Revert "B (#12)"', "B (#12)"), [], id="a number that is quoted"),
        pytest.param(0, ("A\n\nPart-of: <https://g/m/5>\n", "B\n\nPart-of: <https://g/m/5>\n"), [1], id="a trailer"),
        pytest.param(0, ("A", "B"), [], id="nobody says anything"),
    ],
)
def test_what_goes_back_together(blamed: int, messages: tuple[str, ...], places: list[int]) -> None:
    assert found(blamed, *messages) == places


def test_a_name_that_means_two_commits_means_none() -> None:
    twins = [a_commit("a" * 39 + end, message="B") for end in "12"]
    one = a_commit("b" * 40, message=f"A\n\nRollback-With: {'a' * 12}\n")
    assert companions([one], [one, *twins]) == ()


def test_it_can_be_told_that_they_are_more_than_a_plan_may_hold() -> None:
    many = tuple(a_commit(f"{place:040x}", message="Part (#1)") for place in range(MOST + 5))
    assert len(companions([many[0]], many)) >= MOST
    assert len(companions([many[0]], many[:MOST])) == MOST - 1


def test_a_merge_brings_a_pull_request_as_a_whole() -> None:
    assert request_of(a_commit(message="Merge (#12)")) == "#12"
    merge = replace(a_commit(message="Merge (#12)"), parents=("1" * 40, "2" * 40))
    assert request_of(merge) == ""


def test_commits_are_undone_newest_first() -> None:
    commits = line("A", "B", "C")
    beside = a_commit("f" * 40)
    assert in_order((commits[2], beside, commits[0]), commits) == (commits[0], commits[2], beside)
