"""What does helm-controller do with a HelmRelease? It keeps its HelmChart, waits for it, and lets Helm act.

Source: helm-controller 1.5 internal/controller/helmrelease_controller.go, internal/reconcile/helmchart_template.go;
the recorded order of writes.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Mapping
from typing import Any

import yaml

from gitops_rollback.sandbox.charts import Chart, merged
from gitops_rollback.sandbox.flux.draft import Draft
from gitops_rollback.sandbox.flux.helm.actions import OWNER, remove
from gitops_rollback.sandbox.flux.helm.chart import Packages
from gitops_rollback.sandbox.flux.helm.request import Request
from gitops_rollback.sandbox.flux.helm.run import RESET_AT, End, requested, run
from gitops_rollback.sandbox.flux.helm.spec import HelmSpec
from gitops_rollback.sandbox.flux.helm.storage import Storage, values_digest
from gitops_rollback.sandbox.flux.spec import Reconciliation, Timing
from gitops_rollback.sandbox.flux.status import Subject, long, seconds
from gitops_rollback.sandbox.kubernetes import By, Store
from gitops_rollback.sandbox.kubernetes.kinds import CONFIG_MAP, HELM_CHART, HELM_RELEASE, SECRET
from gitops_rollback.sandbox.rendering import Json

STEP_SECONDS = 0.05
FIRST_BACK_OFF, LONGEST_BACK_OFF = 0.75, 900.0
FAILURES = ("failures", "installFailures", "upgradeFailures")


class NotYetError(Exception):
    """Something that the release needs is not there. `reason` is Ready's; it is tried again in `retry` seconds."""

    def __init__(self, reason: str, message: str, retry: float) -> None:
        super().__init__(message)
        self.reason = reason
        self.retry = retry


class HelmController:
    """`packages` is source-controller's storage, where the charts are loaded from."""

    manager = "helm-controller"

    def __init__(self, packages: Packages, timing: Timing) -> None:
        self._packages = packages
        self._timing = timing
        self._storage = Storage()
        self._tries: dict[tuple[str, str], int] = {}

    def reconcile(self, subject: Subject) -> Reconciliation:
        """One reconciliation; answers in how many seconds the next one is due."""
        if subject.spec.get("suspend"):
            subject.fields(observedGeneration=subject.generation, **subject.acknowledged())
            return math.inf
        draft, spec = Draft(subject), HelmSpec.of(subject)
        self._keep_chart(draft)
        draft.progressing("Progressing", "Fulfilling prerequisites")
        draft.patch()
        yield STEP_SECONDS
        try:
            request = self._prepared(draft, spec)
        except NotYetError as exc:
            draft.mark("Ready", "False", exc.reason, str(exc))
            _end(draft)
            return exc.retry
        if self._has_moved(request):
            _end(draft)
            return 0.0
        _attempt(request)
        end = yield from run(request)
        _end(draft, observed=end is not End.RETRY)
        return self._again(subject, spec, end)

    def delete(self, subject: Subject) -> None:
        """What the finalizer is for: the release is uninstalled and the chart deleted, unless it is suspended."""
        if subject.spec.get("suspend"):
            return
        draft, spec = Draft(subject), HelmSpec.of(subject)
        empty = Chart("", "", "", {}, {})
        request = Request(draft, spec, empty, {}, self._storage, self._timing)
        if request.releases:
            remove(request)
        self._storage.purge(spec.storage_namespace, spec.release_name)
        _delete_chart(draft)

    def _again(self, subject: Subject, spec: HelmSpec, end: End) -> float:
        key = (subject.namespace, subject.name)
        if end is not End.RETRY:
            self._tries.pop(key, None)
            return spec.interval if end is End.DONE else math.inf
        tries = self._tries[key] = self._tries.get(key, 0) + 1
        return float(min(LONGEST_BACK_OFF, FIRST_BACK_OFF * 2 ** (tries - 1)))

    def _keep_chart(self, draft: Draft) -> None:
        """The HelmChart of the release's template, where it has one."""
        subject, template = draft.subject, draft.subject.spec.get("chart")
        wanted = _chart_manifest(subject) if template else None
        name = f"{wanted['metadata']['namespace']}/{wanted['metadata']['name']}" if wanted else ""
        if draft.fields.get("helmChart") not in (None, name):
            _delete_chart(draft)
        if wanted is not None:
            subject.store.apply(HELM_CHART, wanted, By(self.manager), force=True)
            draft.fields["helmChart"] = name

    def _prepared(self, draft: Draft, spec: HelmSpec) -> Request:
        """Raises: NotYetError."""
        _check_dependencies(draft.subject, self._timing.requeue)
        draft.recover("DependencyNotReady")
        source = _source(draft, spec)
        draft.recover("AccessDenied", "ArtifactFailed")
        _check_source(source, spec.interval)
        draft.recover("SourceNotReady")
        values = _values(draft.subject, self._timing.requeue)
        draft.recover("ValuesError")
        chart = self._packages.get(source["status"]["artifact"]["path"])
        if chart is None:
            words = f"Source not ready: artifact not found. Retrying in {long(self._timing.requeue)}"
            raise NotYetError("ArtifactFailed", words, self._timing.requeue)
        return Request(draft, spec, chart, values, self._storage, self._timing)

    def _has_moved(self, request: Request) -> bool:
        """Whether the release is to be elsewhere now: then the one that is there goes first."""
        history, fields, spec = request.history, request.draft.fields, request.spec
        if not history or not fields.get("storageNamespace"):
            return False
        newest = history[0]
        now = (spec.storage_namespace, spec.target_namespace, spec.release_name, request.chart.name)
        before = (fields["storageNamespace"], newest["namespace"], newest["name"], newest["chartName"])
        if now == before:
            return False
        old = {"storageNamespace": before[0], "targetNamespace": before[1], "releaseName": before[2]}
        there = HelmSpec({**spec.spec, **old}, spec.namespace, spec.name)
        gone = Request(request.draft, there, request.chart, {}, self._storage, self._timing)
        if gone.releases:
            remove(gone)
        request.history = []
        for name in (*FAILURES, "storageNamespace"):
            fields.pop(name, None)
        return True


def _attempt(request: Request) -> None:
    """Say what is tried, and begin to count anew where that is something else than the last time."""
    fields, subject = request.draft.fields, request.subject
    digest = values_digest(request.values)
    reset = requested(request, RESET_AT, "lastHandledResetAt")
    tried = {
        "lastAttemptedGeneration": subject.generation,
        "lastAttemptedRevision": request.chart.version,
        "lastAttemptedConfigDigest": digest,
    }
    if reset or any(fields.get(name) != value for name, value in tried.items()):
        for name in FAILURES:
            fields.pop(name, None)
    fields |= {"storageNamespace": request.spec.storage_namespace, **tried}


def _end(draft: Draft, observed: bool = False) -> None:
    draft.fields |= draft.subject.acknowledged()
    if observed:
        draft.fields["observedGeneration"] = draft.subject.generation
    draft.patch()


def _chart_manifest(subject: Subject) -> Json:
    spec = subject.spec["chart"]["spec"]
    reference = spec["sourceRef"]
    interval = spec.get("interval") or subject.spec.get("interval")
    kept = ("chart", "version", "reconcileStrategy", "valuesFiles", "ignoreMissingValuesFiles")
    return {
        "apiVersion": HELM_CHART.api_version,
        "kind": HELM_CHART.kind,
        "metadata": {
            "name": f"{subject.namespace}-{subject.name}",
            "namespace": reference.get("namespace") or subject.namespace,
            "labels": {f"{OWNER}/name": subject.name, f"{OWNER}/namespace": subject.namespace},
        },
        "spec": {
            **{name: spec[name] for name in kept if spec.get(name)},
            "interval": long(seconds(interval, 60.0)),
            "sourceRef": {"kind": reference["kind"], "name": reference["name"]},
        },
    }


def _delete_chart(draft: Draft) -> None:
    namespace, _, name = str(draft.fields.pop("helmChart", "")).partition("/")
    if name and draft.subject.store.find(HELM_CHART, name, namespace):
        draft.subject.store.delete(HELM_CHART, name, namespace)


def _check_dependencies(subject: Subject, requeue: float) -> None:
    for one in subject.spec.get("dependsOn") or ():
        namespace = one.get("namespace") or subject.namespace
        named = f"{namespace}/{one['name']}"
        found = subject.store.find(HELM_RELEASE, one["name"], namespace)
        if found is None:
            missing = f'helmreleases.helm.toolkit.fluxcd.io "{one["name"]}" not found'
            raise NotYetError("DependencyNotReady", f"unable to get '{named}' dependency: {missing}", requeue)
        seen = (found.get("status") or {}).get("observedGeneration") == found["metadata"]["generation"]
        if not seen or not _is(found, "Ready", "True"):
            raise NotYetError("DependencyNotReady", f"dependency '{named}' is not ready", requeue)


def _source(draft: Draft, spec: HelmSpec) -> Json:
    """The HelmChart that is used. Raises: NotYetError."""
    reference = spec.spec.get("chartRef")
    namespace, _, name = str(draft.fields.get("helmChart", "")).partition("/")
    kind = HELM_CHART.kind
    if reference:
        kind, name = reference["kind"], reference["name"]
        namespace = reference.get("namespace") or spec.namespace
    found = draft.subject.store.find(HELM_CHART, name, namespace) if kind == HELM_CHART.kind else None
    if found is None:
        words = f'could not get Source object: {kind}.source.toolkit.fluxcd.io "{name}" not found'
        raise NotYetError("ArtifactFailed", words, FIRST_BACK_OFF)
    return found


def _check_source(source: Json, retry: float) -> None:
    """A chart that is being built again is still the one of before. Raises: NotYetError."""
    status, metadata = source.get("status") or {}, source["metadata"]
    ready = _message(source, "Ready")
    problem = ""
    if status.get("observedGeneration") != metadata["generation"]:
        problem = ready if _is(source, "Ready", "False") else "latest generation of object has not been reconciled"
    elif _is(source, "Stalled", "True"):
        problem = _message(source, "Stalled")
    elif _is(source, "Ready", "False"):
        problem = ready
    elif not status.get("artifact"):
        problem = "does not have an artifact"
    if problem:
        words = f"HelmChart '{metadata['namespace']}/{metadata['name']}' is not ready: {problem}"
        raise NotYetError("SourceNotReady", words, retry)


def _values(subject: Subject, requeue: float) -> Json:
    """The values of the references in their order, and over them those of the spec. Raises: NotYetError."""
    values: Json = {}
    for one in subject.spec.get("valuesFrom") or ():
        key = str(one.get("valuesKey") or "values.yaml")
        named = f"{one['kind']} chart values reference '{subject.namespace}/{one['name']}' with key '{key}'"
        data = _data(subject.store, one, subject.namespace)
        if one.get("targetPath"):
            raise NotYetError("ValuesError", f"could not resolve {named}: the sandbox sets no target path", requeue)
        if key not in data and one.get("optional"):
            continue
        if key not in data:
            raise NotYetError("ValuesError", f"could not resolve {named}: not found", requeue)
        values = merged(values, yaml.safe_load(data[key]) or {})
    return merged(values, subject.spec.get("values") or {})


def _data(store: Store, reference: Mapping[str, Any], namespace: str) -> Mapping[str, str]:
    kind = SECRET if reference["kind"] == SECRET.kind else CONFIG_MAP
    data: Json = (store.find(kind, str(reference["name"]), namespace) or {}).get("data") or {}
    return {key: base64.b64decode(text).decode() for key, text in data.items()} if kind is SECRET else data


def _is(body: Json, kind: str, status: str) -> bool:
    conditions = (body.get("status") or {}).get("conditions") or ()
    return any((one["type"], one["status"]) == (kind, status) for one in conditions)


def _message(body: Json, kind: str) -> str:
    conditions = (body.get("status") or {}).get("conditions") or ()
    return next((str(one["message"]) for one in conditions if one["type"] == kind), "")
