"""Makes what reads Pods, rollouts and other objects, for each engine of the settings."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from gitops_rollback.adapters.engines.argocd import ArgoCd
from gitops_rollback.adapters.engines.argocd_found import ArgoCdFound
from gitops_rollback.adapters.engines.argocd_workloads import ArgoCdWorkloads
from gitops_rollback.adapters.kubernetes.client import Kubernetes
from gitops_rollback.adapters.kubernetes.home import is_here
from gitops_rollback.adapters.kubernetes.objects import ClusterObjects
from gitops_rollback.adapters.kubernetes.workloads import ClusterWorkloads
from gitops_rollback.app.runs import ObjectReaders
from gitops_rollback.app.workloads import WorkloadReaders
from gitops_rollback.core.errors import EngineUnavailable
from gitops_rollback.core.new_pods import WorkloadFacts
from gitops_rollback.core.policy import Workload
from gitops_rollback.core.sync import ApplicationState
from gitops_rollback.ports import Clock, Engine, Objects, Workloads


@dataclass(frozen=True)
class _Home:
    """Of the cluster of the API that is spoken to. No credentials of another one are looked for, though it has some."""

    cluster: ClusterWorkloads
    server: str

    def read(self, application: ApplicationState, workload: Workload) -> WorkloadFacts:
        """Raises: as `ClusterWorkloads.read`."""
        if not is_here(application.destination, self.server):
            subject, where = application.id.short, application.destination
            raise EngineUnavailable(subject, f"its Pods run in another cluster, {where}, into which nobody looks")
        return self.cluster.read(workload)


def workloads_of_engines(
    engines: tuple[Engine, ...], client: Kubernetes | None, clock: Clock
) -> tuple[WorkloadReaders, Callable[[], None]]:
    """The readers, and what ends them. Argo CD by REST shows live objects itself; all others need the API."""
    cluster = ClusterWorkloads(client, clock.now) if client is not None else None
    readers: dict[str, Workloads] = {}
    for engine in engines:
        if isinstance(engine, ArgoCd):
            readers[engine.instance] = ArgoCdWorkloads(engine, cluster)
        elif cluster is not None and client is not None:
            readers[engine.instance] = _Home(cluster, client.server)
    return _joined(readers, cluster)


def objects_of_engines(engines: tuple[Engine, ...], client: Kubernetes | None) -> ObjectReaders:
    """What shows objects of any kind. Argo CD by REST shows its own; all others need the API."""
    cluster = ClusterObjects(client) if client is not None else None
    readers: dict[str, Objects] = {}
    for engine in engines:
        if isinstance(engine, ArgoCd):
            readers[engine.instance] = ArgoCdFound(engine, cluster)
        elif cluster is not None:
            readers[engine.instance] = cluster
    return ObjectReaders(readers)


def _joined(
    readers: Mapping[str, Workloads], cluster: ClusterWorkloads | None
) -> tuple[WorkloadReaders, Callable[[], None]]:
    if cluster is None:
        return WorkloadReaders(readers, lambda _wake: None), lambda: None

    def listen(wake: Callable[[], None]) -> None:
        cluster.wake = wake

    return WorkloadReaders(readers, listen), cluster.close
