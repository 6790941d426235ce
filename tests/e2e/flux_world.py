"""A world with Flux in it: a Kubernetes API with Flux's objects, a git server, a Prometheus, and the real `run`.

What Flux's controllers do is played here as the recordings show it, and no further: a source fetches when it is asked,
a Kustomization applies what its source holds, waits for health where it is told to, and looks at nothing meanwhile.
"""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, cast

from live_world import environment_of_nobody, quick_policy

from gitops_rollback.sandbox.clock import ScaledClock
from gitops_rollback.sandbox.git_server import GitServer
from gitops_rollback.sandbox.kubernetes import By, KubernetesSandbox
from gitops_rollback.sandbox.kubernetes.kinds import GIT_REPOSITORY, KUSTOMIZATION, Kind
from gitops_rollback.sandbox.people import People
from gitops_rollback.sandbox.prometheus import PrometheusSandbox
from gitops_rollback.sandbox.replay import replay
from gitops_rollback.sandbox.services import FAILING, GOOD, Service
from gitops_rollback.sandbox.stories import DEPLOYMENT, IMAGE, NEW_TAG, SERVICE
from gitops_rollback.sandbox.story_texts import POLICY_PATH
from gitops_rollback.sandbox.telling import Telling
from gitops_rollback.sandbox.world import REPOSITORY, SERVICES, World, run_command, scenario

SPEED = 40.0
PATIENCE_SECONDS = 90.0
FLUX = "flux-system"
REQUESTED_AT = "reconcile.fluxcd.io/requestedAt"
HEALTH_TIMEOUT = timedelta(minutes=12)
KUBECONFIG = """\
apiVersion: v1
kind: Config
current-context: sandbox
contexts: [{{name: sandbox, context: {{cluster: sandbox, user: rollback}}}}]
clusters: [{{name: sandbox, cluster: {{server: "{server}"}}}}]
users: [{{name: rollback, user: {{token: "{token}"}}}}]
"""
Json = dict[str, Any]


def flux_policy() -> str:
    named = "application: {namespace: argocd, name: checkout-api-prod}"
    text = quick_policy()
    assert named in text
    return text.replace("engine: argocd", "engine: flux").replace(named, f"application: {{name: {SERVICE}}}")


class FluxWorld:
    """`waits`: each Kustomization waits for the health of what it has applied. The clock is scaled."""

    def __init__(self, folder: Path, waits: bool = False, policy: str = "") -> None:
        self.folder = folder
        self.clock = ScaledClock(SPEED)
        bare = self.bare = folder / "world" / f"{REPOSITORY}.git"
        bare.parent.mkdir(parents=True)
        replay(scenario("shop"), bare)
        self.people = People(bare)
        self.people.push("Watch the shop", {POLICY_PATH: policy or flux_policy()}, self.clock.now())
        self.git = GitServer(folder / "world")
        self.prometheus = PrometheusSandbox(self.clock)
        self.kubernetes = KubernetesSandbox(self.clock)
        self.telling = Telling(cast(World, self), SERVICE)
        self.services = {name: Service(name, "shop") for name in SERVICES}
        self.failing_tags: set[str] = set()
        self.log = folder / "controller.log"
        self.controller: subprocess.Popen[bytes] | None = None
        self._waits = waits
        self._until: dict[str, tuple[datetime, str]] = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._play, daemon=True)

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
        self._thread.start()
        self.until(lambda: all(self.applied(name) for name in SERVICES), "all are applied")
        self.clock.jump(timedelta(hours=4))

    def stop(self) -> None:
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(10)
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
        kubeconfig.write_text(KUBECONFIG.format(server=self.kubernetes.url, token=self.kubernetes.token))
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
        self._change(GIT_REPOSITORY, "config", lambda body: _annotate(body, token))

    def let_pass(self, span: timedelta) -> None:
        """World time, for what must not happen."""
        end = self.clock.now() + span
        self.until(lambda: self.clock.now() >= end, "time passes")

    def suspend(self, name: str = SERVICE) -> None:
        self._change(KUSTOMIZATION, name, lambda body: body["spec"].update(suspend=True))

    def status(self, name: str = SERVICE) -> Json:
        return cast(Json, self.kubernetes.store.get(KUSTOMIZATION, name, FLUX)["status"])

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
        return f"\n{self.telling.records()}\n{self.status()}\n{log}"

    # Flux

    def _play(self) -> None:
        while not self._stop.wait(0.05):
            self._fetch()
            for name in SERVICES:
                self._reconcile(name)

    def _fetch(self) -> None:
        body = self.kubernetes.store.get(GIT_REPOSITORY, "config", FLUX)
        asked, status = _asked(body), body["status"]
        if status.get("artifact") and asked == status.get("lastHandledReconcileAt", ""):
            return
        revision = f"main@sha1:{self.people.head()}"
        artifact = {"revision": revision, "digest": "sha256:0", "lastUpdateTime": self._stamp()}
        ready = self._condition("Ready", "True", "Succeeded", f"stored artifact for revision '{revision}'")
        self._write(GIT_REPOSITORY, "config", asked, artifact=artifact, conditions=[ready])

    def _reconcile(self, name: str) -> None:
        body = self.kubernetes.store.get(KUSTOMIZATION, name, FLUX)
        artifact = self.kubernetes.store.get(GIT_REPOSITORY, "config", FLUX)["status"].get("artifact")
        asked, status = _asked(body), body["status"]
        if name in self._until:
            self._end_wait(name, asked, status)
            return
        revision = artifact["revision"] if artifact else ""
        fresh = revision != status.get("lastAttemptedRevision", "") or asked != status.get("lastHandledReconcileAt", "")
        if not revision or not fresh:
            return
        if body["spec"].get("suspend"):
            if asked != status.get("lastHandledReconcileAt", ""):
                self._write(KUSTOMIZATION, name, asked)
            return
        self._apply(name, revision)
        if body["spec"].get("wait") and self._tag(name, revision) in self.failing_tags:
            self._begin_wait(name, revision, status)
        else:
            self._end(name, asked, status, revision, "ReconciliationSucceeded", f"Applied revision: {revision}")

    def _apply(self, name: str, revision: str) -> None:
        bad = self._tag(name, revision) in self.failing_tags
        self.services[name].behave(FAILING if bad else GOOD, self.clock.now())

    def _begin_wait(self, name: str, revision: str, status: Json) -> None:
        self._until[name] = (self.clock.now() + HEALTH_TIMEOUT, revision)
        words = f"Running health checks for revision {revision} with a timeout of 12m0s"
        conditions = [
            self._condition("Reconciling", "True", "Progressing", words),
            self._condition("Ready", "Unknown", "Progressing", "Reconciliation in progress"),
            self._condition("Healthy", "Unknown", "Progressing", words),
        ]
        handled = str(status.get("lastHandledReconcileAt", ""))
        self._write(KUSTOMIZATION, name, handled, lastAttemptedRevision=revision, conditions=conditions)

    def _end_wait(self, name: str, asked: str, status: Json) -> None:
        end, revision = self._until[name]
        if self.clock.now() >= end:
            del self._until[name]
            self._end(name, asked, status, revision, "HealthCheckFailed", "health check failed after 12m0s: timeout")

    def _end(self, name: str, asked: str, status: Json, revision: str, reason: str, message: str) -> None:
        digest = f"sha256:{hashlib.sha256(self._tree(name, revision).encode()).hexdigest()}"
        known = status.get("history", [])
        same = next((one for one in known if (one["digest"], one["lastReconciledStatus"]) == (digest, reason)), None)
        entry = {
            "digest": digest,
            "firstReconciled": same["firstReconciled"] if same else self._stamp(),
            "lastReconciled": self._stamp(),
            "lastReconciledDuration": "212.78ms",
            "lastReconciledStatus": reason,
            "totalReconciliations": same["totalReconciliations"] + 1 if same else 1,
            "metadata": {"revision": revision},
        }
        ok = reason == "ReconciliationSucceeded"
        applied = {"lastAppliedRevision": revision} if ok else {}
        self._write(
            KUSTOMIZATION, name, asked, lastAttemptedRevision=revision, **applied,
            history=[entry, *(one for one in known if one is not same)][:5],
            conditions=[self._condition("Ready", "True" if ok else "False", reason, message)],
        )  # fmt: skip

    def _tree(self, name: str, revision: str) -> str:
        return self.people.git("rev-parse", f"{revision.rpartition(':')[2]}:apps/{name}")

    def _tag(self, name: str, revision: str) -> str:
        text = self.people.read(f"apps/{name}/deployment.yaml", revision.rpartition(":")[2])
        found = re.search(rf"shop/{name}:(\S+)", text)
        return found[1] if found else ""

    # Objects

    def _create(self, kind: Kind, name: str, spec: Json) -> None:
        metadata = {"name": name, "namespace": FLUX}
        manifest = {"apiVersion": kind.api_version, "kind": kind.kind, "metadata": metadata, "spec": spec}
        self.kubernetes.store.create(kind, manifest)

    def _change(self, kind: Kind, name: str, change: Callable[[Json], object], status: bool = False) -> None:
        self.kubernetes.store.change(kind, name, FLUX, change, By("flux", status=status))

    def _write(self, kind: Kind, name: str, handled: str, **status: Any) -> None:
        def write(body: Json) -> None:
            fresh = {"observedGeneration": body["metadata"]["generation"], **status}
            body["status"] = {**body["status"], **fresh, **({"lastHandledReconcileAt": handled} if handled else {})}

        self._change(kind, name, write, status=True)

    def _condition(self, kind: str, status: str, reason: str, message: str) -> Json:
        return {
            "type": kind, "status": status, "reason": reason, "message": message, "observedGeneration": 1,
            "lastTransitionTime": self._stamp(),
        }  # fmt: skip

    def _stamp(self) -> str:
        return self.clock.now().strftime("%Y-%m-%dT%H:%M:%SZ")


def _annotate(body: Json, token: str) -> None:
    body["metadata"].setdefault("annotations", {})[REQUESTED_AT] = token


def _asked(body: Json) -> str:
    return str((body["metadata"].get("annotations") or {}).get(REQUESTED_AT, ""))


@contextmanager
def flux_world(folder: Path, **words: Any) -> Iterator[FluxWorld]:
    """A started world without a controller; at the end nothing of it is left."""
    world = FluxWorld(folder, **words)
    try:
        world.start()
        yield world
        assert world.kubernetes.failures == []
    finally:
        world.stop()
