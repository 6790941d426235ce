"""Which engines does `run` speak to, and what must be installed and allowed for that?"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from gitops_rollback.adapters.engines.argocd_objects import ArgoCdObjects
from gitops_rollback.app.settings_input import load_settings
from gitops_rollback.app.wiring import Parts, wire
from gitops_rollback.core.errors import SettingsInvalid

REPO = "https://git.example.com/acme/config.git"
ARGOCD = {"ARGOCD_SERVER": "https://argocd.example.com", "ARGOCD_AUTH_TOKEN": "t"}
KUBECONFIG = """
apiVersion: v1
kind: Config
current-context: here
contexts: [{name: here, context: {cluster: c, user: u}}, {name: there, context: {cluster: d, user: u}}]
clusters: [{name: c, cluster: {server: SERVER}}, {name: d, cluster: {server: "https://there.example:6443"}}]
users: [{name: u, user: {token: t}}]
"""


@pytest.fixture
def kubeconfig(tmp_path: Path) -> str:
    path = tmp_path / "config"
    path.write_text(KUBECONFIG.replace("SERVER", "http://127.0.0.1:16443"))
    return str(path)


@contextmanager
def wired(environ: dict[str, str], **flags: object) -> Iterator[Parts]:
    parts = wire(load_settings({"HOME": "/nowhere", **environ}, {"repo": (REPO,), **flags}))
    yield parts
    parts.close()


def test_argo_cd_alone_needs_nothing_of_kubernetes(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith("gitops_rollback.adapters.kubernetes.")]:
        if name.endswith((".access", ".transport")):
            monkeypatch.delitem(sys.modules, name)
    for name in ["lightkube", *(name for name in sys.modules if name.startswith("lightkube."))]:
        monkeypatch.setitem(sys.modules, name, None)
    with wired(ARGOCD) as parts:
        assert ([engine.instance for engine in parts.engines], parts.kubernetes) == (["default"], None)
    with (
        pytest.raises(SettingsInvalid, match=r"pip install '\.\[kubernetes\]' in a clone"),
        wired({}, flux=True),
    ):
        pass


def test_flux_alone_is_found_by_its_kubeconfig(kubeconfig: str) -> None:
    with wired({}, flux=True, kubeconfig=kubeconfig) as parts:
        assert [engine.instance for engine in parts.engines] == ["flux"]
        assert parts.kubernetes is not None
        assert parts.kubernetes.server == "http://127.0.0.1:16443"


def test_a_cluster_and_no_engine_named_are_both_engines_through_kubernetes(
    kubeconfig: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A target's `engine` is `argocd` by REST where ARGOCD_SERVER is set, else through Kubernetes, as `flux` is."""
    monkeypatch.setenv("KUBECONFIG", kubeconfig)
    with wired({"KUBECONFIG": kubeconfig}) as parts:
        assert sorted(engine.instance for engine in parts.engines) == ["default", "flux"]


@pytest.mark.parametrize(
    ("file", "engines"),
    [
        ("flux: {}", ["flux"]),
        ("argocdObjects: {instance: prod}", ["prod"]),
        ("flux: {enabled: false}", ["default"]),
        ("argocd: [{server: 'https://argocd.example.com'}]", ["default"]),
        ("argocdObjects: {enabled: false}\nflux: {enabled: false}", []),
    ],
)
def test_who_names_an_engine_gets_no_other(kubeconfig: str, tmp_path: Path, file: str, engines: list[str]) -> None:
    (tmp_path / "settings.yaml").write_text(f"{file}\n")
    environ = {"GITOPS_ROLLBACK_KUBECONFIG": kubeconfig} if "server" not in file else {"KUBECONFIG": kubeconfig}
    with wired(environ, config=str(tmp_path / "settings.yaml")) as parts:
        assert [engine.instance for engine in parts.engines] == engines
        assert (parts.kubernetes is None) == ("server" in file)


def test_without_an_engine_and_a_cluster_nothing_of_kubernetes_is_needed(tmp_path: Path) -> None:
    with wired({"KUBECONFIG": str(tmp_path / "absent")}) as parts:
        assert (parts.engines, parts.kubernetes) == ((), None)


def test_the_argo_cd_of_the_cluster_is_reached_by_its_objects_without_a_token_of_it(kubeconfig: str) -> None:
    with wired({}, argocd_objects=True, kubeconfig=kubeconfig) as parts:
        assert [(engine.instance, type(engine)) for engine in parts.engines] == [("default", ArgoCdObjects)]
    with pytest.raises(SettingsInvalid, match="not in a Pod, and no kubeconfig"), wired({}, argocd_objects=True):
        pass


def test_both_engines_are_wired_over_one_client(kubeconfig: str, tmp_path: Path) -> None:
    file = tmp_path / "gitops-rollback.yaml"
    file.write_text(f"flux: {{instance: prod}}\nkubernetes: {{kubeconfig: {kubeconfig}, context: there}}\n")
    with wired(ARGOCD, config=str(file)) as parts:
        assert [engine.instance for engine in parts.engines] == ["default", "prod"]
        assert parts.kubernetes is not None
        assert parts.kubernetes.server == "https://there.example:6443"


def test_a_file_that_turns_flux_off_needs_no_cluster(tmp_path: Path) -> None:
    file = tmp_path / "gitops-rollback.yaml"
    file.write_text("flux: {enabled: false}\n")
    with wired(ARGOCD, config=str(file)) as parts:
        assert ([engine.instance for engine in parts.engines], parts.kubernetes) == (["default"], None)


def test_without_any_cluster_flux_says_what_is_missing() -> None:
    with pytest.raises(SettingsInvalid, match="not in a Pod, and no kubeconfig"), wired({}, flux=True):
        pass


def test_scaled_time_is_refused_for_a_cluster_beyond_loopback(kubeconfig: str) -> None:
    scaled = {"GITOPS_ROLLBACK_CLOCK": "0,30"}
    flags = {"repo": ("http://127.0.0.1:9/a/b",), "flux": True, "kubeconfig": kubeconfig}
    with wired(scaled, **flags) as parts:
        assert parts.kubernetes is not None
    with (
        pytest.raises(SettingsInvalid, match=r"there\.example:6443: scaled time"),
        wired(scaled, **flags, context="there"),
    ):
        pass
