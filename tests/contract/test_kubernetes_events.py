"""What was done to an application stands on its own object: once, whoever tells it again, and never in the way."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import pytest
from notifying import EVIL, a_message
from sandbox_kubernetes_world import kustomization

from gitops_rollback.adapters.clock import SystemClock
from gitops_rollback.adapters.kubernetes.client import Kubernetes
from gitops_rollback.adapters.kubernetes.credentials import Fixed
from gitops_rollback.adapters.kubernetes.transport import Transport
from gitops_rollback.adapters.notifiers.fanout import Fanout
from gitops_rollback.adapters.notifiers.kubernetes_events import KubernetesEvents, objects_of
from gitops_rollback.adapters.notifiers.sender import Outcome, Sender
from gitops_rollback.app.settings import Settings
from gitops_rollback.core.errors import CredentialsRejected, EngineUnavailable
from gitops_rollback.sandbox.clock import ScaledClock
from gitops_rollback.sandbox.kubernetes import KubernetesSandbox
from gitops_rollback.sandbox.kubernetes.access import Rule
from gitops_rollback.sandbox.kubernetes.kinds import APPLICATION, EVENT, KUSTOMIZATION, NAMESPACE

CART = "flux/Kustomization/flux-system/cart"
SHOP = "default/Application/argocd/shop"
GET = Rule(("*",), ("kustomizations", "applications"), ("get",))
CREATE = Rule(("events.k8s.io",), ("events",), ("create",))
Json = Mapping[str, Any]
REST = {"instance": "main", "server": "https://argocd.example"}


@pytest.fixture
def sandbox() -> Iterator[KubernetesSandbox]:
    made = KubernetesSandbox(ScaledClock())
    for name in ("argocd", "flux-system"):
        made.store.create(NAMESPACE, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    made.store.create(KUSTOMIZATION, kustomization("cart"))
    shop = {"name": "shop", "namespace": "argocd"}
    made.store.create(APPLICATION, {"apiVersion": "argoproj.io/v1alpha1", "kind": "Application", "metadata": shop})
    made.start()
    yield made
    made.stop()
    assert made.failures == []


@contextmanager
def channel(sandbox: KubernetesSandbox, rules: Sequence[Rule] = (GET, CREATE)) -> Iterator[KubernetesEvents]:
    sandbox.grant("less", "system:serviceaccount:ops:less", rules)
    client = Kubernetes(Transport(sandbox.url, None, Fixed.token("less")), "ops")
    yield KubernetesEvents(client, ("default", "flux"), SystemClock())
    client.close()


def events(sandbox: KubernetesSandbox) -> Sequence[Json]:
    """All that are kept, as `kubectl describe` reads them."""
    return sandbox.store.objects(EVENT)


def test_an_event_names_the_object_so_that_kubectl_and_argo_cd_find_it(sandbox: KubernetesSandbox) -> None:
    with channel(sandbox) as on_objects:
        on_objects.send(a_message("a", application=CART, reason="TriggerFired", rollback_id="rb-7"))
        on_objects.send(a_message("b", application=SHOP, event="failed", page=True, text=EVIL + "\n" + "x" * 3000))
    started, failed = sorted(events(sandbox), key=lambda one: one["metadata"]["name"])
    cart = sandbox.store.get(KUSTOMIZATION, "cart", "flux-system")
    assert started["involvedObject"] == {
        "apiVersion": "kustomize.toolkit.fluxcd.io/v1", "kind": "Kustomization", "namespace": "flux-system",
        "name": "cart", "uid": cart["metadata"]["uid"],
    }  # fmt: skip
    assert (started["type"], started["reason"], started["action"]) == ("Normal", "TriggerFired", "Started")
    assert started["message"] == "Rolling back; because"
    assert started["metadata"]["annotations"] == {"gitops-rollback.dev/rollback-id": "rb-7"}
    assert (failed["type"], failed["involvedObject"]["kind"]) == ("Warning", "Application")
    assert "<!channel>" not in failed["message"]
    assert "\x1b" not in failed["message"]
    assert len(failed["message"].encode()) <= 1024


def test_what_is_told_again_is_the_same_event(sandbox: KubernetesSandbox) -> None:
    for _ in range(2):  # the second by another process, which heard nothing of the first
        with channel(sandbox) as on_objects:
            assert on_objects.send(a_message("a", application=CART)).outcome is Outcome.DELIVERED
    assert len(events(sandbox)) == 1


def test_every_application_of_an_incident_has_its_own(sandbox: KubernetesSandbox) -> None:
    told = a_message("a", application=CART, details={"applications": [CART, SHOP, "elsewhere/Application/argocd/shop"]})
    with channel(sandbox) as on_objects:
        on_objects.send(told)
    assert {one["involvedObject"]["name"] for one in events(sandbox)} == {"cart", "shop"}


@pytest.mark.parametrize(
    "application", ["shop/config", "controller/pauses", "other/Application/argocd/shop", "flux/Secret/argocd/shop", ""]
)
def test_what_is_about_no_object_of_this_cluster_writes_nothing(sandbox: KubernetesSandbox, application: str) -> None:
    assert list(objects_of(a_message(application=application), ("default", "flux"))) == []
    with channel(sandbox) as on_objects:
        assert on_objects.send(a_message(application=application)).outcome is Outcome.DELIVERED
        assert on_objects.send(a_message(application=f"{CART}-gone")).outcome is Outcome.DELIVERED
    assert events(sandbox) == []


def test_what_a_person_with_the_right_to_push_wrote_into_the_journal_is_no_object(sandbox: KubernetesSandbox) -> None:
    with channel(sandbox) as on_objects:
        for wrong in (7, "abc", {"a": 1}, [7, None, "flux/Kustomization//cart", "flux/Kustomization/a/b/c"]):
            on_objects.send(a_message(application="shop/config", details={"applications": wrong}))
    assert events(sandbox) == []


def test_a_missing_right_is_named_beforehand_and_nothing_is_written(sandbox: KubernetesSandbox) -> None:
    for rules, words in (((GET,), "create events.events.k8s.io"), ((CREATE,), "get kustomizations"), ((), "get")):
        with channel(sandbox, rules) as on_objects:
            (found,) = on_objects.missing_rights([CART, CART + "-2"])
            assert words in found
            assert "flux-system" in found
            with pytest.raises(CredentialsRejected):
                on_objects.send(a_message(application=CART))
    with channel(sandbox) as on_objects:
        assert on_objects.missing_rights([CART, SHOP, "shop/config"]) == ()
    assert events(sandbox) == []


def test_an_api_that_fails_keeps_no_message_from_anybody_else(sandbox: KubernetesSandbox) -> None:
    class Heard:
        def __init__(self) -> None:
            self.titles: list[str] = []

        def tell(self, message: Any) -> None:
            self.titles.append(message.title)

    sandbox.refuse(503, 1, verbs=("create",))
    heard = Heard()
    with channel(sandbox) as on_objects:
        sender = Sender(on_objects, "Kubernetes Events", wait=lambda _seconds: None)
        Fanout((sender, heard)).tell(a_message("a", application=CART))
        assert heard.titles == ["Rolling back"]
        assert sandbox.wait_until(lambda: bool(events(sandbox)))
        sender.close()
    assert len(events(sandbox)) == 1
    assert sender.dropped == 0


def test_a_lost_answer_is_no_second_event(sandbox: KubernetesSandbox) -> None:
    sandbox.cut(1, done=True, verbs=("create",))
    with channel(sandbox) as on_objects:
        with pytest.raises(EngineUnavailable):
            on_objects.send(a_message("a", application=CART))
        on_objects.send(a_message("a", application=CART))
    assert len(events(sandbox)) == 1


@pytest.mark.parametrize(
    ("settings", "instances"),
    [
        ({"flux": {}, "argocdObjects": {}, "argocd": [REST]}, {"flux", "default"}),
        ({"flux": {}, "observe": True}, set()),
        ({"flux": {}, "kubernetes": {"events": False}}, set()),
        ({"flux": {"enabled": False}, "kubernetes": {"namespaces": "shop"}}, set()),
        ({"argocd": [REST], "kubernetes": {"events": True}}, {"main"}),
        ({"argocd": [REST], "kubernetes": {"namespaces": "shop"}}, set()),
        ({"argocd": [REST]}, set()),
    ],
)
def test_they_are_on_where_objects_are_read_and_off_where_nothing_is_written(
    settings: Json, instances: set[str]
) -> None:
    assert Settings.model_validate(settings).with_events == instances
