"""Each way to an engine, with the means to play the same stories behind it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from sandbox_argocd_world import SPEED, World, config_map, deployment, hook, world

from gitops_rollback.adapters.engines.argocd import ArgoCd
from gitops_rollback.adapters.engines.argocd_objects import ArgoCdObjects
from gitops_rollback.adapters.engines.argocd_objects_settings import ArgoCdObjectsSettings
from gitops_rollback.adapters.engines.argocd_settings import ArgoCdSettings
from gitops_rollback.adapters.kubernetes.client import Kubernetes
from gitops_rollback.adapters.kubernetes.credentials import Fixed
from gitops_rollback.adapters.kubernetes.settings import KubernetesSettings
from gitops_rollback.adapters.kubernetes.transport import Transport
from gitops_rollback.adapters.kubernetes.watched import WatchedCluster
from gitops_rollback.adapters.kubernetes.watching import WatchTimes
from gitops_rollback.core.sync import ApplicationId, ApplicationState
from gitops_rollback.ports import Engine
from gitops_rollback.sandbox.argocd import AppSpec, SyncWindow
from gitops_rollback.sandbox.clock import ScaledClock
from gitops_rollback.sandbox.kubernetes import By, KubernetesSandbox
from gitops_rollback.sandbox.kubernetes.kinds import APPLICATION

PATIENCE = timedelta(seconds=30)
SHOP = ApplicationId("default", "Application", "argocd", "shop")
PROJECT = "default"
TIMES = WatchTimes(first_wait=0.02, longest_wait=0.2)
REFRESH_TIMEOUT = timedelta(seconds=10)

DOORS = ("rest", "objects")


def until(condition: Callable[[], bool], what: str = "it came true") -> None:
    """Wait for it, a bounded time."""
    waiting = threading.Event()
    for _ in range(int(PATIENCE / timedelta(milliseconds=20))):
        if condition():
            return
        waiting.wait(0.02)
    raise AssertionError(f"never: {what}")


@dataclass
class Door:
    """An Argo CD that is reached by one of its two doors; whatever stands behind them is the same."""

    name: str
    engine: Engine
    world: World
    kubernetes: KubernetesSandbox
    makes: Callable[[str, timedelta], Engine] = field(repr=False)

    def state(self) -> ApplicationState:
        """The application in full, as the engine says it now."""
        found = self.engine.application(SHOP, PROJECT)
        assert found is not None
        return found

    def release(self, tag: str) -> str:
        """A commit that changes the application, applied; its SHA."""
        revision = self.push(apps__shop__web_json=deployment("web", tag))
        self.world.refresh("shop")
        self.world.until_settled("shop", revision)
        return revision

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

    def lose_rights(self) -> Engine:
        """The engine with credentials that may do nothing."""
        return self.makes("a.stranger.token", REFRESH_TIMEOUT)

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


def _hook_runs(application: Mapping[str, Any]) -> bool:
    result = application["status"].get("operationState", {}).get("syncResult", {})
    return any(one.get("hookType") and one["hookPhase"] == "Running" for one in result.get("resources", ()))


FILES = {"apps__shop__web_json": deployment("web", "1"), "apps__cart__settings_json": config_map("settings", "old")}


@contextmanager
def door(name: str, tmp_path: Path) -> Iterator[Door]:
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
            yield Door(name, engine(token, PATIENCE), made, kubernetes, lambda one, wait: engine(one or token, wait))
    finally:
        for client in clients:
            client.close()
        kubernetes.stop()
    assert kubernetes.failures == []
