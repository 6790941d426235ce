"""Which objects does a write wake, other than the one that was written? Sources wake what is made from them.

Source: the predicates and the mappings of source-controller, kustomize-controller and helm-controller.
"""

from __future__ import annotations

from collections.abc import Iterator

from gitops_rollback.sandbox.kubernetes import Store
from gitops_rollback.sandbox.kubernetes.history import Change, Ref
from gitops_rollback.sandbox.kubernetes.kinds import (
    CONFIG_MAP,
    GIT_REPOSITORY,
    HELM_CHART,
    HELM_RELEASE,
    IMAGE_POLICY,
    IMAGE_UPDATE_AUTOMATION,
    KUSTOMIZATION,
    SECRET,
    Kind,
)
from gitops_rollback.sandbox.rendering import Json

WATCH = "reconcile.fluxcd.io/watch"  # the label by which values wake who takes them


def woken_by(store: Store, change: Change) -> list[Ref]:
    """What is to be looked at after this write."""
    before, after = change.before or {}, change.after
    moved = artifact_revision(after) != artifact_revision(before)
    if change.ref.kind is GIT_REPOSITORY and moved:
        return [*_kustomizations(store, change.ref, after), *_charts(store, change.ref, after)]
    if change.ref.kind is HELM_CHART and artifact_revision(after) and (moved or _is_ready(after) > _is_ready(before)):
        return list(_releases(store, change.ref, after))
    if change.ref.kind in (CONFIG_MAP, SECRET) and (after["metadata"].get("labels") or {}).get(WATCH) == "Enabled":
        return list(_takers(store, change.ref))
    if change.ref.kind is IMAGE_POLICY and _latest(after) != _latest(before):
        return [
            _ref(IMAGE_UPDATE_AUTOMATION, one) for one in store.objects(IMAGE_UPDATE_AUTOMATION, change.ref.namespace)
        ]
    return []


def _latest(body: Json) -> object:
    """The image that a policy stands at."""
    return (body.get("status") or {}).get("latestRef")


def artifact_revision(body: Json) -> str:
    """The revision of a source's artifact; "" without one."""
    return str(((body.get("status") or {}).get("artifact") or {}).get("revision", ""))


def _kustomizations(store: Store, source: Ref, body: Json) -> Iterator[Ref]:
    """Those of a source, but what has this revision already, or is at work on it."""
    for one in store.objects(KUSTOMIZATION):
        if _is_from(one, source) and not _is_at(one, artifact_revision(body)):
            yield _ref(KUSTOMIZATION, one)


def _charts(store: Store, source: Ref, body: Json) -> Iterator[Ref]:
    for one in store.objects(HELM_CHART):
        seen = (one.get("status") or {}).get("observedSourceArtifactRevision")
        if _is_from(one, source) and seen != artifact_revision(body):
            yield _ref(HELM_CHART, one)


def _releases(store: Store, chart: Ref, body: Json) -> Iterator[Ref]:
    """Those of a chart, but what is ready and has tried this version last."""
    for one in store.objects(HELM_RELEASE):
        status, reference = one.get("status") or {}, one["spec"].get("chartRef")
        named = f"{reference.get('namespace') or one['metadata']['namespace']}/{reference['name']}" if reference else ""
        uses = (named or status.get("helmChart")) == f"{chart.namespace}/{chart.name}"
        done = _is_ready(one) and status.get("lastAttemptedRevision") == artifact_revision(body)
        if uses and not done:
            yield _ref(HELM_RELEASE, one)


def _takers(store: Store, values: Ref) -> Iterator[Ref]:
    for one in store.objects(HELM_RELEASE, values.namespace):
        named = [(taken["kind"], taken["name"]) for taken in one["spec"].get("valuesFrom") or ()]
        if (values.kind.kind, values.name) in named:
            yield _ref(HELM_RELEASE, one)


def _ref(kind: Kind, body: Json) -> Ref:
    return Ref(kind, body["metadata"]["namespace"], body["metadata"]["name"])


def _is_from(body: Json, source: Ref) -> bool:
    wanted = body["spec"]["sourceRef"]
    place = wanted.get("namespace") or body["metadata"]["namespace"]
    return (wanted["kind"], wanted["name"], place) == (source.kind.kind, source.name, source.namespace)


def _is_ready(body: Json) -> bool:
    return _is_true(body, "Ready")


def _is_at(body: Json, revision: str) -> bool:
    busy = _is_ready(body) or _is_true(body, "Reconciling")
    return busy and (body.get("status") or {}).get("lastAttemptedRevision") == revision


def _is_true(body: Json, kind: str) -> bool:
    conditions = (body.get("status") or {}).get("conditions") or ()
    return any((one["type"], one["status"]) == (kind, "True") for one in conditions)
