"""`init --plugins` and `init --print-manifests`: the program in other tools, and in a cluster."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from config_world import Answer, World

from gitops_rollback.cli.plugins import NAMES, linked

Cli = Callable[..., Answer]


@pytest.fixture
def scripts(tmp_path: Path) -> Path:
    """Where the wheel has put its programs."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in NAMES.values():
        (folder / name).write_text("#!/bin/sh\necho plugin\n")
        (folder / name).chmod(0o755)
    return folder


def found(scripts: Path, home: Path, **environ: str) -> dict[str, bool]:
    return {one.tool: one.found for one in linked({"HOME": str(home), "PATH": str(scripts), **environ}, scripts)}


def test_all_three_find_it_and_flux_by_a_link_that_runs(scripts: Path, tmp_path: Path) -> None:
    for _ in range(2):
        assert found(scripts, tmp_path) == {"kubectl": True, "argocd": True, "flux": True}
    link = tmp_path / ".fluxcd" / "plugins" / "flux-gitops-rollback"
    assert subprocess.run([link], capture_output=True, text=True, check=True).stdout == "plugin\n"


def test_the_folder_is_the_one_that_flux_is_told(scripts: Path, tmp_path: Path) -> None:
    assert found(scripts, tmp_path, FLUXCD_PLUGINS=str(tmp_path / "mine"))["flux"]
    assert (tmp_path / "mine" / "flux-gitops-rollback").is_symlink()
    assert not (tmp_path / ".fluxcd").exists()


def test_another_program_is_kept_and_a_link_that_leads_nowhere_is_made_anew(scripts: Path, tmp_path: Path) -> None:
    link = tmp_path / "flux-gitops-rollback"
    link.symlink_to(tmp_path / "gone")
    assert found(scripts, tmp_path, FLUXCD_PLUGINS=str(tmp_path))["flux"]
    link.unlink()
    link.write_text("somebody else's")
    assert not found(scripts, tmp_path, FLUXCD_PLUGINS=str(tmp_path))["flux"]
    assert link.read_text() == "somebody else's"


def test_what_lies_beside_path_is_told_with_what_mends_it(scripts: Path, tmp_path: Path) -> None:
    told = {one.tool: one for one in linked({"HOME": str(tmp_path), "PATH": "/nowhere"}, scripts)}
    assert not told["kubectl"].found
    assert told["kubectl"].remedy == f'export PATH="{scripts}:$PATH"'


@pytest.mark.parametrize(
    ("engine", "roles"),
    [("argocd", []), ("flux", ["gitops-rollback-flux", "gitops-rollback-pods"])],
)
def test_the_manifests_are_those_that_kubectl_builds(world: World, cli: Cli, engine: str, roles: list[str]) -> None:
    answer = cli("init", "--repo", world.url, "--print-manifests", "--engine", engine)
    assert answer.code == 0
    made = [one for one in yaml.safe_load_all(answer.out) if one]
    assert [one["metadata"]["name"] for one in made if one["kind"] == "ClusterRole"] == roles
    wide = ("Namespace", "ClusterRole", "ClusterRoleBinding")
    assert {one["metadata"].get("namespace") for one in made if one["kind"] not in wide} == {"gitops-rollback"}
    assert not [one for one in made if one["kind"] in wide and "namespace" in one["metadata"]]
    (settings,) = [one["data"] for one in made if one["kind"] == "ConfigMap"]
    assert settings["GITOPS_ROLLBACK_REPO"] == world.url
    assert ("ARGOCD_SERVER" in settings, settings.get("GITOPS_ROLLBACK_FLUX")) == (
        (True, None) if engine == "argocd" else (False, "true")
    )
