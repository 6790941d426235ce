"""A world with Flux in it: a Kubernetes API with Flux's objects, a git server, a Prometheus, and the real `run`.

Flux's controllers are those of the sandbox; what a service does depends on the image that it was given.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

from live_world import environment_of_nobody, quick_policy

from gitops_rollback.sandbox.clock import ScaledClock
from gitops_rollback.sandbox.flux.sandbox import FluxSandbox
from gitops_rollback.sandbox.flux.status import REQUESTED_AT
from gitops_rollback.sandbox.flux_side import FLUX_NAMESPACE
from gitops_rollback.sandbox.git_server import GitServer
from gitops_rollback.sandbox.kubernetes import By, KubernetesSandbox
from gitops_rollback.sandbox.kubernetes.history import DELETED, Change
from gitops_rollback.sandbox.kubernetes.kinds import DEPLOYMENT as DEPLOYMENT_KIND
from gitops_rollback.sandbox.kubernetes.kinds import GIT_REPOSITORY, KUSTOMIZATION, Kind
from gitops_rollback.sandbox.people import People
from gitops_rollback.sandbox.prometheus import PrometheusSandbox
from gitops_rollback.sandbox.replay import replay
from gitops_rollback.sandbox.services import FAILING, GOOD, Service
from gitops_rollback.sandbox.stories import DEPLOYMENT, IMAGE, NEW_TAG, SERVICE
from gitops_rollback.sandbox.story_texts import POLICY_PATH
from gitops_rollback.sandbox.telling import Telling
from gitops_rollback.sandbox.world import REPOSITORY, SERVICES, World, run_command, scenario

SPEED = 30.0
PATIENCE_SECONDS = 90.0
Json = dict[str, Any]


def flux_policy(service: str = SERVICE) -> str:
    """The quick policy for one service, whose Kustomization has its name."""
    named = f"application: {{namespace: argocd, name: {service}-prod}}"
    text = quick_policy(service)
    assert named in text
    return text.replace("engine: argocd", "engine: flux").replace(named, f"application: {{name: {service}}}")


class FluxWorld:
    """`waits`: each Kustomization waits for the health of what it has applied. The clock is scaled."""

    def __init__(self, folder: Path, waits: bool = False, policy: str = "") -> None:
        self.folder = folder
        self.clock = ScaledClock(SPEED)
        bare = self.bare = folder / "world" / f"{REPOSITORY}.git"
        bare.parent.mkdir(parents=True)
        replay(scenario("shop"), bare)
        self.people = self.followed = People(bare)
        self.people.push("Watch the shop", {POLICY_PATH: policy or flux_policy()}, self.clock.now())
        self.git = GitServer(folder / "world")
        self.prometheus = PrometheusSandbox(self.clock)
        self.kubernetes = KubernetesSandbox(self.clock)
        self.telling = Telling(cast(World, self), SERVICE)
        self.services = {name: Service(name, "shop") for name in SERVICES}
        self.failing_tags: set[str] = set()
        self.log = folder / "controller.log"
        self.controller: subprocess.Popen[bytes] | None = None
        self.flux: FluxSandbox | None = None
        self.api_url = self.kubernetes.url  # as the controller is told
        self._waits = waits
        self._stop = threading.Event()

    def start(self) -> None:
        for server in (self.git, self.prometheus, self.kubernetes):
            server.start()
        for service in self.services.values():
            service.publish(self.prometheus)
        url = f"{self.git.url}/{REPOSITORY}.git"
        self._create(GIT_REPOSITORY, "config", {"url": url, "interval": "1h", "ref": {"branch": "main"}})
        for name in SERVICES:
            source = {"kind": "GitRepository", "name": "config"}
            spec = {"interval": "1h", "path": f"./apps/{name}", "prune": True, "sourceRef": source}
            more = {"wait": True, "timeout": "12m"} if self._waits else {}
            self._create(KUSTOMIZATION, name, {**spec, **more})
        self.kubernetes.store.on_change(self._rolled_out)
        self.flux = FluxSandbox(self.kubernetes.store, {url: self.bare}, self.clock)
        self.flux.start()
        self.until(lambda: all(self.applied(name) for name in SERVICES), "all are applied")
        self.clock.jump(timedelta(hours=4))

    def stop(self) -> None:
        if self.flux is not None:
            self.flux.stop()
        if self.controller is not None:
            self.controller.terminate()
            self.controller.wait(30)
        for server in (self.kubernetes, self.prometheus, self.git):
            server.stop()

    def run(self, **environment: str) -> None:
        """`run` with Flux alone, as a user would start it."""
        said = self.log.read_text().count('"started"') if self.log.exists() else 0
        with self.log.open("ab") as log:
            self.controller = subprocess.Popen(
                run_command(), env={**self.environment("state"), **environment}, stdout=log, stderr=log, cwd=self.folder
            )
        self.until(lambda: self.log.read_text().count('"started"') > said, "the controller started")

    def verb(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """A person's command line."""
        command = [sys.executable, "-m", "gitops_rollback", *arguments]
        return subprocess.run(
            command, env=self.environment("laptop"), cwd=self.folder, stdin=subprocess.DEVNULL, capture_output=True,
            text=True, timeout=120, check=False,
        )  # fmt: skip

    def environment(self, state: str) -> dict[str, str]:
        kubeconfig = self.folder / "kubeconfig"
        kubeconfig.write_text(self.kubernetes.kubeconfig(self.api_url))
        return {
            **environment_of_nobody(),
            "KUBECONFIG": str(kubeconfig),
            "GITOPS_ROLLBACK_FLUX": "true",
            "PROMETHEUS_URL": self.prometheus.url,
            "GITOPS_ROLLBACK_REPO": f"{self.git.url}/{REPOSITORY}.git",
            "GITOPS_ROLLBACK_STATE_DIR": str(self.folder / state),
            "GITOPS_ROLLBACK_BIND": "127.0.0.1:0",
            "GITOPS_ROLLBACK_CLOCK": f"{self.clock.start},{self.clock.speed}",
            "PYTHONUNBUFFERED": "1",
        }

    def kill(self) -> None:
        process, self.controller = self.controller, None
        assert process is not None
        process.kill()
        process.wait(30)

    def release(self, tag: str = NEW_TAG) -> str:
        """A developer lands a release whose requests fail; a Receiver tells the source."""
        self.failing_tags.add(tag)
        text = self.people.read(DEPLOYMENT)
        found = IMAGE.search(text)
        assert found is not None
        self.telling.before = self.people.head()
        files = {DEPLOYMENT: text.replace(found[0], f"shop/{SERVICE}:{tag}")}
        self.telling.bad = self.people.push(f"feat(payments): {SERVICE} v{tag}", files, self.clock.now())
        self.telling.acted_at = self.clock.now()
        self.receive()
        return self.telling.bad

    def said(self) -> list[Json]:
        """The controller's log."""
        return [json.loads(line) for line in self.log.read_text().splitlines() if line.startswith("{")]

    def receive(self) -> None:
        """What a Receiver of Flux does after a push."""
        token = f"receiver/{self.clock.now().isoformat()}"
        self.change(GIT_REPOSITORY, "config", lambda body: _annotate(body, token))

    def let_pass(self, span: timedelta) -> None:
        """World time, for what must not happen."""
        end = self.clock.now() + span
        self.until(lambda: self.clock.now() >= end, "time passes")

    def suspend(self, name: str = SERVICE) -> None:
        self.change(KUSTOMIZATION, name, lambda body: body["spec"].update(suspend=True))

    def status(self, name: str = SERVICE) -> Json:
        return cast(Json, self.kubernetes.store.get(KUSTOMIZATION, name, FLUX_NAMESPACE)["status"])

    def applied(self, name: str = SERVICE) -> str:
        return str(self.status(name).get("lastAppliedRevision", "")).rpartition(":")[2]

    def until(self, condition: Callable[[], bool], what: str, real_seconds: float = PATIENCE_SECONDS) -> None:
        end = time.monotonic() + real_seconds
        while not condition():
            alive = self.controller is None or self.controller.poll() is None
            assert alive, f"the controller ended: {self._state()}"
            assert time.monotonic() < end, f"not within {real_seconds:.0f} s: {what}: {self._state()}"
            self._stop.wait(0.1)

    def _state(self) -> str:
        log = self.log.read_text()[-6000:] if self.log.exists() else ""
        shown = self.kubernetes.store.find(KUSTOMIZATION, SERVICE, FLUX_NAMESPACE)
        return f"\n{self.telling.records()}\n{shown and shown.get('status')}\n{log}"

    def _rolled_out(self, change: Change) -> None:
        """What a service does depends on the image that its Deployment was given last."""
        if change.ref.kind is not DEPLOYMENT_KIND or change.type == DELETED or change.ref.name not in self.services:
            return
        image = str(change.after["spec"]["template"]["spec"]["containers"][0]["image"])
        bad = image.rpartition(":")[2] in self.failing_tags
        self.services[change.ref.name].behave(FAILING if bad else GOOD, self.clock.now())

    # Objects

    def _create(self, kind: Kind, name: str, spec: Json) -> None:
        metadata = {"name": name, "namespace": FLUX_NAMESPACE}
        manifest = {"apiVersion": kind.api_version, "kind": kind.kind, "metadata": metadata, "spec": spec}
        self.kubernetes.store.create(kind, manifest)

    def change(self, kind: Kind, name: str, change: Callable[[Json], object]) -> None:
        self.kubernetes.store.change(kind, name, FLUX_NAMESPACE, change, By("a person"))


def _annotate(body: Json, token: str) -> None:
    body["metadata"].setdefault("annotations", {})[REQUESTED_AT] = token


@contextmanager
def flux_world(folder: Path, **words: Any) -> Iterator[FluxWorld]:
    """A started world without a controller; at the end nothing of it is left."""
    world = FluxWorld(folder, **words)
    try:
        world.start()
        yield world
        assert world.kubernetes.failures == []
        assert world.flux is not None
        assert world.flux.failures == []
    finally:
        world.stop()
