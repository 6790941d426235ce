"""Which objects of an application does Argo CD show as they are now? Also in clusters that only Argo CD can reach.

Source: contracts/argocd.md section 9 (`managed-resources`): the live state is there with its status.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from gitops_rollback.core.infrastructure import RunObject
from gitops_rollback.core.sync import ApplicationId, ApplicationState
from gitops_rollback.ports import ManagedObject


class Shows(Protocol):
    """The one method of the engine that is needed."""

    def live_objects(self, application: ApplicationId, project: str) -> tuple[ManagedObject, ...]: ...


class Near(Protocol):
    """A Kubernetes API at hand, which may be another cluster than the application's."""

    def is_home(self, application: ApplicationState) -> bool: ...

    def find(
        self, application: ApplicationState, named: Sequence[RunObject]
    ) -> Mapping[RunObject, Mapping[str, object]]: ...

    def serves(self, application: ApplicationState, api_version: str, kind: str) -> bool | None: ...


class ArgoCdFound:
    """`ports.Objects` for the applications of one Argo CD."""

    def __init__(self, engine: Shows, near: Near | None = None) -> None:
        self._engine = engine
        self._near = near

    def find(
        self, application: ApplicationState, named: Sequence[RunObject]
    ) -> Mapping[RunObject, Mapping[str, object]]:
        """Those that the application manages; others by the API at hand, except for what is to be gone.

        Raises: EngineUnavailable; CredentialsRejected; what the API refuses.
        """
        live = [one.live for one in self._engine.live_objects(application.id, application.project) if one.live]
        found = {one: document for one in named for document in live if _is(document, one)}
        others = [one for one in named if one not in found and not one.gone]
        if others and self._near is not None and self._near.is_home(application):
            return {**found, **self._near.find(application, others)}
        return found

    def serves(self, application: ApplicationState, api_version: str, kind: str) -> bool | None:
        """As the API at hand says, where the application lives there."""
        return self._near.serves(application, api_version, kind) if self._near is not None else None


def _is(document: Mapping[str, object], named: RunObject) -> bool:
    """By group, kind and name: a manifest may leave its namespace to the engine, and be served in another version."""
    metadata, api_version = document.get("metadata"), document.get("apiVersion")
    if document.get("kind") != named.kind or not isinstance(metadata, Mapping) or not isinstance(api_version, str):
        return False
    same_place = metadata.get("name") == named.name and named.namespace in ("", metadata.get("namespace"))
    return same_place and api_version.rpartition("/")[0] == named.api_version.rpartition("/")[0]
