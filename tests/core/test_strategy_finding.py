"""Are the weights, slots and flags of real manifests found, as fields that can be read and set?"""

from __future__ import annotations

import pytest
from test_manifest_fields import (
    ALB,
    FLAGD,
    HTTP_ROUTE,
    KNATIVE,
    LINKERD,
    NGINX,
    OPEN_FEATURE,
    ROLLOUT,
    SERVICE,
    TRAEFIK,
    TRAFFIC_SPLIT,
    VIRTUAL_SERVICE,
    WAY_ALB,
    WAY_FLAG,
)

from gitops_rollback.core.first_strategies import strategies_text
from gitops_rollback.core.manifest_fields import Value, read_field
from gitops_rollback.core.strategies.finding import editable

BACKENDS: dict[str, Value] = {"spec.rules[0].backendRefs[0].weight": 90, "spec.rules[0].backendRefs[1].weight": 10}


@pytest.mark.parametrize(
    ("manifest", "kind", "owner", "fields"),
    [
        (VIRTUAL_SERVICE, "canary", "Istio", {f"spec.http[0].route[{n}].weight": w for n, w in ((0, 25), (1, 75))}),
        (HTTP_ROUTE, "canary", "Gateway API", BACKENDS),
        (LINKERD, "canary", "Linkerd", BACKENDS),
        (TRAFFIC_SPLIT, "canary", "SMI", {"spec.backends[0].weight": "500m", "spec.backends[1].weight": 50}),
        (TRAEFIK, "canary", "Traefik", {f"spec.weighted.services[{n}].weight": w for n, w in ((0, 3), (1, 1))}),
        (NGINX, "canary", "ingress-nginx", {'metadata.annotations["nginx.ingress.kubernetes.io/canary-weight"]': "30"}),
        (ALB, "canary", "AWS load balancer", {f"{WAY_ALB}[0].weight": 80, f"{WAY_ALB}[1].weight": 20}),
        (KNATIVE, "canary", "Knative", {"spec.traffic[0].percent": 40, "spec.traffic[1].percent": 60}),
        (SERVICE, "blue-green", "Service", {
            "Service/checkout: spec.selector.slot": "blue", "Service/checkout-preview: spec.selector.slot": "green",
        }),
        (FLAGD, "feature-flag", "flagd", {WAY_FLAG: "on"}),
        (OPEN_FEATURE, "feature-flag", "OpenFeature", {"spec.flagSpec.flags.newCheckout.defaultVariant": "on"}),
        (ROLLOUT, "", "", {}),
        ("weight: {{ .Values.weight }}\n", "", "", {}),
        ("kind: [", "", "", {}),
    ],
    ids=lambda value: value if isinstance(value, str) and len(value) < 20 else "",
)  # fmt: skip
def test_what_could_be_stepped_down_is_found(manifest: str, kind: str, owner: str, fields: dict[str, Value]) -> None:
    found = editable(manifest.encode(), "a.yaml")

    assert {one.field: one.value for one in found} == fields
    assert {(one.type, one.owner) for one in found} == ({(kind, owner)} if fields else set())
    assert all(read_field(manifest.encode(), one.field) == one.value for one in found)


FLAGGER = """\
apiVersion: flagger.app/v1beta1
kind: Canary
metadata: {name: cart, namespace: shop}
spec: {targetRef: {kind: Deployment, name: cart}MORE}
"""


@pytest.mark.parametrize("more", ["", ", skipAnalysis: false"])
def test_a_canary_of_flagger_is_named_with_the_strategy_that_skips_its_analysis(more: str) -> None:
    found = editable(FLAGGER.replace("MORE", more).encode(), "apps/cart/canary.yaml")
    assert [one.words for one in found] == [
        "rolling: apps/cart/canary.yaml: Canary/cart: spec.skipAnalysis is false (Flagger)"
    ]
    named = "canary: {namespace: 'shop', name: 'cart'}"
    assert f"    rolling: {{skipAnalysis: {{file: 'apps/cart/canary.yaml', {named}}}}}" in strategies_text(found)


def test_a_canary_whose_analysis_is_skipped_anyway_needs_no_strategy() -> None:
    assert editable(FLAGGER.replace("MORE", ", skipAnalysis: true").encode(), "a.yaml") == ()
