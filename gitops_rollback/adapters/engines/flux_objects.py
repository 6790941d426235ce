"""What do all Flux objects have in common: conditions, revisions, durations, who was asked to reconcile and answered?

Nothing here raises for what the cluster sends: see `json_node.Node`, whose rules hold for any Kubernetes object.
Source: contracts/flux-kubernetes.md sections 2, 3.3, 4.3 and 7; fluxcd/pkg apis/meta, runtime/conditions.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice

from gitops_rollback.adapters.json_node import Node
from gitops_rollback.core.repository_url import without_credentials

REQUESTED_AT = "reconcile.fluxcd.io/requestedAt"
RESET_AT = "reconcile.fluxcd.io/resetAt"
WAITS = "DependencyNotReady"  # the reason of `Ready` while something in `dependsOn` is not
OWNER_NAME, OWNER_NAMESPACE = "kustomize.toolkit.fluxcd.io/name", "kustomize.toolkit.fluxcd.io/namespace"
IGNORED_ANNOTATIONS = frozenset({"kubectl.kubernetes.io/last-applied-configuration"})
MESSAGE_KEPT = 2000  # characters
LIST_READ = 100  # conditions, history entries and the like; Flux writes far fewer
MAX_DURATION = timedelta(days=366)

COMMAND_WORDS = {  # how the flux command line names a kind
    "GitRepository": "source git",
    "OCIRepository": "source oci",
    "Bucket": "source bucket",
    "HelmRepository": "source helm",
    "HelmChart": "source chart",
}

_DURATION = re.compile(r"(?:\d+(?:\.\d+)?(?:ns|us|µs|μs|ms|s|m|h))+")
_DURATION_PART = re.compile(r"(\d+(?:\.\d+)?)(ns|us|µs|μs|ms|s|m|h)")
_UNIT_SECONDS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}


@dataclass(frozen=True)
class Condition:
    """One condition. `changed_at` moves with status, reason *and* message, so it is no time of a deployment."""

    type: str
    status: str  # True, False, Unknown
    reason: str = ""
    message: str = ""
    changed_at: datetime | None = None
    generation: int = 0  # the generation that it speaks of; 0 if it does not say

    @property
    def true(self) -> bool:
        return self.status == "True"

    @property
    def false(self) -> bool:
        return self.status == "False"


ABSENT = Condition("", "")


@dataclass(frozen=True)
class Common:
    """What every Flux object says. `handled` repeats a request whatever became of it, a suspended object's included."""

    kind: str
    namespace: str
    name: str
    uid: str
    generation: int
    observed: int
    suspended: bool
    deleting: bool
    requested: str
    handled: str
    conditions: Mapping[str, Condition]
    annotations: Mapping[str, str]
    labels: Mapping[str, str]

    @property
    def short(self) -> str:
        """`Kind namespace/name`, for people."""
        return f"{self.kind} {self.namespace}/{self.name}"

    @property
    def resume(self) -> str:
        """The command by which a person resumes it."""
        return self._command("resume")

    @property
    def reconcile(self) -> str:
        """The command by which a person lets it try again at once."""
        return self._command("reconcile")

    def _command(self, verb: str) -> str:
        words = COMMAND_WORDS.get(self.kind, self.kind.lower())
        return f"`flux {verb} {words} {self.name} -n {self.namespace}`"

    @property
    def ready(self) -> Condition:
        return self.condition("Ready")

    @property
    def stalled(self) -> bool:
        return self.condition("Stalled").true

    @property
    def spec_seen(self) -> bool:
        """The controller has finished a run on the newest spec."""
        return self.observed == self.generation and self.ready.generation in (0, self.generation)

    @property
    def waiting_request(self) -> str:
        """The request that no run has answered yet; "" if there is none."""
        return self.requested if self.requested != self.handled else ""

    def condition(self, kind: str) -> Condition:
        return self.conditions.get(kind, ABSENT)


def read_common(root: Node, kind: str) -> Common:
    """The part that all kinds share. Without a readable name it has the name "", which the caller sets aside."""
    metadata, status = root.get("metadata"), root.get("status")
    name, annotations = metadata.get("name").text(), metadata.get("annotations").pairs()
    if not name:
        root.faults.append("metadata.name is missing")
    return Common(
        kind=kind,
        namespace=metadata.get("namespace").text(),
        name=name,
        uid=metadata.get("uid").text(),
        generation=metadata.get("generation").number() or 0,
        observed=status.get("observedGeneration").number() or 0,
        suspended=root.get("spec", "suspend").flag(),
        deleting=metadata.get("deletionTimestamp").moment() is not None,
        requested=annotations.get(REQUESTED_AT, ""),
        handled=status.get("lastHandledReconcileAt").text(),
        conditions=_conditions(status.get("conditions")),
        annotations={key: value for key, value in annotations.items() if key not in IGNORED_ANNOTATIONS},
        labels=metadata.get("labels").pairs(),
    )


def _conditions(node: Node) -> dict[str, Condition]:
    found = (
        Condition(
            type=one.get("type").text(),
            status=one.get("status").text(),
            reason=one.get("reason").text(),
            message=without_credentials(one.get("message").text()[:MESSAGE_KEPT]),
            changed_at=one.get("lastTransitionTime").moment(),
            generation=one.get("observedGeneration").number() or 0,
        )
        for one in islice(node.items(), LIST_READ)
    )
    return {condition.type: condition for condition in found}


@dataclass(frozen=True)
class Revision:
    """A revision as Flux writes it: `main@sha1:<hex>`, `sha1:<hex>`, `main/<hex>`, `v1@sha256:<hex>`, a version."""

    ref: str
    hash: str


def parse_revision(text: str) -> Revision:
    """Ref and hash; what is no such form is all hash. Whether that is a commit is decided by the source's kind."""
    at_ref, at, rest = text.rpartition("@")
    named = rest if at else text
    algorithm, colon, digest = named.rpartition(":")
    if colon:
        return Revision(at_ref or ("" if algorithm in ("sha1", "sha256", "<unknown>") else algorithm), digest)
    before, slash, last = named.rpartition("/")
    if slash:
        return Revision("" if before == "HEAD" else at_ref or before, last)
    return Revision(at_ref, named)


def commit_of(text: str) -> str:
    """The commit in a git source's revision; "" stays ""."""
    return parse_revision(text).hash.lower()


def parse_duration(text: str) -> timedelta | None:
    """A Go duration such as `1h30m0s` or `212.78ms`; None if it is none. At most a year and a day."""
    if not text or len(text) > 60 or not _DURATION.fullmatch(text):
        return None
    seconds = sum(float(number) * _UNIT_SECONDS[unit] for number, unit in _DURATION_PART.findall(text))
    return min(MAX_DURATION, timedelta(seconds=min(seconds, MAX_DURATION.total_seconds())))


def read_duration(node: Node) -> timedelta | None:
    """The duration in a field; None if absent, and a fault if it is there and is none."""
    text = node.text()
    found = parse_duration(text)
    if text and found is None:
        node.faults.append(f"{node.path} is not a duration")
    return found


def other_cluster(spec: Node) -> str:
    """The Secret or ConfigMap by which Flux reaches another cluster, never read by us; "" is this cluster."""
    reference = spec.get("kubeConfig")
    return reference.get("secretRef", "name").text() or reference.get("configMapRef", "name").text()


def directory(path: str) -> str:
    """A directory without `./` and slashes around it; "" is the root."""
    return "/".join(part for part in path.split("/") if part not in ("", "."))
