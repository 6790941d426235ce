"""Which applications a selector takes in, and what a target is called for each of them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gitops_rollback.core.policy import ApplicationRef, MetricSettings, Policy, Selector, Target, Workload
from gitops_rollback.core.selecting import Selectable, filled, placed, takes_in
from gitops_rollback.core.sync import ApplicationId

LABELS = {"tier": "web", "app.kubernetes.io/name": "checkout"}
ONE = Selectable(ApplicationId("eu", "Application", "argocd", "checkout-prod"), "shop", "eu-1", "payments", LABELS)
PATTERN = Target(
    "$APPLICATION",
    "argocd",
    ApplicationRef("", ""),
    Workload("Deployment", "$NAMESPACE", "$LABEL_app_kubernetes_io_name"),
    paths=("apps/$LABEL_app_kubernetes_io_name/**", "shared/**"),
    depends_on=("db-$CLUSTER",),
    selector=Selector(project="shop"),
)
SELECTORS: dict[str, tuple[Selector, bool]] = {
    "nothing-said": (Selector(), False),
    "engine-alone": (Selector(engine="argocd"), False),
    "project": (Selector(project="shop"), True),
    "other-project": (Selector(project="shops"), False),
    "project-glob": (Selector(project="sh*"), True),
    "name-glob": (Selector(name="checkout-*"), True),
    "other-name": (Selector(name="*-staging"), False),
    "own-namespace": (Selector(namespace="argocd"), True),
    "namespace-of-its-workloads": (Selector(namespace="payments"), False),
    "label": (Selector(labels=(("tier", "web"),)), True),
    "label-no-glob": (Selector(labels=(("tier", "*"),)), False),
    "one-label-of-two": (Selector(labels=(("team", "a"), ("tier", "web"))), False),
    "all-must-fit": (Selector(project="shop", name="x*", labels=(("tier", "web"),)), False),
    "other-engine": (Selector(engine="flux", project="shop"), False),
}


@pytest.mark.parametrize(("selector", "expected"), SELECTORS.values(), ids=SELECTORS)
def test_a_selector_takes_in_what_all_its_words_fit(selector: Selector, expected: bool) -> None:
    assert takes_in(selector, ONE) is expected


@pytest.mark.parametrize("kind", ["Kustomization", "HelmRelease"])
def test_of_flux_it_takes_in_both_kinds(kind: str) -> None:
    one = replace(ONE, id=replace(ONE.id, kind=kind))
    assert takes_in(Selector(engine="flux", name="checkout-*"), one)
    assert not takes_in(Selector(name="checkout-*"), one)


def test_a_pattern_becomes_a_target_of_the_application_with_its_own_words() -> None:
    assert filled(PATTERN, ONE) == Target(
        "checkout-prod",
        "argocd",
        ApplicationRef("argocd", "checkout-prod", "Application", "eu"),
        Workload("Deployment", "payments", "checkout"),
        paths=("apps/checkout/**", "shared/**"),
        depends_on=("db-eu-1",),
    )


EU, REST = MetricSettings(url="https://eu", clusters=("eu-1", "eu-2")), MetricSettings(url="https://rest")


@pytest.mark.parametrize(
    ("sources", "cluster", "url"),
    [
        ((), "eu-1", "https://own"),
        ((EU, REST), "eu-2", "https://eu"),
        ((EU, REST), "us-1", "https://rest"),
        ((EU,), "us-1", None),
    ],
    ids=["one-for-all", "its-own", "the-rest", "nobody"],
)
def test_a_policy_is_asked_of_the_source_that_serves_the_cluster(
    sources: tuple[MetricSettings, ...], cluster: str, url: str | None
) -> None:
    policy = Policy("p", "p.yaml", "a" * 40, (), (), metrics=MetricSettings(url="https://own"), sources=sources)
    found = placed(policy, cluster)
    assert (found.metrics.url if found else None) == url


@pytest.mark.parametrize(
    "lacking",
    [replace(ONE, labels={"tier": "web"}), replace(ONE, namespace=""), replace(ONE, cluster="")],
    ids=["label", "namespace", "cluster"],
)
def test_what_has_no_word_for_a_variable_is_no_target(lacking: Selectable) -> None:
    assert filled(PATTERN, lacking) is None
