"""A push whose answer is lost is recognised at the next read, and never made twice."""

from __future__ import annotations

from pathlib import Path

import pytest
from lost_answers import run_pushes


@pytest.mark.parametrize("seed", range(1))
def test_each_push_is_known_and_made_once(tmp_path: Path, seed: int) -> None:
    assert run_pushes(tmp_path, seed) == ()
