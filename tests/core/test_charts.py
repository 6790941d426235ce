"""Which versions of charts come back, and what a plan waits for when one may be gone."""

from __future__ import annotations

import pytest
from plan_facts import facts

from gitops_rollback.core.charts import Chart, ChartPresence, addresses_of, charts_coming_back, charts_of
from gitops_rollback.core.errors import Reason
from gitops_rollback.core.guards.charts import judge_charts
from gitops_rollback.core.images import Found
from gitops_rollback.core.policy import GuardResult

ALLOW, ASK, NOT_EVALUATED = GuardResult.ALLOW, GuardResult.ASK, GuardResult.NOT_EVALUATED
REPOSITORY = "https://charts.example.com/stable"
HELM_REPOSITORY = f"""\
apiVersion: source.toolkit.fluxcd.io/v1
kind: HelmRepository
metadata: {{name: stable, namespace: flux-system}}
spec: {{url: "{REPOSITORY}/"}}
"""
RELEASE = """\
apiVersion: helm.toolkit.fluxcd.io/v2
kind: HelmRelease
metadata: {name: redis}
spec:
  chart:
    spec: {chart: redis, version: 18.1.0, sourceRef: {kind: HelmRepository, name: stable}}
"""
NAMED: dict[str, tuple[str, str, tuple[Chart, ...] | None]] = {
    "argocd-source": (
        "apps/redis.yaml",
        f"spec:\n  source:\n    repoURL: {REPOSITORY}\n    chart: redis\n    targetRevision: 18.1.0\n",
        (Chart(REPOSITORY, "redis", "18.1.0"),),
    ),
    "argocd-registry-without-scheme": (
        "apps/redis.yaml",
        "spec:\n  sources:\n  - repoURL: registry.example.com/charts\n    chart: redis\n    targetRevision: 1.0.0\n",
        (Chart("oci://registry.example.com/charts", "redis", "1.0.0"),),
    ),
    "argocd-git": ("a.yaml", "spec:\n  source: {repoURL: https://git.example.com/a.git, path: x}\n", ()),
    "kustomize": (
        "kustomization.yaml",
        f"helmCharts:\n- {{name: redis, repo: {REPOSITORY}, version: 18.1.0}}\n- {{name: own}}\n",
        (Chart(REPOSITORY, "redis", "18.1.0"),),
    ),
    "dependencies": (
        "charts/shop/Chart.yaml",
        f"name: shop\nversion: 1.0.0\ndependencies:\n- {{name: redis, version: ~18, repository: {REPOSITORY}}}\n"
        '- {name: own, version: 1.0.0, repository: "file://../own"}\n- {name: b, version: 1.0.0, repository: "@b"}\n',
        (Chart(REPOSITORY, "redis", "~18"),),
    ),
    "flux-release": ("redis.yaml", RELEASE, (Chart(REPOSITORY, "redis", "18.1.0"),)),
    "flux-unknown-repository": ("redis.yaml", RELEASE.replace("stable", "other"), (Chart("", "redis", "18.1.0"),)),
    "flux-artifact": (
        "podinfo.yaml",
        "kind: OCIRepository\nspec:\n  url: oci://ghcr.io/stefanprodan/charts/podinfo\n  ref: {tag: 6.5.0}\n",
        (Chart("oci://ghcr.io/stefanprodan/charts", "podinfo", "6.5.0"),),
    ),
    "template": ("templates/app.yaml", "spec:\n  source: {chart: redis, targetRevision: {{ .Values.v }} }\n", None),
}


@pytest.mark.parametrize(("path", "content", "expected"), NAMED.values(), ids=NAMED)
def test_a_chart_is_named_in_each_way_that_engines_know(
    path: str, content: str, expected: tuple[Chart, ...] | None
) -> None:
    assert charts_of(path, content.encode(), addresses_of([HELM_REPOSITORY.encode()])) == expected


def test_a_repository_that_two_files_declare_differently_has_no_address() -> None:
    other = HELM_REPOSITORY.replace("charts.example.com", "other.example.com")
    assert addresses_of([HELM_REPOSITORY.encode(), None, other.encode()]) == {}


@pytest.mark.parametrize(
    ("version", "exact"), [("1.2.3", True), ("v1.2.3-rc.1+b", True), ("1.2", False), ("^1.2.3", False), ("", False)]
)
def test_a_range_is_no_version(version: str, exact: bool) -> None:
    assert Chart(REPOSITORY, "redis", version).is_exact is exact


def test_what_comes_back_is_what_the_base_does_not_name() -> None:
    new, old = RELEASE.encode(), RELEASE.replace("18.1.0", "18.0.0").encode()
    addresses = addresses_of([HELM_REPOSITORY.encode()])
    assert charts_coming_back([("redis.yaml", new, old)], addresses) == (Chart(REPOSITORY, "redis", "18.0.0"),)
    assert charts_coming_back([("redis.yaml", new, new), ("gone.yaml", new, None)], addresses) == ()


def test_a_template_holds_nothing_up_unless_it_may_name_a_chart() -> None:
    label = b"metadata:\n  labels:\n    helm.sh/chart: {{ .Chart.Name }}\n    chart: {{ .Chart.Name }}\n"
    source = (
        b"spec:\n  source:\n    repoURL: https://x.example\n    chart: redis\n    targetRevision: {{ .Values.v }}\n"
    )
    assert charts_coming_back([("templates/a.yaml", None, label)], {}) == ()
    assert charts_coming_back([("templates/a.yaml", None, source)], {}) is None


def presence(found: Found, message: str = "") -> ChartPresence:
    return ChartPresence(Chart(REPOSITORY, "redis", "18.0.0"), found, message)


THERE, GONE, SILENT = presence(Found.PRESENT), presence(Found.MISSING), presence(Found.NO_ANSWER, "no answer")
ANSWERS: dict[str, tuple[tuple[ChartPresence, ...] | None, GuardResult, Reason | None, str]] = {
    "there": ((THERE,), ALLOW, None, f"there: redis 18.0.0 of {REPOSITORY}"),
    "none": ((), ALLOW, None, "no version of a chart comes back"),
    "gone": ((SILENT, GONE, THERE), ASK, Reason.CHART_MISSING, "gone: redis 18.0.0"),
    "silent": ((THERE, SILENT), ASK, Reason.CHART_UNKNOWN, "(no answer)"),
    "not-asked": ((presence(Found.NOT_ASKED, "none of ours"),), NOT_EVALUATED, None, "not looked up: redis 18.0.0"),
    "unseen": (None, ASK, Reason.CHART_UNKNOWN, "cannot be seen"),
    "many": ((GONE,) * 5, ASK, Reason.CHART_MISSING, "and 2 more"),
}


@pytest.mark.parametrize(("charts", "result", "reason", "words"), ANSWERS.values(), ids=ANSWERS)
def test_a_plan_waits_for_a_chart_that_is_not_known_to_be_there(
    charts: tuple[ChartPresence, ...] | None, result: GuardResult, reason: Reason | None, words: str
) -> None:
    found = judge_charts(facts(charts=charts))
    assert (found.result, found.reason) == (result, reason)
    assert words in found.message
