"""What does Helm remember of the releases that it made, and what does a HelmRelease say of each?

Helm keeps them in Secrets; here they are kept in memory, since nobody but helm-controller reads them.
Source: helm v4 pkg/storage; helm-controller api/v2/snapshot_types.go, internal/release/observation.go.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from gitops_rollback.sandbox.charts import Chart
from gitops_rollback.sandbox.rendering import Json

DEPLOYED, SUPERSEDED, FAILED_RELEASE = "deployed", "superseded", "failed"
UNINSTALLING, UNINSTALLED = "uninstalling", "uninstalled"
GOOD = (DEPLOYED, SUPERSEDED)
KEPT = 5  # snapshots of a HelmRelease that never had a good one


@dataclass(frozen=True)
class Release:
    """One version of a release. `manifests` is what it applied, `tests` the hooks that test it."""

    name: str
    namespace: str
    version: int
    status: str
    chart: Chart
    config_digest: str
    manifests: tuple[Json, ...]
    tests: tuple[Json, ...]
    first_deployed: str
    last_deployed: str
    deleted: str = ""


class Storage:
    """The releases of one name in one namespace's storage, the newest last."""

    def __init__(self) -> None:
        self._releases: dict[tuple[str, str], dict[int, Release]] = {}

    def all(self, namespace: str, name: str) -> list[Release]:
        """Every version that is kept, the oldest first."""
        return [one for _, one in sorted(self._releases.get((namespace, name), {}).items())]

    def last(self, namespace: str, name: str) -> Release | None:
        """The newest version; None if there is none."""
        return next(reversed(self.all(namespace, name)), None)

    def put(self, namespace: str, release: Release, most: int = 0) -> None:
        """Write one version; the oldest go where there are more than `most` (0: all stay), never the deployed one."""
        kept = self._releases.setdefault((namespace, release.name), {})
        kept[release.version] = release
        surplus = sorted(kept)[:-most] if most else []
        for version in surplus:
            if kept[version].status != DEPLOYED:
                del kept[version]

    def purge(self, namespace: str, name: str) -> None:
        """Forget the release and all its versions."""
        self._releases.pop((namespace, name), None)


def snapshot(release: Release, action: str = "", tests: Mapping[str, Json] | None = None) -> Json:
    """A release as `status.history` has it: `action` was done to it when it was seen, `tests` is how those ended."""
    said: Json = {
        "apiVersion": "v2",
        "digest": digest_of(release),
        "name": release.name,
        "namespace": release.namespace,
        "version": release.version,
        "status": release.status,
        "chartName": release.chart.name,
        "chartVersion": release.chart.version,
        "configDigest": release.config_digest,
        "firstDeployed": release.first_deployed,
        "lastDeployed": release.last_deployed,
    }
    more = {"appVersion": release.chart.app_version, "deleted": release.deleted, "action": action}
    said |= {name: value for name, value in more.items() if value}
    return said if tests is None else {**said, "testHooks": dict(tests)}


def digest_of(release: Release) -> str:
    """The digest of all that a release is."""
    content = [
        *(release.name, release.namespace, release.version, release.status),
        *(release.chart.name, release.chart.version, release.config_digest, release.manifests),
        *(release.first_deployed, release.last_deployed, release.deleted),
    ]
    return f"sha256:{hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()}"


def values_digest(values: Mapping[str, Any]) -> str:
    """The digest of values as Flux compares them: of nothing where there are none."""
    content = yaml.safe_dump(dict(values), sort_keys=True).encode() if values else b""
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def previous(history: Sequence[Json], ignore_tests: bool) -> Json | None:
    """The newest good snapshot before the newest one; None if there is none."""
    return next((one for one in history[1:] if _is_good(one, ignore_tests)), None)


def truncated(history: Sequence[Json], ignore_tests: bool) -> list[Json]:
    """A history, the newest first, up to the previous good snapshot."""
    found = previous(history, ignore_tests)
    if found is not None:
        return list(history[: history.index(found) + 1])
    return list(history[:KEPT])


def _is_good(one: Json, ignore_tests: bool) -> bool:
    return one["status"] in GOOD and (ignore_tests or not failed_test(one))


def failed_test(one: Json) -> bool:
    """Whether a test of this release failed."""
    return any(hook.get("phase") == "Failed" for hook in (one.get("testHooks") or {}).values())
