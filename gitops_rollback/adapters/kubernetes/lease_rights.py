"""May we take a Lease? Each verb is tried, and nothing is changed by it.

Source: contracts/flux-kubernetes.md section 13 (RBAC minimum); Kubernetes docs, API concepts, "Dry-run".
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from gitops_rollback.adapters.kubernetes.client import Kubernetes, Object
from gitops_rollback.adapters.kubernetes.errors import Conflict, Missing
from gitops_rollback.adapters.kubernetes.resources import LEASES
from gitops_rollback.core.errors import CredentialsRejected, RollbackError


def missing_lease_rights(client: Kubernetes, name: str) -> tuple[str, ...]:
    """A sentence for each verb that is missing for the Lease `name` in our own namespace, or for what else is wrong."""
    try:
        found = client.get(LEASES, client.namespace, name)
    except CredentialsRejected:
        return (_missing(client, "get"),)
    except RollbackError as exc:
        return (str(exc),)
    return tuple(_refused(client, found or _empty(client, name)))


def _refused(client: Kubernetes, lease: Object) -> Iterator[str]:
    new = _empty(client, lease["metadata"]["name"])
    tried: tuple[tuple[str, Callable[[], object]], ...] = (
        ("create", lambda: client.create(LEASES, new, dry_run=True)),
        ("update", lambda: client.replace(LEASES, lease, dry_run=True)),
    )
    for verb, act in tried:
        try:
            act()
        except CredentialsRejected:
            yield _missing(client, verb)
        except Conflict:
            continue  # it is there already, or was written just now: whoever lacks the right is told that first
        except Missing as exc:
            if verb == "create":
                yield f"a Lease cannot be made: {exc.message}"
        except RollbackError as exc:
            yield str(exc)


def _empty(client: Kubernetes, name: str) -> Object:
    metadata = {"name": name, "namespace": client.namespace}
    return {"apiVersion": LEASES.api_version, "kind": "Lease", "metadata": metadata, "spec": {}}


def _missing(client: Kubernetes, verb: str) -> str:
    return f"the right to {verb} {LEASES} in the namespace {client.namespace} is missing: nobody leads, nothing is done"
