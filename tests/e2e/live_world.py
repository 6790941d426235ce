"""A sandbox world with the real controller beside it, for what the demo's stories do not show.

Everything is real but the cluster: `run` and the verbs are processes, git is served over HTTP. A test waits for
conditions; what must *not* happen is judged after a span of the world's own time.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

from gitops_rollback.sandbox.argocd import AppSpec, ArgoCdSandbox, Timing
from gitops_rollback.sandbox.clock import ScaledClock
from gitops_rollback.sandbox.stories import APPLICATION, NEW_TAG, SERVICE, release
from gitops_rollback.sandbox.story_texts import POLICY_PATH
from gitops_rollback.sandbox.story_texts import policy as story_policy
from gitops_rollback.sandbox.telling import Telling
from gitops_rollback.sandbox.world import SERVICES, World, default_application, run_command

SPEED = 30.0
QUIET_BEFORE = timedelta(hours=4)
PATIENCE_SECONDS = 60.0
LOOK_SECONDS = 0.1  # many a look is a run of git, and several worlds live side by side
MINUTE = timedelta(minutes=1)
MAIN = "refs/heads/main"
NO_POLLS = Timing(reconciliation=86400.0)  # the engine looks when somebody asks it to, not by itself
PERSON = "Kim Svoboda"
LONG = "  timing: {window: 2h}\n  delivery: {syncTimeout: 2h}\n"  # whoever takes over has all the time in the world
Document = dict[str, Any]
Alive = TypeVar("Alive", bound="Live")


def quick_policy(service: str = SERVICE, guards: str = "") -> str:
    """The stories' policy for one of the services, with shorter windows, so that a test need not wait so long."""
    text = story_policy(guards)
    for long, short in (("[2m]", "[1m]"), ("for: 2m", "for: 45s"), ("holdFor: 2m", "holdFor: 1m")):
        text = text.replace(long, short)
    return (
        text.replace("startAfter: 30s", "startAfter: 15s")
        .replace("{name: shop}", f"{{name: {service}}}")
        .replace(SERVICE, service)
    )


def patient_policy(service: str = SERVICE, more: str = "") -> str:
    """The quick policy, but its verification waits for longer than a loaded machine may take.

    `more` are further parts of it, whole lines, as "  delivery: {syncTimeout: 1h}\n".
    """
    text = quick_policy(service)
    if text.count("timeout: 15m") != 1 or text.count("  verification:") != 1:
        raise ValueError("the policy of the stories is another one now")
    return text.replace("timeout: 15m", "timeout: 2h").replace("  verification:", f"{more}  verification:")


def probed(address: str, path: str) -> tuple[int, str]:
    """Status and text of a probe of a controller that answers at `address`."""
    try:
        with urllib.request.urlopen(f"{address}{path}", timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


@dataclass(frozen=True)
class Answer:
    """What a verb printed, and its exit code."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> Document:
        found: Document = json.loads(self.out)
        return found


class Live:
    """One world, at most one controller, and a person with the command line."""

    def __init__(
        self,
        folder: Path,
        speed: float = SPEED,
        policies: Mapping[str, str] | None = None,
        applications: Sequence[AppSpec] = (),
        timing: Timing | None = None,
    ) -> None:
        """`policies` are files by their path; None is the quick policy of checkout-api."""
        self.folder = folder
        self.applications = tuple(applications) or tuple(default_application(name) for name in SERVICES)
        self.world = World(folder / "world", ScaledClock(speed), self.applications, timing)
        self.telling = Telling(self.world, APPLICATION)
        self.policies = {POLICY_PATH: quick_policy()} if policies is None else dict(policies)
        self.more_environment: dict[str, str] = {}
        self.launcher: tuple[str, ...] = ()  # what stands before the command, as limits for the process
        self.log = folder / "controller.log"
        self.controller: subprocess.Popen[bytes] | None = None
        self._idle = threading.Event()
        self._parsed: list[Document] = []
        self._read = 0  # bytes of the log that are parsed

    @property
    def argocd(self) -> ArgoCdSandbox:
        assert self.world.argocd is not None
        return self.world.argocd

    @property
    def people(self) -> Any:
        return self.world.people

    def now(self) -> datetime:
        return self.world.clock.now()

    # The world

    def start_world(self) -> None:
        """All applications healthy, and so for hours."""
        if self.policies:
            self.people.push("Watch the shop", self.policies, self.now())
        self.world.start()
        self.until(self.all_healthy, "the sandbox is healthy")
        self.world.clock.jump(QUIET_BEFORE)

    def start_in_real_time(self) -> None:
        """As `start_world`, but what runs has only just been deployed: real time cannot jump."""
        self.people.push("Watch the shop", self.policies, self.now())
        self.world.start()
        self.until(self.all_healthy, "the sandbox is healthy")

    def all_healthy(self) -> bool:
        states = [self.argocd.application(one.name).get("status") or {} for one in self.applications]
        return all(
            (one.get("health") or {}).get("status") == "Healthy" and (one.get("sync") or {}).get("status") == "Synced"
            for one in states
        )

    def refresh(self) -> None:
        """What Argo CD's webhook would do after a push, for all applications."""
        for one in self.applications:
            url = f"{self.argocd.url}/api/v1/applications/{one.name}?refresh=normal&project=default"
            request = urllib.request.Request(url, headers={"Authorization": f"Bearer {self.argocd.token}"})
            with urllib.request.urlopen(request, timeout=30) as answer:
                answer.read()

    def fail(self, tag: str = NEW_TAG, more: Mapping[str, str | None] | None = None) -> str:
        """A developer lands a release of checkout-api whose requests fail; its SHA."""
        self.world.failing_tags.add(tag)
        self.telling.acted_at = self.now()
        release(self.telling, tag, more)
        return self.telling.bad

    # The engine as the controller reaches it

    def engine_answers(self, status: int, body: str, content_type: str) -> None:
        """To everything that it is asked, until `engine_heals`."""
        self.argocd.answer(status, body, content_type)

    def engine_heals(self) -> None:
        """It answers as ever."""
        self.argocd.reset()

    def engine_rests(self, rests: bool) -> None:
        """Its controller does nothing meanwhile."""
        self.argocd.pause_controller(rests)

    def runs(self, revision: str) -> bool:
        """The engine has applied this one to checkout-api."""
        return self.argocd.deployed(APPLICATION).revision == revision

    def engine_writes(self) -> list[str]:
        """What it was asked to do, by anybody."""
        return [f"{one.method} {one.path}" for one in self.argocd.writes]

    # The controller

    def start_controller(self, *flags: str, **environment: str) -> None:
        """`run`, as a user would start it; waits until it says that it started."""
        seen = len(self.logged())
        command = [*self.launcher, *run_command(), *flags]
        with self.log.open("ab") as log:
            self.controller = subprocess.Popen(
                command, env=self._environment("state", environment), stdout=log, stderr=log, cwd=self.folder
            )
        self.until(lambda: any(line.get("msg") == "started" for line in self.logged()[seen:]), "the controller started")

    def stop_controller(self) -> int:
        """SIGTERM; its exit code."""
        process, self.controller = self.controller, None
        assert process is not None
        process.terminate()
        return process.wait(30)

    def kill_controller(self) -> None:
        process, self.controller = self.controller, None
        if process is not None:
            process.kill()
            process.wait(30)

    def close(self) -> None:
        """Leave nothing behind, however far the start came."""
        self.kill_controller()
        self.world.stop()

    def log_text(self) -> str:
        """All that the controller said, as it said it."""
        return self.log.read_text("utf-8", "replace")

    def logged(self) -> list[Document]:
        """The controller's log lines; what is no JSON is under `text`."""
        if self.log.exists():
            with self.log.open("rb") as log:
                log.seek(self._read)
                whole = log.read().rpartition(b"\n")[0]
            self._read += len(whole) + 1 if whole else 0
            self._parsed += [_parsed(line) for line in whole.decode("utf-8", "replace").splitlines()]
        return self._parsed[:]

    def probe(self, path: str) -> tuple[int, str]:
        """Status and text of a probe of the running controller."""
        address = [line["probes"] for line in self.logged() if line.get("msg") == "started"][-1]
        return probed(address, path)

    # A person

    def verb(self, *arguments: str, **environment: str) -> Answer:
        """One command line of a person without a terminal, on a machine of their own."""
        more = {"GIT_AUTHOR_NAME": PERSON, "GIT_AUTHOR_EMAIL": "kim@shop.example", **environment}
        command = [sys.executable, "-m", "gitops_rollback", *arguments]
        done = subprocess.run(
            command, env=self._environment("laptop", more), cwd=self.folder, stdin=subprocess.DEVNULL,
            capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip
        return Answer(done.returncode, done.stdout, done.stderr)

    def _environment(self, state: str, more: Mapping[str, str]) -> dict[str, str]:
        return {**self.world.environment(self.folder / state), **self.more_environment, **more}

    # Waiting and judging

    def until(self, condition: Callable[[], bool], what: str, real_seconds: float = PATIENCE_SECONDS) -> None:
        """Wait for it; fails with `what`, the journal and the end of the log."""
        end = time.monotonic() + real_seconds
        while not condition():
            alive = self.controller is None or self.controller.poll() is None
            assert alive, f"the controller ended: {self._state()}"
            assert time.monotonic() < end, f"not within {real_seconds:.0f} s: {what}: {self._state()}"
            self._idle.wait(LOOK_SECONDS)

    def let_pass(self, span: timedelta, never: Callable[[], bool] = lambda: False, what: str = "") -> None:
        """Let world time pass, for what must not happen: `never` must not become true meanwhile."""
        end = self.now() + span
        while self.now() < end:
            assert not never(), f"happened: {what}: {self._state()}"
            self._idle.wait(LOOK_SECONDS)
        assert not never(), f"happened: {what}: {self._state()}"

    def until_verified(self) -> None:
        """The story ended well, by git's and the engine's word."""
        self.until(lambda: self.telling.is_done("verified"), "verified")

    def pending(self) -> bool:
        """The controller sees a trigger pending."""
        return any(line.get("msg") == "trigger" and line.get("phase") == "pending" for line in self.logged())

    def pages(self, reason: str = "") -> list[Document]:
        """Messages that paged a person, as the log has them."""
        found = [line for line in self.logged() if line.get("page")]
        return [line for line in found if reason in ("", line.get("reason"))]

    def message(self, revision: str = "main") -> str:
        return str(self.people.git("log", "-1", "--format=%B", revision))

    def trailer(self, name: str, revision: str = "main") -> list[str]:
        found = self.people.git("log", "-1", f"--format=%(trailers:key={name},valueonly)", revision)
        return [line for line in str(found).splitlines() if line]

    def _state(self) -> str:
        decisions = [
            (one["application"], one["action"], one["reason"], one["message"]) for one in self.telling.decisions()
        ]
        records = [(one["id"], one["phase"], one["outcome"], one["message"]) for one in self.telling.records()]
        tail = "\n".join(json.dumps(line) for line in self.logged()[-25:])
        return f"\ndecisions {decisions}\nrecords {records}\n{tail}"


def _parsed(line: str) -> Document:
    try:
        found = json.loads(line)
    except ValueError:
        return {"text": line}
    return found if isinstance(found, dict) else {"text": line}


@contextmanager
def living(
    folder: Path,
    controller: bool = True,
    kind: type[Alive] = Live,
    prepare: Callable[[Alive], object] = lambda _live: None,
    **words: Any,
) -> Iterator[Alive]:
    """A started world, with a running controller unless told otherwise; at the end nothing of it is left.

    `words` are those of `Live`; `prepare` comes before the start.
    """
    live = kind(folder, **words)
    try:
        prepare(live)
        live.start_world()
        if controller:
            live.start_controller()
        yield live
        assert live.argocd.failures == []
    finally:
        live.close()


def environment_of_nobody() -> dict[str, str]:
    """The environment without anything that is ours."""
    ours = ("GITOPS_ROLLBACK_", "ARGOCD_", "PROMETHEUS_", "GIT_")
    return {name: value for name, value in os.environ.items() if not name.startswith(ours)}
