"""What do thousands of applications cost: CPU of a tick, memory, requests to the engine's API?

Real `run` processes against the sandbox's servers, once for each door to an engine, then three replicas that share
three repositories. CPU seconds are the process's own, git included, so that a busy machine changes them little; each
stands beside a floor of the same run: a bare client that lists and parses the same JSON once, and holds it.
`scale.py [APPLICATIONS] [DOOR ...]`
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from _fleet import DOORS, SPEED, Fleet
from _watched_run import WatchedRun

from gitops_rollback.adapters.engines.argocd import LIST_FIELDS

APPLICATIONS = 5000
TITLES = {"rest": "Argo CD by REST", "objects": "Argo CD by its objects", "flux": "Flux"}
INTERVAL = 15.0 / SPEED  # real seconds of one tick
IDLE_TICKS = 5
TICK_SECONDS = 15.0  # of real time, where nothing says otherwise
TICKS_PER_HOUR = 240
LOOK_SECONDS = 0.5
SHARED = 3  # repositories, and replicas
LOOKS_AT_FIRST = 3  # the first one loads the policies, which is no idle look


@dataclass(frozen=True)
class Floor:
    """What the bare client says: bytes of the list, CPU seconds of one list, MiB that hold it."""

    size: int
    seconds: float
    mib: float


@dataclass(frozen=True)
class Window:
    """What happened in between: CPU seconds, ticks, real seconds, requests to the engine, requests about Leases."""

    cpu: float
    ticks: float
    seconds: float
    requests: int
    leases: int

    @property
    def per_hour(self) -> float:
        """Requests in an hour of real time: one tick in fifteen seconds, and Leases as often as here."""
        return self.requests / self.ticks * TICKS_PER_HOUR + self.leases / self.seconds * 3600


def main(arguments: Sequence[str]) -> int:
    count = int(arguments[0]) if arguments else APPLICATIONS
    for door in arguments[1:] or (*DOORS, "shared"):
        print(flush=True)
        if door == "shared":
            shared(count)
        else:
            one_door(door, count)
    return 0


def one_door(door: str, count: int) -> None:
    """One replica and one repository: started, idle, and while one application fails."""
    with world(door, count) as fleet:
        floor = floor_of(fleet)
        bare, size = idle_memory(door), floor.size / 1e6
        print(f"{TITLES[door]}: {count + 1} applications, a list of {size:.1f} MB")
        with running(fleet, "state") as run:
            run.until(lambda: run.ticks() >= 1, "the first tick", INTERVAL)
            run.until_still(INTERVAL)
            started = run.cpu()
            idle = window(fleet, [run], lambda: time.sleep(IDLE_TICKS * INTERVAL))
            settled = run.resident()
            failing = window(fleet, [run], lambda: fail(fleet, run))
            peak = run.peak()
    heading("CPU seconds")
    row("floor: list and parse once", floor.seconds, 1.0)
    row("start: until the first tick is done", started, started / floor.seconds)
    row("one idle tick", idle.cpu / idle.ticks, idle.cpu / idle.ticks / floor.seconds)
    row("idle, per cent of a core at one tick in fifteen seconds", 100 * idle.cpu / idle.ticks / TICK_SECONDS)
    spent = failing.cpu / failing.ticks
    row("one tick while one fails, the revert included", spent, spent / floor.seconds)
    heading("MiB")
    row("floor: a process that holds the list", floor.mib, 1.0)
    row("run without applications", bare, bare / floor.mib)
    row("settled", settled, settled / floor.mib)
    row("peak", peak, peak / floor.mib)
    heading("requests")
    row("one idle tick", idle.requests / idle.ticks)
    row("one tick while one fails", failing.requests / failing.ticks)
    row("an idle hour, Leases included", idle.per_hour)


def shared(count: int) -> None:
    """Three repositories: one replica has them all; then three replicas, of which one dies."""
    with world("rest", count, SHARED) as fleet:
        floor = floor_of(fleet)
        print(f"{SHARED} repositories, {TITLES['rest']}: {count + 1} applications")
        print("  each repository looked at once, all replicas together, idle")
        heading("CPU seconds")
        row("floor: list and parse once", floor.seconds, 1.0)
        with running(fleet, "state-0") as first:
            until_shared_out(fleet, [first])
            tell("one replica", fleet, [first], floor)
            with running(fleet, "state-1") as second, running(fleet, "state-2") as third:
                runs = [first, second, third]
                until_shared_out(fleet, runs)
                tell("three replicas", fleet, runs, floor)
                dead = max(runs, key=lambda run: len(run.leads()))
                dead.kill()
                left = [run for run in runs if run is not dead]
                until_shared_out(fleet, left)
                tell("two, after one has died", fleet, left, floor)
                fail(fleet, left[0])


def tell(what: str, fleet: Fleet, runs: list[WatchedRun], floor: Floor) -> None:
    found = window(fleet, runs, lambda: time.sleep(IDLE_TICKS * INTERVAL))
    rounds = found.ticks / SHARED
    row(f"{what}: CPU seconds", found.cpu / rounds, found.cpu / rounds / floor.seconds)
    row(f"{what}: requests to the engine", found.requests / rounds)
    row(f"{what}: requests an hour about Leases", found.leases / found.seconds * 3600)
    mib = sorted(run.resident() for run in runs)
    row(f"{what}: MiB, the largest", mib[-1], mib[-1] / floor.mib)


# What is measured


@contextmanager
def world(door: str, count: int, repositories: int = 1) -> Iterator[Fleet]:
    with tempfile.TemporaryDirectory() as directory:
        fleet = Fleet(Path(directory), door, count, repositories, leases=repositories > 1)
        try:
            fleet.start()
            yield fleet
            if fleet.failures:
                raise RuntimeError(f"the sandbox failed: {fleet.failures}")
        finally:
            fleet.stop()


@contextmanager
def running(fleet: Fleet, state: str) -> Iterator[WatchedRun]:
    run = WatchedRun(fleet.folder / f"{state}.log", fleet.environment(state))
    try:
        yield run
    finally:
        run.kill()


def floor_of(fleet: Fleet) -> Floor:
    """What the bare client takes for the same list, in a process of its own."""
    client = Path(__file__).with_name("_bare_client.py")
    fields = [LIST_FIELDS] if fleet.door == "rest" else []
    done = subprocess.run(
        [sys.executable, client, *fleet.listed_at(), *fields], capture_output=True, text=True, check=True
    )
    found = json.loads(done.stdout)
    return Floor(found["bytes"], found["seconds"], found["mib"])


def idle_memory(door: str) -> float:
    """MiB of a `run` by this door with the live application alone."""
    with world(door, 0) as fleet, running(fleet, "state") as run:
        run.until(lambda: run.ticks() >= 2, "two ticks", INTERVAL)
        return run.resident()


def window(fleet: Fleet, runs: list[WatchedRun], act: Callable[[], None]) -> Window:
    """What `act` takes, from between two ticks to between two ticks."""
    for run in runs:
        run.until_still(INTERVAL)
    ticks = sum(run.ticks() for run in runs)
    for run in runs:
        run.until_still(INTERVAL)
    cpu, asked, began = sum(run.cpu() for run in runs), fleet.asked(), time.monotonic()
    act()
    for run in runs:
        run.until_still(INTERVAL)
    cpu, seconds = sum(run.cpu() for run in runs) - cpu, time.monotonic() - began
    requests, leases = (now - before for now, before in zip(fleet.asked(), asked, strict=True))
    return Window(cpu, sum(run.ticks() for run in runs) - ticks, seconds, requests, leases)


def fail(fleet: Fleet, run: WatchedRun) -> None:
    """A bad release of one application, until its revert is on the branch."""
    bad = fleet.release()
    run.until(lambda: bool(fleet.reverted()), "the revert", LOOK_SECONDS)
    (revert,) = fleet.reverted()
    if f"This reverts commit {bad}." not in fleet.people.git("log", "-1", "--format=%B", revert):
        raise RuntimeError("the revert is of another commit")


def until_shared_out(fleet: Fleet, runs: list[WatchedRun]) -> None:
    """Each repository is acted for by one of them, and that has looked at it."""
    runs[0].until(
        lambda: sorted(name for run in runs for name in run.leads()) == sorted(fleet.labels), "shared out", INTERVAL
    )
    runs[0].until(lambda: all(run.has_looked(LOOKS_AT_FIRST) for run in runs), "the first looks", INTERVAL)


# What is printed


def heading(unit: str) -> None:
    print(f"  {'':<60}{unit:>12}{'ratio':>9}")


def row(what: str, value: float, ratio: float | None = None) -> None:
    shown = f"{ratio:>9.2f}" if ratio is not None else ""
    print(f"  {what:<60}{value:>12.3f}{shown}", flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
