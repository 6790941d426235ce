"""Which applications apply the same directory to the same place?"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from gitops_rollback.core.claims import claimed_twice
from gitops_rollback.core.sync import (
    ApplicationId,
    ApplicationState,
    Health,
    ResourceStatus,
    Source,
    SyncStatus,
)

ONE = ApplicationState(
    ApplicationId("default", "Application", "argocd", "web"), "u1", "default", "in-cluster", "shop",
    (Source("https://git.example/shop/config", "apps/web", "main"),), SyncStatus.SYNCED, (), Health.HEALTHY,
    datetime(2026, 11, 20, tzinfo=UTC),
)  # fmt: skip
FLUX = ApplicationId("flux", "Kustomization", "flux-system", "web")
SECOND = ApplicationId("default", "Application", "argocd", "web-2")
WEB = ResourceStatus("apps", "Deployment", "shop", "web")


def other(identity: ApplicationId = FLUX, source: dict[str, Any] | None = None, **fields: Any) -> ApplicationState:
    return replace(ONE, id=identity, sources=(replace(ONE.sources[0], **(source or {})),), **fields)


def collide(one: ApplicationState, two: ApplicationState) -> bool:
    found = claimed_twice([(one, one.sources), (two, two.sources)])
    assert found in ({}, {str(one.id): (str(two.id),), str(two.id): (str(one.id),)})
    return bool(found)


def test_two_applications_of_one_place_are_told() -> None:
    assert collide(ONE, other())
    assert collide(ONE, other(SECOND))
    assert collide(replace(ONE, destination="https://kubernetes.default.svc"), other(source={"path": "./apps/web/"}))
    assert collide(ONE, other(source={"parameters": "{}"}))


@pytest.mark.parametrize(
    "beside",
    [
        other(destination="https://another.example:6443"),
        other(namespace="another"),
        other(source={"path": "apps/other"}),
        other(SECOND, source={"parameters": '{"kustomize": {"namePrefix": "b-"}}'}),
        other(SECOND, source={"value_files": ("b.yaml",)}),
        other(deleting=True),
        other(replace(FLUX, kind="HelmRelease")),
        ONE,
    ],
    ids=["cluster", "namespace", "path", "settings", "values", "going", "release", "itself"],
)
def test_what_another_one_applies_elsewhere_or_otherwise_is_no_claim(beside: ApplicationState) -> None:
    assert not collide(ONE, beside)


def test_what_both_engines_show_decides() -> None:
    one = replace(ONE, resources=(WEB,))
    assert collide(one, other(SECOND, source={"parameters": "{}"}, resources=(WEB,)))
    assert not collide(one, other(SECOND, resources=(replace(WEB, name="web-2"),)))
