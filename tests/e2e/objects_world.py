"""The shop with an Argo CD that the controller reaches by its objects alone, over a fault proxy."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

from live_world import Live
from proxy import FaultProxy

from gitops_rollback.sandbox.kubernetes import KubernetesSandbox

KUBECONFIG = """\
apiVersion: v1
kind: Config
current-context: sandbox
contexts: [{{name: sandbox, context: {{cluster: sandbox, user: rollback, namespace: argocd}}}}]
clusters: [{{name: sandbox, cluster: {{server: "{server}"}}}}]
users: [{{name: rollback, user: {{token: "{token}"}}}}]
"""


class ObjectsLive(Live):
    """`link` is the controller's way to the Kubernetes API; it has no token of Argo CD."""

    def __init__(self, folder: Path, **words: Any) -> None:
        super().__init__(folder, **words)
        self.kubernetes = KubernetesSandbox(self.world.clock)
        self.world.objects = self.kubernetes.store
        self.kubernetes.start()
        self.link = FaultProxy(self.kubernetes.url)
        config = folder / "kubeconfig"
        config.write_text(KUBECONFIG.format(server=self.link.url, token=self.kubernetes.token))
        self.more_environment = {
            "ARGOCD_SERVER": "",
            "ARGOCD_AUTH_TOKEN": "",
            "GITOPS_ROLLBACK_ARGOCD_OBJECTS": "true",
            "GITOPS_ROLLBACK_KUBECONFIG": str(config),
            "GITOPS_ROLLBACK_REQUEST_TIMEOUT": f"{timedelta(seconds=10).seconds}s",
        }

    def close(self) -> None:
        self.kill_controller()
        self.link.stop()
        super().close()
        self.kubernetes.stop()
