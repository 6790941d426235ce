"""A few recorded answers of a Kubernetes API that are part of this repository: the sandbox gives the same."""

from __future__ import annotations

from pathlib import Path

import pytest
from sandbox_kubernetes_recordings import Recorded, assert_answered_as_recorded, recorded, replayed
from sandbox_kubernetes_world import Reply

ANSWERS = recorded(Path(__file__).parent / "kubernetes" / "answers.jsonl")


@pytest.fixture(scope="module")
def replies() -> dict[str, Reply]:
    """Every request made again, once."""
    return replayed(ANSWERS)


@pytest.mark.parametrize("one", ANSWERS, ids=lambda one: one.note)
def test_the_sandbox_answers_as_recorded(one: Recorded, replies: dict[str, Reply]) -> None:
    assert_answered_as_recorded(one, replies[one.note])
