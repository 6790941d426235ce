"""Stories told side by side, and a controller that is killed in the middle of one and started again."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path

from live_world import quick_policy

from gitops_rollback.crash_points import VARIABLE
from gitops_rollback.sandbox.argocd import Timing
from gitops_rollback.sandbox.demo import START_SECONDS, Demo
from gitops_rollback.sandbox.people import People
from gitops_rollback.sandbox.telling import Story, Telling
from gitops_rollback.sandbox.world import REPOSITORY

SPEED = 40.0  # a tick each 0.375 s; a controller that gets no CPU for a second of them begins its `for` anew
KILLED_SPEED = 30.0
AT_ONCE = 3
TAIL_LINES = 40
MAIN = "refs/heads/main"
NO_POLLS = Timing(reconciliation=86400.0)  # the engine never comes before the controller's own sync


@dataclass
class Told:
    """How a telling ended. `deaths`: the exit codes of the controllers that were killed."""

    true: bool
    lines: list[str]
    out: Path
    deaths: list[int] = field(default_factory=list)
    landed: list[str] = field(default_factory=list)  # what was pushed to the branch, by the server's word

    def explain(self) -> str:
        """What a person needs to find the cause: the narration and the end of the controller's log."""
        log = (self.out / "controller.log").read_text("utf-8", "replace").splitlines()
        return "\n".join(["", *self.lines, "", f"{self.out}/controller.log:", *log[-TAIL_LINES:]])

    def events(self) -> set[str]:
        """What people were told of, by the log: a line `event: title` with the rollback's id."""
        log = (self.out / "controller.log").read_text("utf-8", "replace").splitlines()
        lines = [json.loads(line) for line in log if line.startswith("{")]
        return {str(line["msg"]).partition(":")[0] for line in lines if line.get("rollback_id")}

    def people(self) -> People:
        """The repository as it was left."""
        return People(self.out / f"{REPOSITORY}.git")


class KilledDemo(Demo):
    """Dies at a crash point or as `interfere` has it, and is started again, as any supervisor would."""

    deaths: list[int]
    place: str = ""
    interfere: Callable[[KilledDemo], None] | None = None

    def start_controller(self, **more: str) -> None:
        """Only the first one is to die."""
        armed = {VARIABLE: self.place} if self.place and not self.deaths else {}
        super().start_controller(**armed, **more)

    def wait_for(
        self, condition: Callable[[], bool], real_seconds: float, each: Callable[[], None] | None = None
    ) -> bool:
        """As ever, over a death."""
        end = time.monotonic() + real_seconds
        while not super().wait_for(condition, end - time.monotonic(), self._between(each)):
            if not self.revive():
                return False
        return True

    def stop_controller(self) -> int | None:
        """One that died at the very end is started once more: what it finds must be enough."""
        code = super().stop_controller()
        if code != -signal.SIGKILL:
            return code
        self.deaths.append(code)
        starts = self.starts()
        self.start_controller()
        self.wait_for(lambda: self.starts() > starts, START_SECONDS)
        return super().stop_controller()

    def revive(self) -> bool:
        """Start it again if it died; False if it lives."""
        code = self.exit_code()
        if code is None:
            return False
        self.deaths.append(code)
        self.start_controller()
        return True

    def kill_now(self) -> None:
        """By SIGKILL, from outside."""
        self.kill_controller()
        self.deaths.append(-signal.SIGKILL)
        self.start_controller()

    def restart_now(self) -> None:
        """By SIGTERM, as a rolling update does."""
        code = super().stop_controller()
        self.deaths.append(-1 if code is None else code)
        self.start_controller()

    def starts(self) -> int:
        """How many controllers have announced themselves in the journal."""
        return sum(entry["action"] == "started" for entry in self.telling.decisions())

    def _between(self, each: Callable[[], None] | None) -> Callable[[], None]:
        def look() -> None:
            if self.interfere is not None and self.telling.bad:
                self.interfere(self)
            if each is not None:
                each()

        return look


def tell(story: Story, out: Path, speed: float = SPEED) -> Told:
    """One story, as the demo tells it."""
    lines: list[str] = []
    demo = Demo(story, speed, out, lines.append)
    try:
        return Told(demo.run(), lines, out)
    finally:
        demo.close()


def tell_with_a_death(
    story: Story, out: Path, place: str = "", interfere: Callable[[KilledDemo], None] | None = None
) -> Told:
    """The same with shorter spans in its policy, and a controller that dies once."""
    lines: list[str] = []
    quick = replace(story, policy=quick_policy())
    demo = KilledDemo(quick, KILLED_SPEED, out, lines.append, timing=NO_POLLS)
    demo.deaths, demo.place, demo.interfere = [], place, interfere
    try:
        true = demo.run()
        landed = [change.new for change in demo.world.git.updates(f"{REPOSITORY}.git") if change.ref == MAIN]
        return Told(true, lines, out, demo.deaths, landed)
    finally:
        demo.close()


class SideBySide:
    """Tells several at once, in the order of the tests: a story mostly waits."""

    def __init__(self, jobs: Mapping[str, Callable[[], Told]], at_once: int = AT_ONCE) -> None:
        self._pool = ThreadPoolExecutor(at_once, thread_name_prefix="story")
        self._futures: dict[str, Future[Told]] = {name: self._pool.submit(job) for name, job in jobs.items()}

    def told(self, name: str) -> Told:
        """Wait for this one. Raises what its telling raised."""
        return self._futures[name].result()

    def close(self) -> None:
        self._pool.shutdown(cancel_futures=True)


def at_story_time(after: timedelta) -> Callable[[KilledDemo], None]:
    """Kill once so much story time has passed since the release landed."""

    def interfere(demo: KilledDemo) -> None:
        if not demo.deaths and demo.telling.settled(after):
            demo.kill_now()

    return interfere


def once(condition: Callable[[Telling], bool], act: Callable[[KilledDemo], None]) -> Callable[[KilledDemo], None]:
    """Act the first time that this holds."""

    def interfere(demo: KilledDemo) -> None:
        if not demo.deaths and condition(demo.telling):
            act(demo)

    return interfere
