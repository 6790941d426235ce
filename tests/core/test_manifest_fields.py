"""Is exactly one field of a real manifest read and set, and every other byte left as it is?"""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from gitops_rollback.core.manifest_fields import FieldFault, Value, read_field, set_fields


@dataclass(frozen=True)
class Case:
    """`new` replaces `old` at `field`; `was` is the only text that goes away, `now` what stands there instead."""

    name: str
    manifest: str
    field: str
    old: Value
    new: Value
    was: str
    now: str


VIRTUAL_SERVICE = """\
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: checkout, namespace: shop}
spec:
  hosts: [checkout]
  http:
    - route:
        - destination: {host: checkout, subset: v1}
          weight: 25   # the old version
        - destination: {host: checkout, subset: v2}
          weight: 75
"""
HTTP_ROUTE = """\
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata:
  name: checkout
spec:
  parentRefs:
    - name: gateway
  rules:
    - backendRefs:
        - name: checkout-v1
          port: 80
          weight: 90
        - name: checkout-v2
          port: 80
          weight: 10
"""
LINKERD = HTTP_ROUTE.replace("gateway.networking.k8s.io/v1", "policy.linkerd.io/v1beta3")
TRAFFIC_SPLIT = """\
apiVersion: split.smi-spec.io/v1alpha2
kind: TrafficSplit
metadata:
  name: checkout
spec:
  service: checkout
  backends:
  - service: checkout-v1
    weight: 500m
  - service: checkout-v2
    weight: 50
"""
TRAEFIK = """\
---
apiVersion: traefik.io/v1alpha1
kind: IngressRoute
metadata: {name: checkout}
spec: {entryPoints: [web]}
---
apiVersion: traefik.io/v1alpha1
kind: TraefikService
metadata: {name: checkout}
spec:
  weighted:
    services:
      - {name: checkout-v1, port: 80, weight: 3}
      - {name: checkout-v2, port: 80, weight: 1}
"""
NGINX = """\
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: checkout-canary
  annotations:
    nginx.ingress.kubernetes.io/canary: "true"
    nginx.ingress.kubernetes.io/canary-weight: "30"
"""
ROLLOUT = """\
apiVersion: argoproj.io/v1alpha1
kind: Rollout
metadata: {name: checkout}
spec:
  strategy:
    canary:
      steps:
        - setWeight: 20
        - pause: {duration: 10m}
        - setWeight: 60
"""
ALB = """\
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: checkout
  annotations:
    alb.ingress.kubernetes.io/actions.split: >-
      {"type":"forward"}
    alb.ingress.kubernetes.io/actions.weighted: |
      {
        "type": "forward",
        "forwardConfig": {
          "targetGroups": [
            {"serviceName": "checkout-v1", "servicePort": "80", "weight": 80},
            {"serviceName": "checkout-v2", "servicePort": "80", "weight": 20}
          ]
        }
      }
spec: {ingressClassName: alb}
"""
ALB_LINE = """\
metadata:
  annotations:
    alb.ingress.kubernetes.io/actions.w: '{"forwardConfig":{"targetGroups":[{"weight":80},{"weight":20}]}}'
"""
KNATIVE = """\
apiVersion: serving.knative.dev/v1
kind: Service
metadata: {name: checkout}
spec:
  traffic:
  - revisionName: checkout-00001
    percent: 40
  - latestRevision: true
    percent: 60
"""
SERVICE = """\
apiVersion: v1
kind: Service
metadata: {name: checkout}
spec:
  selector: {app: checkout, slot: blue}   # the live slot
---
apiVersion: v1
kind: Service
metadata: {name: checkout-preview}
spec:
  selector: {app: checkout, slot: green}
"""
FLAGD = """\
apiVersion: v1
kind: ConfigMap
metadata: {name: flags}
data:
  flags.json: |
    {
      "flags": {
        "newCheckout": {"state": "ENABLED", "defaultVariant": "on", "variants": {"on": true, "off": false}}
      }
    }
"""
OPEN_FEATURE = """\
apiVersion: core.openfeature.dev/v1beta1
kind: FeatureFlag
metadata: {name: flags}
spec:
  flagSpec:
    flags:
      newCheckout:
        state: ENABLED
        defaultVariant: "on"
"""
RELAY = '{"flags": {"new-checkout": {"on": true, "version": 7}}}\n'
WAY_ALB = 'metadata.annotations["alb.ingress.kubernetes.io/actions.weighted"] -> forwardConfig.targetGroups'
WAY_FLAG = 'data["flags.json"] -> flags.newCheckout.defaultVariant'
CASES = [
    Case("istio", VIRTUAL_SERVICE, "spec.http[0].route[1].weight", 75, 25, "weight: 75", "weight: 25"),
    Case("istio, the old", VIRTUAL_SERVICE, "spec.http[0].route[0].weight", 25, 100, "weight: 25 ", "weight: 100 "),
    Case(
        "gateway",
        HTTP_ROUTE,
        "spec.rules[0].backendRefs[name=checkout-v2].weight",
        10, 0, "weight: 10", "weight: 0",
    ),
    Case("linkerd", LINKERD, "spec.rules[0].backendRefs[1].weight", 10, 0, "weight: 10", "weight: 0"),
    Case("smi", TRAFFIC_SPLIT, "spec.backends[service=checkout-v2].weight", 50, 10, "weight: 50\n", "weight: 10\n"),
    Case("traefik", TRAEFIK, "spec.weighted.services[1].weight", 1, 0, "weight: 1}", "weight: 0}"),
    Case(
        "nginx",
        NGINX,
        'metadata.annotations["nginx.ingress.kubernetes.io/canary-weight"]',
        "30", 10, '"30"', '"10"',
    ),
    Case("rollouts", ROLLOUT, "spec.strategy.canary.steps[2].setWeight", 60, 0, "setWeight: 60", "setWeight: 0"),
    Case("alb", ALB, f"{WAY_ALB}[serviceName=checkout-v2].weight", 20, 5, '"weight": 20', '"weight": 5'),
    Case(
        "alb in one line",
        ALB_LINE,
        'metadata.annotations["alb.ingress.kubernetes.io/actions.w"] -> forwardConfig.targetGroups[1].weight',
        20, 0, '"weight":20', '"weight":0',
    ),
    Case("knative", KNATIVE, "spec.traffic[latestRevision=true].percent", 60, 0, "percent: 60", "percent: 0"),
    Case("service", SERVICE, "Service/checkout: spec.selector.slot", "blue", "green", "slot: blue", "slot: green"),
    Case(
        "a word that is no text", SERVICE, "Service/checkout: spec.selector.slot",
        "blue", "on", "slot: blue", 'slot: "on"',
    ),
    Case("flagd in a ConfigMap", FLAGD, WAY_FLAG, "on", "off", '"defaultVariant": "on"', '"defaultVariant": "off"'),
    Case(
        "OpenFeature", OPEN_FEATURE, "spec.flagSpec.flags.newCheckout.defaultVariant",
        "on", "off", 'defaultVariant: "on"', 'defaultVariant: "off"',
    ),
    Case("relay file", RELAY, "flags.new-checkout.on", True, False, '"on": true', '"on": false'),
]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_one_field_is_set_and_nothing_else(case: Case) -> None:
    content = case.manifest.encode()

    changed = set_fields(content, {case.field: case.new})

    assert read_field(content, case.field) == case.old
    assert case.manifest.count(case.was) == 1
    assert changed.decode() == case.manifest.replace(case.was, case.now)
    assert str(read_field(changed, case.field)) == str(case.new)


def test_two_fields_of_one_file_are_set_together() -> None:
    weights = {"spec.http[0].route[1].weight": 10, "spec.http[0].route[0].weight": 90}

    changed = set_fields(VIRTUAL_SERVICE.encode(), weights)

    assert [read_field(changed, field) for field in weights] == [10, 90]
    assert b"# the old version" in changed


ANCHORED = "base: &w 5\nweight: *w\n"


@pytest.mark.parametrize(
    ("manifest", "field", "value", "why"),
    [
        (VIRTUAL_SERVICE, "spec.http[0].route[2].weight", 1, "there is no such field"),
        (VIRTUAL_SERVICE, "spec.http[0].route[0]", 1, "no single value"),
        (VIRTUAL_SERVICE, "spec..http", 1, "is no field"),
        (VIRTUAL_SERVICE, "", 1, "names nothing"),
        (VIRTUAL_SERVICE, "spec.http[0].route[1].weight", "ten", "another type"),
        (RELAY, "flags.new-checkout.on", "off", "another type"),
        (RELAY, "flags.new-checkout.on", 0, "another type"),
        (TRAFFIC_SPLIT, "spec.backends[0].weight", 10, "another type"),
        (SERVICE, "spec.selector.slot", "green", "stands in 2 objects"),
        (ALB, 'metadata.annotations["alb.ingress.kubernetes.io/actions.split"] -> type', "x", "folded"),
        (ANCHORED, "weight", 1, "anchor"),
        ("weight: {{ .Values.weight }}\n", "weight", 1, "template"),
        ("weight: 5\r\n", "weight", 1, "line feed"),
        ("weight: 5\nweight: 6\n", "weight", 1, "twice"),
        ("a: [", "a", 1, "plain YAML"),
    ],
)  # fmt: skip
def test_what_is_not_certain_is_said_and_not_written(manifest: str, field: str, value: Value, why: str) -> None:
    with pytest.raises(FieldFault, match=why):
        set_fields(manifest.encode(), {field: value})


def test_a_file_that_is_no_text_is_said() -> None:
    with pytest.raises(FieldFault, match="UTF-8"):
        read_field(b"\xff\xfe", "weight")
