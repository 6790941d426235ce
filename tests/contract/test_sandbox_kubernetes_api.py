"""The sandbox's Kubernetes API as its clients meet it: verbs, pages, patches, selectors, rights, discovery."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from sandbox_kubernetes_world import (
    APPLY,
    JSON_PATCH,
    KUSTOMIZATIONS,
    LEASES,
    MERGE,
    STRATEGIC,
    ask,
    cluster,
    kustomization,
    lease,
    put_there,
)

from gitops_rollback.sandbox.kubernetes import KINDS, KubernetesSandbox, Rule
from gitops_rollback.sandbox.kubernetes.kinds import CONFIG_MAP, DEPLOYMENT, HELM_RELEASE, KUSTOMIZATION

Json = dict[str, Any]
CART = f"{KUSTOMIZATIONS}/cart"
NEW_EVENTS = "/apis/events.k8s.io/v1/namespaces/flux-system/events"
EVENTS = "/api/v1/namespaces/flux-system/events"


@pytest.fixture
def api() -> Iterator[KubernetesSandbox]:
    with cluster() as sandbox:
        put_there(sandbox, *(kustomization(name) for name in ("cart", "dep", "shop")))
        yield sandbox


def names(body: Json) -> list[str]:
    return [item["metadata"]["name"] for item in body["items"]]


def test_a_list_comes_in_pages_of_one_version(api: KubernetesSandbox) -> None:
    first = ask(api, "GET", f"{KUSTOMIZATIONS}?limit=2").json
    assert (names(first), first["metadata"]["remainingItemCount"]) == (["cart", "dep"], 1)
    ask(api, "DELETE", f"{KUSTOMIZATIONS}/shop")
    second = ask(api, "GET", f"{KUSTOMIZATIONS}?limit=2&continue={first['metadata']['continue']}").json
    assert names(second) == ["shop"]  # as it was when the first page was read
    assert second["metadata"] == {"continue": "", "resourceVersion": first["metadata"]["resourceVersion"]}


def test_a_page_that_is_too_old_is_refused_with_a_way_on(api: KubernetesSandbox) -> None:
    token = ask(api, "GET", f"{KUSTOMIZATIONS}?limit=1").json["metadata"]["continue"]
    ask(api, "DELETE", f"{KUSTOMIZATIONS}/dep")
    api.expire()
    reply = ask(api, "GET", f"{KUSTOMIZATIONS}?limit=1&continue={token}")
    assert (reply.status, reply.reason) == (410, "Expired")
    rest = ask(api, "GET", f"{KUSTOMIZATIONS}?continue={reply.json['metadata']['continue']}")
    assert names(rest.json) == ["shop"]
    assert ask(api, "GET", f"{KUSTOMIZATIONS}?continue=nonsense").status == 400


def test_versions_of_lists(api: KubernetesSandbox) -> None:
    ask(api, "DELETE", CART)
    assert names(ask(api, "GET", f"{KUSTOMIZATIONS}?resourceVersion=3&resourceVersionMatch=Exact").json)[0] == "cart"
    assert names(ask(api, "GET", f"{KUSTOMIZATIONS}?resourceVersion=3&resourceVersionMatch=NotOlderThan").json) == [
        *("dep", "shop")
    ]
    assert names(ask(api, "GET", f"{KUSTOMIZATIONS}?resourceVersion=0&limit=1").json) == ["dep", "shop"]
    too_new = ask(api, "GET", f"{KUSTOMIZATIONS}?resourceVersion=99")
    assert (too_new.status, too_new.headers["retry-after"]) == (504, "1")
    assert "Too large resource version: 99, current: 4" in too_new.json["message"]
    assert ask(api, "GET", f"{KUSTOMIZATIONS}?resourceVersionMatch=Exact").status == 422


def test_selectors(api: KubernetesSandbox) -> None:
    for name, tier in (("cart", "front"), ("dep", "back")):
        ask(api, "PATCH", f"{KUSTOMIZATIONS}/{name}", {"metadata": {"labels": {"tier": tier}}}, MERGE)

    def chosen(query: str) -> list[str]:
        return names(ask(api, "GET", f"{KUSTOMIZATIONS}?{query}").json)

    assert chosen("labelSelector=tier%3Dfront") == ["cart"]
    assert chosen("labelSelector=tier%21%3Dfront") == ["dep", "shop"]
    assert chosen("labelSelector=tier") == ["cart", "dep"]
    assert chosen("labelSelector=%21tier") == ["shop"]
    assert chosen("labelSelector=tier%20in%20(front,back),tier%21%3Dback") == ["cart"]
    assert chosen("fieldSelector=metadata.name%3Ddep") == ["dep"]
    assert ask(api, "GET", f"{KUSTOMIZATIONS}?fieldSelector=spec.path%3Dx").status == 400
    assert "remainingItemCount" not in ask(api, "GET", f"{KUSTOMIZATIONS}?limit=1&labelSelector=tier").json["metadata"]


def test_all_namespaces_are_one_list(api: KubernetesSandbox) -> None:
    elsewhere = kustomization("cart")
    elsewhere["metadata"]["namespace"] = "team-a"
    put_there(api, elsewhere)
    body = ask(api, "GET", f"{KUSTOMIZATION.path()}?limit=3").json
    assert names(body) == ["cart", "dep", "shop"]
    rest = ask(api, "GET", f"{KUSTOMIZATION.path()}?continue={body['metadata']['continue']}").json
    assert [item["metadata"]["namespace"] for item in rest["items"]] == ["team-a"]


@pytest.mark.parametrize(
    ("media", "body", "status"),
    [
        (MERGE, {"metadata": {"annotations": {"a": "b"}}}, 200),
        (f"{MERGE}; charset=utf-8", {"metadata": {"annotations": {"a": "b"}}}, 200),
        (JSON_PATCH, [{"op": "add", "path": "/metadata/annotations", "value": {"a": "b"}}], 200),
        (JSON_PATCH, [{"op": "test", "path": "/spec/interval", "value": "1h"}], 422),
        (JSON_PATCH, [{"op": "replace", "path": "/spec/nothing", "value": 1}], 422),
        (JSON_PATCH, {"metadata": {}}, 400),
        (MERGE, ["no", "object"], 400),
        (STRATEGIC, {"metadata": {"annotations": {"a": "b"}}}, 415),
        ("application/json", {"metadata": {"annotations": {"a": "b"}}}, 415),
        (MERGE, {"spec": {"suspend": "yes"}}, 422),
        (MERGE, {"spec": {"sourceRef": None}}, 422),
        (MERGE, {"metadata": {"resourceVersion": "1"}, "spec": {"suspend": True}}, 200),
        (MERGE, {"metadata": {"resourceVersion": "3"}, "spec": {"suspend": True}}, 409),
    ],
)
def test_patches_of_a_custom_resource(api: KubernetesSandbox, media: str, body: object, status: int) -> None:
    reply = ask(api, "PATCH", CART, body, media)
    assert reply.status == status, reply.text
    if status == 200:
        assert reply.json == ask(api, "GET", CART).json
    else:
        assert api.store.version == 3


def test_a_built_in_kind_takes_a_strategic_merge(api: KubernetesSandbox) -> None:
    containers = [{"name": "shop", "image": "shop:v1"}, {"name": "side", "image": "side:v1"}]
    template = {"metadata": {"labels": {"app": "shop"}}, "spec": {"containers": containers}}
    spec = {"selector": {"matchLabels": {"app": "shop"}}, "template": template}
    deployments = DEPLOYMENT.path("flux-system")
    made = ask(api, "POST", deployments, {"metadata": {"name": "shop"}, "spec": spec})
    assert (made.status, made.json["kind"], made.json["spec"]["replicas"]) == (201, "Deployment", 1)
    patch = {"spec": {"template": {"spec": {"containers": [{"name": "side", "image": "side:v2"}]}}}}
    images = [
        (one["name"], one["image"])
        for one in ask(api, "PATCH", f"{deployments}/shop", patch, STRATEGIC).json["spec"]["template"]["spec"][
            "containers"
        ]
    ]
    assert images == [("shop", "shop:v1"), ("side", "side:v2")]


def test_apply_over_http(api: KubernetesSandbox) -> None:
    wanted = kustomization("new")
    path = f"{KUSTOMIZATIONS}/new?fieldManager=tests"
    assert ask(api, "PATCH", path, wanted, APPLY).status == 201
    assert ask(api, "PATCH", path, wanted, APPLY).status == 200
    wanted["spec"]["interval"] = "1m"
    refused = ask(api, "PATCH", f"{KUSTOMIZATIONS}/new?fieldManager=others", wanted, APPLY)
    assert (refused.status, refused.reason) == (409, "Conflict")
    forced = ask(api, "PATCH", f"{KUSTOMIZATIONS}/new?fieldManager=others&force=true", wanted, APPLY)
    assert (forced.status, forced.json["spec"]["interval"]) == (200, "1m")
    assert ask(api, "PATCH", f"{KUSTOMIZATIONS}/new", wanted, APPLY).status == 400


def test_a_dry_run_answers_as_if(api: KubernetesSandbox) -> None:
    reply = ask(api, "PATCH", f"{CART}?dryRun=All", {"spec": {"suspend": True}}, MERGE)
    assert reply.json["spec"]["suspend"] is True
    assert "suspend" not in ask(api, "GET", CART).json["spec"]
    assert ask(api, "DELETE", f"{CART}?dryRun=All").status == 200
    assert ask(api, "GET", CART).status == 200


@pytest.mark.parametrize(
    ("change", "status", "words"),
    [
        ({"kind": "HelmRelease"}, 400, "does not match the expected kind"),
        ({"apiVersion": "kustomize.toolkit.fluxcd.io/v1beta2"}, 400, "does not match the expected API version"),
        ({"metadata": {"name": "new", "namespace": "other"}}, 400, "namespace of the provided object"),
        ({"metadata": {"name": "Not A Name"}}, 422, "RFC 1123"),
        ({"spec": {"prune": True}}, 422, "spec.interval: Required value"),
    ],
)
def test_bodies_that_are_refused(api: KubernetesSandbox, change: Json, status: int, words: str) -> None:
    reply = ask(api, "POST", KUSTOMIZATIONS, {**kustomization("new"), **change})
    assert (reply.status, words in reply.json["message"]) == (status, True), reply.text


def test_a_namespace_must_be_there(api: KubernetesSandbox) -> None:
    body = {"metadata": {"name": "a"}, "data": {}}
    assert ask(api, "POST", CONFIG_MAP.path("nowhere"), body).json["message"] == 'namespaces "nowhere" not found'
    assert ask(api, "POST", "/api/v1/namespaces", {"metadata": {"name": "nowhere"}}).status == 201
    assert ask(api, "POST", CONFIG_MAP.path("nowhere"), body).status == 201


@pytest.mark.parametrize(
    ("spec", "status"),
    [
        ({"renewTime": "2026-01-05T10:07:00Z"}, 400),
        ({"renewTime": "2026-01-05T10:07:00.123Z"}, 400),
        ({"renewTime": "2026-01-05T10:07:00.123456+00:00"}, 201),
        ({"leaseDurationSeconds": 0}, 422),
        ({"leaseTransitions": -1}, 422),
        ({"holderIdentity": "", "leaseDurationSeconds": 1}, 201),
    ],
)
def test_what_a_lease_may_say(api: KubernetesSandbox, spec: Json, status: int) -> None:
    body = lease()
    body["spec"] |= spec
    assert ask(api, "POST", LEASES, body).status == status


def event(**changes: Any) -> Json:
    body = {
        "apiVersion": "events.k8s.io/v1",
        "kind": "Event",
        "metadata": {"name": "cart.18a7c0ffee"},
        "eventTime": "2026-01-05T10:07:00.000000Z",
        "type": "Warning",
        "reason": "RollbackStarted",
        "action": "RevertCommit",
        "note": "reverting",
        "reportingController": "example.com/rollback-controller",
        "reportingInstance": "rollback-0",
        "regarding": {"kind": "Kustomization", "namespace": "flux-system"},
    }
    return {**body, **changes}


def test_an_event_is_one_object_in_both_groups(api: KubernetesSandbox) -> None:
    made = ask(api, "POST", NEW_EVENTS, event())
    assert (made.status, made.json["note"]) == (201, "reverting")
    old = ask(api, "GET", EVENTS).json["items"][0]
    assert (old["message"], old["involvedObject"]["kind"]) == ("reverting", "Kustomization")
    assert old["reportingComponent"] == "example.com/rollback-controller"
    selected = ask(api, "GET", f"{EVENTS}?fieldSelector=involvedObject.kind%3DKustomization").json
    assert names(selected) == ["cart.18a7c0ffee"]
    patched = ask(api, "PATCH", f"{NEW_EVENTS}/cart.18a7c0ffee", {"note": "again"}, MERGE).json
    assert patched["note"] == "again"


@pytest.mark.parametrize(
    "change",
    [
        {"eventTime": "2026-01-05T10:07:00Z"},
        {"note": "x" * 1025},
        {"action": ""},
        {"type": "Error"},
        {"regarding": {"kind": "Node"}},
        {"reportingInstance": None},
    ],
)
def test_events_that_are_refused(api: KubernetesSandbox, change: Json) -> None:
    assert ask(api, "POST", NEW_EVENTS, event(**change)).status in (400, 422)


def test_who_may_what(api: KubernetesSandbox) -> None:
    reader = Rule(("kustomize.toolkit.fluxcd.io",), ("kustomizations",), ("get", "list"), ("flux-system",))
    api.grant("reader", "system:serviceaccount:tests:reader", [reader])
    assert ask(api, "GET", CART, token="reader").status == 200
    refused = ask(api, "GET", f"{KUSTOMIZATIONS}?watch=1", token="reader")
    assert (refused.status, refused.reason) == (403, "Forbidden")
    assert refused.json["message"] == (
        'kustomizations.kustomize.toolkit.fluxcd.io is forbidden: User "system:serviceaccount:tests:reader" cannot '
        'watch resource "kustomizations" in API group "kustomize.toolkit.fluxcd.io" in the namespace "flux-system"'
    )
    everywhere = ask(api, "GET", KUSTOMIZATION.path(), token="reader").json
    assert everywhere["message"].endswith("at the cluster scope")
    named = ask(api, "PATCH", f"{CART}/status", {}, MERGE, token="reader").json
    assert named["details"] == {"name": "cart", "group": "kustomize.toolkit.fluxcd.io", "kind": "kustomizations"}
    assert 'cannot patch resource "kustomizations/status"' in named["message"]


def test_a_role_can_be_read_as_it_is_written() -> None:
    rule = Rule.read({"apiGroups": ["", "apps"], "resources": ["*"], "verbs": ["get"]}, ["fleet"])
    assert rule == Rule(("", "apps"), ("*",), ("get",), ("fleet",))


def test_a_token_can_be_rotated_and_asked_about(api: KubernetesSandbox) -> None:
    api.grant("next")
    api.revoke(api.token)
    assert ask(api, "GET", CART).status == 401
    assert ask(api, "GET", CART, token="next").status == 200
    assert ask(api, "GET", CART, token="").reason == "Forbidden"
    assert ask(api, "GET", "/version", token="").status == 200
    attributes = {"verb": "patch", "group": "kustomize.toolkit.fluxcd.io", "resource": "kustomizations"}
    review = {"spec": {"resourceAttributes": {**attributes, "namespace": "flux-system"}}}
    path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
    assert ask(api, "POST", path, review, token="next").json["status"] == {"allowed": True}


def test_a_cluster_without_a_kind() -> None:
    kinds = [kind for kind in KINDS if kind is not HELM_RELEASE]
    with cluster(kinds=kinds) as api:
        reply = ask(api, "GET", HELM_RELEASE.path("flux-system"))
        assert (reply.status, reply.text) == (404, "404 page not found\n")
        groups = {group["name"] for group in ask(api, "GET", "/apis").json["groups"]}
        assert "kustomize.toolkit.fluxcd.io" in groups
        assert "helm.toolkit.fluxcd.io" not in groups
        assert ask(api, "GET", "/api/v1/namespaces/default/endpoints").reason == "NotFound"


def test_discovery_names_what_is_served(api: KubernetesSandbox) -> None:
    body = ask(api, "GET", "/apis/kustomize.toolkit.fluxcd.io/v1").json
    assert [one["name"] for one in body["resources"]] == ["kustomizations", "kustomizations/status"]
    assert "v1" in ask(api, "GET", "/api").json["versions"]
    assert "pods" in [one["name"] for one in ask(api, "GET", "/api/v1").json["resources"]]
    for path in ("/readyz", "/livez"):
        assert ask(api, "GET", path).text == "ok"


def test_verbs_that_are_not_allowed(api: KubernetesSandbox) -> None:
    assert ask(api, "DELETE", KUSTOMIZATIONS).status == 405
    assert ask(api, "POST", CART, kustomization("cart")).status == 405
    assert ask(api, "GET", f"{CART}/scale").status == 404
    assert ask(api, "PUT", CART, {**kustomization("dep")}).status == 400


def test_every_write_is_remembered(api: KubernetesSandbox) -> None:
    ask(api, "GET", CART)
    ask(api, "PATCH", f"{CART}?fieldManager=tests", {"spec": {"suspend": True}}, MERGE)
    (write,) = api.writes
    assert (write.method, write.path) == ("PATCH", f"{CART}?fieldManager=tests")
    assert json.loads(write.body) == {"spec": {"suspend": True}}
    manager = ask(api, "GET", CART).json["metadata"]["managedFields"][-1]
    assert manager["manager"] == "tests"
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", manager["time"])
