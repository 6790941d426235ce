"""What are we not allowed to do with Flux's objects, and what would make a rollback slow here?

Rights are tried, each verb on each resource, and nothing is changed by it: a list, a watch that is closed at once, and
an empty patch that the API is only asked to imagine. To advise about a health wait the controllers' own start options
are looked at where we may see them.
Source: contracts/flux-kubernetes.md sections 4.4 and 13 (RBAC minimum); Kubernetes docs, API concepts, "Dry-run".
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta

from gitops_rollback.adapters.engines.cluster import Object, Tried, is_refused, unseen_workloads
from gitops_rollback.adapters.engines.flux_helm import read_helm_release
from gitops_rollback.adapters.engines.flux_kustomization import read_kustomization
from gitops_rollback.adapters.engines.flux_sources import GIT
from gitops_rollback.adapters.engines.flux_wire import GATE
from gitops_rollback.adapters.engines.flux_world import (
    HELM_CHARTS,
    HELM_RELEASES,
    IMAGE_POLICIES,
    IMAGE_WRITERS,
    KUSTOMIZATIONS,
    SOURCE_RESOURCES,
)
from gitops_rollback.adapters.json_node import Node
from gitops_rollback.adapters.kubernetes.errors import Unserved
from gitops_rollback.adapters.kubernetes.resources import DEPLOYMENTS, Resource
from gitops_rollback.core.errors import CredentialsRejected, RollbackError

REQUIRED = (KUSTOMIZATIONS, *SOURCE_RESOURCES.values(), HELM_RELEASES, HELM_CHARTS)
OPTIONAL = (IMAGE_WRITERS, IMAGE_POLICIES)  # without the right to see them nothing is known of image automations
WATCHED = REQUIRED  # there may be thousands of each, and to list what is watched costs no request
ASKED = (SOURCE_RESOURCES[GIT], KUSTOMIZATIONS, HELM_RELEASES)
NOT_INSTALLED = "this cluster serves no Kustomizations of Flux (v1): Flux is not installed, or older than 2.0"
LONG_WAIT = timedelta(minutes=5)  # a revert that comes later than that is worth a word beforehand
SHOWN = 3


def missing_rights(cluster: Tried, instance: str) -> tuple[str, ...]:
    """A sentence for each right that is missing, and for what else does not work; () if all is well."""
    try:
        cluster.list_objects(KUSTOMIZATIONS)
    except Unserved:
        return (NOT_INSTALLED,)
    except CredentialsRejected:
        pass
    except RollbackError as exc:
        return (str(exc),)
    found = [line for resource in (*REQUIRED, *OPTIONAL) for line in _tried(cluster, resource)]
    found += unseen_workloads(cluster)
    return tuple(f"Flux {instance}: {line}" for line in dict.fromkeys(found))


def advice(cluster: Tried) -> tuple[str, ...]:
    """What would make a rollback slow here, a sentence each, with what helps. Raises: what the API raises."""
    pairs = (("kustomize-controller", KUSTOMIZATIONS), ("helm-controller", HELM_RELEASES))
    return tuple(line for controller, resource in pairs for line in _about(controller, resource, cluster))


def _tried(cluster: Tried, resource: Resource) -> Iterator[str]:
    try:
        objects = cluster.list_objects(resource).items
    except Unserved:
        return
    except CredentialsRejected:
        unseen = ": image automations that would write a bad tag again are not seen" if resource in OPTIONAL else ""
        yield f"the right to list {resource} is missing{unseen}"
        return
    except RollbackError as exc:
        yield str(exc)
        return
    if resource in WATCHED and is_refused(lambda: cluster.try_watch(resource)):
        yield f"the right to watch {resource} is missing: changes are only seen at each look"
    metadata = Node(objects[0]).get("metadata") if objects else Node({})
    key = (metadata.get("namespace").text(), metadata.get("name").text())
    if resource in ASKED and key[1] and is_refused(lambda: cluster.try_patch(resource, *key)):
        yield f"the right to patch {resource} is missing: Flux is not asked to look, and comes at its own interval"


def _about(controller: str, resource: Resource, cluster: Tried) -> Iterator[str]:
    try:
        objects = cluster.list_objects(resource).items
    except (Unserved, CredentialsRejected):
        return
    waits = sorted(filter(lambda pair: pair[0] > LONG_WAIT, map(_wait_of, objects)), reverse=True)
    if waits and not _has_gate(controller, cluster):
        longest, first = waits[0]
        named = ", ".join(name for _, name in waits[:SHOWN]) + (" and more" if len(waits) > SHOWN else "")
        yield (
            f"{len(waits)} {resource.plural} may wait longer than {_words(LONG_WAIT)} for the health of a bad revision "
            f"and look at no revert meanwhile ({named}; {first} up to {_words(longest)}): {GATE.format(controller)}"
        )


def _wait_of(value: Object) -> tuple[timedelta, str]:
    kustomization = Node(value).get("kind").text() == "Kustomization"
    read = read_kustomization(value) if kustomization else read_helm_release(value)
    return read.health_wait or timedelta(), f"{read.common.namespace}/{read.common.name}"


def _has_gate(controller: str, cluster: Tried) -> bool:
    """True if the controller's Deployment says so; where it cannot be seen it is taken for the default, off."""
    try:
        found = cluster.list_objects(DEPLOYMENTS, label_selector=f"app.kubernetes.io/component={controller}").items
    except RollbackError:
        return False
    return any("CancelHealthCheckOnNewRevision=true" in json.dumps(one.get("spec", {})) for one in found)


def _words(duration: timedelta) -> str:
    minutes, seconds = divmod(int(duration.total_seconds()), 60)
    return f"{minutes}m{seconds:02d}s" if seconds else f"{minutes}m"
