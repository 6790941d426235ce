"""A three-way merge by line that lets neighbours through: what git calls a conflict only because two hunks touch.

A replacement of as many lines as it takes away splits into single lines, so that two people who changed lines side by
side do not collide. A line that stands further in or out than the one before it belongs to something else: then its
neighbours count as its own. Overlapping changes, and two insertions at one point, are never merged.
Source: git.md 5.2, rung 3; git's own merge (xdiff) wants an unchanged line between two hunks.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

MOST_COMPARISONS = 500_000  # pairs of equal lines; beyond that a comparison takes seconds


@dataclass(frozen=True)
class _Hunk:
    """The lines [start, end) of the base become `lines`."""

    start: int
    end: int
    lines: tuple[str, ...]
    moved: bool = False  # a line in the place of one that was indented in another way

    @property
    def keeps_its_place(self) -> bool:
        """True also for an insertion, which takes none."""
        return not self.moved and self.end - self.start in (0, len(self.lines))


def merged_lines(base: str, ours: str, theirs: str) -> str | None:
    """Both changes of `base` in one text; None if they overlap, or the texts are too alike in too many lines."""
    lines = base.splitlines(keepends=True)
    mine, other = _hunks(lines, ours.splitlines(keepends=True)), _hunks(lines, theirs.splitlines(keepends=True))
    if mine is None or other is None:
        return None
    hunks = sorted({*mine, *other}, key=lambda hunk: (hunk.start, hunk.end))
    merged: list[str] = []
    at = 0
    for before, hunk in zip((None, *hunks), hunks, strict=False):
        if before is not None and _collide(before, hunk):
            return None
        merged += lines[at : hunk.start]
        merged += hunk.lines
        at = hunk.end
    return "".join(merged + lines[at:])


def is_undone(base: str, ours: str, theirs: str) -> bool:
    """Is what `base` did to `theirs` nowhere in `ours`? So it is where doing it again would be possible, line by line.

    A second undoing must find that out, for where lines repeat themselves a merge would take back their twins. Beside
    a line that came, a later change may hold that very line, or what became of it: then nobody can say so.
    """
    lines = theirs.splitlines(keepends=True)
    done, since = _hunks(lines, base.splitlines(keepends=True)), _hunks(lines, ours.splitlines(keepends=True))
    if done is None or since is None or set(done) & set(since):
        return False
    beside = [(own, later) for own in done for later in since if own.start <= later.end and later.start <= own.end]
    if any(own.start == own.end or not set(own.lines).isdisjoint(later.lines) for own, later in beside):
        return False
    return not _still_stands(done, base, ours) and merged_lines(theirs, ours, base) is not None


def _still_stands(done: Sequence[_Hunk], base: str, ours: str) -> bool:
    """Does a passage that `done` brought into `base` stand in `ours`? A single line proves nothing: it has twins."""
    since = _hunks(base.splitlines(keepends=True), ours.splitlines(keepends=True))
    grown = 0
    for hunk in done:
        start, count = hunk.start + grown, len(hunk.lines)
        grown += count - (hunk.end - hunk.start)
        gone = sum(max(min(later.end, start + count) - max(later.start, start), 0) for later in since or ())
        if count > 1 and 2 * gone < count:
            return True
    return False


def _collide(one: _Hunk, other: _Hunk) -> bool:
    """Do two changes overlap, `one` being the first? Beside what grew or shrank an insertion has no place."""
    if other.start < one.end or other.end == one.start:
        return True
    if other.start > one.end or (one.start < one.end and other.start < other.end):
        return False
    return not (one.keeps_its_place and other.keeps_its_place) or not set(one.lines).isdisjoint(other.lines)


def _hunks(base: Sequence[str], other: Sequence[str]) -> tuple[_Hunk, ...] | None:
    start = _alike(base, other)
    tail = _alike(base[start:][::-1], other[start:][::-1])
    left, right = base[start : len(base) - tail], other[start : len(other) - tail]
    counts = Counter(right)
    if sum(counts[line] for line in left) > MOST_COMPARISONS:
        return None
    found: list[_Hunk] = []
    for kind, i1, i2, j1, j2 in SequenceMatcher(None, left, right, autojunk=False).get_opcodes():
        if kind != "equal":
            first = found[-1].end if found else 0
            found += _split(base, *_slid(base, first, start + i1, start + i2, right[j1:j2]))
    return tuple(found)


def _slid(
    base: Sequence[str], first: int, start: int, end: int, lines: Sequence[str]
) -> tuple[int, int, Sequence[str]]:
    """The same change as far up as it can stand: among equal lines it has several places, and must have only one."""
    while lines and start == end > first and base[start - 1] == lines[-1]:
        start, end, lines = start - 1, end - 1, (lines[-1], *lines[:-1])
    while not lines and start > first and base[start - 1] == base[end - 1]:
        start, end = start - 1, end - 1
    return start, end, lines


def _alike(one: Sequence[str], other: Sequence[str]) -> int:
    pairs = zip(one, other, strict=False)
    return next((count for count, (a, b) in enumerate(pairs) if a != b), min(len(one), len(other)))


def _split(base: Sequence[str], start: int, end: int, lines: Sequence[str]) -> list[_Hunk]:
    if end - start != len(lines):
        return [_Hunk(start, end, tuple(lines))]
    places = range(start, end)
    return [
        _Hunk(place, place + 1, (line,), _indent(line) != _indent(base[place]))
        for place, line in zip(places, lines, strict=True)
    ]


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip(" \t"))
