"""What does a workload consist of now, through one Argo CD: its resource tree, and the live objects in it?

For workloads of clusters that only Argo CD can reach. Where a Kubernetes API is at hand and the workload there has the
uid that Argo CD shows, it is the same one, and its watches are faster. One that we may ask for Leases alone, or
that does not answer, is in nobody's way.
Source: contracts/argocd.md section 9 (`resource-tree`, `resource`); argo-cd v3.5.1 controller/cache/info.go
(`Revision` of Deployments and ReplicaSets as `Rev:4`).
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from gitops_rollback.adapters.json_node import Node, load
from gitops_rollback.core.errors import CredentialsRejected, EngineUnavailable, RollbackError
from gitops_rollback.core.new_pods import WorkloadFacts
from gitops_rollback.core.policy import Workload
from gitops_rollback.core.sync import ApplicationId, ApplicationState

MAX_PODS = 12  # read one by one, the healthy ones first: a single one of those settles it
MAX_REPLICA_SETS = 2  # the newest, and the one before it
ASKED_AGAIN_SECONDS = 1800.0  # of an API that said no: a right may be given later
GROUPS = {"Rollout": ("argoproj.io", "v1alpha1")}


class Below(Protocol):
    """Reads what Argo CD shows below an application."""

    instance: str

    def below(self, application: ApplicationId, project: str, what: str, query: Mapping[str, str]) -> object:
        """None: the object that `query` names is not there. Raises: EngineUnavailable; CredentialsRejected."""
        ...


class Near(Protocol):
    """A Kubernetes API at hand, which may be another cluster than the workload's."""

    def read(self, workload: Workload) -> WorkloadFacts: ...


class ArgoCdWorkloads:
    """`ports.Workloads` for the applications of one Argo CD. Usable from several threads."""

    def __init__(self, engine: Below, near: Near | None = None) -> None:
        self._engine = engine
        self._near = near
        self._uids: dict[tuple[ApplicationId, Workload], str] = {}
        self._refused: dict[str, float] = {}  # until when a namespace is not asked about

    def read(self, application: ApplicationState, workload: Workload) -> WorkloadFacts:
        """Raises: EngineUnavailable; CredentialsRejected."""
        near = self._nearby(workload)
        if near is not None and near.workload is not None:
            known = self._uids.get((application.id, workload))
            uid = Node(near.workload).get("metadata", "uid").text()
            if uid and uid == known:
                return near
        nodes = self._tree(application)
        found = next((one for one in nodes if _is(one, workload)), None)
        if found is None:
            return WorkloadFacts(None)
        uid = found.get("uid").text()
        self._uids[application.id, workload] = uid
        if near is not None and near.workload is not None and Node(near.workload).get("metadata", "uid").text() == uid:
            return near
        return self._from_tree(application, nodes, found)

    def _nearby(self, workload: Workload) -> WorkloadFacts | None:
        """As the API at hand shows it; None where it does not."""
        if self._near is None or time.monotonic() < self._refused.get(workload.namespace, 0.0):
            return None
        try:
            return self._near.read(workload)
        except CredentialsRejected:
            self._refused[workload.namespace] = time.monotonic() + ASKED_AGAIN_SECONDS
        except RollbackError:
            pass
        return None

    def _from_tree(self, application: ApplicationState, nodes: Sequence[Node], found: Node) -> WorkloadFacts:
        sets = sorted(_children(nodes, {found.get("uid").text()}, "ReplicaSet"), key=_newest_first)[:MAX_REPLICA_SETS]
        owners = {found.get("uid").text()} | {one.get("uid").text() for one in sets}
        pods = sorted(_children(nodes, owners, "Pod"), key=lambda one: one.get("health", "status").text() != "Healthy")
        newest = {sets[0].get("uid").text()} if sets else owners
        new = [pod for pod in pods if _parents(pod) & newest]
        others = [pod for pod in pods if not _parents(pod) & newest]
        live = self._live(application, found)
        if live is None:
            return WorkloadFacts(None)
        read = [self._live(application, one) for one in (*new, *others)[:MAX_PODS]]
        return WorkloadFacts(
            live,
            tuple(one for one in (self._live(application, node) for node in sets) if one is not None),
            tuple(one for one in read if one is not None),
        )

    def _tree(self, application: ApplicationState) -> tuple[Node, ...]:
        answer = self._engine.below(application.id, application.project, "resource-tree", {})
        if not isinstance(answer, dict) or not isinstance(answer.get("nodes"), list | None):
            raise EngineUnavailable(f"Argo CD {self._engine.instance}", "the answer is no resource tree")
        return tuple(Node(answer).get("nodes").items())

    def _live(self, application: ApplicationState, node: Node) -> Mapping[str, Any] | None:
        """The live object of a node of the tree; None if it has gone since, as Pods of a rollout do.

        Raises: EngineUnavailable, also where the answer is about another object.
        """
        group, version = node.get("group").text(), node.get("version").text()
        query = {
            "resourceName": node.get("name").text(),
            "namespace": node.get("namespace").text(),
            "group": group,
            "version": version,
            "kind": node.get("kind").text(),
        }
        answer = self._engine.below(application.id, application.project, "resource", query)
        if answer is None:
            return None
        subject = f"Argo CD {self._engine.instance}"
        try:
            found = load(Node(answer).get("manifest").text().encode())
        except ValueError as exc:
            raise EngineUnavailable(subject, "a live object is no readable JSON") from exc
        if found is None:
            return None
        metadata = Node(found).get("metadata")
        if not isinstance(found, dict) or metadata.get("name").text() != query["resourceName"]:
            raise EngineUnavailable(subject, f"the answer is not about {query['kind']} {query['resourceName']}")
        found.setdefault("apiVersion", f"{group}/{version}" if group else version)
        found.setdefault("kind", query["kind"])
        return found


def _is(node: Node, workload: Workload) -> bool:
    group = GROUPS.get(workload.kind, ("apps", "v1"))[0]
    wanted = (group, workload.kind, workload.namespace, workload.name)
    return tuple(node.get(name).text() for name in ("group", "kind", "namespace", "name")) == wanted


def _children(nodes: Sequence[Node], owners: set[str], kind: str) -> list[Node]:
    return [one for one in nodes if one.get("kind").text() == kind and _parents(one) & owners]


def _parents(node: Node) -> set[str]:
    return {one.get("uid").text() for one in node.get("parentRefs").items()} - {""}


def _newest_first(replica_set: Node) -> int:
    info = {one.get("name").text(): one.get("value").text() for one in replica_set.get("info").items()}
    number = info.get("Revision", "").removeprefix("Rev:")
    return -int(number) if number.isdecimal() and len(number) < 19 else 0
