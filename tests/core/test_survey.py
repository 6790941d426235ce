"""Which applications are found in repositories as people have them, and what is said of each."""

from __future__ import annotations

import pytest
from layouts import (
    APP_OF_APPS,
    APPLICATION_SETS,
    FLUX_MONOREPO,
    FLUX_ROOT,
    FLUX_TENANTS,
    OVERLAYS,
    PLAIN,
    UMBRELLA,
    URL,
    Files,
    application,
    deployment,
    kustomization,
    tree_of,
)

from gitops_rollback.core.survey import Ours, Survey, survey

HERE = Ours((f"{URL}.git",), "main")


def look(files: Files, ours: Ours = HERE, engine: str = "") -> Survey:
    return survey(tree_of(files), ours, "acme/config", engine)


def found(seen: Survey) -> dict[str, str]:
    return {one.label: one.renderer for one in seen.found}


def left_out(seen: Survey) -> dict[str, str]:
    return {one.label: one.why for one in seen.left_out}


def test_flux_a_monorepo_of_two_clusters() -> None:
    seen = look(FLUX_MONOREPO)
    assert found(seen) == {
        "HelmRelease podinfo/podinfo": "the Helm chart podinfo",
        "HelmRelease ingress-nginx/ingress-nginx": "the Helm chart ingress-nginx",
    }
    brings = "it only brings other applications, which are watched themselves"
    assert left_out(seen) == dict.fromkeys(
        (f"Kustomization flux-system/{name}" for name in ("apps", "flux-system", "infra-controllers")), brings
    )
    assert (seen.engines, seen.from_root) == (("flux",), "")


def test_flux_a_kustomization_with_workloads_is_one_for_all_clusters() -> None:
    web = {"apps/base/web/kustomization.yaml": kustomization("web.yaml"), "apps/base/web/web.yaml": deployment("web")}
    overlays = {f"apps/{one}/kustomization.yaml": kustomization("../base/web") for one in ("staging", "production")}
    (one,) = [one for one in look({**FLUX_MONOREPO, **web, **overlays}).found if one.kind == "Kustomization"]
    assert (one.label, one.folders) == ("Kustomization flux-system/apps", ("apps/production", "apps/staging"))
    assert one.workload is None  # no namespace is said


def test_flux_a_tenant_that_follows_another_branch_is_left_out() -> None:
    seen = look(FLUX_TENANTS)
    assert left_out(seen)["Kustomization apps/dev-team"] == "it follows dev-team of this repository, not main"
    assert (seen.found, seen.from_root) == ((), "")


def test_flux_that_takes_every_file_of_the_repository_is_seen() -> None:
    assert look(FLUX_ROOT).from_root == "flux-system/flux-system"
    named = {**FLUX_ROOT, "kustomization.yaml": kustomization("web/deployment.yaml")}
    assert look(named).from_root == ""


def test_argo_cd_an_app_of_apps_in_a_chart() -> None:
    seen = look(APP_OF_APPS)
    assert found(seen) == {
        "Application argocd/helm-guestbook": "Helm",
        "Application argocd/kustomize-guestbook": "Kustomize",
    }
    assert left_out(seen) == {
        "Application argocd/root": "it only brings other applications, which are watched themselves",
        "Application argocd/elsewhere": "it renders from https://git.example.com/others/app, not from this repository",
    }
    assert [one.workload for one in seen.found] == [None, None]  # a template, and a prefix, make their names


def test_argo_cd_application_sets_are_followed_as_far_as_git_tells() -> None:
    seen = look(APPLICATION_SETS)
    assert found(seen) == {
        "Application argocd/metrics": "plain manifests",
        "Application argocd/orders-dev": "Kustomize",
        "Application argocd/orders-prod": "Kustomize",
    }
    why = "not all that it makes is known: its generator clusters asks what git does not tell"
    assert left_out(seen) == {"ApplicationSet everywhere": why}
    metrics, orders, _ = seen.found
    assert metrics.workload is not None
    assert (metrics.workload.namespace, metrics.workload.name) == ("kube-system", "metrics-server")
    assert metrics.manifest == "sets/addons.yaml"
    assert orders.workload is not None
    assert (orders.workload.namespace, orders.workload.name) == ("orders-dev", "orders")
    assert orders.keeps == "orders has a database in its environment (ORDERS_DATABASE_URL)"


def test_helm_an_umbrella_and_not_its_parts() -> None:
    seen = look(UMBRELLA)
    assert found(seen) == {"Application argocd/shop": "Helm"}
    assert seen.found[0].guessed


def test_kustomize_overlays_and_not_their_base() -> None:
    seen = look(OVERLAYS)
    assert found(seen) == dict.fromkeys(
        (f"Application argocd/{name}" for name in ("checkout-dev", "checkout-prod", "ledger")), "Kustomize"
    )
    dev, prod, ledger = seen.found
    assert [one.workload and one.workload.namespace for one in (dev, prod)] == ["shop-dev", "shop-prod"]
    assert (dev.keeps, ledger.keeps) == ("", "ledger is a StatefulSet")


def test_plain_folders_with_workloads_for_either_engine() -> None:
    seen, flux = look(PLAIN), look(PLAIN, engine="flux")
    assert found(seen) == dict.fromkeys(("Application argocd/web", "Application argocd/worker"), "plain manifests")
    assert [one.label for one in flux.found] == ["Kustomization flux-system/web", "Kustomization flux-system/worker"]
    assert all(one.workload and one.workload.namespace == "shop" for one in (*seen.found, *flux.found))


@pytest.mark.parametrize(
    ("more", "why"),
    {
        "a claim": (", volumes: [{persistentVolumeClaim: {claimName: data}}]", "web mounts a volume claim"),
        "an address": (", env: [{name: DSN, value: 'mysql://db/x'}]", "web has a database in its environment (DSN)"),
        "a name": (
            ", env: [{name: DB_HOST, valueFrom: {secretKeyRef: {name: db, key: host}}}]",
            "web has a database in its environment (DB_HOST)",
        ),
        "nothing": (", env: [{name: LOG_LEVEL, value: debug}]", ""),
    }.values(),
    ids=["a claim", "an address", "a name", "nothing"],
)
def test_what_keeps_data_is_seen(more: str, why: str) -> None:
    assert look({"web/deployment.yaml": deployment("web", "shop", more)}).found[0].keeps == why


@pytest.mark.parametrize(
    ("url", "revision", "why"),
    {
        "another spelling": ("git@git.example.com:acme/Config.git", "main", ""),
        "a mirror": ("https://mirror.example.com/acme/config", "main", ""),
        "another branch": (URL, "release", "it follows release of this repository, not main"),
        "another repository": (f"{URL}-2", "main", f"it renders from {URL}-2, not from this repository"),
        "no folder": (URL, "main", "gone is not in this repository"),
    }.values(),
    ids=["another spelling", "a mirror", "another branch", "another repository", "no folder"],
)
def test_whether_it_is_ours(url: str, revision: str, why: str) -> None:
    path = "gone" if why.startswith("gone") else "web"
    text = application("web", path, url).replace("HEAD", revision)
    seen = look({"apps/web.yaml": text, "web/deployment.yaml": deployment("web")})
    assert left_out(seen) == ({"Application argocd/web": why} if why else {})
    assert len(seen.found) == (0 if why else 1)


def test_without_an_address_what_stands_here_is_ours() -> None:
    files = {"apps/web.yaml": application("web", "web"), "web/deployment.yaml": deployment("web")}
    assert look(files, Ours()).found[0].folders == ("web",)


def test_a_repository_without_anything_to_run_has_no_application() -> None:
    assert look({"README.md": "hello\n", "values.yaml": "a: 1\n"}) == Survey()
