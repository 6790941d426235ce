"""A push whose answer is lost is recognised at the next read, and never made twice. The soak asks other seeds."""

from __future__ import annotations

from pathlib import Path

from ambiguous_pushes import cut_pushes

PUSHES = 20
SEED = 1


def test_pushes_without_an_answer_are_recognised_and_never_made_twice(tmp_path: Path) -> None:
    found = cut_pushes(tmp_path, PUSHES, SEED)
    assert found.wrong == []
    assert found.late, "each answer came by itself, so this shows nothing"
    assert found.raced, "nobody else pushed, so this shows nothing"
