"""A Kubernetes API beside a world, for the Leases by which the replicas agree on who acts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from gitops_rollback.core.lease import lease_name
from gitops_rollback.sandbox.clock import ScaledClock
from gitops_rollback.sandbox.kubernetes import KubernetesSandbox
from gitops_rollback.sandbox.kubernetes.access import Rule
from gitops_rollback.sandbox.kubernetes.kinds import LEASE, NAMESPACE

OURS = "gitops-rollback"
LEAST = (Rule(("coordination.k8s.io",), ("leases",), ("get", "create", "update"), (OURS,)),)
# Whole seconds, as a Lease has them; short, but long enough for a process that gets little of the machine.
TIMES = {"LEASE_DURATION": "4s", "RENEW_DEADLINE": "3s", "RETRY_PERIOD": "500ms"}


class LeaseWorld:
    """The API with no more rights than replicas need, and what a replica must be told of it."""

    link: Any = None  # a proxy before it, where a test puts one

    def __init__(self, folder: Path) -> None:
        self.kubernetes = KubernetesSandbox(ScaledClock(), rules=LEAST)
        self.kubernetes.store.create(NAMESPACE, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": OURS}})
        self.kubernetes.start()
        kubeconfig = folder / "kubeconfig"
        kubeconfig.write_text(self.kubernetes.kubeconfig(namespace=OURS), "utf-8")
        self.environment = {
            "GITOPS_ROLLBACK_KUBECONFIG": str(kubeconfig),
            **{f"GITOPS_ROLLBACK_LEADER_ELECT_{name}": value for name, value in TIMES.items()},
        }

    def lease(self, repository: str) -> dict[str, Any]:
        """The spec of a repository's Lease; {} while there is none."""
        for found in self.kubernetes.store.objects(LEASE):
            if found["metadata"]["name"] == lease_name(repository):
                return dict(found["spec"])
        return {}

    def holder(self, repository: str) -> str:
        return str(self.lease(repository).get("holderIdentity") or "")

    def close(self) -> None:
        self.kubernetes.stop()
