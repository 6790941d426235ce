"""How do objects of a revision come into the cluster, and how do those that it lacks go? By server-side apply.

Source: fluxcd/pkg ssa/manager_apply.go; the recorded inventories.
"""

from __future__ import annotations

from collections.abc import Sequence

from gitops_rollback.sandbox.flux.status import Subject
from gitops_rollback.sandbox.kubernetes import KINDS, By, Refusal, kind_of
from gitops_rollback.sandbox.kubernetes.kinds import CLOUD_KINDS
from gitops_rollback.sandbox.rendering import Json, copied, group_of

OWNER = "kustomize.toolkit.fluxcd.io"
APPLIED = (*KINDS, *CLOUD_KINDS)


class ApplyError(Exception):
    """The API took an object not; the message is what a Kustomization would say, `problem` what the API did."""

    def __init__(self, manifest: Json, problem: str) -> None:
        super().__init__(f"{named(manifest)} dry-run failed: {problem}")
        self.manifest = manifest
        self.problem = problem


def apply(subject: Subject, manifests: Sequence[Json], owner: str = OWNER) -> None:
    """Apply each manifest with the labels of its owner. Raises: ApplyError, with what came before applied."""
    labels = {f"{owner}/name": subject.name, f"{owner}/namespace": subject.namespace}
    for manifest in manifests:
        body = copied(manifest)
        body["metadata"]["labels"] = {**(body["metadata"].get("labels") or {}), **labels}
        try:
            kind = kind_of(body, APPLIED)
        except KeyError as exc:
            words = f'no matches for kind "{body["kind"]}" in version "{body["apiVersion"]}"'
            raise ApplyError(manifest, words) from exc
        try:
            subject.store.apply(kind, body, By(subject.manager), force=True)
        except Refusal as exc:
            raise ApplyError(manifest, str(exc)) from exc


def prune(subject: Subject, before: Sequence[Json], now: Sequence[Json]) -> None:
    """Delete what was in the inventory before and is not now."""
    kept = {one["id"] for one in now}
    for entry in before:
        if entry["id"] in kept:
            continue
        namespace, name, group, kind_name = entry["id"].split("_")
        for kind in APPLIED:
            if (kind.group, kind.kind) == (group, kind_name) and subject.store.find(kind, name, namespace):
                subject.store.delete(kind, name, namespace)


def entries(manifests: Sequence[Json]) -> list[Json]:
    """The inventory of some manifests."""
    found = [
        (_place(one), one["metadata"]["name"], group_of(one), one["kind"], one["apiVersion"].rpartition("/")[2])
        for one in manifests
    ]
    return [{"id": "_".join(parts[:4]), "v": parts[4]} for parts in sorted(found)]


def named(manifest: Json) -> str:
    """As Flux names an object in messages: `Deployment/shop/cart`."""
    return "/".join(part for part in (manifest["kind"], _place(manifest), manifest["metadata"]["name"]) if part)


def _place(manifest: Json) -> str:
    return str(manifest["metadata"].get("namespace") or "")
