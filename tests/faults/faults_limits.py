"""The process has little of everything, or none: memory, CPU, open files, processes and threads.

The limits are the kernel's own, by a control group where one can be made.
"""

from __future__ import annotations

import resource
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from control_groups import ControlGroup, control_group
from live_world import LONG, MINUTE, NO_POLLS, POLICY_PATH, patient_policy
from scene import Scene, scene

FILES = 64
MOST_TASKS = 64  # threads of the controller, git and what git starts
LARGEST_MEMORY = 400 << 20  # bytes
CHILDREN_MEMORY = 64 << 20
LITTLE_CPU = 0.3  # of one core
STEP = 1 << 20
AFTER_SECONDS = 60.0
REQUESTS_AFTER = 3  # to git, so that it surely looks again


@dataclass
class Starving:
    """A scene whose controller lives in a control group. `refused` and `killed`: how often we ourselves brought it."""

    it: Scene
    group: ControlGroup
    refused: int = 0
    killed: int = 0

    @property
    def process(self) -> subprocess.Popen[bytes]:
        assert self.it.live.controller is not None
        return self.it.live.controller

    def within(self, seconds: float, condition: Callable[[], bool]) -> bool:
        """Whether it holds before so many real seconds are over or the controller ends."""
        end = time.monotonic() + seconds
        while not condition() and self.process.poll() is None and time.monotonic() < end:
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(0.1)
        return condition()


Squeeze = Callable[[Starving], Callable[[], None]]  # takes something away; what gives it back


def starved(folder: Path, seed: int) -> tuple[str, ...]:
    """F40: little of everything is enough; without any it waits or ends and says so, and a restart goes on."""
    with (
        control_group("pids", "cpu", wished="memory") as group,
        scene(folder, seed, timing=NO_POLLS, controller=False, policies={POLICY_PATH: patient_policy(more=LONG)}) as it,
    ):
        it.harmed = True
        it.live.launcher = group.launcher(FILES)
        group.limit_tasks(MOST_TASKS)
        squeezes = [one for one in sorted(SQUEEZES) if one != OUT_OF_MEMORY or "memory" in group.folders]
        if OUT_OF_MEMORY in squeezes:
            group.limit_memory(LARGEST_MEMORY)
        it.live.start_controller()
        it.live.fail()
        it.pending()
        group.limit_cpu(LITTLE_CPU)
        it.live.let_pass(MINUTE)
        group.limit_cpu(None)
        starving = Starving(it, group)
        it.dice.shuffle(squeezes)
        for how in squeezes:
            _squeezed(starving, how)
        it.verified_or_approved()
        _little_was_enough(starving, OUT_OF_MEMORY in squeezes)
    return tuple(it.broken)


def _squeezed(starving: Starving, how: str) -> None:
    it = starving.it
    give_back = SQUEEZES[how](starving)
    _suffer(starving, how)
    give_back()
    if how != OWN_MEMORY:  # a thread that could not begin may hold up its tick, which counts as alive for 16 minutes
        _goes_on(starving, how)
    it.live.kill_controller()
    it.live.start_controller()


def _suffer(starving: Starving, how: str) -> None:
    """It may end, but then not by a crash of the interpreter and not in silence."""
    it = starving.it
    end, lines = it.live.now() + MINUTE, len(it.live.logged())
    starving.within(AFTER_SECONDS, lambda: it.live.now() >= end)
    it.check(len(it.reverts()) <= 1, f"{len(it.reverts())} commits of ours {how}")
    code = starving.process.poll()
    if how == OUT_OF_MEMORY and code == -signal.SIGKILL:
        return
    it.check(code is None or code >= 0, f"it ended by signal {code} {how}")
    said = [line for line in it.live.logged()[lines:] if line.get("level") in ("error", "warning") or "text" in line]
    it.check(bool(said), f"it said nothing {how}")


def _goes_on(starving: Starving, how: str) -> None:
    """It has ended, says that it does not live, so that it is started anew, or looks again: nothing in between."""
    live = starving.it.live
    requests = len(live.world.git.requests)

    def clear() -> bool:
        return len(live.world.git.requests) >= requests + REQUESTS_AFTER or not _lives(starving)

    went_on = starving.within(AFTER_SECONDS, clear)
    starving.it.check(went_on or starving.process.poll() is not None, f"it called itself alive and did nothing {how}")


def _lives(starving: Starving) -> bool:
    """What a kubelet makes of its probe."""
    try:
        return starving.it.live.probe("/healthz")[0] == 200
    except OSError:
        return False


def _little_was_enough(starving: Starving, memory: bool) -> None:
    it, group = starving.it, starving.group
    refused = group.tasks_refused() - starving.refused
    it.check(refused == 0, f"a thread or process more than {MOST_TASKS} was wanted, {refused} times")
    files = len(list(Path(f"/proc/{starving.process.pid}/fd").iterdir()))
    it.check(files <= FILES, f"{files} files open")
    if memory:
        killed = group.killed_for_memory() - starving.killed
        it.check(killed == 0, f"{killed} processes needed more than {LARGEST_MEMORY >> 20} MiB")


def _lowered(what: int, most: int, starving: Starving) -> Callable[[], None]:
    pid = starving.process.pid
    hard = resource.prlimit(pid, what)[1]
    resource.prlimit(pid, what, (most, hard))

    def give_back() -> None:
        with suppress(ProcessLookupError):
            resource.prlimit(pid, what, (hard, hard))

    return give_back


def _no_tasks(starving: Starving) -> Callable[[], None]:
    """Neither a thread nor a process can be made."""
    before = starving.group.tasks_refused()
    starving.group.limit_tasks(1)

    def give_back() -> None:
        refused = starving.group.tasks_refused() - before
        starving.it.check(refused > 0, "the limit of processes was never felt")
        starving.refused += refused
        starving.group.limit_tasks(MOST_TASKS)

    return give_back


def _out_of_memory(starving: Starving) -> Callable[[], None]:
    """The kernel kills what needs more than there is: git, or the controller itself."""
    group, before = starving.group, starving.group.killed_for_memory()

    def tightened() -> bool:
        group.limit_memory(group.memory() + STEP)
        return group.killed_for_memory() > before

    starving.it.check(starving.within(AFTER_SECONDS, tightened), "the kernel killed nothing")

    def give_back() -> None:
        starving.killed += group.killed_for_memory() - before
        group.limit_memory(LARGEST_MEMORY)

    return give_back


OWN_MEMORY = "without more memory of its own"
OUT_OF_MEMORY = "once the kernel had no more memory for it"
SQUEEZES: Mapping[str, Squeeze] = {
    "without another file, pipe or socket": partial(_lowered, resource.RLIMIT_NOFILE, 8),
    # It has more already than it may have; a git child fits in.
    OWN_MEMORY: partial(_lowered, resource.RLIMIT_AS, CHILDREN_MEMORY),
    "without another thread or process": _no_tasks,
    OUT_OF_MEMORY: _out_of_memory,
}

FAULTS = {"F40": starved}
