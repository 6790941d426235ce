"""A merge by line where git would stop because two changes touch."""

from __future__ import annotations

import pytest

from gitops_rollback.core.merging.lines import MOST_COMPARISONS, is_undone, merged_lines

BASE = "1\n2\n3\n4\n"


@pytest.mark.parametrize(
    ("ours", "theirs", "merged"),
    [
        ("1\ntwo\n3\n4\n", "1\n2\nthree\n4\n", "1\ntwo\nthree\n4\n"),
        ("one\ntwo\n3\n4\n", "1\n2\nthree\nfour\n", "one\ntwo\nthree\nfour\n"),
        ("1\nnew\n2\n3\n4\n", "1\ntwo\n3\n4\n", "1\nnew\ntwo\n3\n4\n"),
        ("1\n3\n4\n", "1\n2\nthree\n4\n", "1\nthree\n4\n"),
        ("one\n2\n3\n4\n", "one\n2\n3\nfour\n", "one\n2\n3\nfour\n"),
        ("one\ntwo\n3\n4\n", "1\ntwo\nthree\n4\n", "one\ntwo\nthree\n4\n"),
        ("1\n2\n3\n4\n5", "1\n2\n3\nfour\n", None),
    ],
    ids=[
        "side by side",
        "two and two",
        "put in before",
        "taken out beside",
        "the same change",
        "a change in common",
        "at the end",
    ],
)
def test_neighbours_are_merged_and_one_place_is_not(ours: str, theirs: str, merged: str | None) -> None:
    if merged is None:
        assert merged_lines(BASE, ours, theirs) == "1\n2\n3\nfour\n5"
    else:
        assert merged_lines(BASE, ours, theirs) == merged
        assert merged_lines(BASE, theirs, ours) == merged


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ("1\ntwo\n3\n4\n", "1\nzwei\n3\n4\n"),
        ("1\na\n2\n3\n4\n", "1\nb\n2\n3\n4\n"),
        ("1\nx\n4\n", "1\n2\nthree\n4\n"),
    ],
    ids=["the same line", "two insertions at one point", "overlapping"],
)
def test_a_clash_is_never_guessed(ours: str, theirs: str) -> None:
    assert merged_lines(BASE, ours, theirs) is None


def test_a_line_that_belongs_to_another_one_now_is_not_parted_from_it() -> None:
    before, culprit = "- a\n- bad\n- c\n", "- a\n- c\n"
    assert merged_lines(culprit, "- a\n- C\n", before) == "- a\n- bad\n- C\n"
    assert merged_lines(culprit, "- a\n  of: a\n", before) is None


def test_lines_that_are_too_much_alike_are_not_compared() -> None:
    many = "same\n" * (int(MOST_COMPARISONS**0.5) + 2)
    assert merged_lines(f"a\n{many}b\n", f"c\n{many}d\n", f"e\n{many}f\n") is None


def test_a_change_whose_twin_stands_elsewhere_is_known_to_be_undone() -> None:
    before, culprit = "x\n-\ny\n", "x\nfriend\n-\ny\n"
    later = "x\n-\nfriend\ny\n"  # undone, and somebody else added the same line elsewhere
    assert is_undone(culprit, later, before)
    assert not is_undone(culprit, culprit, before)
    assert not is_undone(culprit, "x\nfriend\n-\nz\n", before)


ADDED = ("a: 1\nb: 2\n", "a: 1\nnew:\n  x: 1\nb: 2\n")  # before the culprit, and with it


@pytest.mark.parametrize(
    "later",
    ["a: 1\nnew:\n  x: 1\nb: 3\n", "a: 3\nnew:\n  x: 1\nb: 2\n", "a: 1\nnew:\n  x: 1\n", "a: 1\nnew:\n  x: 7\nb: 3\n"],
    ids=["the line below was set", "the line above was set", "the line below went", "it was set again itself"],
)
def test_what_was_put_in_and_still_stands_beside_a_later_change_is_not_undone(later: str) -> None:
    before, culprit = ADDED
    assert not is_undone(culprit, later, before)
    assert merged_lines(culprit, later, before) in (None, later.replace("new:\n  x: 1\n", ""))


def test_what_was_put_in_among_equal_lines_is_found_wherever_it_is_seen() -> None:
    block = "---\nkind: {}\nspec: 1\n"
    before, culprit = block.format("A") * 2, block.format("A") + block.format("B") + block.format("A")
    assert not is_undone(culprit, "first\n" + culprit, before)
    assert merged_lines(culprit, "first\n" + culprit, before) == "first\n" + before


def test_a_passage_that_came_is_seen_where_most_around_it_went() -> None:
    before = "a\nb\nc\nd\n"
    culprit = "a\none\ntwo\nb\nc\nd\n"
    assert not is_undone(culprit, "one\ntwo\nc\nd\n", before)


@pytest.mark.parametrize(
    ("base", "ours", "theirs"),
    [("p\n", "P\nx2\n", "p\nx\n"), ("b\n", "a\nb\n", "a\n")],
    ids=["beside a line that grew", "the very line that comes back"],
)
def test_a_line_that_may_be_there_already_is_not_put_in_by_line(base: str, ours: str, theirs: str) -> None:
    assert merged_lines(base, ours, theirs) is None
