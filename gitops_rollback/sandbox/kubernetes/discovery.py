"""Which groups, versions and resources does the server say it has? As far as clients look before they ask.

Source: k8s.io/apimachinery pkg/apis/meta/v1 (APIGroupList, APIResourceList); the recorded `/version`.
"""

from __future__ import annotations

from collections.abc import Sequence

from gitops_rollback.sandbox.kubernetes.answers import Answer, found, plain
from gitops_rollback.sandbox.kubernetes.kinds import Kind
from gitops_rollback.sandbox.rendering import Json

VERSION = {
    "major": "1",
    "minor": "36",
    "emulationMajor": "1",
    "emulationMinor": "36",
    "minCompatibilityMajor": "1",
    "minCompatibilityMinor": "35",
    "gitVersion": "v1.36.0",
    "gitCommit": "0" * 40,
    "gitTreeState": "clean",
    "buildDate": "1970-01-01T00:00:00Z",
    "goVersion": "go1.26.8",
    "compiler": "gc",
    "platform": "linux/amd64",
}
VERBS = ("delete", "get", "list", "patch", "create", "update", "watch")


def discover(path: str, kinds: Sequence[Kind]) -> Answer | None:
    """The answer for a path that is no resource; None for one that is unknown."""
    parts = path.strip("/").split("/")
    if path in ("/healthz", "/livez", "/readyz"):
        return Answer(200, b"ok", plain(200, "").content_type, {"X-Content-Type-Options": "nosniff"})
    if path == "/version":
        return found(VERSION)
    if parts == ["api"]:
        addresses = [{"clientCIDR": "0.0.0.0/0", "serverAddress": "127.0.0.1"}]
        return found({"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": addresses})
    groups = {kind.group: None for kind in kinds if kind.group}
    if parts == ["apis"]:
        listed = [_group(group, kinds) for group in groups]
        return found({"kind": "APIGroupList", "apiVersion": "v1", "groups": listed})
    if parts[0] == "apis" and len(parts) == 2 and parts[1] in groups:
        return found({"kind": "APIGroup", "apiVersion": "v1", **_group(parts[1], kinds)})
    version = "/".join(parts[1:])
    served = [kind for kind in kinds if kind.api_version == version and parts[0] == ("apis" if kind.group else "api")]
    return found(_resources(version, served)) if served else None


def _group(group: str, kinds: Sequence[Kind]) -> Json:
    versions = list(dict.fromkeys(kind.version for kind in kinds if kind.group == group))
    listed = [{"groupVersion": f"{group}/{version}", "version": version} for version in versions]
    return {"name": group, "versions": listed, "preferredVersion": listed[0]}


def _resources(version: str, kinds: Sequence[Kind]) -> Json:
    resources: list[Json] = []
    for kind in kinds:
        one: Json = {"name": kind.plural, "singularName": kind.kind.lower(), "namespaced": kind.namespaced}
        one |= {"kind": kind.kind, "verbs": list(VERBS)}
        resources.append({**one, **({"shortNames": list(kind.short)} if kind.short else {})})
        if kind.status:
            status = {"name": f"{kind.plural}/status", "singularName": "", "namespaced": kind.namespaced}
            resources.append({**status, "kind": kind.kind, "verbs": ["get", "patch", "update"]})
    return {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": version, "resources": resources}
