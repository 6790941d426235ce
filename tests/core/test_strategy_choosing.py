"""`mode: auto` of a canary: when do weights go down before the revert, and what people read about it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import pytest

from gitops_rollback.core.strategies.choosing import Shift, Times, choose

PAUSE = timedelta(minutes=1)
MEASURED = Times(timedelta(minutes=10), 3, timedelta(minutes=1), 4)


def shift(
    now: int = 40, after: int | None = 40, falls: Sequence[int] = (25, 0), watched: bool = False, **more: str
) -> Shift:
    return Shift(now, after, 100, falls, PAUSE, watched, **more)


@pytest.mark.parametrize(
    ("given", "times", "mode", "words"),
    [
        (shift(), MEASURED, "jump", "at once the traffic is back in 1m (4 measured), by the plain revert in 10m"),
        (shift(), Times(), "revert", "how long a plain revert takes here was not measured yet"),
        (shift(), Times(timedelta(minutes=10), 3), "revert", "a commit of several steps takes here was not measured"),
        (shift(), Times(timedelta(seconds=50), 3, PAUSE, 4), "revert", "which is not slower"),
        (shift(80, 80), MEASURED, "revert", "no `stable` trigger shows whether it bears more"),
        (shift(80, 80, watched=True), MEASURED, "steps", "in 2 steps the traffic is back in 3m"),
        (shift(80, 0, watched=True), Times(), "steps", "the revert would move the weight from 80 to 0 at once"),
        (
            shift(80, 80, (50, 25, 10, 0), watched=True),
            Times(timedelta(minutes=5), 1, PAUSE, 1),
            "revert",
            "not slower",
        ),
        (shift(0, 0, ()), MEASURED, "revert", "the weight is 0 already"),
        (shift(80, 80, watched=True, strained="stable-errors has no data"), MEASURED, "revert", "stable-errors"),
        (shift(owner="Canary web"), MEASURED, "revert", "Canary web moves the weights by itself"),
    ],
)
def test_weights_go_first_only_where_that_is_quicker_or_safer(
    given: Shift, times: Times, mode: str, words: str
) -> None:
    choice = choose(given, times)

    assert choice.mode == mode
    assert words in choice.why
