"""`mode: auto` of a canary: are the weights taken down before the revert, at once or in steps, or is the revert all?

Only where that is quicker, by what was measured here, or safer, since the revert itself would move the weight at once
onto a version that bears little of it now. What nobody has measured speaks for the plain revert.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import pairwise
from statistics import median

from gitops_rollback.core.drill import is_drill
from gitops_rollback.core.duration import format_duration
from gitops_rollback.core.recovery import ROLLING, strategy_of
from gitops_rollback.core.rollback import RESTORED, RollbackRecord
from gitops_rollback.core.strategies.stages import stages_of

AUTO, JUMP_MODE, STEPS_MODE, REVERT_MODE = "auto", "jump", "steps", "revert"
AT_MOST_TWICE = 0.5  # who bears this share already gets at most twice its load


@dataclass(frozen=True)
class Times:
    """What the journal tells of an application: medians, and of how many; None where none was measured.

    `revert` is from the push of a rollback of one commit until the traffic was back. `step` is from the push of a
    commit of several until the engine had it for as long as its pause, without that pause.
    """

    revert: timedelta | None = None
    reverts: int = 0
    step: timedelta | None = None
    steps: int = 0


@dataclass(frozen=True)
class Shift:
    """The weights as git holds them: of the bad version now and as the revert leaves it, of both, and each step's.

    `strained` says why the version that takes over may not bear more; "" where each of its `stable` triggers is quiet.
    `owner` is the controller that moves the weights by itself; "" for none.
    """

    now: int
    after_revert: int | None
    total: int
    falls: Sequence[int]
    pause: timedelta
    watched: bool = False  # by `stable` triggers
    strained: str = ""
    owner: str = ""

    @property
    def bears(self) -> float:
        """The share of all traffic that the version which takes over has now."""
        return (self.total - self.now) / self.total if self.total else 0.0


@dataclass(frozen=True)
class Choice:
    """`mode` is jump, steps, or revert; `why` has the numbers, for people."""

    mode: str
    why: str


def choose(shift: Shift, times: Times) -> Choice:
    """The way back, with what speaks for it."""
    if shift.owner:
        return Choice(REVERT_MODE, f"the plain revert: {shift.owner} moves the weights by itself, and takes it up")
    if not shift.falls:
        return Choice(REVERT_MODE, f"the plain revert: the weight is {shift.now} already")
    if shift.strained:
        return Choice(REVERT_MODE, f"the plain revert, which moves no more load at once: {shift.strained}")
    at_once = shift.bears >= AT_MOST_TWICE
    takes = f"the version that takes over bears {shift.bears:.0%} now"
    switched = shift.after_revert is not None and shift.after_revert < shift.now
    if switched and shift.watched and not at_once:
        cost = _words(_until_back(shift, times, len(shift.falls)))
        why = f"{len(shift.falls)} steps, which is safer: the revert would move the weight from {shift.now} to "
        return Choice(STEPS_MODE, f"{why}{shift.after_revert} at once, and {takes}; until the traffic is back {cost}")
    number = 1 if at_once else len(shift.falls)
    ahead = _until_back(shift, times, number)
    if times.revert is None or ahead is None:
        missing = "a plain revert" if times.revert is None else "a commit of several steps"
        return Choice(REVERT_MODE, f"the plain revert: how long {missing} takes here was not measured yet")
    way = "at once" if number == 1 else f"in {number} steps"
    compared = f"{way} the traffic is back in {_words(ahead)} ({times.steps} measured), by the plain revert in "
    compared += f"{_words(times.revert)} ({times.reverts} measured), and {takes}"
    if ahead >= times.revert:
        return Choice(REVERT_MODE, f"the plain revert, which is not slower: {compared}")
    if not at_once and not shift.watched:
        return Choice(REVERT_MODE, f"the plain revert: no `stable` trigger shows whether it bears more; {compared}")
    return Choice(JUMP_MODE if number == 1 else STEPS_MODE, f"the weights first, which is quicker: {compared}")


def times_of(application: str, records: Iterable[RollbackRecord]) -> Times:
    """What its rollbacks in earnest took. Those of one commit that were not plain reverts tell nothing here."""
    own = [one for one in records if application in one.applications and one.commit is not None and not is_drill(one)]
    reverts = [
        one.times[RESTORED] - one.times["pushed"]
        for one in own
        if strategy_of(one) == ROLLING and len(one.steps) == 1 and {RESTORED, "pushed"} <= one.times.keys()
    ]
    steps = [span for one in own for span in _step_spans(one)]
    return Times(_median(reverts), len(reverts), _median(steps), len(steps))


def mode_words(modes: Mapping[str, Choice]) -> str:
    """Of each strategy by its name, for people."""
    return "; ".join(f"{name}: {choice.why}" for name, choice in modes.items())


def _step_spans(record: RollbackRecord) -> list[timedelta]:
    """Only between commits that set fields alone: a revert starts Pods anew, and a gate waits for something else."""
    stages = stages_of(record)
    if stages is None or stages.coordinated or stages.cascade:
        return []
    pushed = {one.n: one.pushed_at for one in record.steps if one.pushed_at is not None}
    known = [(n, at) for n, at in sorted(pushed.items()) if n <= stages.revert]
    spans = [later - at for (n, at), (following, later) in pairwise(known) if following == n + 1]
    return [span - stages.pause for span in spans if span > stages.pause]  # a hurried one was not given its pause


def _until_back(shift: Shift, times: Times, number: int) -> timedelta | None:
    return None if times.step is None else number * times.step + (number - 1) * shift.pause


def _median(spans: Sequence[timedelta]) -> timedelta | None:
    return timedelta(seconds=round(median(one.total_seconds() for one in spans))) if spans else None


def _words(span: timedelta | None) -> str:
    return "takes a time that was not measured yet" if span is None else format_duration(span)
