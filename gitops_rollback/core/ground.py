"""Has the application run in this state before, and was it quiet there?

Source: safety.md, Known ground.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Ground(StrEnum):
    """What is known of a tree of the application's inputs. Where nobody can tell, the answer is None instead."""

    KNOWN = "known"  # was live before the onset, and no trigger fired when it was replaced
    NEW = "new"  # this combination has never run here
    BAD = "bad"  # was firing when it was replaced, or a rollback or a person took it back


@dataclass(frozen=True)
class LivedTree:
    """One time that a tree of inputs was live. `quiet` is None where no baseline shows it."""

    inputs: str
    since: datetime
    quiet: bool | None
    taken_back: bool = False


def judge_ground(inputs: str | None, lived: Iterable[LivedTree], onset: datetime) -> Ground | None:
    """The ground that a plan ends on whose inputs are `inputs` afterwards; None if it cannot be told.

    A tree that was ever taken back stays bad; otherwise its newest time before the onset decides.
    """
    if inputs is None:
        return None
    times = sorted((tree for tree in lived if tree.inputs == inputs), key=lambda tree: tree.since)
    if any(tree.taken_back for tree in times):
        return Ground.BAD
    before = [tree for tree in times if tree.since < onset]
    if not before:
        return Ground.NEW
    newest = before[-1]
    if newest.quiet is None:
        return None
    return Ground.KNOWN if newest.quiet else Ground.BAD
