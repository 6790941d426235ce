"""Flux objects as a test needs them, small and well-formed unless it says otherwise."""

from __future__ import annotations

from typing import Any

SHA = {letter: letter * 40 for letter in "abcdef0123456789"}
URL = "https://git.example/fleet.git"


def rev(letter: str) -> str:
    return f"main@sha1:{SHA[letter]}"


def at(clock: str) -> str:
    return f"2026-11-23T{clock}Z"


def condition(kind: str, status: str, reason: str, message: str = "", when: str = "09:00:00") -> dict[str, Any]:
    return {
        "type": kind,
        "status": status,
        "reason": reason,
        "message": message,
        "lastTransitionTime": at(when),
        "observedGeneration": 1,
    }


def made(kind: str, name: str, spec: Any, status: Any, **metadata: Any) -> dict[str, Any]:
    own = {"name": name, "namespace": "flux-system", "uid": f"uid-{name}", "generation": 1, **metadata}
    return {"kind": kind, "metadata": own, "spec": spec, "status": status}


def git_repository(letter: str = "a", name: str = "fleet", **spec: Any) -> dict[str, Any]:
    """A source whose artifact is the commit of `letter`."""
    status = {
        "observedGeneration": 1,
        "artifact": {"revision": rev(letter), "digest": "sha256:1", "lastUpdateTime": at("09:00:00")},
        "conditions": [condition("Ready", "True", "Succeeded", f"stored artifact for revision '{rev(letter)}'")],
    }
    return made("GitRepository", name, {"url": URL, "interval": "1m", "ref": {"branch": "main"}, **spec}, status)


def not_fetching(message: str) -> dict[str, Any]:
    """A source that cannot fetch any more; the artifact of before is still there."""
    source = git_repository()
    source["status"]["conditions"] = [
        condition("Ready", "False", "GitOperationFailed", message),
        condition("FetchFailed", "True", "GitOperationFailed", message),
    ]
    return source


def entry(digest: str, letter: str, first: str, last: str, **more: Any) -> dict[str, Any]:
    """A history entry: content `digest`, told with the commit of `letter`."""
    return {
        "digest": f"sha256:{digest}",
        "firstReconciled": at(first),
        "lastReconciled": at(last),
        "lastReconciledDuration": "1s",
        "lastReconciledStatus": "ReconciliationSucceeded",
        "totalReconciliations": 1,
        "metadata": {"revision": rev(letter)},
        **more,
    }


def applied(letter: str, history: list[dict[str, Any]] | None, name: str = "cart", **spec: Any) -> dict[str, Any]:
    """A Kustomization that has applied the commit of `letter`."""
    ready = condition("Ready", "True", "ReconciliationSucceeded", f"Applied revision: {rev(letter)}", "09:10:00")
    status: dict[str, Any] = {
        "observedGeneration": 1,
        "lastAttemptedRevision": rev(letter),
        "lastAppliedRevision": rev(letter),
        "conditions": [ready],
    }
    if history is not None:
        status["history"] = history
    return made("Kustomization", name, kustomization_spec(**spec), status)


def kustomization_spec(**spec: Any) -> dict[str, Any]:
    source = {"kind": "GitRepository", "name": "fleet"}
    return {"interval": "10m", "path": "./apps/cart", "prune": True, "sourceRef": source, **spec}


def waiting(letter: str, before: str, history: list[dict[str, Any]], since: str) -> dict[str, Any]:
    """A Kustomization that waits, since `since` and for 40 s, for the health of the commit of `letter`."""
    message = f"Running health checks for revision {rev(letter)} with a timeout of 40s"
    status = {
        "observedGeneration": 1,
        "lastAttemptedRevision": rev(letter),
        "lastAppliedRevision": rev(before),
        "history": history,
        "conditions": [
            condition("Reconciling", "True", "Progressing", message, since),
            condition("Ready", "Unknown", "Progressing", "Reconciliation in progress", since),
            condition("Healthy", "Unknown", "Progressing", message, since),
        ],
    }
    return made("Kustomization", "cart", kustomization_spec(wait=True), status)


def failed(
    reason: str, letter: str, before: str, history: list[dict[str, Any]], when: str, **spec: Any
) -> dict[str, Any]:
    """A Kustomization that failed at the commit of `letter`."""
    found = applied(before, history, **spec)
    found["status"]["lastAttemptedRevision"] = rev(letter)
    found["status"]["conditions"] = [condition("Ready", "False", reason, "it failed", when)]
    return found


def helm_release(version: str, history: list[dict[str, Any]], owner: str = "apps", **spec: Any) -> dict[str, Any]:
    """A HelmRelease at a chart version from a registry, brought by the Kustomization `owner` ("": by nobody)."""
    source = {"kind": "HelmRepository", "name": "charts"}
    chart = {"spec": {"chart": "bill", "version": version, "sourceRef": source}}
    status = {
        "observedGeneration": 1,
        "helmChart": "flux-system/flux-system-bill",
        "lastAttemptedRevision": version,
        "lastAttemptedGeneration": 1,
        "history": history,
        "conditions": [
            condition("Ready", "True", "UpgradeSucceeded", f"Helm upgrade succeeded for release x/y.v1 with {version}"),
        ],
    }
    status["conditions"][0]["message"] = "Release reconciliation succeeded"
    prefix = "kustomize.toolkit.fluxcd.io"
    labels = {f"{prefix}/name": owner, f"{prefix}/namespace": "flux-system"} if owner else {}
    return made("HelmRelease", "bill", {"chart": chart, "interval": "10m", **spec}, status, labels=labels)


def snapshot(number: int, version: str, when: str, config: str = "c1", **more: Any) -> dict[str, Any]:
    return {
        "version": number,
        "status": "deployed",
        "action": "upgrade",
        "chartName": "bill",
        "chartVersion": version,
        "configDigest": f"sha256:{config}",
        "firstDeployed": at("09:00:00"),
        "lastDeployed": at(when),
        **more,
    }


def helm_chart(version: str, **spec: Any) -> dict[str, Any]:
    source = {"kind": "HelmRepository", "name": "charts"}
    status = {"observedGeneration": 1, "artifact": {"revision": version}, "observedSourceArtifactRevision": "sha256:9"}
    return made(
        "HelmChart", "flux-system-bill", {"chart": "bill", "version": version, "sourceRef": source, **spec}, status
    )


def helm_repository() -> dict[str, Any]:
    return made("HelmRepository", "charts", {"url": "https://charts.example", "interval": "1m"}, {})
