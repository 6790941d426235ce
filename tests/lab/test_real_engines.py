"""Does it roll back what a real Flux and a real Argo CD deployed, with the rights of `deploy/` and no more?"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import programs
import pytest
import yaml
from argo_cd import NAMESPACE, ArgoCd
from shop import Controller, Shop
from systems import Cluster, Machine, start_flux, start_prometheus

from gitops_rollback.sandbox.git_server import GitServer

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
FLUX = "flux-system"
PODS, ERRORS = "pods-do-not-come-up", "errors"


@pytest.fixture(scope="session")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    if missing := programs.missing():
        pytest.fail(f"not built: {', '.join(missing)}; `python3 make.py lab` builds them")
    with ExitStack() as ending:
        yield Machine(tmp_path_factory.mktemp("lab"), ending)


@pytest.fixture(scope="session")
def cluster(machine: Machine) -> Cluster:
    found = Cluster(machine)
    found.start()
    return found


@pytest.fixture(scope="session")
def prometheus(cluster: Cluster) -> str:
    return start_prometheus(cluster.machine, cluster.kubelet)


@pytest.fixture(scope="session")
def git(machine: Machine) -> Iterator[GitServer]:
    root = machine.folder / "git"
    root.mkdir()
    server = GitServer(root).start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def account(cluster: Cluster) -> Path:
    """A kubeconfig of the account that `deploy/` makes, with the rights for both engines and no others."""
    folder = cluster.machine.folder / "deploy"
    shutil.copytree(DEPLOY, folder)
    parts = [f"components/{name}" for name in ("flux", "argocd", "pods")]
    text = {"kind": "Kustomization", "resources": ["base"], "components": parts}
    (folder / "kustomization.yaml").write_text(yaml.safe_dump(text))
    cluster.apply_folder(folder)
    return cluster.access_of("gitops-rollback", "gitops-rollback")


@pytest.fixture(scope="session")
def flux(cluster: Cluster) -> None:
    start_flux(cluster)


@pytest.fixture(scope="session")
def argo_cd(cluster: Cluster) -> ArgoCd:
    found = ArgoCd(cluster)
    found.start()
    return found


def shop_of_flux(name: str, git: GitServer, cluster: Cluster) -> Shop:
    """A shop that Flux deploys, with a wait for its health."""
    shop = Shop(name, "flux", FLUX, git, cluster)
    source = {"interval": "10s", "url": shop.url, "ref": {"branch": "main"}}
    applied = {
        "interval": "1m", "timeout": "1m", "path": "./app", "prune": True, "wait": True,
        "sourceRef": {"kind": "GitRepository", "name": name},
    }  # fmt: skip
    cluster.apply(
        _object("source.toolkit.fluxcd.io/v1", "GitRepository", FLUX, name, source),
        _object("kustomize.toolkit.fluxcd.io/v1", "Kustomization", FLUX, name, applied),
    )
    shop.runs("1.0.0")
    return shop


def shop_of_argo_cd(name: str, git: GitServer, cluster: Cluster) -> Shop:
    """A shop that Argo CD deploys, and heals by itself."""
    shop = Shop(name, "argocd", NAMESPACE, git, cluster)
    spec = {
        "project": "default",
        "source": {"repoURL": shop.url, "path": "app", "targetRevision": "main"},
        "destination": {"server": "https://kubernetes.default.svc", "namespace": name},
        "syncPolicy": {"automated": {"prune": True, "selfHeal": True}},
    }
    cluster.apply(_object("argoproj.io/v1alpha1", "Application", NAMESPACE, name, spec))
    shop.runs("1.0.0")
    return shop


def _object(version: str, kind: str, namespace: str, name: str, spec: dict[str, Any]) -> dict[str, Any]:
    return {"apiVersion": version, "kind": kind, "metadata": {"name": name, "namespace": namespace}, "spec": spec}


def takes_back(tag: str, fired: str, shop: Shop, settings: dict[str, str]) -> None:
    """A good release stays; the one after it, for which this trigger fires, is taken back, and only that."""
    controller = Controller(shop, shop.cluster.machine, settings)
    code, said = controller.verb("doctor")
    assert code == 0, said
    controller.run()
    shop.release("1.1.0")
    shop.runs("1.1.0")
    shop.release(tag)
    record = controller.ends("verified")
    assert shop.messages()[:2] == [f'Revert "{shop.name} {tag}"', f"{shop.name} {tag}"]
    assert record["triggers"] == [fired]
    shop.runs("1.1.0")


def test_flux(flux: None, git: GitServer, cluster: Cluster, account: Path, prometheus: str) -> None:
    access = {"GITOPS_ROLLBACK_FLUX": "true", "KUBECONFIG": str(account), "PROMETHEUS_URL": prometheus}
    takes_back("1.2.0-crash", PODS, shop_of_flux("basket", git, cluster), access)


def test_argo_cd_by_its_api(argo_cd: ArgoCd, git: GitServer, cluster: Cluster, prometheus: str) -> None:
    access = {"ARGOCD_SERVER": argo_cd.url, "ARGOCD_AUTH_TOKEN_FILE": str(argo_cd.token_file)}
    takes_back("1.2.0-crash", PODS, shop_of_argo_cd("checkout", git, cluster), access | {"PROMETHEUS_URL": prometheus})


def test_argo_cd_by_its_objects(
    argo_cd: ArgoCd, git: GitServer, cluster: Cluster, account: Path, prometheus: str
) -> None:
    access = {"GITOPS_ROLLBACK_ARGOCD_OBJECTS": "true", "KUBECONFIG": str(account), "PROMETHEUS_URL": prometheus}
    takes_back("1.2.0-bad", ERRORS, shop_of_argo_cd("search", git, cluster), access)
