"""What are we not allowed to do with Argo CD's objects? Each verb is tried on each, and nothing is changed by it.

Source: contracts/argocd.md section 13 (no status subresource: one `patch` right covers spec, operation and status).
"""

from __future__ import annotations

from collections.abc import Iterator

from gitops_rollback.adapters.engines.cluster import Tried, is_refused, unseen_workloads
from gitops_rollback.adapters.json_node import Node
from gitops_rollback.adapters.kubernetes.errors import Unserved
from gitops_rollback.adapters.kubernetes.resources import APP_PROJECTS, APPLICATIONS
from gitops_rollback.core.errors import CredentialsRejected, RollbackError

NOT_INSTALLED = "this cluster serves no Applications (argoproj.io/v1alpha1): Argo CD is not installed"


def missing_rights(cluster: Tried, instance: str) -> tuple[str, ...]:
    """A sentence for each right that is missing, and for what else does not work; () if all is well."""
    try:
        known = cluster.list_objects(APPLICATIONS).items
    except Unserved:
        return (NOT_INSTALLED,)
    except CredentialsRejected:
        return (f"Argo CD {instance}: the right to list {APPLICATIONS} is missing",)
    except RollbackError as exc:
        return (str(exc),)
    if not known:
        return (f"Argo CD {instance}: there is no Application in the namespaces that are looked into",)
    metadata = Node(known[0]).get("metadata")
    key = (metadata.get("namespace").text(), metadata.get("name").text())
    return tuple(f"Argo CD {instance}: {line}" for line in _missing(cluster, key))


def _missing(cluster: Tried, key: tuple[str, str]) -> Iterator[str]:
    if is_refused(lambda: cluster.try_watch(APPLICATIONS)):
        yield f"the right to watch {APPLICATIONS} is missing: changes are only seen at each look"
    if is_refused(lambda: cluster.try_patch(APPLICATIONS, *key)):
        yield f"the right to patch {APPLICATIONS} is missing: nothing can be refreshed, synced or terminated"
    if is_refused(lambda: cluster.list_objects(APP_PROJECTS)):
        yield f"the right to get and list {APP_PROJECTS} is missing: sync windows are not seen, and nothing is synced"
    yield from unseen_workloads(cluster)
