"""`mode: auto` of a canary: when do weights go down before the revert, and what people read about it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest

from gitops_rollback.core.rollback import Phase, RollbackRecord, StepRecord
from gitops_rollback.core.strategies.choosing import Shift, Times, choose, times_of
from gitops_rollback.core.strategies.stages import STAGES, PlannedStep, Stages

PAUSE = timedelta(minutes=1)
START = datetime(2026, 11, 28, 9, tzinfo=UTC)
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


def test_a_step_that_was_hurried_says_nothing_of_how_long_one_takes() -> None:
    stages = Stages(("weights",), (PlannedStep("a", ()), PlannedStep("b", ()), PlannedStep("c", ())), (), pause=PAUSE)
    steps = tuple(
        StepRecord(n, 4, str(n) * 40, {}, START + timedelta(seconds=at)) for n, at in ((1, 0), (2, 90), (3, 100))
    )
    record = RollbackRecord(
        "rb-1", ("web",), "argocd", "shop", "b" * 40, "a" * 40, "web", (), (), Phase.DONE, steps=steps,
        evidence={STAGES: stages.document},
    )  # fmt: skip

    assert times_of("web", [record]) == Times(step=timedelta(seconds=30), steps=1)
