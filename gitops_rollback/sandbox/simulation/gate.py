"""Every call of a port goes through here: others have their turn, a fault may strike, the replica may be killed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from random import Random
from typing import TypeVar

from gitops_rollback.core.errors import RollbackError
from gitops_rollback.sandbox.simulation.schedule import Killed, Lock, Process, Schedule
from gitops_rollback.sandbox.simulation.story import Story

T = TypeVar("T")
SHORTEST_PAUSE, PAUSES = 60.0, 20.0  # seconds, and how many times longer the longest one is


@dataclass
class Rates:
    """How often, for each call of a port; all zero is a calm world."""

    slow: float = 0.0
    before: float = 0.0  # an error, and nothing happened
    after: float = 0.0  # an error, though it happened
    twice: float = 0.0
    stale: float = 0.0
    kill: float = 0.0
    kill_push: float = 0.0  # more of it, around a push
    pause: float = 0.0  # the whole process stands still for minutes, and goes on where it was

    def calm(self) -> None:
        """No more faults."""
        for field in fields(self):
            setattr(self, field.name, 0.0)


@dataclass(frozen=True)
class Surface:
    """What the gates of a world share. `latency` is how many seconds a call takes at most that is not slow.

    `still` is told who stands still, and for how many seconds.
    """

    schedule: Schedule
    story: Story
    rates: Rates
    latency: float
    still: Callable[[str, float], None]


class Gate:
    """One replica's way to the world."""

    def __init__(self, who: str, process: Process, surface: Surface, random: Random) -> None:
        self.who = who
        self.calls = 0
        self._process = process
        self._schedule = surface.schedule
        self._story = surface.story
        self._rates = surface.rates
        self._latency = surface.latency
        self._still = surface.still
        self._random = random

    def enter(self, port: str) -> str:
        """Before the effect: "" , or which error strikes: `before` or `after` it."""
        self.calls += 1
        rates, drawn = self._rates, self._random
        slow = drawn.random() < rates.slow
        self._schedule.sleep(drawn.uniform(1, 9) if slow else drawn.uniform(0.01, self._latency))
        self._strike(port, "before")
        dice = drawn.random()
        if dice < rates.before:
            return "before"
        return "after" if dice < rates.before + rates.after else ""

    def leave(self, port: str) -> None:
        """After the effect, before its answer arrives."""
        self._schedule.sleep(self._random.uniform(0.001, self._latency / 4))
        self._strike(port, "after")

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

    def lock(self) -> Lock:
        """A lock of the replica's process."""
        return Lock(self._schedule)

    def is_stale(self) -> bool:
        """Is this read an old one?"""
        return self._random.random() < self._rates.stale

    def is_twice(self) -> bool:
        """Is this done two times?"""
        return self._random.random() < self._rates.twice

    def seconds(self, low: float, high: float) -> float:
        """Some time between two numbers of seconds."""
        return self._random.uniform(low, high)

    def _strike(self, port: str, when: str) -> None:
        """The process may die here, or stand still."""
        now, dice = self._schedule.now, self._random.random()
        self._story.count(f"{self.who} {port} {when} {now.isoformat()}")
        kill = self._rates.kill + (self._rates.kill_push if port.startswith("git.push") else 0.0)
        if dice < kill:
            self._story.tell(now, self.who, f"is killed {when} {port}")
            self._process.kill()
            raise Killed(self.who)
        if dice < kill + self._rates.pause:
            seconds = SHORTEST_PAUSE * PAUSES ** self._random.random()
            self._story.tell(now, self.who, f"stands still for {seconds:.0f} s {when} {port}")
            self._process.stand_still(seconds)
            self._still(self.who, seconds)
            self._schedule.sleep(0)
            self._story.tell(self._schedule.now, self.who, "goes on where it was")
