"""The sandbox's Flux over a real repository, by a clock that stands between the steps of the controllers."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from gitops_rollback.sandbox.flux import FluxSandbox, Timing
from gitops_rollback.sandbox.kubernetes import By, Kind, Store
from gitops_rollback.sandbox.kubernetes.kinds import GIT_REPOSITORY, HELM_RELEASE, KUSTOMIZATION
from gitops_rollback.sandbox.people import People

Json = dict[str, Any]
URL = "http://127.0.0.1:3080/fleet.git"
FLUX = "flux-system"
REQUESTED_AT = "reconcile.fluxcd.io/requestedAt"
DEPLOYMENT_TEXT = """\
apiVersion: apps/v1
kind: Deployment
metadata: {{name: {name}, namespace: fleet}}
spec:
  selector: {{matchLabels: {{app: {name}}}}}
  template:
    metadata: {{labels: {{app: {name}}}}}
    spec: {{containers: [{{name: {name}, image: "registry.example/{name}:{tag}"}}]}}
"""
HELM_RELEASE_TEXT = """\
apiVersion: helm.toolkit.fluxcd.io/v2
kind: HelmRelease
metadata: {{name: {name}, namespace: flux-system}}
spec:
  interval: 10m
  targetNamespace: fleet
  chart: {{spec: {{chart: charts/{name}, sourceRef: {{kind: GitRepository, name: fleet}}}}}}
  values: {{tag: {tag}}}
"""


class StandingClock:
    """A sandbox clock that only `pass_to` moves."""

    def __init__(self) -> None:
        self.moment = datetime(2026, 11, 23, 8, 26, 10, tzinfo=UTC)

    def now(self) -> datetime:
        return self.moment

    def wait(self, seconds: float, event: threading.Event) -> bool:
        return event.is_set()

    def pass_to(self, moment: datetime) -> None:
        self.moment = max(self.moment, moment)


class FluxFleet:
    """A repository `fleet` with one directory for each name, and Flux at work on it, step by step."""

    def __init__(self, folder: Path, names: tuple[str, ...], timing: Timing | None = None) -> None:
        bare = folder / "fleet.git"
        subprocess.run(["git", "init", "--quiet", "--bare", "-b", "main", str(bare)], check=True)
        self.clock = StandingClock()
        self.people = People(bare)
        tree = self.people.git("hash-object", "-t", "tree", "-w", "/dev/null")
        identity = ("-c", "user.name=dev", "-c", "user.email=dev@example.org")
        first = self.people.git(*identity, "commit-tree", tree, "-m", "Begin")
        self.people.git("update-ref", "refs/heads/main", first)
        self.push({f"apps/{name}/deployment.yaml": deployment(name) for name in names})
        self.store = Store(self.clock)
        self.flux = FluxSandbox(self.store, {URL: bare}, self.clock, timing)
        self.flux.drive(self.clock.pass_to)

    def push(self, files: Mapping[str, str | None]) -> str:
        return self.people.push("Change the fleet", files, self.clock.now())

    def create(self, kind: Kind, name: str, spec: Json) -> None:
        metadata = {"name": name, "namespace": FLUX}
        self.store.create(kind, {"apiVersion": kind.api_version, "kind": kind.kind, "metadata": metadata, "spec": spec})

    def source(self) -> None:
        self.create(GIT_REPOSITORY, "fleet", {"url": URL, "interval": "1h", "ref": {"branch": "main"}})

    def kustomization(self, name: str, **more: Any) -> None:
        source = {"kind": "GitRepository", "name": "fleet"}
        spec = {"interval": "10m", "path": f"./apps/{name}", "prune": True, "sourceRef": source, **more}
        self.create(KUSTOMIZATION, name, spec)

    def helm_release(self, name: str, *, strategy: str = "Revision", **more: Any) -> None:
        """One of the chart in `charts/<name>`."""
        source = {"kind": "GitRepository", "name": "fleet"}
        chart = {"spec": {"chart": f"charts/{name}", "reconcileStrategy": strategy, "sourceRef": source}}
        self.create(HELM_RELEASE, name, {"chart": chart, "interval": "10m", "targetNamespace": "fleet", **more})

    def request(self, kind: Kind, name: str, token: str) -> None:
        def write(body: Json) -> None:
            body["metadata"].setdefault("annotations", {})[REQUESTED_AT] = token

        self.store.change(kind, name, FLUX, write, By("flux"))

    def change(self, name: str, **spec: Any) -> None:
        self.store.change(KUSTOMIZATION, name, FLUX, lambda body: body["spec"].update(spec), By("kubectl"))

    def until(self, condition: Callable[[], bool], most: int = 2000) -> None:
        """Step until it holds."""
        for _ in range(most):
            if condition():
                assert self.flux.failures == []
                return
            assert self.flux.step(), f"nothing is left to do: {self.flux.failures}"
        raise AssertionError(f"not within {most} steps")

    def let_pass(self, seconds: float) -> None:
        end = self.clock.now() + timedelta(seconds=seconds)
        while (due := self.flux.due()) is not None and due <= end:
            self.flux.step()
        self.clock.pass_to(end)
        assert self.flux.failures == []

    def status(self, name: str, kind: Kind = KUSTOMIZATION) -> Json:
        found: Json = self.store.get(kind, name, FLUX).get("status") or {}
        return found

    def ready(self, name: str, kind: Kind = KUSTOMIZATION) -> tuple[str, str]:
        """Status and reason of its condition Ready."""
        for one in self.status(name, kind).get("conditions") or ():
            if one["type"] == "Ready":
                return one["status"], one["reason"]
        return "", ""

    def applied(self, name: str, sha: str) -> bool:
        done = self.status(name).get("lastAppliedRevision") == f"main@sha1:{sha}"
        return done and self.ready(name)[0] == "True"


def chart(name: str, tag: str = "v1", version: str = "0.1.0") -> dict[str, str | None]:
    """The files of a chart with one Deployment, whose image's tag is a value."""
    template = DEPLOYMENT_TEXT.format(name="{{ .Chart.Name }}", tag="{{ .Values.tag }}")
    return {
        f"charts/{name}/Chart.yaml": f"apiVersion: v2\nname: {name}\nversion: {version}\n",
        f"charts/{name}/values.yaml": f"tag: {tag}\n",
        f"charts/{name}/templates/deployment.yaml": template.replace(", namespace: fleet", ""),
    }


def helm_release(name: str, tag: str) -> dict[str, str | None]:
    """The file of a HelmRelease, which a Kustomization brings, of the chart in `charts/<name>`."""
    return {f"apps/{name}/release.yaml": HELM_RELEASE_TEXT.format(name=name, tag=tag)}


def deployment(name: str, tag: str = "v1") -> str:
    return DEPLOYMENT_TEXT.format(name=name, tag=tag)
