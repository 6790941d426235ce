"""What one reconciliation of a HelmRelease works on, and what it says in the end of how the release is.

Source: helm-controller internal/reconcile/reconcile.go and release.go (summarize).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gitops_rollback.sandbox.charts import Chart
from gitops_rollback.sandbox.flux.draft import READY, STALLED, Draft
from gitops_rollback.sandbox.flux.helm.spec import HelmSpec
from gitops_rollback.sandbox.flux.helm.storage import Release, Storage
from gitops_rollback.sandbox.flux.spec import Timing
from gitops_rollback.sandbox.flux.status import Subject
from gitops_rollback.sandbox.rendering import Json

RELEASED, REMEDIATED, TESTED = "Released", "Remediated", "TestSuccess"


@dataclass
class Request:
    """The chart and the values that are wanted, the status as it is to be, and Helm's storage."""

    draft: Draft
    spec: HelmSpec
    chart: Chart
    values: Mapping[str, Any]
    storage: Storage
    timing: Timing

    @property
    def subject(self) -> Subject:
        return self.draft.subject

    @property
    def history(self) -> list[Json]:
        """The snapshots, the newest first."""
        return list(self.draft.fields.get("history") or ())

    @history.setter
    def history(self, wanted: list[Json]) -> None:
        self.draft.fields["history"] = wanted
        if not wanted:
            del self.draft.fields["history"]

    @property
    def releases(self) -> list[Release]:
        """What Helm remembers, the oldest first."""
        return self.storage.all(self.spec.storage_namespace, self.spec.release_name)

    def keep(self, release: Release) -> None:
        """Write a release into Helm's storage."""
        self.storage.put(self.spec.storage_namespace, release, self.spec.max_history)

    def count(self, field: str) -> None:
        """One more failure of a kind."""
        self.draft.fields[field] = int(self.draft.fields.get(field) or 0) + 1

    def observe(self, release: Release, seen: Json, may_add: bool = False) -> None:
        """Put what was seen of a release in the place of its snapshot, or before all others."""
        history = self.history
        for index, one in enumerate(history):
            if one["version"] == release.version:
                tested = {"testHooks": one["testHooks"]} if "testHooks" in one and "testHooks" not in seen else {}
                history[index] = {**seen, **tested}
                break
        else:
            history = [seen, *history] if may_add else history
        self.history = history


def summarize(request: Request) -> None:
    """Ready says what the most telling of the other conditions does; to have gone back is never to be ready."""
    draft, spec = request.draft, request.spec
    telling = [REMEDIATED, RELEASED]
    if spec.tests and not spec.ignores_tests:
        telling.insert(1, TESTED)
    if not spec.tests:
        draft.drop(TESTED)
    found = [draft.condition(kind) for kind in telling if draft.condition(kind)]
    if not found:
        return
    newest = max(one["observedGeneration"] for one in found)
    first = next(one for one in found if one["observedGeneration"] == newest)
    status = "False" if first["type"] == REMEDIATED else first["status"]
    if status == "True":
        draft.drop(STALLED)
    draft.mark(READY, status, first["reason"], first["message"])


def full_name(one: Json) -> str:
    """A snapshot's release as messages name it: `fleet/fleet-bill.v1`."""
    return f"{one['namespace']}/{one['name']}.v{one['version']}"


def chart_of(one: Json) -> str:
    """A snapshot's chart as messages name it: `bill@0.1.0`."""
    return f"{one['chartName']}@{one['chartVersion']}"
