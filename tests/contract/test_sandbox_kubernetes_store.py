"""The sandbox's Kubernetes objects: versions, generations, ownership, deletion, and what watches can still be told."""

from __future__ import annotations

import json
from typing import Any

import pytest
from sandbox_kubernetes_world import kustomization, lease

from gitops_rollback.sandbox.clock import ScaledClock
from gitops_rollback.sandbox.kubernetes import By, Kind, Patch, Refusal, Store, kind_of
from gitops_rollback.sandbox.kubernetes.history import Change
from gitops_rollback.sandbox.kubernetes.kinds import (
    APPLICATION,
    CONFIG_MAP,
    DEPLOYMENT,
    KUSTOMIZATION,
    LEASE,
    POD,
    REPLICA_SET,
)

Json = dict[str, Any]
WHERE = ("cart", "flux-system")
MERGE = "application/merge-patch+json"
GIT = By("kustomize-controller")


@pytest.fixture
def store() -> Store:
    return Store(ScaledClock())


def plain(kind: Kind, name: str, owner: Json | None = None, **parts: Any) -> Json:
    metadata: Json = {"name": name, "namespace": "fleet"}
    if owner:
        metadata["ownerReferences"] = [{"uid": owner["metadata"]["uid"], "kind": owner["kind"]}]
    return {"apiVersion": kind.api_version, "kind": kind.kind, "metadata": metadata, **parts}


def shop(image: str) -> Json:
    container = {"name": "shop", "image": image}
    template = {"metadata": {"labels": {"app": "shop"}}, "spec": {"containers": [container]}}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "shop", "namespace": "fleet"},
        "spec": {"replicas": 2, "selector": {"matchLabels": {"app": "shop"}}, "template": template},
    }


def test_every_write_has_the_next_version_whatever_its_kind(store: Store) -> None:
    versions = [
        store.create(KUSTOMIZATION, kustomization("cart")),
        store.create(LEASE, {**lease(), "metadata": {"name": "lock", "namespace": "default"}}),
        store.change(KUSTOMIZATION, *WHERE, lambda body: body["spec"].update(suspend=True)),
    ]
    assert [body["metadata"]["resourceVersion"] for body in versions] == ["1", "2", "3"]
    assert store.version == 3


def test_the_generation_moves_with_the_spec_alone(store: Store) -> None:
    def generation(path: str, value: object, status: bool = False) -> int:
        part, _, name = path.partition(".")
        by = By(status=status)
        changed = store.change(KUSTOMIZATION, *WHERE, lambda body: body.setdefault(part, {}).update({name: value}), by)
        return int(changed["metadata"]["generation"])

    assert store.create(KUSTOMIZATION, kustomization("cart"))["metadata"]["generation"] == 1
    assert generation("metadata.annotations", {"reconcile.fluxcd.io/requestedAt": "now"}) == 1
    assert generation("status.observedGeneration", 1, status=True) == 1
    assert generation("spec.suspend", True) == 2


def test_a_status_is_written_by_its_subresource_alone(store: Store) -> None:
    store.create(KUSTOMIZATION, {**kustomization("cart"), "status": {"lastAppliedRevision": "made up"}})
    assert store.get(KUSTOMIZATION, *WHERE)["status"] == {"observedGeneration": -1}
    store.change(KUSTOMIZATION, *WHERE, lambda body: body.update(status={"lastAppliedRevision": "made up"}))
    assert store.get(KUSTOMIZATION, *WHERE)["status"] == {"observedGeneration": -1}
    both = {"spec": {"suspend": True}, "status": {"observedGeneration": 1}}
    store.patch(KUSTOMIZATION, *WHERE, Patch(MERGE, both), By(status=True))
    assert store.get(KUSTOMIZATION, *WHERE)["status"] == {"observedGeneration": 1}
    assert "suspend" not in store.get(KUSTOMIZATION, *WHERE)["spec"]


def test_a_kind_without_a_status_subresource_counts_its_status(store: Store) -> None:
    application = plain(APPLICATION, "shop", spec={}, status={"sync": {"status": "Synced"}})
    assert store.create(APPLICATION, application)["status"] == {"sync": {"status": "Synced"}}
    changed = store.change(APPLICATION, "shop", "fleet", lambda body: body["status"].update(sync={}))
    assert changed["metadata"]["generation"] == 2


def test_a_write_that_changes_nothing_is_none(store: Store) -> None:
    store.create(KUSTOMIZATION, kustomization("cart"))
    again = store.patch(KUSTOMIZATION, *WHERE, Patch(MERGE, {"spec": {"interval": "10m"}}))
    assert again["metadata"]["resourceVersion"] == "1"
    assert store.version == 1


def test_writes_that_rest_on_an_old_state_are_refused(store: Store) -> None:
    first = store.create(KUSTOMIZATION, kustomization("cart"))
    store.change(KUSTOMIZATION, *WHERE, lambda body: body["spec"].update(suspend=True))
    old = {"metadata": {"resourceVersion": first["metadata"]["resourceVersion"]}, "spec": {"suspend": False}}
    with pytest.raises(Refusal) as refused:
        store.patch(KUSTOMIZATION, *WHERE, Patch(MERGE, old))
    assert (refused.value.code, refused.value.reason) == (409, "Conflict")
    with pytest.raises(Refusal) as refused:
        store.replace(KUSTOMIZATION, first)
    assert refused.value.reason == "Conflict"
    with pytest.raises(Refusal) as refused:
        store.replace(KUSTOMIZATION, kustomization("cart"))
    assert refused.value.reason == "Invalid"  # a custom resource wants a resourceVersion


def test_an_object_made_anew_is_another(store: Store) -> None:
    first = store.create(KUSTOMIZATION, kustomization("cart"))
    store.delete(KUSTOMIZATION, *WHERE)
    second = store.create(KUSTOMIZATION, kustomization("cart"))
    assert second["metadata"]["uid"] != first["metadata"]["uid"]
    second["metadata"]["uid"] = first["metadata"]["uid"]
    with pytest.raises(Refusal) as refused:
        store.replace(KUSTOMIZATION, second)
    assert refused.value.reason == "Conflict"
    with pytest.raises(Refusal) as refused:
        store.delete(KUSTOMIZATION, *WHERE, uid=first["metadata"]["uid"])
    assert refused.value.reason == "Conflict"


def test_a_put_makes_a_lease_but_no_kustomization(store: Store) -> None:
    held = {**lease("b"), "metadata": {"name": "lock", "namespace": "default"}}
    assert store.replace(LEASE, held)["spec"]["holderIdentity"] == "b"
    with pytest.raises(Refusal) as refused:
        store.replace(KUSTOMIZATION, kustomization("cart"))
    assert refused.value.reason == "NotFound"


def test_finalizers_hold_an_object_until_they_are_gone(store: Store) -> None:
    store.create(KUSTOMIZATION, kustomization("cart"))
    store.change(KUSTOMIZATION, *WHERE, lambda body: body["metadata"].update(finalizers=["finalizers.fluxcd.io"]))
    condemned = store.delete(KUSTOMIZATION, *WHERE)
    assert condemned["metadata"]["deletionTimestamp"]
    assert condemned["metadata"]["generation"] == 2
    assert store.find(KUSTOMIZATION, *WHERE)
    store.change(KUSTOMIZATION, *WHERE, lambda body: body["metadata"].pop("finalizers"))
    assert store.find(KUSTOMIZATION, *WHERE) is None
    assert [change.type for change in store.changes(0)] == ["ADDED", "MODIFIED", "MODIFIED", "DELETED"]


@pytest.mark.parametrize("orphan", [False, True])
def test_what_an_object_owns_goes_with_it(store: Store, orphan: bool) -> None:
    top = store.create(DEPLOYMENT, shop("registry.example/shop:v1"))
    middle = store.create(REPLICA_SET, {**plain(REPLICA_SET, "shop-1", top), "spec": {}})
    store.create(POD, plain(POD, "shop-1-a", middle, spec={}))
    store.delete(DEPLOYMENT, "shop", "fleet", orphan=orphan)
    assert len(store.objects(POD)) == len(store.objects(REPLICA_SET)) == int(orphan)


def test_apply_makes_keeps_and_takes_away_what_one_manager_says(store: Store) -> None:
    made = store.apply(DEPLOYMENT, shop("registry.example/shop:v1"), GIT)
    assert made["spec"]["progressDeadlineSeconds"] == 600  # filled in by the server, and nobody's
    scaled = Patch(MERGE, {"metadata": {"labels": {"by": "hand"}}, "spec": {"paused": True}})
    store.patch(DEPLOYMENT, "shop", "fleet", scaled, By("kubectl-edit"))
    wanted = shop("registry.example/shop:v2")
    del wanted["spec"]["replicas"]
    changed = store.apply(DEPLOYMENT, wanted, GIT)
    assert changed["spec"]["template"]["spec"]["containers"][0]["image"] == "registry.example/shop:v2"
    assert changed["spec"]["template"]["spec"]["containers"][0]["imagePullPolicy"] == "IfNotPresent"
    assert changed["spec"]["paused"] is True
    assert changed["metadata"]["labels"] == {"by": "hand"}
    assert changed["spec"]["replicas"] == 1  # no longer asked for: the server's own
    version = store.version
    assert store.apply(DEPLOYMENT, wanted, GIT)["metadata"]["resourceVersion"] == str(version)


def test_apply_over_a_field_of_another_is_refused_or_forced(store: Store) -> None:
    store.apply(DEPLOYMENT, shop("registry.example/shop:v1"), GIT)
    hand = By("a-person")
    with pytest.raises(Refusal) as refused:
        store.apply(DEPLOYMENT, shop("registry.example/shop:v2"), hand)
    assert refused.value.reason == "Conflict"
    cause = refused.value.status["details"]["causes"][0]
    assert cause["message"] == 'conflict with "kustomize-controller"'
    assert cause["field"] == '.spec.template.spec.containers[name="shop"].image'
    store.apply(DEPLOYMENT, shop("registry.example/shop:v2"), hand, force=True)
    with pytest.raises(Refusal):
        store.apply(DEPLOYMENT, shop("registry.example/shop:v1"), GIT)


def test_an_update_takes_the_fields_that_it_changes(store: Store) -> None:
    store.create(KUSTOMIZATION, kustomization("cart"), By("kubectl-client-side-apply"))
    store.patch(KUSTOMIZATION, *WHERE, Patch(MERGE, {"spec": {"interval": "1m"}}), By("a-person"))
    owners = {
        entry["manager"]: entry["fieldsV1"]["f:spec"]
        for entry in store.get(KUSTOMIZATION, *WHERE)["metadata"]["managedFields"]
    }
    assert owners["a-person"] == {"f:interval": {}}
    assert "f:interval" not in owners["kubectl-client-side-apply"]


def test_the_past_can_be_read_until_it_is_compacted(store: Store) -> None:
    store.create(KUSTOMIZATION, kustomization("cart"))
    store.create(KUSTOMIZATION, kustomization("shop"))
    store.delete(KUSTOMIZATION, *WHERE)
    assert [len(store.objects_at(KUSTOMIZATION, "", version)[1]) for version in range(4)] == [0, 1, 2, 1]
    store.compact(2)
    assert [change.version for change in store.changes(2)] == [3]
    with pytest.raises(Refusal) as refused:
        store.changes(1)
    assert (refused.value.code, refused.value.reason) == (410, "Expired")
    with pytest.raises(Refusal) as refused:
        store.changes(4)
    assert refused.value.code == 504


def test_only_so_many_changes_are_kept() -> None:
    store = Store(ScaledClock(), keep=2)
    for name in ("a", "b", "c"):
        store.create(CONFIG_MAP, plain(CONFIG_MAP, name))
    assert len(store.changes(1)) == 2
    with pytest.raises(Refusal):
        store.changes(0)


def test_readers_get_copies(store: Store) -> None:
    store.create(KUSTOMIZATION, kustomization("cart"))
    store.get(KUSTOMIZATION, *WHERE)["spec"].clear()
    store.objects(KUSTOMIZATION)[0]["spec"].clear()
    assert store.get(KUSTOMIZATION, *WHERE)["spec"]["interval"] == "10m"


def test_a_controller_hears_of_every_write_in_order(store: Store) -> None:
    heard: list[Change] = []
    store.on_change(heard.append)
    subscription = store.subscribe()
    store.create(KUSTOMIZATION, kustomization("cart"))
    assert subscription.wake.is_set()
    store.change(KUSTOMIZATION, *WHERE, lambda body: body["spec"].update(suspend=True))
    store.delete(KUSTOMIZATION, *WHERE)
    assert [(change.version, change.type) for change in heard] == [(1, "ADDED"), (2, "MODIFIED"), (3, "DELETED")]
    store.close_subscriptions()
    assert subscription.closed


def test_a_dry_run_leaves_no_trace(store: Store) -> None:
    store.create(KUSTOMIZATION, kustomization("cart"), By(dry_run=True))
    assert store.objects(KUSTOMIZATION) == []
    assert store.version == 0


def test_a_restore_brings_back_objects_as_they_were(store: Store) -> None:
    body = store.create(KUSTOMIZATION, kustomization("cart"))
    store.change(KUSTOMIZATION, *WHERE, lambda body: body["spec"].update(suspend=True))
    store.load([(kind_of(body), body)], 1)
    assert json.dumps(store.get(KUSTOMIZATION, *WHERE)) == json.dumps(body)
    assert store.version == 1
