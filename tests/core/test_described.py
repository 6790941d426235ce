"""An application as its engine tells of it leads to the files that its manifest would lead to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime

from gitops_rollback.core.closure.described import described, settings_of
from gitops_rollback.core.closure.finding import of_objects
from gitops_rollback.core.closure.tree import Tree
from gitops_rollback.core.sync import ApplicationId, ApplicationState, Health, Source, SyncStatus

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
OURS = "https://git.example/shop/config"


def state(*sources: Source, kind: str = "Application") -> ApplicationState:
    id = ApplicationId("default", kind, "argocd", "web")
    return ApplicationState(
        id, "uid", "default", "in-cluster", "shop", sources, SyncStatus.SYNCED, (), Health.HEALTHY, NOW
    )


def inputs(files: Mapping[str, str], told: ApplicationState, *ours: int) -> set[str]:
    tree = Tree({path: path for path in files}, lambda path: files[path].encode())
    return set(of_objects([tree], described(told, ours)).why)


def test_values_of_a_chart_from_elsewhere_count_where_they_are_ours() -> None:
    chart = Source("https://charts.example", chart="web", value_files=("$values/envs/prod.yaml", "values.yaml"))
    values = Source(OURS, ref="values")
    files = {"envs/prod.yaml": "a: 1\n", "values.yaml": "a: 1\n", "envs/test.yaml": "a: 1\n"}
    assert inputs(files, state(chart, values), 1) == {"envs/prod.yaml"}


def test_a_folder_of_another_repository_is_none_of_ours() -> None:
    other, own = Source("https://git.example/other", path="apps/web"), Source(OURS, path="apps/own")
    files = {"apps/web/a.yaml": "a: 1\n", "apps/own/a.yaml": "a: 1\n"}
    assert inputs(files, state(other, own), 1) == {"apps/own/a.yaml"}


def test_tool_settings_and_the_own_manifest_are_followed() -> None:
    parameters = '{"directory":{"recurse":true},"kustomize":{}}'
    manifest = "apiVersion: argoproj.io/v1alpha1\nkind: Application\nmetadata: {name: web, namespace: argocd}\n"
    files = {
        "apps/web/deep/a.yaml": "a: 1\n",
        "root/web.yaml": manifest,
        "root/cart.yaml": manifest.replace("web", "x"),
    }
    assert inputs(files, state(Source(OURS, path="apps/web", parameters=parameters)), 0) == {
        "apps/web/deep/a.yaml",
        "root/web.yaml",
    }


def test_a_kustomization_of_flux_is_followed_with_its_components() -> None:
    told = state(Source(OURS, path="apps/web", parameters='{"components":["../../parts"]}'), kind="Kustomization")
    files = {"apps/web/a.yaml": "kind: A\n", "parts/kustomization.yaml": "resources: []\n", "other/a.yaml": "kind: A\n"}
    assert inputs(files, told, 0) == {"apps/web/a.yaml", "parts/kustomization.yaml"}


def test_a_helm_release_renders_its_chart_and_the_folder_that_brings_it() -> None:
    told = state(Source(OURS, path="charts/web"), Source(OURS, path="releases/web"), kind="HelmRelease")
    files = {"charts/web/Chart.yaml": "name: web\n", "releases/web/release.yaml": "kind: A\n", "x.yaml": "kind: A\n"}
    assert inputs(files, told, 0, 1) == {"charts/web/Chart.yaml", "releases/web/release.yaml"}
    assert inputs(files, told, 1) == {"releases/web/release.yaml"}


def test_settings_that_were_too_long_are_not_taken_for_none() -> None:
    assert settings_of(Source(OURS)) == {}
    assert settings_of(Source(OURS, parameters='{"sha256":"00"}')) is None
    assert described(replace(state(Source(OURS)), id=ApplicationId("x", "Thing", "a", "b")), (0,)) == ()


def test_a_value_file_that_is_not_there_is_told_unless_it_may_be_missing() -> None:
    for settings, missing in (("", 1), ('{"helm":{"ignoreMissingValueFiles":true}}', 0)):
        told = state(Source(OURS, path="charts/web", value_files=("prod.yaml",), parameters=settings))
        tree = Tree({"charts/web/Chart.yaml": ""}, lambda _blob: b"name: web\n")
        assert len(of_objects([tree], described(told, (0,))).missing) == missing
