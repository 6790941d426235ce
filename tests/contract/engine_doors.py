"""Each way to an engine, with the means to play the same stories behind it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Protocol

from sandbox_argocd_world import SPEED, World, config_map, deployment, hook, world
from sandbox_flux_world import FLUX, URL, FluxFleet, chart, helm_release
from sandbox_flux_world import deployment as flux_deployment

from gitops_rollback.adapters.engines.argocd import ArgoCd
from gitops_rollback.adapters.engines.argocd_objects import ArgoCdObjects
from gitops_rollback.adapters.engines.argocd_objects_settings import ArgoCdObjectsSettings
from gitops_rollback.adapters.engines.argocd_settings import ArgoCdSettings
from gitops_rollback.adapters.engines.flux import Flux
from gitops_rollback.adapters.engines.flux_settings import FluxSettings
from gitops_rollback.adapters.kubernetes.client import Kubernetes
from gitops_rollback.adapters.kubernetes.credentials import Fixed
from gitops_rollback.adapters.kubernetes.settings import KubernetesSettings
from gitops_rollback.adapters.kubernetes.transport import Transport
from gitops_rollback.adapters.kubernetes.watched import WatchedCluster
from gitops_rollback.adapters.kubernetes.watching import WatchTimes
from gitops_rollback.core.convergence import converged
from gitops_rollback.core.sync import ApplicationId, ApplicationState, SyncStatus
from gitops_rollback.ports import Engine
from gitops_rollback.sandbox.argocd import AppSpec, SyncWindow
from gitops_rollback.sandbox.clock import ScaledClock
from gitops_rollback.sandbox.flux import FluxSandbox
from gitops_rollback.sandbox.kubernetes import By, KubernetesSandbox
from gitops_rollback.sandbox.kubernetes.kinds import APPLICATION, GIT_REPOSITORY, HELM_RELEASE, KUSTOMIZATION
from gitops_rollback.sandbox.people import People

PATIENCE = timedelta(seconds=30)
SHOP = ApplicationId("default", "Application", "argocd", "shop")
PROJECT = "default"
CART = ApplicationId("flux", "Kustomization", FLUX, "cart")
CART_RELEASE = ApplicationId("flux", "HelmRelease", FLUX, "cart")
TIMES = WatchTimes(first_wait=0.02, longest_wait=0.2)
REFRESH_TIMEOUT = timedelta(seconds=10)

ARGOCD = ("rest", "objects")
FLUX_DOORS = ("flux", "helm")
DOORS = (*ARGOCD, *FLUX_DOORS)  # of engines that show deployments and act


def until(condition: Callable[[], bool], what: str = "it came true") -> None:
    """Wait for it, a bounded time."""
    waiting = threading.Event()
    for _ in range(int(PATIENCE / timedelta(milliseconds=20))):
        if condition():
            return
        waiting.wait(0.02)
    raise AssertionError(f"never: {what}")


class Door(Protocol):
    """An engine that is reached in one way, and the means to play a story behind it."""

    engine: Engine
    app: ApplicationId
    project: str
    queues: bool  # a request while one is under way is one more of the same, and not refused
    kubernetes: KubernetesSandbox
    indexes: tuple[int | None, ...] = (None,)  # its sources in the repository, None where there is one source
    in_step: SyncStatus = SyncStatus.SYNCED  # what it says of an application that is as git has it

    def arrived(self, revision: str, since: datetime) -> bool:
        """Whether just this revision is what every source of the application has come to since then."""
        state = self.state()
        return all(converged(state, lambda one: one == revision, since, index)[0] for index in self.indexes)

    def state(self) -> ApplicationState:
        """The application in full, as the engine says it now."""
        found = self.engine.application(self.app, self.project)
        assert found is not None
        return found

    def listed(self) -> list[ApplicationState]:
        """The application as the list of all has it; [] if that lacks it."""
        return [one for one in self.engine.applications() if one.id == self.app]

    def release(self, tag: str) -> str:
        """A commit that changes the application, applied; its SHA."""
        ...

    def change(self, tag: str) -> str:
        """Such a commit that nobody has looked at yet."""
        ...

    def foreign(self) -> str:
        """A commit of another application, compared by this one."""
        ...

    def now(self) -> datetime:
        """The time there."""
        ...

    def hang(self, hangs: bool) -> None:
        """Let the engine's controllers answer no request."""
        ...

    def other(self, token: str, patience: timedelta) -> Engine:
        """The engine with another token ("": the same), that waits as long for a comparison."""
        ...

    def delete(self) -> None: ...

    def lag(self, lags: bool) -> None:
        """Show readers what was there, whatever happens next."""
        ...

    def cut_watches(self) -> None: ...

    def go_down(self) -> None:
        """No server answers well any more."""
        ...

    def come_back(self) -> None: ...


@dataclass
class ArgoCdDoor(Door):
    """An Argo CD that is reached by one of its two doors; whatever stands behind them is the same."""

    name: str
    engine: Engine
    world: World
    kubernetes: KubernetesSandbox
    makes: Callable[[str, timedelta], Engine] = field(repr=False)
    app = SHOP
    project = PROJECT
    queues = False

    def release(self, tag: str) -> str:
        """A commit that changes the application, applied; its SHA."""
        revision = self.change(tag)
        self.world.refresh("shop")
        self.world.until_settled("shop", revision)
        return revision

    def change(self, tag: str) -> str:
        return self.push(apps__shop__web_json=deployment("web", tag))

    def hang(self, hangs: bool) -> None:
        self.world.sandbox.hang_refresh(hangs)

    def other(self, token: str, patience: timedelta) -> Engine:
        return self.makes(token, patience)

    def push(self, **files: str | None) -> str:
        """A commit that nobody has looked at yet."""
        return self.world.repository.push("change", **files)

    def foreign(self) -> str:
        """A commit of another application, compared by this one."""
        revision = self.push(apps__cart__settings_json=config_map("settings", "new"))
        self.world.refresh("shop")
        self.world.until_settled("shop", revision)
        return revision

    def stuck(self) -> str:
        """A commit whose hook never ends, while it runs."""
        files = {
            "apps__shop__migrate_json": hook("shop", "PreSync", "hang"),
            "apps__shop__web_json": deployment("web", "9"),
        }
        revision = self.push(**files)
        self.world.refresh("shop")
        self.world.until("shop", "the hook runs", _hook_runs)
        return revision

    def windows(self, *windows: SyncWindow) -> None:
        self.world.sandbox.set_sync_windows(windows)

    def now(self) -> datetime:
        """The time there."""
        return self.world.sandbox._store.clock.now()

    def delete(self) -> None:
        self.world.sandbox.delete("shop")

    def lag(self, lags: bool) -> None:
        """Show readers what was there, whatever happens next."""
        self.world.sandbox.stale(lags)
        self.kubernetes.reset()
        if lags:
            self.kubernetes.lag(quorum=True)

    def cut_watches(self) -> None:
        self.world.sandbox.cut_stream()
        self.kubernetes.cut_watches()

    def go_down(self) -> None:
        """No server answers well any more."""
        self.world.sandbox.answer(503, "no healthy upstream", "text/plain")
        self.kubernetes.refuse(503, times=None)

    def come_back(self) -> None:
        self.world.sandbox.reset()
        self.kubernetes.reset()

    def rewrite(self, change: Callable[[dict[str, Any]], None]) -> None:
        """Let somebody, or something that is broken, write the object."""
        self.kubernetes.store.change(APPLICATION, "shop", "argocd", change, By("somebody"))


@dataclass
class FluxDoor(Door):
    """Flux, whose only door are its objects."""

    engine: Engine
    kubernetes: KubernetesSandbox
    flux: FluxSandbox
    people: People
    clock: ScaledClock
    makes: Callable[[str, timedelta], Engine] = field(repr=False)
    app = CART
    project = FLUX
    queues = True

    def release(self, tag: str) -> str:
        revision = self.change(tag)
        self.fetch(revision)
        return revision

    def change(self, tag: str) -> str:
        return self.people.push("change", {"apps/cart/deployment.yaml": flux_deployment("cart", tag)}, self.now())

    def foreign(self) -> str:
        files: dict[str, str | None] = {"apps/other/deployment.yaml": flux_deployment("other", "v9")}
        revision = self.people.push("change", files, self.now())
        self.fetch(revision)
        return revision

    def now(self) -> datetime:
        return self.clock.now()

    def hang(self, hangs: bool) -> None:
        self.flux._scheduler.pause(hangs)

    def other(self, token: str, patience: timedelta) -> Engine:
        return self.makes(token, patience)

    def delete(self) -> None:
        self.kubernetes.store.delete(KUSTOMIZATION, "cart", FLUX)
        fine = self.kubernetes.wait_until(lambda: self.kubernetes.store.find(KUSTOMIZATION, "cart", FLUX) is None)
        assert fine

    def lag(self, lags: bool) -> None:
        self.kubernetes.reset()
        if lags:
            self.kubernetes.lag(quorum=True)

    def cut_watches(self) -> None:
        self.kubernetes.cut_watches()

    def go_down(self) -> None:
        self.kubernetes.refuse(503, times=None)

    def come_back(self) -> None:
        self.kubernetes.reset()

    def fetch(self, revision: str) -> None:
        """As a person with the command line does, who then waits for this revision."""
        self.ask(revision)
        self.until_applied(revision)

    def ask(self, token: str) -> None:
        """Let the source be fetched now."""

        def ask(body: dict[str, Any]) -> None:
            body["metadata"].setdefault("annotations", {})["reconcile.fluxcd.io/requestedAt"] = token

        self.kubernetes.store.change(GIT_REPOSITORY, "fleet", FLUX, ask, By("flux"))

    def until_applied(self, revision: str) -> None:
        """Wait until the Kustomization is ready at this revision."""

        def applied() -> bool:
            status = self.kubernetes.store.get(KUSTOMIZATION, "cart", FLUX).get("status") or {}
            ready = [one["status"] for one in status.get("conditions") or () if one["type"] == "Ready"]
            return status.get("lastAppliedRevision") == f"main@sha1:{revision}" and ready == ["True"]

        assert self.kubernetes.wait_until(applied)


@dataclass
class HelmDoor(FluxDoor):
    """A HelmRelease, which a Kustomization brings with its values, of a chart beside it in the same repository."""

    app = CART_RELEASE
    indexes = (0, 1)

    def change(self, tag: str) -> str:
        return self.people.push("change", helm_release("cart", tag), self.now())

    def delete(self) -> None:
        self.kubernetes.store.delete(HELM_RELEASE, "cart", FLUX)
        assert self.kubernetes.wait_until(lambda: self.kubernetes.store.find(HELM_RELEASE, "cart", FLUX) is None)

    def until_applied(self, revision: str) -> None:
        """Wait until the Kustomization is ready at this revision, and what it brought is released."""
        super().until_applied(revision)

        def released() -> bool:
            found = self.kubernetes.store.find(HELM_RELEASE, "cart", FLUX) or {}
            status = found.get("status") or {}
            conditions = {one["type"]: one["status"] for one in status.get("conditions") or ()}
            seen = status.get("observedGeneration") == (found.get("metadata") or {}).get("generation")
            return seen and conditions.get("Ready") == "True" and "Reconciling" not in conditions

        assert self.kubernetes.wait_until(released)


def _hook_runs(application: Mapping[str, Any]) -> bool:
    result = application["status"].get("operationState", {}).get("syncResult", {})
    return any(one.get("hookType") and one["hookPhase"] == "Running" for one in result.get("resources", ()))


FILES = {"apps__shop__web_json": deployment("web", "1"), "apps__cart__settings_json": config_map("settings", "old")}


@contextmanager
def door(name: str, tmp_path: Path) -> Iterator[Door]:
    """The engine that is reached by `name`, its one application deployed once."""
    with flux_door(name, tmp_path) if name in FLUX_DOORS else argocd_door(name, tmp_path) as made:
        yield made


@contextmanager
def flux_door(name: str, tmp_path: Path) -> Iterator[FluxDoor]:
    """A running Flux over a repository of two applications, one of which it applies, as it is or by `helm`."""
    clock = ScaledClock(SPEED)
    kubernetes = KubernetesSandbox(clock)
    fleet = FluxFleet(tmp_path, ("cart", "other"))
    fleet.store = kubernetes.store
    flux = FluxSandbox(kubernetes.store, {URL: tmp_path / "fleet.git"}, clock)
    clients: list[Kubernetes] = []

    def engine(token: str, timeout: timedelta) -> Engine:
        wire = Transport(kubernetes.url, None, Fixed.token(token or kubernetes.token))
        clients.append(Kubernetes(wire, FLUX, KubernetesSettings(timeout=PATIENCE)))
        watched = WatchedCluster(clients[-1], TIMES)
        settings = FluxSettings(handled_within=timeout, look_every=timedelta(milliseconds=20))
        return Flux(settings, watched, watched, clock.now)

    kubernetes.start()
    flux.start()
    try:
        if name == "helm":
            fleet.push({"apps/cart/deployment.yaml": None, **chart("cart"), **helm_release("cart", "v1")})
        fleet.source()
        fleet.kustomization("cart")
        made = (HelmDoor if name == "helm" else FluxDoor)(
            engine("", PATIENCE), kubernetes, flux, fleet.people, clock, engine
        )
        made.until_applied(fleet.people.git("rev-parse", "refs/heads/main"))
        yield made
    finally:
        for client in clients:
            client.close()
        flux.stop()
        kubernetes.stop()
    assert flux.failures == kubernetes.failures == []


@contextmanager
def argocd_door(name: str, tmp_path: Path) -> Iterator[ArgoCdDoor]:
    """A running sandbox with one application, deployed once, and the engine that reaches it by `name`."""
    clock = ScaledClock(SPEED)
    kubernetes = KubernetesSandbox(clock)
    kubernetes.start()
    clients: list[Kubernetes] = []
    spec = AppSpec("shop", path="apps/shop")
    try:
        with world(tmp_path, [spec], FILES, clock=clock, objects=kubernetes.store) as made:

            def engine(token: str, timeout: timedelta) -> Engine:
                if name == "rest":
                    rest = ArgoCdSettings(made.sandbox.url, lambda: token, refresh_timeout=timeout)
                    return ArgoCd(rest, clock.now)
                wire = Transport(kubernetes.url, None, Fixed.token(token))
                clients.append(Kubernetes(wire, "argocd", KubernetesSettings(timeout=PATIENCE)))
                watched = WatchedCluster(clients[-1], TIMES)
                settings = ArgoCdObjectsSettings(refresh_timeout=timeout, look_every=timedelta(milliseconds=20))
                return ArgoCdObjects(settings, watched, watched, clock.now)

            token = made.sandbox.token if name == "rest" else kubernetes.token
            made.until_calm("shop")
            yield ArgoCdDoor(
                name, engine(token, PATIENCE), made, kubernetes, lambda one, wait: engine(one or token, wait)
            )
    finally:
        for client in clients:
            client.close()
        kubernetes.stop()
    assert kubernetes.failures == []
