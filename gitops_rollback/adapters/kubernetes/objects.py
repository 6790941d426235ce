"""One object of any kind, in the cluster whose API we speak to: how its kind is addressed the API itself says.

Source: Kubernetes docs, The Kubernetes API, "Discovery API" (unaggregated): APIResourceList.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from gitops_rollback.adapters.kubernetes.client import Kubernetes
from gitops_rollback.adapters.kubernetes.errors import Unserved
from gitops_rollback.adapters.kubernetes.home import is_here
from gitops_rollback.adapters.kubernetes.resources import Resource
from gitops_rollback.core.errors import EngineUnavailable, RollbackError
from gitops_rollback.core.infrastructure import TERRAFORM_KIND, RunObject
from gitops_rollback.core.kargo import KIND as STAGE_KIND
from gitops_rollback.core.strategy import CANARY_KIND
from gitops_rollback.core.sync import ApplicationState

TERRAFORMS = Resource("infra.contrib.fluxcd.io", "v1alpha2", "terraforms")
STAGES = Resource("kargo.akuity.io", "v1alpha1", "stages")
CANARIES = Resource("flagger.app", "v1beta1", "canaries")


class ClusterObjects:
    """`ports.Objects`. What a kind is called is asked once; usable from several threads."""

    def __init__(self, client: Kubernetes) -> None:
        self._client = client
        self._known = {
            (TERRAFORMS.api_version, TERRAFORM_KIND): (TERRAFORMS, True),
            (STAGES.api_version, STAGE_KIND): (STAGES, True),
            (CANARIES.api_version, CANARY_KIND): (CANARIES, True),
        }

    def find(
        self, application: ApplicationState, named: Sequence[RunObject]
    ) -> Mapping[RunObject, Mapping[str, object]]:
        """As the port has it. Raises besides: `errors.Unserved` for a kind that the API does not serve."""
        if not self.is_home(application):
            message = f"its objects are in another cluster, {application.destination}, into which nobody looks"
            raise EngineUnavailable(application.id.short, message)
        found = ((one, self._get(one, application.namespace)) for one in named)
        return {one: value for one, value in found if value is not None}

    def serves(self, application: ApplicationState, api_version: str, kind: str) -> bool | None:
        """As the port has it; None for another cluster's, and while the API does not say. Asked anew each time."""
        if not self.is_home(application):
            return None
        try:
            return kind in self._client.served(api_version)
        except Unserved:
            return False
        except RollbackError:
            return None

    def is_home(self, application: ApplicationState) -> bool:
        """The application's workloads run in this cluster."""
        return is_here(application.destination, self._client.server)

    def _get(self, named: RunObject, home: str) -> Mapping[str, object] | None:
        resource, namespaced = self._resource(named.api_version, named.kind)
        return self._client.get(resource, (named.namespace or home) if namespaced else "", named.name)

    def _resource(self, api_version: str, kind: str) -> tuple[Resource, bool]:
        known = self._known.get((api_version, kind)) or self._served(api_version, kind)
        self._known[api_version, kind] = known
        return known

    def _served(self, api_version: str, kind: str) -> tuple[Resource, bool]:
        try:
            return self._client.served(api_version)[kind]
        except (Unserved, KeyError):
            raise Unserved(self._client.subject, f"it serves no {kind} of {api_version}") from None
