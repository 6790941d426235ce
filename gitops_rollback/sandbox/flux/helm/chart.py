"""What does source-controller do with a HelmChart? Package the chart that a source holds, where its version is new.

With `reconcileStrategy: Revision` each commit is a new version; with `ChartVersion` only what `Chart.yaml` says is.
Source: source-controller 1.9 internal/controller/helmchart_controller.go, internal/helm/chart; the recorded writes.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, replace

import yaml

from gitops_rollback.sandbox.argocd.scheduler import Steps
from gitops_rollback.sandbox.charts import Chart, ChartError, load_chart, merged
from gitops_rollback.sandbox.flux.draft import Draft
from gitops_rollback.sandbox.flux.repositories import Repository
from gitops_rollback.sandbox.flux.spec import Reconciliation
from gitops_rollback.sandbox.flux.status import Subject, seconds, stamp
from gitops_rollback.sandbox.kubernetes.kinds import GIT_REPOSITORY
from gitops_rollback.sandbox.rendering import Json, Tree

STEP_SECONDS = 0.02
RETRY_SECONDS = 5.0
IN_STORAGE, OUTDATED, FAILED = "ArtifactInStorage", "ArtifactOutdated", "FetchFailed"
Packages = dict[str, Chart]  # source-controller's storage: each packaged chart by the path of its artifact


class HelmChartController:
    """`repositories` are the bare repositories behind the URLs that GitRepositories name."""

    manager = "source-controller"

    def __init__(self, repositories: Mapping[str, Repository], packages: Packages) -> None:
        self._repositories = repositories
        self._packages = packages

    def reconcile(self, subject: Subject) -> Reconciliation:
        """One look at the chart's source; answers in how many seconds to look again."""
        if subject.spec.get("suspend"):
            subject.fields(observedGeneration=subject.generation, **subject.acknowledged())
            return float("inf")
        draft = Draft(subject)
        yield from self._begin(draft)
        source = subject.store.find(GIT_REPOSITORY, subject.spec["sourceRef"]["name"], subject.namespace)
        kind = subject.spec["sourceRef"]["kind"]
        artifact = ((source or {}).get("status") or {}).get("artifact")
        if kind != "GitRepository" or source is None:
            problem = f'{kind}.source.toolkit.fluxcd.io "{subject.spec["sourceRef"]["name"]}" not found'
            return self._failed(draft, "SourceUnavailable", f"failed to get source: {problem}", RETRY_SECONDS)
        if not artifact:
            words = f"no artifact available for {kind} source '{source['metadata']['name']}'"
            return self._failed(draft, "NoSourceArtifact", words, RETRY_SECONDS)
        commit = artifact["revision"].rpartition(":")[2]
        tree = self._repositories[source["spec"]["url"]].tree(commit)
        try:
            chart = _built(subject, tree, commit)
        except ChartError as exc:
            return self._stalled(draft, f"invalid chart reference: {exc}", artifact["revision"])
        yield from self._package(draft, chart, artifact["revision"])
        return seconds(subject.spec.get("interval"), 60.0)

    def delete(self, subject: Subject) -> None:
        """Its packages go with it."""
        for path in [one for one in self._packages if one.startswith(f"{_directory(subject)}/")]:
            del self._packages[path]

    def _begin(self, draft: Draft) -> Steps:
        subject = draft.subject
        observed = draft.fields.get("observedGeneration")
        if observed != subject.generation:
            words = f"processing object: new generation {observed} -> {subject.generation}"
            draft.progressing("Progressing", words)
            draft.mark("Ready", "Unknown", "Progressing", words)
            draft.patch()
            yield STEP_SECONDS
        elif subject.is_new_request:
            draft.progressing("Progressing", "reconciliation in progress")
            draft.patch()
            yield STEP_SECONDS
        if "artifact" not in draft.fields:
            _building(draft, "building artifact")
            draft.patch()
            yield STEP_SECONDS

    def _package(self, draft: Draft, chart: Chart, revision: str) -> Steps:
        summary = _summary(draft.subject, chart)
        before = draft.fields.get("artifact") or {}
        is_new = chart.version != before.get("revision") or chart.name != draft.fields.get("observedChartName")
        draft.drop(FAILED)
        draft.fields["observedSourceArtifactRevision"] = revision
        if is_new:
            if before:
                draft.mark(OUTDATED, "True", "NewChart", summary)
            _building(draft, f"building artifact: {summary}")
            draft.patch()
            yield STEP_SECONDS
            draft.fields |= {"artifact": self._store(draft.subject, chart), "observedChartName": chart.name}
            draft.fields["url"] = _url(draft.subject, "latest.tar.gz")
        draft.drop("Reconciling", OUTDATED)
        draft.mark("Ready", "True", "ChartPackageSucceeded", summary)
        draft.mark(IN_STORAGE, "True", "ChartPackageSucceeded", summary)
        draft.fields |= {"observedGeneration": draft.subject.generation, **draft.subject.acknowledged()}
        yield from draft.patch_apart(STEP_SECONDS)

    def _store(self, subject: Subject, chart: Chart) -> Json:
        path = f"{_directory(subject)}/{chart.name}-{chart.version}.tgz"
        content = json.dumps(asdict(chart), sort_keys=True, default=dict).encode()
        self._packages[path] = chart
        return {
            "digest": f"sha256:{hashlib.sha256(content).hexdigest()}",
            "lastUpdateTime": stamp(subject.store.now()),
            "path": path,
            "revision": chart.version,
            "size": len(content),
            "url": _url(subject, path.rpartition("/")[2]),
        }

    def _failed(self, draft: Draft, reason: str, words: str, retry: float) -> float:
        """The artifact of before stays."""
        draft.progressing("ProgressingWithRetry", "reconciliation in progress")
        draft.mark("Ready", "False", reason, words)
        draft.mark(FAILED, "True", reason, words)
        draft.fields |= draft.subject.acknowledged()
        draft.patch()
        return retry

    def _stalled(self, draft: Draft, words: str, revision: str) -> float:
        """No try at the same source will do better."""
        draft.mark("Stalled", "True", "InvalidChartReference", words)
        draft.mark("Ready", "False", "InvalidChartReference", words)
        draft.mark(FAILED, "True", "InvalidChartReference", words)
        draft.fields |= {"observedSourceArtifactRevision": revision, **draft.subject.acknowledged()}
        draft.fields["observedGeneration"] = draft.subject.generation
        draft.patch()
        return float("inf")


def _building(draft: Draft, words: str) -> None:
    draft.progressing("Progressing", words)
    draft.mark("Ready", "Unknown", "Progressing", words)


def _built(subject: Subject, tree: Tree, commit: str) -> Chart:
    """The chart with the version and the values that its HelmChart asks for. Raises: ChartError."""
    spec = subject.spec
    chart = load_chart(tree, str(spec["chart"]))
    files = [str(one) for one in spec.get("valuesFiles") or ()]
    metadata = [commit[:12]] if spec.get("reconcileStrategy") == "Revision" else []
    if files:
        metadata.append(str(subject.generation))
        chart = replace(chart, values=_values(tree, files, bool(spec.get("ignoreMissingValuesFiles"))))
    if metadata:
        chart = replace(chart, version=f"{chart.version.partition('+')[0]}+{'.'.join(metadata)}")
    return chart


def _values(tree: Tree, files: list[str], may_miss: bool) -> Json:
    values: Json = {}
    for name in files:
        path = name.removeprefix("./")
        content = tree.read([path]).get(path)
        if content is None and may_miss:
            continue
        if content is None:
            raise ChartError(f"values files merge error: no values file found at path '/{path}' (reference '{name}')")
        values = merged(values, yaml.safe_load(content) or {})
    return values


def _summary(subject: Subject, chart: Chart) -> str:
    files = subject.spec.get("valuesFiles")
    more = f" and merged values files {files}" if files else ""
    return f"packaged '{chart.name}' chart with version '{chart.version}'{more}"


def _directory(subject: Subject) -> str:
    return f"helmchart/{subject.namespace}/{subject.name}"


def _url(subject: Subject, name: str) -> str:
    return f"http://source-controller.{subject.namespace}.svc.cluster.local./{_directory(subject)}/{name}"
