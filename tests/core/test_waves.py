"""Which children of an app-of-apps come before which, by what a list of Applications shows."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

import pytest

from gitops_rollback.core.sync import ApplicationId, ApplicationState, Health, SyncStatus
from gitops_rollback.core.waves import LABEL, TRACKED, WAVE, needs_by_waves

NOW = datetime(2026, 11, 1, tzinfo=UTC)


def child(
    name: str, wave: str = "", parent: str = "shop", labels: Mapping[str, str] | None = None, kind: str = "Application"
) -> ApplicationState:
    annotations = {TRACKED: f"{parent}:argoproj.io/Application:argocd/{name}"} if parent else {}
    annotations |= {WAVE: wave} if wave else {}
    identity = ApplicationId("default", kind, "argocd", name)
    return ApplicationState(
        identity, "", "default", "in-cluster", "shop", (), SyncStatus.SYNCED, (), Health.HEALTHY, NOW,
        annotations=annotations, labels=labels or {},
    )  # fmt: skip


def copied(name: str, of: str, wave: str) -> ApplicationState:
    state = child(of, wave)
    return ApplicationState(**{**vars(state), "id": ApplicationId("default", "Application", "argocd", name)})


@pytest.mark.parametrize(
    ("states", "expected"),
    [
        ([child("a"), child("b", "1"), child("c", "2")], {"b>a", "c>a", "c>b"}),
        ([child("a", "-1"), child("b")], {"b>a"}),
        ([child("a", "1"), child("b", "1")], set()),
        ([child("a"), child("b", "1", parent="other")], set()),
        ([child("a", parent=""), child("b", "1", parent="")], set()),
        ([child("a", "first"), child("b", "1")], {"b>a"}),
        ([child("a", parent="", labels={LABEL: "shop"}), child("b", "1", parent="", labels={LABEL: "shop"})], {"b>a"}),
        ([child("a", parent="", labels={LABEL: "a"}), child("b", "1", parent="", labels={LABEL: "a"})], set()),
        ([child("a"), copied("b", "a", "1")], set()),
        ([child("a", kind="Kustomization"), child("b", "1", kind="Kustomization")], set()),
    ],
    ids=[
        "waves", "before zero", "one wave", "another parent", "no parent", "no number", "tracked by label",
        "a label of its own", "a copied manifest", "not Argo CD",
    ],
)  # fmt: skip
def test_an_application_needs_those_of_earlier_waves(states: list[ApplicationState], expected: set[str]) -> None:
    found = {f"{name.rpartition('/')[2]}>{other.rpartition('/')[2]}" for name, other in needs_by_waves(states)}
    assert found == expected
