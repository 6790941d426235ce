"""What does a HelmRelease say: which chart and values are released, since when, and was it Flux that went back?

A HelmRelease knows chart versions and digests of values, no git revision. A chart from git bears the first digits of
its commit in its version (`reconcileStrategy: Revision`), or says nothing of it (`ChartVersion`).
Source: contracts/flux-kubernetes.md sections 3.3, 3.5 and 5; helm-controller api/v2, internal/reconcile.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice

from gitops_rollback.adapters.engines.flux_kustomization import canonical, read_inventory
from gitops_rollback.adapters.engines.flux_memory import AUTOMATED, Outcome, Waiting
from gitops_rollback.adapters.engines.flux_objects import (
    LIST_READ,
    OWNER_NAME,
    OWNER_NAMESPACE,
    Common,
    commit_of,
    directory,
    other_cluster,
    parse_duration,
    read_common,
    read_duration,
)
from gitops_rollback.adapters.json_node import Node
from gitops_rollback.core.sync import REMEDIATION, Health, ResourceStatus

KIND, CHART_KIND = "HelmRelease", "HelmChart"
DEFAULT_TIMEOUT = timedelta(minutes=5)
GOOD = ("deployed", "superseded")

_ACTION = re.compile(r"Running '([a-z-]+)' action with timeout of (\S+)")
_COMMIT_SUFFIX = re.compile(r"\+([0-9a-f]{12})(?:\.\d+)?\Z")


@dataclass(frozen=True)
class Snapshot:
    """One release of Helm's history. `place` is its namespace and name: elsewhere the versions begin anew."""

    version: int
    place: str
    status: str
    action: str
    chart: str
    chart_version: str
    config_digest: str
    released_at: datetime

    @property
    def content(self) -> str:
        """What was released: where, chart, its version, and the digest of the values."""
        return f"{self.place} {self.chart}@{self.chart_version} {self.config_digest}"

    @property
    def key(self) -> tuple[str, int, datetime]:
        """What no other release has."""
        return self.place, self.version, self.released_at


@dataclass(frozen=True)
class ChartRef:
    """Where the chart comes from. `chart` is its name, or for a chart in git its directory; `version` as asked for."""

    source: tuple[str, str, str]  # kind, namespace, name; of the HelmChart itself for `chartRef`
    chart: str
    version: str


@dataclass(frozen=True)
class HelmChart:
    """The chart object. `observed` is the source revision that it was looked at last, `version` the one built.

    By `ChartVersion` nothing is built until the version is another one, so `built_at` may be long before `observed`.
    """

    common: Common
    ref: ChartRef
    observed: str
    version: str
    built_at: datetime | None = None
    faults: tuple[str, ...] = ()


@dataclass(frozen=True)
class HelmRelease:
    """One object, read."""

    common: Common
    chart: ChartRef | None  # None where `chartRef` names an object
    chart_ref: tuple[str, str, str] | None
    helm_chart: tuple[str, str]  # namespace and name of the HelmChart in use
    target_namespace: str
    parameters: str
    values_from: bool  # it takes values from objects whose change it does not see at once
    self_heal: bool
    cluster: str
    depends_on: tuple[tuple[str, str], ...]
    attempted: str  # a chart version
    attempted_generation: int
    history: tuple[Snapshot, ...]  # newest first
    resources: tuple[ResourceStatus, ...]  # of the newest release; helm-controller before 1.5 tells none
    health_wait: timedelta | None  # how long one Helm action may wait for what it has applied
    faults: tuple[str, ...] = ()

    @property
    def owner(self) -> tuple[str, str] | None:
        """The Kustomization that brings this object from git; None if it is not from git."""
        name = self.common.labels.get(OWNER_NAME, "")
        return (self.common.labels.get(OWNER_NAMESPACE, ""), name) if name else None

    @property
    def running(self) -> re.Match[str] | None:
        """The Helm action that runs now, if the controller is in one."""
        reconciling, ready = self.common.condition("Reconciling"), self.common.ready
        if not reconciling.true or reconciling.reason == "ProgressingWithRetry":
            return None
        return _ACTION.match(reconciling.message) if ready.status != "True" else None

    @property
    def in_progress(self) -> bool:
        reconciling = self.common.condition("Reconciling")
        return (reconciling.true and reconciling.reason != "ProgressingWithRetry") or self.half_written

    @property
    def half_written(self) -> bool:
        """Conditions are written before the history: the release is told there, and its snapshot is not yet there."""
        ready = self.common.ready
        said = re.match(r"Helm (?:upgrade|install) succeeded for release \S+\.v(\d+) ", ready.message)
        if not ready.true or said is None:
            return False
        return not any(one.version == int(said.group(1)) for one in self.history)

    @property
    def health(self) -> Health:
        ready, last = self.common.ready, self.history[0] if self.history else None
        if ready.true:
            return Health.HEALTHY
        if self.common.stalled or ready.reason in ("UpgradeFailed", "InstallFailed", "TestFailed", "RollbackFailed"):
            return Health.DEGRADED
        if ready.reason == "RollbackSucceeded":
            return Health.DEGRADED
        if self.running is not None:
            return Health.PROGRESSING
        if last is None:
            return Health.MISSING if ready.false else Health.UNKNOWN
        return Health.HEALTHY if last.status in GOOD else Health.DEGRADED

    @property
    def waiting(self) -> Waiting | None:
        """The install or upgrade that runs, and when Helm gives it up. Rolling back is no deployment of its own."""
        action, since = self.running, self.common.condition("Reconciling").changed_at
        if action is None or since is None or action.group(1) not in ("install", "upgrade") or not self.attempted:
            return None
        timeout = parse_duration(action.group(2))
        return Waiting((self.attempted,), since, since + timeout if timeout else None)

    @property
    def finished_at(self) -> datetime | None:
        """The newest time that this object tells of a finished step."""
        told = [self.common.condition(kind).changed_at for kind in ("Ready", "Released", "Remediated", "TestSuccess")]
        return max((one for one in told if one is not None), default=None)

    def outcomes(self, revisions: Callable[[Snapshot], tuple[str, ...]]) -> tuple[Outcome, ...]:
        """Newest first. `revisions` says from which ones a snapshot was made.

        What Flux went back to is made from what it was made from the first time, whatever git says meanwhile.
        """
        made = {one.version: revisions(self._origin(one)) for one in self.history}
        return tuple(self._outcome(one, made) for one in self.history)

    def _undone(self, one: Snapshot) -> bool:
        """Flux also writes `rollback` into the release that it went back *to*: only after a failed one it counts.

        Before 2.8 it writes no action: then a condition tells it of the newest release, as long as that stands.
        """
        failed_before = any(other.version == one.version - 1 and other.status not in GOOD for other in self.history)
        remediated = not one.action and one is self.history[0] and self.common.condition("Remediated").true
        return (remediated or one.action in ("rollback", "uninstall-remediation")) and failed_before

    def _undone_before(self, one: Snapshot, made: Mapping[int, tuple[str, ...]]) -> bool:
        """The failed one is forgotten, but what was tried next from the same revisions is something else than this."""
        tried = next((other for other in self.history if other.version == one.version + 1), None)
        failed = tried is not None and tried.status not in GOOD and tried.content != one.content
        return one.action == "rollback" and failed and made[one.version + 1] == made[one.version]

    def _origin(self, one: Snapshot) -> Snapshot:
        older = (other for other in self.history if other.version < one.version and other.content == one.content)
        return next(older, one) if self._undone(one) else one

    def _outcome(self, one: Snapshot, made: Mapping[int, tuple[str, ...]]) -> Outcome:
        ok = one.status in GOOD
        return Outcome(
            key=(one.key, ok),
            content=one.content,
            revisions=made[one.version],
            first_at=one.released_at,
            last_at=one.released_at,
            ok=ok,
            number=one.version,
            initiated_by=REMEDIATION if self._undone(one) or self._undone_before(one, made) else AUTOMATED,
        )


def read_helm_release(value: object) -> HelmRelease:
    """Never raises; what cannot be read is in `faults`."""
    root = Node(value)
    spec, status, common = root.get("spec"), root.get("status"), read_common(root, KIND)
    if not spec:
        root.faults.append("spec is missing")
    named = status.get("helmChart").text().partition("/")
    depends = islice(spec.get("dependsOn").items(), LIST_READ)
    return HelmRelease(
        common=common,
        chart=_chart(spec.get("chart", "spec"), common.namespace) if spec.get("chart") else None,
        chart_ref=_reference(spec.get("chartRef"), common.namespace) if spec.get("chartRef") else None,
        helm_chart=(named[0], named[2]),
        target_namespace=spec.get("targetNamespace").text(),
        parameters=canonical({key: spec.get(key).value for key in ("values", "valuesFrom", "postRenderers")}),
        values_from=any(True for _ in spec.get("valuesFrom").items()),
        self_heal=spec.get("driftDetection", "mode").text() == "enabled",
        cluster=other_cluster(spec),
        depends_on=tuple((one.get("namespace").text() or common.namespace, one.get("name").text()) for one in depends),
        attempted=status.get("lastAttemptedRevision").text(),
        attempted_generation=status.get("lastAttemptedGeneration").number() or 0,
        history=_snapshots(status.get("history")),
        resources=read_inventory(status.get("inventory", "entries"), common),
        health_wait=read_duration(spec.get("timeout")) or DEFAULT_TIMEOUT,
        faults=tuple(root.faults),
    )


def read_helm_chart(value: object) -> HelmChart:
    """Never raises; what cannot be read is in `faults`."""
    root = Node(value)
    common, status = read_common(root, CHART_KIND), root.get("status")
    return HelmChart(
        common=common,
        ref=_chart(root.get("spec"), common.namespace),
        observed=status.get("observedSourceArtifactRevision").text(),
        version=status.get("artifact", "revision").text(),
        built_at=status.get("artifact", "lastUpdateTime").moment(),
        faults=tuple(root.faults),
    )


def commit_prefix(chart_version: str) -> str:
    """The first digits of the commit in a chart version such as `0.1.0+bf76e2756018`; "" if there are none."""
    found = _COMMIT_SUFFIX.search(chart_version)
    return found.group(1) if found else ""


def chart_commit(chart_version: str, known: tuple[str, ...]) -> str:
    """The whole commit of a chart version among `known` revisions; else its first digits, or ""."""
    prefix = commit_prefix(chart_version)
    full = {commit_of(revision) for revision in known}
    found = [commit for commit in full if prefix and commit.startswith(prefix)]
    return found[0] if len(found) == 1 else prefix


def _chart(spec: Node, namespace: str) -> ChartRef:
    source = _reference(spec.get("sourceRef"), namespace)
    name = spec.get("chart").text()
    return ChartRef(
        source=source,
        chart=directory(name) if source[0] != "HelmRepository" else name,
        version=spec.get("version").text() or "*",
    )


def _reference(node: Node, namespace: str) -> tuple[str, str, str]:
    return node.get("kind").text(), node.get("namespace").text() or namespace, node.get("name").text()


def _snapshots(node: Node) -> tuple[Snapshot, ...]:
    found: list[Snapshot] = []
    for one in islice(node.items(), LIST_READ):
        version, released = one.get("version").number(), one.get("lastDeployed").moment()
        if version is None or released is None:
            node.faults.append(f"{one.path} has no readable version or time")
            continue
        found.append(
            Snapshot(
                version=version,
                place=f"{one.get('namespace').text()}/{one.get('name').text()}",
                status=one.get("status").text(),
                action=one.get("action").text(),
                chart=one.get("chartName").text(),
                chart_version=one.get("chartVersion").text(),
                config_digest=one.get("configDigest").text(),
                released_at=released,
            )
        )
    return tuple(sorted(found, key=lambda one: one.version, reverse=True))
