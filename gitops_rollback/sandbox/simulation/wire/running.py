"""Runs worlds on the wire, one for each seed: builds it, lets it live, brings it to rest, and judges it."""

from __future__ import annotations

import io
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from multiprocessing import get_context
from pathlib import Path

import structlog

from gitops_rollback.adapters.log import configure_logging
from gitops_rollback.sandbox.simulation.running import Result
from gitops_rollback.sandbox.simulation.wire.clock import START
from gitops_rollback.sandbox.simulation.wire.judging import Judge
from gitops_rollback.sandbox.simulation.wire.people import move_in
from gitops_rollback.sandbox.simulation.wire.process import Process
from gitops_rollback.sandbox.simulation.wire.setup import Setup, setup_of
from gitops_rollback.sandbox.simulation.wire.troubles import Troubles
from gitops_rollback.sandbox.simulation.wire.world import GIT_CANARY, World

SLICE = timedelta(seconds=30)
STILL = timedelta(minutes=2)
DEADLINE = timedelta(minutes=30)
MEMORY = Path("/", "dev", "shm")  # a file system in memory, where there is one


class WireResult(Result):
    """How one seed ended on the wire."""

    @property
    def again(self) -> str:
        """The command that shows this world again."""
        return f"gitops-rollback simulate --mode wire --seeds 1 --from {self.seed}"


def simulate(seeds: int, start: int = 0, jobs: int = 1) -> Iterator[Result]:
    """One result for each seed, in order; several processes share the seeds out among them."""
    numbers = range(start, start + seeds)
    if jobs < 2 or seeds < 2:
        yield from (run(seed) for seed in numbers)
        return
    with get_context("spawn").Pool(min(jobs, seeds)) as pool:
        yield from pool.imap(run, numbers)


def run(seed: int, setup: Setup | None = None) -> Result:
    """One world from its first commit to its rest; `setup`: another one than the seed's."""
    place = MEMORY if MEMORY.is_dir() else None
    with tempfile.TemporaryDirectory(prefix="gitops-rollback-wire-", dir=place) as folder, _logged() as log:
        world = World(seed, setup or setup_of(seed), Path(folder))
        world.start()
        try:
            judge = _live(world)
            judge.at_end(log.getvalue())
        finally:
            world.stop()
    verified = sum(record.outcome == "verified" for record in judge.records.values())
    story = tuple(str(line) for line in world.story.lines)
    return WireResult(seed, "wire", world.story.trace, len(judge.rollbacks), verified, tuple(judge.violations), story)


def _live(world: World) -> Judge:
    judge = Judge(world)
    world.tell("world", f"seed {world.seed}: {world.setup.words}")
    process = Process(world, judge.ticked)
    try:
        opened, troubles = move_in(world), Troubles(world)
        world.run_until(START + timedelta(seconds=world.setup.lasts))
        world.calm = True
        troubles.calm()
        for act in opened:
            act()
        world.stir()
        world.tell("world", "comes to rest: no more faults, nobody acts")
        _come_to_rest(world, judge)
    finally:
        process.close()
    world.tell("world", f"is at rest after {process.ticks} ticks and {process.deaths} deaths")
    return judge


def _come_to_rest(world: World, judge: Judge) -> None:
    end, still_since, writes = world.now + DEADLINE, world.now, -1
    while world.now < end and world.now - still_since < STILL:
        world.run_until(world.now + SLICE)
        if len(judge.rollbacks) != writes or not judge.at_rest():
            still_since, writes = world.now, len(judge.rollbacks)


@contextmanager
def _logged() -> Iterator[io.StringIO]:
    """What the product logs meanwhile, as a pod's log."""
    before, log = structlog.get_config(), io.StringIO()
    configure_logging(True, (GIT_CANARY,), log)
    try:
        yield log
    finally:
        structlog.configure(**before)
