"""When does what happen? True time that jumps from event to event, and the order of what is due is the seed's.

Who waits is a greenlet that hands the world to the next one: exactly one step runs at a time, whoever it belongs to.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta
from functools import partial
from random import Random

from greenlet import getcurrent, greenlet

START = datetime(2026, 11, 25, 9, 0, tzinfo=UTC)
Act = Callable[[], None]


class Killed(BaseException):
    """The process is gone; nothing in the product may catch this."""


class Strand(greenlet):
    """One thread of a process. `turn` counts its steps, so that a wake-up that comes too late is none."""

    def __init__(self, process: Process, act: Act, hub: greenlet) -> None:
        super().__init__(partial(_ends_with_its_process, act), hub)
        self.process = process
        self.turn = 0


def _ends_with_its_process(act: Act) -> None:
    try:
        act()
    except Killed:
        return


class Schedule:
    """Events by time; of those at one time the order is drawn by `random`."""

    def __init__(self, random: Random) -> None:
        self.now = START
        self._draw = random.random
        self._heap: list[tuple[datetime, float, int, Act]] = []
        self._planned = 0
        self._until = START
        self._hub = getcurrent()
        self._processes: list[Process] = []

    def at(self, when: datetime, act: Act) -> None:
        """Do `act` at `when`; what lies in the past is done next."""
        self._keep(self._place(when), act)

    def _keep(self, place: tuple[datetime, float, int], act: Act) -> None:
        when, drawn, number = place
        heapq.heappush(self._heap, (when, drawn, number, act))

    def _place(self, when: datetime) -> tuple[datetime, float, int]:
        """Where in the order of all events the next one stands."""
        self._planned += 1
        return max(when, self.now), self._draw(), self._planned

    def after(self, seconds: float, act: Act) -> None:
        """Do `act` so many seconds from now."""
        self.at(self.now + timedelta(seconds=seconds), act)

    def run_until(self, end: datetime) -> None:
        """Do everything up to `end`."""
        self._until = end
        while self._heap and self._heap[0][0] <= end:
            self.now, _, _, act = heapq.heappop(self._heap)
            act()
        self.now = max(self.now, end)

    def sleep(self, seconds: float) -> None:
        """Let so much time pass for this strand alone, or less if somebody calls `wake`. Raises: Killed."""
        strand = _strand()
        place = self._place(self.now + timedelta(seconds=seconds))
        if self._is_next(place, strand.process):
            self.now = place[0]
            strand.turn += 1
            return
        self._keep(place, partial(self._resume, strand, strand.turn))
        self._hand_over(strand)

    def _is_next(self, place: tuple[datetime, float, int], process: Process) -> bool:
        """Nobody else has a turn before it: the strand goes on as if it had handed over and come back."""
        when = place[0]
        if not process.alive or process.still_until > when or when > self._until:
            return False
        return not self._heap or place < self._heap[0][:3]

    def park(self) -> None:
        """Stand still until somebody calls `wake`. Raises: Killed."""
        self._hand_over(_strand())

    def wake(self, strand: Strand) -> None:
        """Let a parked strand go on as soon as it is its turn."""
        self.at(self.now, partial(self._resume, strand, strand.turn))

    def process(self, name: str = "") -> Process:
        """A new one, without a strand."""
        process = Process(self, name)
        self._processes.append(process)
        return process

    def close(self) -> None:
        """End all processes: nobody is left waiting."""
        for process in tuple(self._processes):
            process.kill()
            self.bury(process)
        self._heap.clear()

    def begin(self, process: Process, act: Act) -> Strand:
        """A new strand, which runs when it is its turn."""
        strand = Strand(process, act, self._hub)
        self.wake(strand)
        return strand

    def bury(self, process: Process) -> None:
        """Unwind what a killed process had under way; whatever it tries to do meanwhile, nothing happens."""
        for strand in process.strands:
            while strand and not strand.dead:
                strand.throw(Killed(process))
        process.strands.clear()
        self._processes = [one for one in self._processes if one is not process]

    def acting(self) -> Process | None:
        """Whose step this is; None for what no process does."""
        strand = getcurrent()
        return strand.process if isinstance(strand, Strand) else None

    def _hand_over(self, strand: Strand) -> None:
        if strand.process.alive:
            self._hub.switch()
        if not strand.process.alive:
            raise Killed(strand.process)

    def _resume(self, strand: Strand, turn: int) -> None:
        process = strand.process
        if strand.dead or strand.turn != turn or not process.alive:
            return
        if process.still_until > self.now:
            process.held[strand] = partial(self._resume, strand, turn)
            self.at(process.still_until, process.held[strand])
            return
        process.held.pop(strand, None)
        strand.turn += 1
        strand.switch()
        if strand.dead:
            process.ended(strand)
        if not process.alive:
            self.bury(process)


class Process:
    """Strands that share a memory: they stand still together, and die together."""

    def __init__(self, schedule: Schedule, name: str) -> None:
        self.alive = True
        self.name = name
        self.still_until = START
        self.strands: list[Strand] = []
        self.held: dict[Strand, Act] = {}  # whose turn came meanwhile, and how each goes on
        self._schedule = schedule

    def begin(self, act: Act) -> Strand:
        """One more strand. What it raises ends the whole simulation, `Killed` alone excepted."""
        strand = self._schedule.begin(self, act)
        self.strands.append(strand)
        return strand

    def kill(self) -> None:
        """No strand takes another step."""
        self.alive = False

    def stand_still(self, seconds: float) -> None:
        """As after SIGSTOP: the world goes on, and nothing of this process does."""
        self.still_until = max(self.still_until, self._schedule.now + timedelta(seconds=seconds))

    def stand_up(self, seconds: float) -> None:
        """As after SIGCONT, in so long: what stood still goes on then, however long it would have stood there."""
        self.still_until = min(self.still_until, self._schedule.now + timedelta(seconds=seconds))
        for goes_on in tuple(self.held.values()):
            self._schedule.at(self.still_until, goes_on)

    def ended(self, strand: Strand) -> None:
        """Forget a strand that has come to its end."""
        self.held.pop(strand, None)
        if strand in self.strands:
            self.strands.remove(strand)


class Lock(AbstractContextManager[None]):
    """A lock of one process; who waits for it is parked. Reentrant in a strand."""

    def __init__(self, schedule: Schedule) -> None:
        self._schedule = schedule
        self._owner: Strand | None = None
        self._depth = 0
        self._waiting: list[Strand] = []

    def __enter__(self) -> None:
        strand = _strand()
        while self._owner is not None and self._owner is not strand:
            self._waiting.append(strand)
            self._schedule.park()
        self._owner, self._depth = strand, self._depth + 1

    def __exit__(self, *_: object) -> None:
        self._depth -= 1
        if self._depth == 0:
            self._owner = None
            waiting, self._waiting = self._waiting, []
            for strand in waiting:
                self._schedule.wake(strand)


def _strand() -> Strand:
    strand = getcurrent()
    if not isinstance(strand, Strand):
        raise RuntimeError("only a strand of a simulated process can wait")
    return strand
