"""Which files are an application's own."""

from __future__ import annotations

import pytest

from gitops_rollback.core.paths import Paths, is_bystander, matches, own_paths, shared_paths
from gitops_rollback.core.sync import Source

MATCHES = [
    ("apps/web", "apps/web/deployment.yaml", True),
    ("apps/web", "apps/web", True),
    ("apps/web", "apps/web-2/deployment.yaml", False),
    ("/apps/web/", "apps/web/a/b.yaml", True),
    ("./apps/web", "apps/web/a.yaml", True),
    ("", "anything.yaml", True),
    ("apps/*/values.yaml", "apps/web/values.yaml", True),
    ("apps/*/values.yaml", "apps/web/prod/values.yaml", False),
    ("apps/*", "apps/web/values.yaml", False),
    ("apps/*/", "apps/web/prod/values.yaml", True),
    ("apps/**", "apps/web/prod/values.yaml", True),
    ("**/*.sql", "001.sql", True),
    ("**/*.sql", "db/migrations/001.sql", True),
    ("**/migrations/**", "db/migrations/001.sql", True),
    ("**/migrations/**", "db/migration/001.sql", False),
    ("a/**/z", "a/z", True),
    ("a/**/z", "a/b/c/z", True),
    ("web-?.yaml", "web-1.yaml", True),
    ("web-?.yaml", "web-12.yaml", False),
    ("../secrets", "secrets/a.yaml", False),
    ("apps/../../x", "x", False),
    ("apps/../base", "base/a.yaml", True),
    ("*a*a*a*b", "a" * 200, False),
]


@pytest.mark.parametrize(("pattern", "path", "expected"), MATCHES)
def test_a_pattern_names_files(pattern: str, path: str, expected: bool) -> None:
    assert matches(pattern, path) is expected


def test_no_pattern_of_a_policy_costs_more_than_its_length() -> None:
    assert not matches("/".join(["**", "a*a*a"] * 30), "/".join(["aaaaaaaaab"] * 200))


def own(*sources: Source, ours: tuple[int, ...] = (0,), globs: tuple[str, ...] = ()) -> Paths:
    return own_paths(sources, ours, globs)


OWN = {
    "directory": (own(Source("r", "apps/web")), "apps/web/kustomization.yaml", True),
    "argocd-source-file": (own(Source("r", "apps/web")), "apps/web/.argocd-source-web.yaml", True),
    "root": (own(Source("r", "")), "deployment.yaml", True),
    "dot-is-the-root": (own(Source("r", ".")), "deployment.yaml", True),
    "value-file-beside": (own(Source("r", "charts/web", value_files=("../../v/prod.yaml",))), "v/prod.yaml", True),
    "value-file-from-root": (own(Source("r", "charts/web", value_files=("/v/prod.yaml",))), "v/prod.yaml", True),
    "value-file-outside": (own(Source("r", "c", value_files=("../../v.yaml",))), "v.yaml", False),
    "globs-replace": (own(Source("r", "apps/web"), globs=("base/**",)), "apps/web/a.yaml", False),
    "not-ours": (own(Source("r", "apps/web"), ours=()), "apps/web/a.yaml", False),
}


@pytest.mark.parametrize(("paths", "path", "expected"), OWN.values(), ids=OWN)
def test_own_files_of_one_source(paths: Paths, path: str, expected: bool) -> None:
    assert (path in paths) is expected


@pytest.mark.parametrize(
    ("path", "expected"),
    [("envs/prod/web.yaml", True), ("envs/prod/other.yaml", False), ("web/Chart.yaml", False)],
)
def test_a_chart_of_elsewhere_reads_its_values_from_our_repository(path: str, expected: bool) -> None:
    chart = Source("https://charts.example", chart="web", value_files=("$values/envs/prod/web.yaml", "values.yaml"))
    values = Source("r", ref="values")
    assert (path in own(chart, values, ours=(1,))) is expected


def test_a_value_file_of_the_web_is_no_file_of_ours() -> None:
    assert own(Source("r", "c", value_files=("https://x/v.yaml",))).patterns == ("c",)


def test_a_reference_to_a_foreign_repository_is_not_ours() -> None:
    chart = Source("https://charts.example", chart="web", value_files=("$values/web.yaml",))
    assert "web.yaml" not in own(chart, Source("foreign", ref="values"), ours=())


BYSTANDERS = [
    ("README.md", True),
    ("charts/web/README.md", True),
    ("docs/a.yaml", True),
    ("apps/docs/a.yaml", False),
    ("LICENSE", True),
    (".github/CODEOWNERS", True),
    ("web/hydrator.metadata", True),
    (".gitlab-ci.yml", True),
    ("apps/.gitlab-ci.yml", False),
    (".gitops-rollback/policies/a.yaml", True),
    ("renovate.json", True),
    ("base/kustomization.yaml", False),
    ("Makefile", False),
]


@pytest.mark.parametrize(("path", "expected"), BYSTANDERS)
def test_documentation_policies_and_ci_are_rendered_by_nobody(path: str, expected: bool) -> None:
    assert is_bystander(path) is expected


def test_shared_files_lie_outside_of_every_application() -> None:
    applications = (Paths(("apps/web",)), Paths(("apps/api",)))
    paths = ("apps/web/a.yaml", "apps/api/b.yaml", "base/c.yaml", "README.md")
    assert shared_paths(paths, applications) == ("base/c.yaml",)
