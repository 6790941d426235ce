"""The shop with an Argo CD that the controller reaches by its objects alone, over a fault proxy."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

from live_world import Live
from proxy import FaultProxy, asks_for, status

from gitops_rollback.sandbox.kubernetes import KubernetesSandbox


class ObjectsLive(Live):
    """`link` is the controller's way to the Kubernetes API; it has no token of Argo CD."""

    def __init__(self, folder: Path, **words: Any) -> None:
        super().__init__(folder, **words)
        self.kubernetes = KubernetesSandbox(self.world.clock)
        self.world.objects = self.kubernetes.store
        self.kubernetes.start()
        self.link = FaultProxy(self.kubernetes.url)
        config = folder / "kubeconfig"
        config.write_text(self.kubernetes.kubeconfig(self.link.url, "argocd"))
        self.more_environment = {
            "ARGOCD_SERVER": "",
            "ARGOCD_AUTH_TOKEN": "",
            "GITOPS_ROLLBACK_ARGOCD_OBJECTS": "true",
            "GITOPS_ROLLBACK_KUBECONFIG": str(config),
            "GITOPS_ROLLBACK_REQUEST_TIMEOUT": f"{timedelta(seconds=10).seconds}s",
        }

    def engine_answers(self, code: int, body: str, content_type: str) -> None:
        """To what concerns Applications; the Leases of the same API are as ever."""
        self.link.strike(status(code, {"Content-Type": content_type}, body.encode()), asks_for("/argoproj.io/"))
        self.link.cut_open()

    def engine_heals(self) -> None:
        self.link.heal()
        self.kubernetes.reset()

    def engine_writes(self) -> list[str]:
        """Operations alone, no refreshes. A person still has a token of Argo CD."""
        found = [
            one.path for one in self.kubernetes.writes if "/applications/" in one.path and '"operation' in one.body
        ]
        return super().engine_writes() + [f"PATCH {path}" for path in found if "dryRun=All" not in path]

    def close(self) -> None:
        self.kill_controller()
        self.link.stop()
        super().close()
        self.kubernetes.stop()
