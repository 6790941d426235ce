"""Does live state equal the desired one at a revision, and how healthy is it? The status that a comparison writes.

Source: argo-cd v3.5.1 controller/state.go (CompareAppState), controller/health.go, and the recorded states.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from gitops_rollback.sandbox.argocd.cluster import Cluster, worst
from gitops_rollback.sandbox.argocd.live import WITH_HEALTH, Health, LiveObject, ObjectKey, key_of
from gitops_rollback.sandbox.argocd.repository import BareRepository, RepositoryError
from gitops_rollback.sandbox.argocd.spec import sources_of
from gitops_rollback.sandbox.rendering import Json, RenderError, Rendering, render

HOOK = "argocd.argoproj.io/hook"


@dataclass(frozen=True)
class Target:
    """What the sources ask for at `revisions`. `trouble` set: it could not be made, and the rest is empty."""

    revisions: tuple[str, ...]
    source_types: tuple[str, ...] = ()
    managed: tuple[Json, ...] = ()
    hooks: tuple[Json, ...] = ()
    trouble: str = ""


@dataclass(frozen=True)
class Comparison:
    """What a comparison found: the parts of `status` that depend on live and desired state."""

    sync: str
    resources: tuple[Json, ...]
    only_prunes: bool  # all that differs is to be removed
    wipes_out: bool  # nothing would be left


class Renderer:
    """Makes targets, each once per revision and source, as the repo-server's cache does."""

    def __init__(self, repository: BareRepository) -> None:
        self._repository = repository
        self._cache: dict[tuple[str, str, str], Rendering] = {}

    def target(self, spec: Mapping[str, Json], revisions: Sequence[str]) -> Target:
        """The desired objects at `revisions` (full SHAs, one per source)."""
        namespace, sources = str(spec["destination"]["namespace"]), sources_of(spec)
        objects: dict[ObjectKey, Json] = {}
        hooks: list[Json] = []
        types: list[str] = []
        for number, (source, revision) in enumerate(zip(sources, revisions, strict=True), start=1):
            try:
                rendering = self._render(source, revision, namespace)
            except (RenderError, RepositoryError) as exc:
                where = f"failed to generate manifest for source {number} of {len(sources)}"
                unresolved = tuple(str(each.get("targetRevision", "HEAD")) for each in sources)
                return Target(unresolved, trouble=f"Failed to load target state: {where}: {exc}")
            types.append(rendering.source_type)
            for manifest in rendering.manifests:
                if hook_types(manifest):
                    hooks.append(manifest)
                else:
                    objects[key_of(manifest)] = manifest
        return Target(tuple(revisions), tuple(types), tuple(objects.values()), tuple(hooks))

    def _render(self, source: Json, revision: str, namespace: str) -> Rendering:
        key = (revision, repr(sorted(source.items())), namespace)
        if key not in self._cache:
            if len(self._cache) > 5000:
                self._cache.clear()
            if not source.get("path"):
                return Rendering("Directory", ())
            self._cache[key] = render(self._repository.tree(revision), source, namespace)
        return self._cache[key]


def hook_types(manifest: Mapping[str, Json]) -> tuple[str, ...]:
    """The hook types of an object; () for an ordinary one."""
    value = (manifest["metadata"].get("annotations") or {}).get(HOOK, "")
    return tuple(word.strip() for word in str(value).split(",") if word.strip())


def compare(target: Target, cluster: Cluster) -> Comparison:
    """Compare live objects with `target`; a target in trouble makes everything Unknown."""
    wanted = {key_of(manifest): manifest for manifest in target.managed}
    live = cluster.managed()
    rows = {key: _row(key, wanted.get(key), live.get(key), bool(target.trouble)) for key in {**wanted, **live}}
    for key, hook in cluster.objects.items():
        if hook.hook:
            rows[key] = {**_identity(key, hook.manifest), "hook": True}
    states = [row["status"] for row in rows.values() if "status" in row]
    changed = [row for row in rows.values() if row.get("status") == "OutOfSync"]
    sync = "Unknown" if target.trouble else ("OutOfSync" if changed else "Synced")
    return Comparison(
        sync=sync,
        resources=tuple(rows[key] for key in sorted(rows)),
        only_prunes=bool(changed) and all(row.get("requiresPruning") for row in changed),
        wipes_out=bool(states) and all(row.get("requiresPruning") for row in rows.values() if "status" in row),
    )


def application_health(target: Target, cluster: Cluster, now: datetime) -> str:
    """The worst health of the managed objects; Missing only if all are missing."""
    live = cluster.managed()
    if not live and target.managed:
        return "Missing"
    found = [health.status for each in live.values() if (health := each.health(now)) is not None]
    return worst(found)


def _row(key: ObjectKey, wanted: Json | None, live: LiveObject | None, trouble: bool) -> Json:
    row = _identity(key, wanted or (live.manifest if live else {}))
    if trouble:
        row["status"] = "Unknown"
    else:
        row["status"] = "Synced" if live is not None and live.manifest == wanted else "OutOfSync"
    if wanted is None:
        row["requiresPruning"] = True
    return row


def _identity(key: ObjectKey, manifest: Json) -> Json:
    group, kind, namespace, name = key
    version = str(manifest["apiVersion"]).rpartition("/")[2]
    named = {"group": group, "version": version, "kind": kind, "namespace": namespace, "name": name}
    return {field: value for field, value in named.items() if value}


def healths(cluster: Cluster, now: datetime) -> dict[ObjectKey, Health]:
    """The present health of each live object that has one."""
    found = {key: live.health(now) for key, live in cluster.objects.items()}
    return {key: health for key, health in found.items() if health}


def with_health(application: Json, known: Mapping[ObjectKey, Health]) -> Json:
    """The Application with the health of each resource as last known; the object itself does not hold it."""
    resources = application["status"].get("resources")
    if not resources:
        return application
    shown = []
    for row in resources:
        key = (row.get("group", ""), row["kind"], row.get("namespace", ""), row["name"])
        health = known.get(key) or (Health("Missing") if row["kind"] in WITH_HEALTH else None)
        shown.append({**row, "health": health.as_json()} if health else row)
    return {**application, "status": {**application["status"], "resources": shown}}
