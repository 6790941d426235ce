"""Which weights, slots and flags stand in a file, so that a person can name them in a policy? Nothing is edited here.

Source: the API references of Istio, Gateway API, Linkerd, SMI, Traefik, ingress-nginx, AWS Load Balancer Controller,
Knative, flagd and the OpenFeature operator. The steps of an Argo Rollout are a programme, and no weight that is live.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass

from gitops_rollback.core.manifest import ManifestObject, at, objects
from gitops_rollback.core.manifest_fields import INSIDE, FieldFault, Value, read_field
from gitops_rollback.core.manifest_text import Value as Read
from gitops_rollback.core.strategies.planning import BLUE_GREEN, CANARY, FEATURE_FLAG, ROLLING
from gitops_rollback.core.strategy import CANARY_KIND, SkippedAnalysis
from gitops_rollback.core.target import Workload

FLAGGER_GROUP = "flagger.app"
EACH = "*"  # every element of a list, or every key of a mapping
NGINX_WEIGHT = "nginx.ingress.kubernetes.io/canary-weight"
ALB_ACTIONS = "alb.ingress.kubernetes.io/actions."
TARGET_GROUPS = ("forwardConfig", "targetGroups", EACH, "weight")
FLAG = ("flags", EACH, "defaultVariant")
SLOT_KEYS = ("slot", "color", "colour")
KINDS: dict[tuple[str, str], tuple[str, str, tuple[str, ...]]] = {
    ("networking.istio.io", "VirtualService"): (CANARY, "Istio", ("spec", "http", EACH, "route", EACH, "weight")),
    ("gateway.networking.k8s.io", "HTTPRoute"): (
        CANARY, "Gateway API", ("spec", "rules", EACH, "backendRefs", EACH, "weight"),
    ),
    ("policy.linkerd.io", "HTTPRoute"): (CANARY, "Linkerd", ("spec", "rules", EACH, "backendRefs", EACH, "weight")),
    ("split.smi-spec.io", "TrafficSplit"): (CANARY, "SMI", ("spec", "backends", EACH, "weight")),
    ("traefik.io", "TraefikService"): (CANARY, "Traefik", ("spec", "weighted", "services", EACH, "weight")),
    ("serving.knative.dev", "Service"): (CANARY, "Knative", ("spec", "traffic", EACH, "percent")),
    ("core.openfeature.dev", "FeatureFlag"): (FEATURE_FLAG, "OpenFeature", ("spec", "flagSpec", *FLAG)),
}  # fmt: skip


@dataclass(frozen=True)
class Found:
    """A field that a strategy of `type` could set, what it holds, and whose kind of object it is."""

    type: str
    owner: str
    path: str
    field: str
    value: Value
    namespace: str = ""  # of the object, where its strategy names that

    @property
    def words(self) -> str:
        """For people: one line."""
        return f"{self.type}: {self.path}: {self.field} is {json.dumps(self.value)} ({self.owner})"


def editable(content: bytes, path: str) -> tuple[Found, ...]:
    """All of them in a file, in order; those whose value cannot be told for certain are left out."""
    listed = ((one, kind, owner, field) for one in objects(content, path) or () for kind, owner, field in _fields(one))
    found = [_read(content, path, one, kind, owner, field) for one, kind, owner, field in listed]
    skipped = (_analysis(path, one) for one in objects(content, path) or ())
    return tuple(one for one in (*found, *skipped) if one is not None)


def _analysis(path: str, one: ManifestObject) -> Found | None:
    """The field of a Canary by which Flagger promotes what goes back at once; None where it does so already."""
    skips = at(one.document, "spec", "skipAnalysis")
    if (one.group, one.kind) != (FLAGGER_GROUP, CANARY_KIND) or not one.name or str(skips).lower() == "true":
        return None
    edits = SkippedAnalysis(path, Workload(CANARY_KIND, one.namespace, one.name)).edits
    return Found(ROLLING, "Flagger", path, edits.field, False, one.namespace)


def _fields(one: ManifestObject) -> Iterator[tuple[str, str, str]]:
    """(type of the strategy, owner, field) of an object."""
    known = KINDS.get((one.group, one.kind))
    if known is not None:
        kind, owner, way = known
        yield from ((kind, owner, field) for field in _ways(dict(one.document), way))
    if (one.group, one.kind) == ("networking.k8s.io", "Ingress"):
        yield from _annotations(one)
    if (one.group, one.kind) == ("", "Service"):
        selector = at(one.document, "spec", "selector")
        keys = (key for key in SLOT_KEYS if isinstance(selector, dict) and key in selector)
        yield from ((BLUE_GREEN, "Service", f"spec.selector.{key}") for key in keys)
    if (one.group, one.kind) == ("", "ConfigMap"):
        data = at(one.document, "data")
        for name, text in data.items() if isinstance(data, dict) else ():
            inner = (f'data["{name}"] {INSIDE} {field}' for field in _inside(text, FLAG))
            yield from ((FEATURE_FLAG, "flagd", field) for field in inner)


def _annotations(one: ManifestObject) -> Iterator[tuple[str, str, str]]:
    annotations = at(one.document, "metadata", "annotations")
    for name, text in annotations.items() if isinstance(annotations, dict) else ():
        outer = f'metadata.annotations["{name}"]'
        if name == NGINX_WEIGHT:
            yield CANARY, "ingress-nginx", outer
        elif name.startswith(ALB_ACTIONS):
            yield from (
                (CANARY, "AWS load balancer", f"{outer} {INSIDE} {way}") for way in _inside(text, TARGET_GROUPS)
            )


def _inside(text: Read, way: tuple[str, ...]) -> Iterator[str]:
    """The fields in a text that is JSON itself."""
    if not isinstance(text, str):
        return
    try:
        document = json.loads(text)
    except ValueError:
        return
    yield from _ways(document, way)


def _ways(value: object, way: tuple[str, ...], written: str = "") -> Iterator[str]:
    if not way:
        yield written
        return
    key, rest = way[0], way[1:]
    if key == EACH and isinstance(value, list | tuple):
        for number, item in enumerate(value):
            yield from _ways(item, rest, f"{written}[{number}]")
    elif isinstance(value, dict):
        for name in value if key == EACH else [key] if key in value else []:
            plain = str(name).replace("-", "").replace("_", "").isalnum()
            step = f"{'.' if written else ''}{name}" if plain else f'["{name}"]'
            yield from _ways(value[name], rest, written + step)


def _read(content: bytes, path: str, one: ManifestObject, kind: str, owner: str, field: str) -> Found | None:
    """With the object's name before it where several have such a field."""
    for written in (field, f"{one.kind}/{one.name}: {field}"):
        try:
            return Found(kind, owner, path, written, read_field(content, written))
        except FieldFault:
            continue
    return None
