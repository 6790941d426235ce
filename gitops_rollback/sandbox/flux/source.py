"""What does source-controller do with a GitRepository? Look where the branch is, and keep an artifact of it.

Source: source-controller 1.9 internal/controller/gitrepository_controller.go; the recorded order of writes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from gitops_rollback.sandbox.argocd.repository import RepositoryError
from gitops_rollback.sandbox.argocd.scheduler import Steps
from gitops_rollback.sandbox.flux.repositories import Repository
from gitops_rollback.sandbox.flux.spec import Reconciliation
from gitops_rollback.sandbox.flux.status import Condition, Subject, long, seconds, stamp
from gitops_rollback.sandbox.rendering import Json

RETRY_SECONDS = 5.0
FETCH_SECONDS = 0.05


class SourceController:
    """`repositories` are the bare repositories behind the URLs that GitRepositories name."""

    manager = "source-controller"

    def __init__(self, repositories: Mapping[str, Repository]) -> None:
        self._repositories = repositories

    def reconcile(self, subject: Subject) -> Reconciliation:
        """One look at the source; answers in how many seconds to look again."""
        if subject.spec.get("suspend"):
            subject.fields(observedGeneration=subject.generation, **subject.acknowledged())
            return float("inf")
        if subject.is_new_request:
            subject.conditions(Condition("Reconciling", "True", "Progressing", "reconciliation in progress"))
        yield FETCH_SECONDS
        try:
            revision, tree = self._resolve(subject.spec)
        except RepositoryError as exc:
            return self._failed(subject, str(exc))
        if (subject.status.get("artifact") or {}).get("revision") != revision:
            yield from self._build(subject, revision, tree)
        else:
            self._ready(subject, revision)
            subject.fields(observedGeneration=subject.generation, **subject.acknowledged())
        return seconds(subject.spec.get("interval"), 60.0)

    def delete(self, subject: Subject) -> None:
        """Nothing in the cluster is its own."""

    def _resolve(self, spec: Json) -> tuple[str, str]:
        """The revision as Flux writes it, and the tree's name."""
        repository = self._repositories.get(str(spec.get("url", "")))
        if repository is None:
            raise RepositoryError("repository not found")
        ref: Mapping[str, Any] = spec.get("ref") or {}
        if ref.get("semver"):
            raise RepositoryError("the sandbox follows no semver ranges")
        name = str(ref.get("commit") or ref.get("name") or ref.get("tag") or ref.get("branch") or "master")
        sha = repository.resolve(name)
        said = f"{ref.get('branch')}@" if ref.get("commit") and ref.get("branch") else f"{name}@"
        return f"{'' if ref.get('commit') and not ref.get('branch') else said}sha1:{sha}", sha

    def _build(self, subject: Subject, revision: str, sha: str) -> Steps:
        new = f"new upstream revision '{revision}'"
        building = f"building artifact: {new}"
        subject.conditions(
            Condition("Reconciling", "True", "Progressing", building),
            Condition("Ready", "Unknown", "Progressing", building),
            Condition("ArtifactOutdated", "True", "NewRevision", new),
            drop=("FetchFailed",),
        )
        yield FETCH_SECONDS
        self._ready(subject, revision)
        artifact = self._artifact(subject, revision, sha)
        subject.fields(artifact=artifact, observedGeneration=subject.generation, **subject.acknowledged())

    def _ready(self, subject: Subject, revision: str) -> None:
        stored = f"stored artifact for revision '{revision}'"
        subject.conditions(
            Condition("Ready", "True", "Succeeded", stored),
            Condition("ArtifactInStorage", "True", "Succeeded", stored),
            drop=("Reconciling", "ArtifactOutdated", "FetchFailed"),
        )

    def _artifact(self, subject: Subject, revision: str, sha: str) -> Json:
        repository = self._repositories[str(subject.spec["url"])]
        files = repository.blobs(sha, repository.listing(sha))
        content = hashlib.sha256()
        for name, blob in sorted(files.items()):
            content.update(f"{name}\0{len(blob)}\0".encode() + blob)
        path = f"gitrepository/{subject.namespace}/{subject.name}/{sha}.tar.gz"
        return {
            "digest": f"sha256:{content.hexdigest()}",
            "lastUpdateTime": stamp(subject.store.now()),
            "path": path,
            "revision": revision,
            "size": sum(map(len, files.values())),
            "url": f"http://source-controller.{subject.namespace}.svc.cluster.local./{path}",
        }

    def _failed(self, subject: Subject, problem: str) -> float:
        """The artifact of before stays."""
        url, timeout = subject.spec.get("url", ""), long(seconds(subject.spec.get("timeout"), 60.0))
        words = f"failed to checkout and determine revision: unable to clone '{url}' within {timeout}: {problem}"
        subject.conditions(
            Condition("Reconciling", "True", "ProgressingWithRetry", "reconciliation in progress"),
            Condition("Ready", "False", "GitOperationFailed", words),
            Condition("FetchFailed", "True", "GitOperationFailed", words),
        )
        subject.fields(**subject.acknowledged())
        return RETRY_SECONDS
