"""Is an engine that nobody named there, and does it go on being there for us when its server says no for a moment?"""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from flux_cluster import FakeChanges, FakeCluster

from gitops_rollback.adapters.engines.argocd_objects import ArgoCdObjects
from gitops_rollback.adapters.engines.argocd_objects_settings import ArgoCdObjectsSettings
from gitops_rollback.adapters.engines.flux import Flux
from gitops_rollback.adapters.engines.flux_settings import FluxSettings
from gitops_rollback.adapters.kubernetes.errors import Unserved
from gitops_rollback.ports import Engine

NOW = datetime(2026, 11, 27, 3, 0, tzinfo=UTC)
DECISIVE = {"applications", "kustomizations"}


def engines(cluster: FakeCluster, found: bool) -> tuple[Engine, Engine]:
    followed = FakeChanges()
    return (
        ArgoCdObjects(ArgoCdObjectsSettings(if_installed=found), cluster, followed, lambda: NOW),
        Flux(FluxSettings(if_installed=found), cluster, followed, lambda: NOW),
    )


@pytest.mark.parametrize("which", [0, 1], ids=["argocd", "flux"])
def test_what_nobody_named_and_is_not_installed_has_no_applications_at_any_look(which: int) -> None:
    engine = engines(FakeCluster(unserved=set(DECISIVE)), found=True)[which]
    assert [engine.applications() for _ in range(3)] == [(), (), ()]


@pytest.mark.parametrize("which", [0, 1], ids=["argocd", "flux"])
def test_what_was_served_once_is_not_gone_because_the_server_says_so(which: int) -> None:
    cluster = FakeCluster()
    engine = engines(cluster, found=True)[which]
    assert engine.applications() == ()
    cluster.unserved = set(DECISIVE)
    with pytest.raises(Unserved):
        engine.applications()


@pytest.mark.parametrize("which", [0, 1], ids=["argocd", "flux"])
def test_what_the_settings_name_has_to_be_there(which: int) -> None:
    with pytest.raises(Unserved):
        engines(FakeCluster(unserved=set(DECISIVE)), found=False)[which].applications()
