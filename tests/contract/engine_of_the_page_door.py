"""The engine that CONTRIBUTING.md shows, and the means to play the stories of one that is only watched."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from engine_doors import DOORS, PATIENCE, SPEED, Door, door
from page_packages import ENGINE, installed

from gitops_rollback.adapters.kubernetes.client import Kubernetes
from gitops_rollback.adapters.kubernetes.credentials import Fixed
from gitops_rollback.adapters.kubernetes.settings import KubernetesSettings
from gitops_rollback.adapters.kubernetes.transport import Transport
from gitops_rollback.app.wiring_installed import installed_engines
from gitops_rollback.core.sync import ApplicationId, SyncStatus
from gitops_rollback.ports import Engine
from gitops_rollback.sandbox.clock import ScaledClock
from gitops_rollback.sandbox.kubernetes import KINDS, By, KubernetesSandbox
from gitops_rollback.sandbox.kubernetes.kinds import Kind

NAMESPACE = "fleet-default"
CARTS = ApplicationId("fleet", "GitRepo", NAMESPACE, "carts")
GIT_REPO = Kind("fleet.cattle.io", "v1alpha1", "GitRepo", "gitrepos", custom=True, blind_update=False)
WATCHED_DOORS = (*DOORS, "page")


@dataclass
class PageDoor(Door):
    """Its objects in a cluster where nothing but these tests writes them: Fleet itself does not run."""

    engine: Engine
    kubernetes: KubernetesSandbox
    clock: ScaledClock
    makes: Callable[[str, timedelta], Engine] = field(repr=False)
    app = CARTS
    project = ""
    queues = False
    in_step = SyncStatus.UNKNOWN

    def release(self, tag: str) -> str:
        commit = hashlib.sha1(tag.encode()).hexdigest()

        def write(body: dict[str, Any]) -> None:
            ready = {"desiredReady": 1, "ready": 1}
            generation = body["metadata"]["generation"]
            body["status"] = {"observedGeneration": generation, "commit": commit, "summary": ready}

        self.kubernetes.store.change(GIT_REPO, "carts", NAMESPACE, write, By("fleet", status=True))
        return commit

    def foreign(self) -> str:
        return self.release("of another application")

    def now(self) -> datetime:
        return self.clock.now()

    def other(self, token: str, patience: timedelta) -> Engine:
        return self.makes(token, patience)

    def delete(self) -> None:
        self.kubernetes.store.delete(GIT_REPO, "carts", NAMESPACE)

    def cut_watches(self) -> None:
        self.kubernetes.cut_watches()

    def go_down(self) -> None:
        self.kubernetes.refuse(503, times=None)

    def come_back(self) -> None:
        self.kubernetes.reset()


@contextmanager
def watched_door(name: str, tmp_path: Path) -> Iterator[Door]:
    """As `door`, of those that are only watched, too."""
    with page_door(tmp_path) if name == "page" else door(name, tmp_path) as made:
        yield made


@contextmanager
def page_door(tmp_path: Path) -> Iterator[PageDoor]:
    """The page's package, installed, over a cluster with one `GitRepo` whose commit is applied."""
    clock = ScaledClock(10 * SPEED)  # it looks each 30 s
    kubernetes = KubernetesSandbox(clock, kinds=(*KINDS, GIT_REPO))
    clients: list[Kubernetes] = []

    def engine(token: str, patience: timedelta) -> Engine:
        wire = Transport(kubernetes.url, None, Fixed.token(token or kubernetes.token))
        clients.append(Kubernetes(wire, NAMESPACE, KubernetesSettings(timeout=patience)))
        (found,) = installed_engines(clients[-1], clock, ())
        return found

    kubernetes.start()
    try:
        with installed(tmp_path, ENGINE):
            spec = {"repo": "https://git.example.com/config.git", "branch": "main", "paths": ["/carts"]}
            about = {"name": "carts", "namespace": NAMESPACE}
            body = {"apiVersion": GIT_REPO.api_version, "kind": GIT_REPO.kind, "metadata": about, "spec": spec}
            kubernetes.store.create(GIT_REPO, body)
            made = PageDoor(engine("", PATIENCE), kubernetes, clock, engine)
            made.release("1")
            yield made
    finally:
        for client in clients:
            client.close()
        kubernetes.stop()
    assert kubernetes.failures == []
