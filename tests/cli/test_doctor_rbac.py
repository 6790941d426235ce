"""`doctor --rbac` prints the least rights that the settings need, as they can be applied."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import yaml
from config_world import Answer, World

Cli = Callable[..., Answer]


def roles(answer: Answer) -> dict[str, str]:
    """The roles by their names, with the namespace of each; bindings are checked to be for the same account."""
    assert answer.code == 0
    documents = [one for one in yaml.safe_load_all(answer.out) if one]
    for one in documents:
        for subject in one.get("subjects", ()):
            assert (subject["name"], one["roleRef"]["name"]) == ("gitops-rollback", one["metadata"]["name"])
    named = [one["metadata"] for one in documents if one["kind"].endswith("Role")]
    return {one["name"].removeprefix("gitops-rollback-"): one.get("namespace", "") for one in named}


@pytest.mark.parametrize(
    ("flags", "wanted"),
    [
        (("--flux",), {"leases": "gitops-rollback", "flux": "", "pods": ""}),
        (("--argocd-objects",), {"leases": "gitops-rollback", "argocd": "", "pods": ""}),
        (("--argocd-objects", "--flux"), {"leases": "gitops-rollback", "argocd": "", "flux": "", "pods": ""}),
    ],
)
@pytest.mark.usefixtures("world")
def test_each_engine_needs_its_own_and_no_other(cli: Cli, flags: tuple[str, ...], wanted: dict[str, str]) -> None:
    assert roles(cli("doctor", "--rbac", *flags)) == wanted


def test_argo_cd_by_its_api_needs_nothing_of_a_cluster(world: World, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ARGOCD_SERVER", "https://argocd.example.com")
    assert roles(cli("doctor", "--rbac", "--repo", world.url)) == {}


def test_beside_argo_cd_by_its_api_what_else_writes_is_seen_where_there_is_a_cluster(
    world: World, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ARGOCD_SERVER", "https://argocd.example.com")
    monkeypatch.setenv("GITOPS_ROLLBACK_LEADER_ELECT", "true")
    found = roles(cli("doctor", "--rbac", "--repo", world.url))
    assert found == {"leases": "gitops-rollback", "writers": ""}


def test_the_own_namespace_is_that_of_the_settings(world: World, cli: Cli, tmp_path: object) -> None:
    config = f"{tmp_path}/settings.yaml"
    with open(config, "w") as file:
        file.write(f"repositories: [{{url: '{world.url}'}}]\nflux: {{}}\nkubernetes: {{ownNamespace: rollback}}\n")
    answer = cli("doctor", "--rbac", "--config", config)
    assert roles(answer)["leases"] == "rollback"
    assert "namespace: gitops-rollback" not in answer.out
