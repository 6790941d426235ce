"""A story in which controllers die again and again, at named places and at moments, and are started again each time.

What is judged afterwards is the remote's history, the engine and what people were told; never the product's own word.
"""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import timedelta
from enum import IntEnum
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from lease_world import LeaseWorld
from live_world import MAIN, NO_POLLS, patient_policy

from gitops_rollback.crash_points import VARIABLE
from gitops_rollback.sandbox.all_stories import find_story
from gitops_rollback.sandbox.demo import START_SECONDS, Demo
from gitops_rollback.sandbox.replicas import STOP_SECONDS
from gitops_rollback.sandbox.simulation.wire.gitlog import keep_reflogs
from gitops_rollback.sandbox.simulation.wire.history import Known, check_history
from gitops_rollback.sandbox.telling import CONTROLLER
from gitops_rollback.sandbox.world import REPOSITORY, run_command

SPEED = 30.0  # a tick each 0.5 s; a controller that gets no CPU for a second of them begins its `for` anew
LOOK_SECONDS = 0.15
PATIENCE_SECONDS = 75.0  # for a death at its place; a machine under load is slow
GRACE_SECONDS = 4.0  # what comes right after the end of a story comes within this
LONGEST = timedelta(hours=3)
TAIL_LINES = 60
PATIENCE = (
    "  timing: {window: 2h}\n  delivery: {syncTimeout: 2h}\n"  # all the time in the world for whoever dies on the way
)


class Stage(IntEnum):
    """How far a story is: nothing is wrong yet, a release is bad, its revert has landed, the rollback has ended."""

    QUIET = 0
    ALARM = 1
    FOLLOW = 2
    OVER = 3


@dataclass(frozen=True)
class Death:
    """One SIGKILL: at a `place` as `crash_points.arm` takes it, or `after` so many seconds of a process's life.

    `asked`: by SIGTERM, as a rolling update does; with a `place`, it dies there while it ends. `loses_disk`: the state
    directory is gone when the next one starts.
    """

    stage: Stage
    place: str = ""
    after: float = 0.0
    asked: bool = False
    loses_disk: bool = False

    @property
    def label(self) -> str:
        return self.place.partition(":")[0] or ("asked" if self.asked else "moment")


@dataclass(frozen=True)
class Tale:
    """A story and who dies in it. `answers_lost`: of so many pushes, from the release on, the reply never comes."""

    name: str
    story: str
    deaths: tuple[Death, ...]
    replicas: int = 1
    rights: tuple[str, ...] = ("get", "sync")
    answers_lost: int = 0
    leased: bool = False  # a Kubernetes API is there, and only the holder of its Lease acts


@dataclass
class Replica:
    """One controller process after the other, with a disk and a log. `death` is what it is to die of."""

    state: Path
    log: Path
    log_before: int = 0  # how long the log was when this process began
    process: subprocess.Popen[bytes] | None = None
    death: Death | None = None
    since: float = 0.0

    @property
    def ready(self) -> bool:
        """It listens to signals: it said that it started."""
        with self.log.open("rb") as log:
            log.seek(self.log_before)
            return b'"msg": "started"' in log.read()


@dataclass(frozen=True)
class Killed:
    """How it ended. `hits`: the labels at which controllers died, in order; `broken`: all that turned out false."""

    tale: Tale
    hits: tuple[str, ...]
    broken: tuple[str, ...]
    out: Path
    lines: tuple[str, ...] = ()

    def explain(self) -> str:
        """What a person needs to find the cause."""
        logs = sorted(self.out.glob("controller*.log"))
        told = (f"{self.tale}", f"died at: {', '.join(self.hits)}", *self.lines, *self.broken)
        tails = [
            line for log in logs for line in (f"{log}:", *log.read_text("utf-8", "replace").splitlines()[-TAIL_LINES:])
        ]
        return "\n".join(["", *told, *tails])


class Listener(ThreadingHTTPServer):
    """A webhook on loopback that remembers which events came."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Hook)
        self.events: deque[str] = deque()
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/hook"

    def close(self) -> None:
        self.shutdown()
        self.server_close()

    def handle_error(self, request: object, client_address: object) -> None:
        """A sender that dies in the middle is what this is about."""


class _Hook(BaseHTTPRequestHandler):
    server: Listener

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.events.append(json.loads(body)["event"])
        self.send_response(204)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """The events are kept."""


@dataclass
class _Deaths:
    """Who is still to die, stage by stage."""

    left: deque[Death]
    hits: list[str] = field(default_factory=list)
    odd: list[str] = field(default_factory=list)

    def take(self, stage: Stage) -> Death | None:
        """The next death at this stage or a later one; what belonged to an earlier one is dropped."""
        while self.left and self.left[0].stage < stage:
            self.left.popleft()
        return self.left.popleft() if self.left else None


class KilledStory(Demo):
    """The demo with any number of controllers that die by plan."""

    def __init__(self, tale: Tale, out: Path, say: Callable[[str], None], listener: Listener) -> None:
        story = find_story(tale.story)
        assert story is not None
        # Its settings name nobody but the listener, so no registry either.
        quick = replace(story, policy=patient_policy(more=PATIENCE), longest=LONGEST, images=())
        super().__init__(quick, SPEED, out, say, timing=NO_POLLS)
        keep_reflogs(self.world.bare)
        self.world.rights = tale.rights
        self.tale, self.listener = tale, listener
        self.deaths = _Deaths(deque(sorted(tale.deaths, key=lambda death: death.stage)))
        names = ["", *(f"-{number + 1}" for number in range(1, tale.replicas))]
        self.replicas = [Replica(out / f"state{name}", out / f"controller{name}.log") for name in names]
        self.config = out / "settings.yaml"
        self.config.write_text(f"notifications: [{{url: '{listener.url}'}}]\n", "utf-8")
        self.leases = LeaseWorld(out) if tale.leased else None

    @property
    def stage(self) -> Stage:
        if not self.telling.bad:
            return Stage.QUIET
        if self.story.ended(self.telling):
            return Stage.OVER
        return Stage.FOLLOW if self.telling.reverts() else Stage.ALARM

    # Processes

    def start_controller(self, **more: str) -> None:
        for replica in self.replicas:
            self._start(replica, self.deaths.take(self.stage), **more)

    def _start(self, replica: Replica, death: Death | None, **more: str) -> None:
        armed = {VARIABLE: death.place} if death is not None and death.place else {}
        if self.leases is not None:
            more |= self.leases.environment
        environment = self.world.environment(replica.state, GITOPS_ROLLBACK_CONFIG=str(self.config), **armed, **more)
        replica.log_before = replica.log.stat().st_size if replica.log.exists() else 0
        with replica.log.open("ab") as log:
            replica.process = subprocess.Popen(run_command(), env=environment, stdout=log, stderr=log, cwd=self._out)
        replica.death, replica.since = death, time.monotonic()

    def tend(self) -> None:
        """Start again who died, and kill whose moment has come."""
        for replica in self.replicas:
            if replica.process is None:
                continue
            code = replica.process.poll()
            if code is None and self._is_due(replica):
                code = self._end(replica)
            if code is not None:
                self._died(replica, code)
                self._start(replica, self.deaths.take(self.stage))

    def _is_due(self, replica: Replica) -> bool:
        death, lived = replica.death, time.monotonic() - replica.since
        if death is None or lived < (PATIENCE_SECONDS if death.place and not death.asked else death.after):
            return False
        return death.stage <= self.stage or lived > 2 * PATIENCE_SECONDS

    def _end(self, replica: Replica) -> int:
        """By hand: a death without a place, or one whose place is never reached, which is a death at a moment, too."""
        assert replica.process is not None
        assert replica.death is not None
        if replica.death.asked:
            return self._terminated(replica)
        replica.death = replace(replica.death, place="")
        replica.process.kill()
        return replica.process.wait(STOP_SECONDS)

    def _died(self, replica: Replica, code: int) -> None:
        death, replica.death = replica.death, None
        if death is None or code != (0 if death.asked and not death.place else -signal.SIGKILL):
            self.deaths.odd.append(f"a controller ended by itself with {code}")
            return
        self.deaths.hits.append(death.label)
        if death.loses_disk:
            shutil.rmtree(replica.state, ignore_errors=True)

    def exit_code(self) -> int | None:
        return None

    def kill_controller(self) -> None:
        for replica in self.replicas:
            if replica.process is not None:
                replica.process.kill()
                replica.process.wait(STOP_SECONDS)
                replica.process = None

    def stop_controller(self) -> int | None:
        """One that dies at the very end is started once more: what it finds must be enough."""
        codes = [self._stop(replica) for replica in self.replicas if replica.process is not None]
        return max(codes, key=abs) if codes else None

    def _stop(self, replica: Replica) -> int:
        code = self._terminated(replica)
        if code == -signal.SIGKILL and replica.death is not None:
            self._died(replica, code)
            self._start(replica, None)
            code = self._terminated(replica)
        replica.process = None
        return code

    def _terminated(self, replica: Replica) -> int:
        process = replica.process
        assert process is not None
        super().wait_for(lambda: replica.ready or process.poll() is not None, START_SECONDS)
        process.terminate()
        try:
            return process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(STOP_SECONDS)
            return 1

    def failures(self) -> list[BaseException]:
        return [*super().failures(), *(self.leases.kubernetes.failures if self.leases is not None else ())]

    def close(self) -> None:
        super().close()
        if self.leases is not None:
            self.leases.close()

    # The story

    def wait_for(
        self, condition: Callable[[], bool], real_seconds: float, each: Callable[[], None] | None = None
    ) -> bool:
        """As ever, over any number of deaths, which take their time."""
        return self._tend_until(condition, max(real_seconds, self.world.clock.real_seconds(LONGEST)))

    def _tend_until(self, condition: Callable[[], bool], real_seconds: float) -> bool:
        end = time.monotonic() + real_seconds
        while not condition():
            if time.monotonic() > end:
                return False
            self.tend()
            self._idle.wait(LOOK_SECONDS)
        return True

    def _tell(self) -> None:
        longest = self.world.clock.real_seconds(self.story.longest)
        self.wait_for(lambda: self._spent(Stage.QUIET), longest)
        self.telling.acted_at = self.world.clock.now()
        if self.tale.answers_lost:
            self.world.git.cut_reply(self.tale.answers_lost)
        self.story.act(self.telling)
        self.wait_for(lambda: self.story.ended(self.telling), longest)
        self._tend_until(lambda: self._spent(Stage.FOLLOW), GRACE_SECONDS)
        self._tend_until(lambda: self._spent(Stage.OVER) and self._told(), 2 * PATIENCE_SECONDS)

    def _spent(self, stage: Stage) -> bool:
        """Nobody is to die at this stage any more."""
        waiting = [*self.deaths.left, *(one.death for one in self.replicas if one.death is not None)]
        return not any(death.stage == stage for death in waiting)

    def _told(self) -> bool:
        """At least once people heard of it, whatever died meanwhile."""
        return ("suggested" if self.story.name == "asks-first" else "verified") in self.listener.events

    def judge(self) -> Iterator[str]:
        """What is wrong with the world that they left behind."""
        yield from self.deaths.odd
        yield from check_history(self.world.bare, Known(bad={self.telling.bad}))
        if not self._told():
            yield f"people were never told of the end, only of {sorted(set(self.listener.events))}"
        log = self.world.people.git("log", "--format=%H %cn", "main").splitlines()
        ours = [line.split()[0] for line in log if line.split(" ", 1)[1] == CONTROLLER]
        landed = [one.new for one in self.world.git.updates(f"{REPOSITORY}.git") if one.ref == MAIN]
        if ours != landed:
            yield f"the server took {landed}, and the branch holds {ours} of the controller"
        for replica in self.replicas:
            locks = list(replica.state.glob("clones/*/**/*.lock"))  # git's locks; ours go with a process
            if locks:
                yield f"locks were left: {locks}"
            if halves := list(replica.state.glob("clones/*.new-*")):
                yield f"half a clone was left: {halves}"
            for line in replica.log.read_text("utf-8", "replace").splitlines():
                if '"exception"' in line or line.startswith("Traceback"):
                    yield f"an internal error: {line[:300]}"


def tell_killed(tale: Tale, out: Path) -> Killed:
    """Tell it to its end and judge it."""
    lines: list[str] = []
    listener = Listener()
    demo = KilledStory(tale, out, lines.append, listener)
    try:
        true = demo.run()
        broken = [line.strip() for line in lines if "✖" in line] if not true else []
        return Killed(tale, tuple(demo.deaths.hits), (*broken, *demo.judge()), out, tuple(lines))
    finally:
        demo.kill_controller()
        demo.close()
        listener.close()
