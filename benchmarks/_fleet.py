"""A world with thousands of applications: all settled hours ago, and one among them that a real engine works on.

The one is made and synced by the sandbox's Argo CD or Flux; the others are copies of what came of it, put into the
sandbox's Kubernetes API, where nobody works on them. So both doors of Argo CD, and Flux, show objects of true shape and
size over the sandbox's own servers.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from gitops_rollback.sandbox.argocd import AppSpec, ArgoCdSandbox, Timing
from gitops_rollback.sandbox.clock import ScaledClock
from gitops_rollback.sandbox.flux import FluxSandbox
from gitops_rollback.sandbox.flux.status import REQUESTED_AT
from gitops_rollback.sandbox.flux_side import FLUX_NAMESPACE
from gitops_rollback.sandbox.git_server import GitServer
from gitops_rollback.sandbox.kubernetes import By, Kind, KubernetesSandbox
from gitops_rollback.sandbox.kubernetes.kinds import APPLICATION, GIT_REPOSITORY, KINDS, KUSTOMIZATION, NAMESPACE
from gitops_rollback.sandbox.people import People
from gitops_rollback.sandbox.prometheus import PrometheusSandbox
from gitops_rollback.sandbox.replay import replay
from gitops_rollback.sandbox.services import FAILING, GOOD, Service
from gitops_rollback.sandbox.stories import IMAGE, NEW_TAG, SERVICE
from gitops_rollback.sandbox.telling import CONTROLLER
from gitops_rollback.sandbox.world import scenario

Json = dict[str, Any]
DOORS = ("rest", "objects", "flux")
SPEED = 2.0  # a tick each seven and a half real seconds, which is enough on a busy machine
LONG_AGO = timedelta(hours=4)
TARGETS_PER_POLICY = 250
HISTORY = 10  # entries, as many as Argo CD keeps by default
OURS = "gitops-rollback"
NO_POLLS = Timing(reconciliation=86400.0)
SETTLED_SECONDS = 60.0
LIVE_POLICY = """\
# +argocd:skip-file-rendering
apiVersion: gitops-rollback.dev/v1alpha1
kind: RollbackPolicy
metadata: {{name: live}}
spec:
  targets:
    - {{name: {service}, {application}, data: {{rollback: safe, because: each release reads what the next one wrote}}}}
  triggers:
    - name: errors
      bad: 'sum(rate(http_requests_total{{status=~"5..",service="$SERVICE"}}[1m]))'
      total: 'sum(rate(http_requests_total{{service="$SERVICE"}}[1m]))'
      comparison: greater_than
      threshold: 0.05
      for: 45s
      severity: auto_rollback
      minimumTraffic: {{perSecond: 1}}
      baseline: {{lookback: 30m, mustExceedFactor: 2}}
  verification: {{startAfter: 30s, holdFor: 2m, timeout: 2h}}
"""
POLICY = """\
# +argocd:skip-file-rendering
apiVersion: gitops-rollback.dev/v1alpha1
kind: RollbackPolicy
metadata: {{name: part-{part}}}
spec:
  targets:
{targets}  triggers:
    - {{name: errors, query: 'sum(rate(errors_total{{service="$SERVICE"}}[1m]))', threshold: 1, for: 1m}}
"""
DEPLOYMENT = """\
apiVersion: apps/v1
kind: Deployment
metadata: {{name: {name}, namespace: shop}}
spec:
  replicas: 2
  selector: {{matchLabels: {{app: {name}}}}}
  template:
    metadata: {{labels: {{app: {name}}}}}
    spec: {{containers: [{{name: app, image: 'registry.example/shop/{name}:1.0.0'}}]}}
"""


class Fleet:
    """`count` applications over `repositories` config repositories, behind one door; the live one is in the first.

    `leases`: replicas agree by Leases on who acts, also where nothing else needs the Kubernetes API.
    """

    def __init__(self, folder: Path, door: str, count: int, repositories: int = 1, leases: bool = False) -> None:
        self.door = door
        self._leases = leases or door != "rest"
        self.folder = folder
        self.clock = ScaledClock(SPEED)
        self.git = GitServer(folder / "world")
        self.prometheus = PrometheusSandbox(self.clock)
        self.kubernetes = KubernetesSandbox(self.clock)
        self.labels = [f"fleet-{number}/config" for number in range(repositories)]
        self.names = [f"app-{number:05}" for number in range(count)]
        self._heads: dict[str, str] = {}
        self._service = Service(SERVICE, "shop")
        self._argocd: ArgoCdSandbox | None = None
        self._flux: FluxSandbox | None = None

    # The world

    def start(self) -> None:
        """Everything is there, and has been for hours."""
        self._repositories()
        for server in (self.git, self.prometheus, self.kubernetes):
            server.start()
        own = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": OURS}}
        self.kubernetes.store.create(NAMESPACE, own)
        self._service.publish(self.prometheus)
        if self.door == "flux":
            self._start_flux()
        else:
            self._start_argocd()
        self._load(list(self._kustomizations() if self.door == "flux" else self._applications()))
        self.clock.jump(LONG_AGO)

    def stop(self) -> None:
        for controllers in (self._argocd, self._flux):
            if controllers is not None:
                controllers.stop()
        for server in (self.kubernetes, self.prometheus, self.git):
            server.stop()

    @property
    def people(self) -> People:
        """Who works in the first repository."""
        return People(self._bare(self.labels[0]))

    @property
    def failures(self) -> list[BaseException]:
        found = [*self.kubernetes.failures]
        for controllers in (self._argocd, self._flux):
            found += controllers.failures if controllers is not None else []
        return found

    def asked(self) -> tuple[int, int]:
        """How many requests came so far: those to the engine, through whichever API, and those about Leases."""
        found = [*self.kubernetes.requests, *(self._argocd.requests if self._argocd is not None else ())]
        leases = sum("/leases" in one for one in found)
        return len(found) - leases, leases

    def release(self) -> str:
        """A developer lands a release of the live service whose requests fail; a webhook tells the engine."""
        path = f"apps/{SERVICE}/deployment.yaml"
        text = self.people.read(path)
        found = IMAGE.search(text)
        if found is None:
            raise RuntimeError(f"{path} names no image of {SERVICE}")
        files: dict[str, str | None] = {path: text.replace(found[0], f"shop/{SERVICE}:{NEW_TAG}")}
        bad = self.people.push(f"feat: {SERVICE} v{NEW_TAG}", files, self.clock.now())
        self._look_now()
        if not self.kubernetes.wait_until(lambda: self._applied() == bad, SETTLED_SECONDS):
            raise RuntimeError("the release is not applied")
        self._service.behave(FAILING, self.clock.now())
        return bad

    def reverted(self) -> list[str]:
        """Commits of the first repository's branch by the controller."""
        log = self.people.git("log", "-20", "--format=%H %cn", "main").splitlines()
        found = [line.split()[0] for line in log if line.split(" ", 1)[1] == CONTROLLER]
        if found:
            self._service.behave(GOOD, self.clock.now())
        return found

    # How it is reached

    def environment(self, state: str) -> dict[str, str]:
        """What a user would set to run the controller here."""
        kubeconfig = self.folder / "kubeconfig"
        kubeconfig.write_text(self.kubernetes.kubeconfig(namespace=OURS))
        config = self.folder / "settings.yaml"
        config.write_text("repositories:\n" + "".join(f"  - url: {self.url(label)}\n" for label in self.labels))
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("GIT_", "GITOPS_ROLLBACK_"))}
        return {
            **kept,
            **self._engine(),
            "PROMETHEUS_URL": self.prometheus.url,
            "GITOPS_ROLLBACK_CONFIG": str(config),
            **({"GITOPS_ROLLBACK_KUBECONFIG": str(kubeconfig)} if self._leases else {}),
            "GITOPS_ROLLBACK_STATE_DIR": str(self.folder / state),
            "GITOPS_ROLLBACK_BIND": "127.0.0.1:0",
            "GITOPS_ROLLBACK_CLOCK": f"{self.clock.start},{self.clock.speed}",
            "PYTHONUNBUFFERED": "1",
        }

    def listed_at(self) -> tuple[str, str]:
        """Where the door lists all applications, and the token for it."""
        if self._argocd is not None and self.door == "rest":
            return f"{self._argocd.url}/api/v1/applications", self._argocd.token
        kind = KUSTOMIZATION if self.door == "flux" else APPLICATION
        return f"{self.kubernetes.url}/apis/{kind.api_version}/{kind.plural}", self.kubernetes.token

    def url(self, label: str) -> str:
        return f"{self.git.url}/{label}.git"

    def _engine(self) -> dict[str, str]:
        if self.door == "flux":
            return {"GITOPS_ROLLBACK_FLUX": "true"}
        if self.door == "objects":
            return {"GITOPS_ROLLBACK_ARGOCD_OBJECTS": "true"}
        assert self._argocd is not None
        return {"ARGOCD_SERVER": self._argocd.url, "ARGOCD_AUTH_TOKEN": self._argocd.token}

    # Its parts

    def _bare(self, label: str) -> Path:
        return self.folder / "world" / f"{label}.git"

    def _repositories(self) -> None:
        for number, label in enumerate(self.labels):
            bare = self._bare(label)
            bare.parent.mkdir(parents=True)
            replay(scenario("shop"), bare)
            names = self.names[number :: len(self.labels)]
            files: dict[str, str | None] = {
                f"apps/{name}/deployment.yaml": DEPLOYMENT.format(name=name) for name in names
            }
            for part, start in enumerate(range(0, len(names), TARGETS_PER_POLICY)):
                targets = "".join(
                    f"    - {{name: {name}, {self._target(name)}, data: {{rollback: safe}}}}\n"
                    for name in names[start : start + TARGETS_PER_POLICY]
                )
                files[f".gitops-rollback/policies/part-{part}.yaml"] = POLICY.format(part=part, targets=targets)
            if number == 0:
                live = LIVE_POLICY.format(service=SERVICE, application=self._target(SERVICE))
                files[".gitops-rollback/policies/live.yaml"] = live
            self._heads[label] = People(bare).push("Watch everything", files, self.clock.now())

    def _target(self, name: str) -> str:
        if self.door == "flux":
            return f"engine: flux, application: {{name: {name}}}"
        return f"application: {{namespace: argocd, name: {name}}}"

    def _start_argocd(self) -> None:
        label = self.labels[0]
        live = AppSpec(SERVICE, path=f"apps/{SERVICE}", destination_namespace="shop")
        self._argocd = ArgoCdSandbox(
            self._bare(label), self.url(label), [live], self.clock, timing=NO_POLLS, objects=self.kubernetes.store
        )
        self._argocd.start()
        self._settle(lambda: self._status(APPLICATION, "argocd").get("health", {}).get("status") == "Healthy")

    def _start_flux(self) -> None:
        label = self.labels[0]
        self._create(GIT_REPOSITORY, "config", {"url": self.url(label), "interval": "1h", "ref": {"branch": "main"}})
        source = {"kind": "GitRepository", "name": "config"}
        spec = {"interval": "1h", "path": f"./apps/{SERVICE}", "prune": True, "sourceRef": source}
        self._create(KUSTOMIZATION, SERVICE, spec)
        bares = {self.url(label): self._bare(label)}
        self._flux = FluxSandbox(self.kubernetes.store, bares, self.clock)
        self._flux.start()
        self._settle(lambda: bool(self._status(KUSTOMIZATION, FLUX_NAMESPACE).get("lastAppliedRevision")))

    def _settle(self, condition: Callable[[], bool]) -> None:
        if not self.kubernetes.wait_until(condition, SETTLED_SECONDS):
            raise RuntimeError("the sandbox did not settle")

    def _create(self, kind: Kind, name: str, spec: Json) -> None:
        metadata = {"name": name, "namespace": FLUX_NAMESPACE}
        manifest = {"apiVersion": kind.api_version, "kind": kind.kind, "metadata": metadata, "spec": spec}
        self.kubernetes.store.create(kind, manifest)

    def _status(self, kind: Kind, namespace: str) -> Json:
        found = self.kubernetes.store.held(kind, SERVICE, namespace) or {}
        status: Json = found.get("status") or {}
        return status

    def _applied(self) -> str:
        """The commit that the engine has applied for the live service."""
        if self.door == "flux":
            return str(self._status(KUSTOMIZATION, FLUX_NAMESPACE).get("lastAppliedRevision", "")).rpartition(":")[2]
        assert self._argocd is not None
        return self._argocd.deployed(SERVICE).revision

    def _look_now(self) -> None:
        if self.door == "flux":
            token = f"receiver/{self.clock.now().isoformat()}"
            self.kubernetes.store.change(
                GIT_REPOSITORY,
                "config",
                FLUX_NAMESPACE,
                lambda body: _annotate(body, REQUESTED_AT, token),
                By("Receiver"),
            )
        else:
            self.kubernetes.store.change(
                APPLICATION, SERVICE, "argocd",
                lambda body: _annotate(body, "argocd.argoproj.io/refresh", "normal"), By("argocd-server"),
            )  # fmt: skip

    # The many

    def _applications(self) -> Iterator[tuple[Kind, Json]]:
        """Copies of the live Application, each with the history of one that lives long."""
        model = self.kubernetes.store.get(APPLICATION, SERVICE, "argocd")
        (entry,) = model["status"]["history"]
        commits = self.people.git("rev-list", "main").split()
        model["status"]["history"] = [
            _deployed(entry, HISTORY - age, commits[age % len(commits)], age) for age in reversed(range(HISTORY))
        ]
        for number, name in enumerate(self.names):
            yield APPLICATION, _copied(model, self._words(number, name))

    def _kustomizations(self) -> Iterator[tuple[Kind, Json]]:
        """Copies of the live Kustomization, and a GitRepository for each repository from which they come."""
        source = self.kubernetes.store.get(GIT_REPOSITORY, "config", FLUX_NAMESPACE)
        for number in range(len(self.labels)):
            body = _copied(source, self._words(number, ""))
            body["metadata"]["name"] = f"fleet-{number}"
            yield GIT_REPOSITORY, body
        model = self.kubernetes.store.get(KUSTOMIZATION, SERVICE, FLUX_NAMESPACE)
        for number, name in enumerate(self.names):
            body = _copied(model, self._words(number, name))
            body["spec"]["sourceRef"]["name"] = f"fleet-{number % len(self.labels)}"
            yield KUSTOMIZATION, body

    def _words(self, number: int, name: str) -> dict[str, str]:
        """What is another word in a copy: the name, the repository, and its newest commit."""
        label = self.labels[number % len(self.labels)]
        head, ours = self._heads[label], self._heads[self.labels[0]]
        return {SERVICE: name, self.url(self.labels[0]): self.url(label), ours: head}

    def _load(self, many: list[tuple[Kind, Json]]) -> None:
        store = self.kubernetes.store
        there = [(kind, body) for kind in KINDS for body in store.held_at(kind)[1]]
        version = store.version
        for number, (_, body) in enumerate(many, 1):
            body["metadata"].update(resourceVersion=str(version + number), uid=f"00000000-0000-4000-9000-{number:012}")
        store.load([*there, *many], version + len(many))


def _copied(value: Any, words: Mapping[str, str]) -> Any:
    """A copy of an object with these words put for others, wherever they stand."""
    if isinstance(value, dict):
        return {key: _copied(inner, words) for key, inner in value.items()}
    if isinstance(value, list):
        return [_copied(inner, words) for inner in value]
    if isinstance(value, str):
        for old, new in words.items():
            value = value.replace(old, new)
    return value


def _deployed(entry: Json, number: int, revision: str, days_ago: int) -> Json:
    moment = datetime.fromisoformat(entry["deployedAt"]) - timedelta(days=days_ago)
    at = moment.strftime("%Y-%m-%dT%H:%M:%SZ")
    return {**entry, "id": number, "deployStartedAt": at, "deployedAt": at, "revision": revision}


def _annotate(body: Json, name: str, value: str) -> None:
    body["metadata"].setdefault("annotations", {})[name] = value
