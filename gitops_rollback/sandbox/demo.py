"""A story told live: the world on loopback, the real controller as its own process, and the check at the end."""

from __future__ import annotations

import secrets
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path

from gitops_rollback.app.settings import DEFAULT_CONFIG
from gitops_rollback.sandbox.argocd import Timing
from gitops_rollback.sandbox.clock import ScaledClock
from gitops_rollback.sandbox.narrator import Narrator, Say
from gitops_rollback.sandbox.registry import RegistrySandbox
from gitops_rollback.sandbox.replicas import Replicas
from gitops_rollback.sandbox.stories import APPLICATION, SERVICE
from gitops_rollback.sandbox.story_texts import POLICY_PATH, for_engine
from gitops_rollback.sandbox.telling import Claim, Story, Telling
from gitops_rollback.sandbox.world import REPOSITORY, Ports, World, run_command

QUIET_BEFORE = timedelta(hours=4)  # what runs at the start has run for so long
START_SECONDS = 90.0  # on a machine that has much to do
LOOK_SECONDS = 0.1
COMMAND_SECONDS = 120.0
VISITOR = "mara"  # who presses the dashboard's buttons; she may write at each sandbox forge
QUERIES_PER_MINUTE = 600
# Real time: a demo's minutes pass while a Lease runs out. Whole seconds, as it has them.
LEASE_TIMES = {
    "GITOPS_ROLLBACK_LEADER_ELECT_LEASE_DURATION": "4s",
    "GITOPS_ROLLBACK_LEADER_ELECT_RENEW_DEADLINE": "3s",
    "GITOPS_ROLLBACK_LEADER_ELECT_RETRY_PERIOD": "500ms",
}


class NotUp(RuntimeError):
    """The sandbox or the controller in it did not come up in time: a machine that is too busy, mostly."""


class Demo:
    """One telling of one story. `out` is made anew; it keeps repository, log and state."""

    def __init__(
        self,
        story: Story,
        speed: float,
        out: Path,
        say: Say,
        ports: Ports | None = None,
        timing: Timing | None = None,
        engine: str = "argocd",
        shown: bool = False,
    ) -> None:
        """`shown`: the controller serves its dashboard, at a port that stays the same; `token` logs in there."""
        self.story = story
        self._port = free_port() if shown else 0
        self.token = secrets.token_urlsafe(18)
        self._say = say
        self._out = out
        shutil.rmtree(out, ignore_errors=True)
        out.mkdir(parents=True)
        self.world = World(
            *(out, ScaledClock(speed), story.applications, timing, ports),
            engine=engine,
            more=story.services,
            forge=story.forge,
            source=story.source,
        )
        self.world.registry = _stocked(story.images) if story.images else None
        self.world.mirror = _stocked(story.mirrored) if story.mirrored else None
        first = story.applications[0].name if story.applications else APPLICATION
        self.telling = Telling(self.world, SERVICE if engine == "flux" else first)
        self._replicas = Replicas(out)
        self.telling.kill_leader = self._kill_leader
        self.telling.command = self._command
        self._idle = threading.Event()

    def run(self) -> bool:
        """Tell it; True if it ended as it was told, by git's and the engine's word."""
        started = time.monotonic()
        try:
            self._set_up()
            self._tell()
            code = self.stop_controller()
            claims = [*self.story.claims(self.telling), Claim("the controller ended cleanly", code == 0)]
            claims += [Claim(f"the sandbox worked: {failure!r}", False) for failure in self.failures()]
            self._judge(claims, time.monotonic() - started)
            return all(claim.holds for claim in claims)
        finally:
            self.stop_controller()

    def close(self) -> None:
        """Stop the world, and leave a clone to look at."""
        self.world.stop()
        clone = self._out / "config"
        command = ["git", "clone", "--quiet", str(self.world.bare), str(clone)]
        subprocess.run(command, check=False, capture_output=True, timeout=60)

    def failures(self) -> list[BaseException]:
        registries = [one for one in (self.world.registry, self.world.mirror) if one is not None]
        engine = self.world.flux or self.world.argocd
        return [
            *(failure for one in registries for failure in one.failures),
            *self.world.git.failures,
            *(engine.failures if engine is not None else ()),
        ]

    def start_controller(self, **more: str) -> None:
        """The `run` that a user would start, in a process of its own or several; `more` is set in its environment."""
        # A minute of the limit is real, and in it the demo's clock goes through many.
        most = round(QUERIES_PER_MINUTE * self.world.clock.speed)
        settings = f"metrics:\n  - {{url: {self.world.prometheus.url}, maxQueriesPerMinute: {most}}}\n"
        if self.dashboard:
            settings += f"dashboard: {{login: {{tokens: [{{login: {VISITOR}, token: {self.token}}}]}}}}\n"
        (self._out / DEFAULT_CONFIG).write_text(settings + self.world.settings(), "utf-8")
        times = LEASE_TIMES if self.story.replicas > 1 else {}
        if self._port and self.story.replicas == 1:
            more = {"GITOPS_ROLLBACK_DASHBOARD_BIND": f"127.0.0.1:{self._port}", **more}
        for number in range(1, self.story.replicas + 1):
            state = self._replicas.state(number)
            self._replicas.start(number, self.world.environment(state, **times, **more))

    @property
    def dashboard(self) -> str:
        """Where it is; "" where none is shown."""
        return f"http://127.0.0.1:{self._port}/" if self._port and self.story.replicas == 1 else ""

    def exit_code(self) -> int | None:
        """How the controller ended of its own accord; None while it runs, and if none was started."""
        return self._replicas.ended()

    def kill_controller(self) -> None:
        """As a node that dies would."""
        self._replicas.kill()

    def stop_controller(self) -> int | None:
        """Its exit code; None if it did not run."""
        return self._replicas.stop()

    def _command(self, arguments: Sequence[str]) -> int:
        """What a person types beside the controller, with a clone of their own."""
        command = [*run_command()[:-1], *arguments]
        environment = self.world.environment(self._out / "person")
        patience = max(COMMAND_SECONDS, self.world.clock.real_seconds(self.story.longest))
        with (self._out / "person.log").open("ab") as log:
            done = subprocess.run(
                command, env=environment, stdout=log, stderr=log, cwd=self._out, check=False, timeout=patience
            )
        return done.returncode

    def _kill_leader(self) -> str:
        """The replica that holds the Lease is killed, in the middle of whatever it does; its identity."""
        lease = self.world.flux.lease() if self.world.flux is not None else {}
        identity = str(lease.get("holderIdentity") or "")
        return identity if self._replicas.kill(identity) else ""

    def wait_for(
        self, condition: Callable[[], bool], real_seconds: float, each: Callable[[], None] | None = None
    ) -> bool:
        """True once `condition` holds; `each` is called between two looks."""
        end = time.monotonic() + real_seconds
        while not condition():
            if time.monotonic() > end or self.exit_code() is not None:
                return False
            if each is not None:
                each()
            self._idle.wait(LOOK_SECONDS)
        return True

    def _set_up(self) -> None:
        world, people = self.world, self.world.people
        self.story.prepare(self.telling)
        if self.story.policy:
            policy = for_engine(self.story.policy, world.engine)
            world.followed.push("Watch checkout-api", {POLICY_PATH: policy}, world.clock.now())
        world.start()
        self.story.begin(self.telling)
        if not self.wait_for(self._all_healthy, START_SECONDS):
            raise NotUp(f"the sandbox did not become healthy: {self._why_unhealthy()}")
        world.clock.jump(QUIET_BEFORE)
        commits = people.git("rev-list", "--count", "main")
        self._say(f"{self.story.name}: {self.story.summary}")
        self._say(f" ✔ config repository   {len(world.applications)} applications, {commits} commits   {world.url}")
        self._say(self._engine_line())
        self._say(f" ✔ Prometheus          sandbox, scripted series    {world.prometheus.url}")
        if world.registry is not None:
            self._say(f" ✔ registry            sandbox, real wire shapes   {world.registry.url}")
        if world.forge is not None:
            self._say(f" ✔ {world.forge.title:<19} sandbox, real wire shapes   {world.forge.url}")
        self.start_controller()
        if not self.wait_for(lambda: bool(self.telling.decisions()), START_SECONDS):
            raise NotUp(f"the controller did not start: see {self._replicas.log(1)}")
        times = f", {self.story.replicas} replicas" if self.story.replicas > 1 else ""
        runs = f"gitops-rollback run --repo {world.url}   (time runs {world.clock.speed:g}x{times})"
        self._say(f" ✔ controller          {runs}")
        if self.dashboard:
            self._say(f" ✔ dashboard           {self.dashboard}   (to press buttons, log in with {self.token})")

    def _tell(self) -> None:
        logs = [self._replicas.log(number) for number in range(1, self.story.replicas + 1)]
        narrator = Narrator(self.telling, logs, self._say)
        longest = self.world.clock.real_seconds(self.story.longest)
        self.telling.acted_at = self.world.clock.now()
        self.story.act(self.telling)
        self.wait_for(lambda: self.story.ended(self.telling), longest, narrator.look)
        if self.story.then is not None and self.story.ended_again is not None:
            narrator.look()
            again = self.story.ended_again
            self.story.then(self.telling)
            self.wait_for(lambda: again(self.telling), longest, narrator.look)
        narrator.look()

    def _engine_line(self) -> str:
        if self.world.flux is not None:
            return f" ✔ Flux                sandbox, real wire shapes   {self.world.flux.kubernetes.url}"
        url = self.world.argocd.url if self.world.argocd is not None else ""
        return f" ✔ Argo CD             sandbox, real wire shapes   {url}"

    def _all_healthy(self) -> bool:
        if self.world.flux is not None:
            return self.world.flux.all_ready()
        if self.world.argocd is None:
            return False
        states = [self.world.argocd.application(one.name).get("status") or {} for one in self.world.applications]
        return all((one.get("health") or {}).get("status") == "Healthy" for one in states) and all(
            (one.get("sync") or {}).get("status") == "Synced" for one in states
        )

    def _why_unhealthy(self) -> str:
        """The engine's own words."""
        status = self.telling.live().get("status") or {}
        words = [str(one.get("message", "")) for one in status.get("conditions") or ()]
        words += [str((status.get(key) or {}).get("status", "")) for key in ("sync", "health")]
        return "; ".join(filter(None, words)) or "nobody knows why"

    def _judge(self, claims: list[Claim], seconds: float) -> None:
        self._say("")
        for claim in claims:
            self._say(f" {'✔' if claim.holds else '✖'} {claim.text}")
        told = "the story is true" if all(claim.holds for claim in claims) else "the story did NOT end as told"
        self._say(f" {told}, after {seconds:.0f} s")
        shown = (self.telling.reverts() or [self.telling.bad])[0][:7]
        self._say(f"   look at it:  git -C {self._out}/config show {shown}")
        self._say(f"   why:         git -C {self._out}/{REPOSITORY}.git log -p gitops-rollback-journal")
        page = "first-ten-minutes.md" if self.world.flux is None else "flux.md"
        self._say(f"   on your own: gitops-rollback init, in a clone of your config repository; docs/{page}")


def free_port() -> int:
    """A port of loopback that nobody holds now."""
    with socket.create_server(("127.0.0.1", 0)) as found:
        return int(found.getsockname()[1])


def _stocked(images: Sequence[str]) -> RegistrySandbox:
    registry = RegistrySandbox()
    for image in images:
        repository, _, tag = image.rpartition(":")
        registry.put(repository, tag)
    return registry
