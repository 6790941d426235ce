"""Every call of a port goes through here: the world moves on, a fault may strike, the replica may be killed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from random import Random
from typing import TypeVar

from gitops_rollback.core.errors import RollbackError
from gitops_rollback.sandbox.simulation.schedule import Schedule
from gitops_rollback.sandbox.simulation.story import Story

T = TypeVar("T")


class Killed(BaseException):
    """The process is gone; nothing in the product may catch this."""


@dataclass
class Rates:
    """How often, for each call of a port; all zero is a calm world."""

    slow: float = 0.0
    before: float = 0.0  # an error, and nothing happened
    after: float = 0.0  # an error, though it happened
    twice: float = 0.0
    stale: float = 0.0
    kill: float = 0.0

    def calm(self) -> None:
        """No more faults."""
        for field in fields(self):
            setattr(self, field.name, 0.0)


class Gate:
    """One replica's way to the world."""

    def __init__(self, who: str, schedule: Schedule, story: Story, rates: Rates, random: Random) -> None:
        self.who = who
        self.calls = 0
        self._schedule = schedule
        self._story = story
        self._rates = rates
        self._random = random

    def enter(self, port: str) -> str:
        """Before the effect: "" , or which error strikes: `before` or `after` it."""
        self.calls += 1
        rates, drawn = self._rates, self._random
        slow = drawn.random() < rates.slow
        self._schedule.advance(drawn.uniform(1, 9) if slow else drawn.uniform(0.01, 0.06))
        self._story.count(f"{self.who} {port} {self._schedule.now.isoformat()}")
        self._maybe_kill(port, "before")
        dice = drawn.random()
        if dice < rates.before:
            return "before"
        return "after" if dice < rates.before + rates.after else ""

    def leave(self, port: str) -> None:
        """After the effect, before its answer arrives."""
        self._maybe_kill(port, "after")

    def call(self, port: str, effect: Callable[[], T], failure: Callable[[], RollbackError]) -> T:
        """One call with all that may go wrong. Raises: `failure()`, before or after the effect; Killed."""
        struck = self.enter(port)
        if struck == "before":
            self._story.tell(self._schedule.now, self.who, f"{port} fails before anything happened")
            raise failure()
        found = effect()
        self.leave(port)
        if struck == "after":
            self._story.tell(self._schedule.now, self.who, f"{port} fails after it happened")
            raise failure()
        return found

    def is_stale(self) -> bool:
        """Is this read an old one?"""
        return self._random.random() < self._rates.stale

    def is_twice(self) -> bool:
        """Is this done two times?"""
        return self._random.random() < self._rates.twice

    def seconds(self, low: float, high: float) -> float:
        """Some time between two numbers of seconds."""
        return self._random.uniform(low, high)

    def _maybe_kill(self, port: str, when: str) -> None:
        if self._rates.kill and self._random.random() < self._rates.kill:
            self._story.tell(self._schedule.now, self.who, f"is killed {when} {port}")
            raise Killed(self.who)
