"""The objects of GitOps Promoter, from the API that we speak to: whoever runs it has them in a namespace of his own.

Source: gitops-promoter api/v1alpha1/groupversion_info.go, config/crd.
"""

from __future__ import annotations

from collections.abc import Mapping

from gitops_rollback.adapters.kubernetes.client import Kubernetes
from gitops_rollback.adapters.kubernetes.errors import Unserved
from gitops_rollback.adapters.kubernetes.resources import Resource
from gitops_rollback.core.errors import CredentialsRejected
from gitops_rollback.core.promoter import GROUP, REPOSITORY, STRATEGY, TRANSFER

KINDS = {
    TRANSFER: Resource(GROUP, "v1alpha1", "changetransferpolicies"),
    STRATEGY: Resource(GROUP, "v1alpha1", "promotionstrategies"),
    REPOSITORY: Resource(GROUP, "v1alpha1", "gitrepositories"),
}


class ClusterPromoters:
    """`ports.lookups.Promoters`."""

    def __init__(self, client: Kubernetes) -> None:
        self._client = client

    def objects(self) -> tuple[Mapping[str, object], ...]:
        """Of a kind that is not served, or that we may not see, there are none. Raises: as the API does.

        By its merges it is known all the same, so that who has not given that right is not asked about each plan.
        """
        return tuple({**one, "kind": kind} for kind, resource in KINDS.items() for one in self._listed(resource))

    def _listed(self, resource: Resource) -> tuple[Mapping[str, object], ...]:
        try:
            return tuple(self._client.list_objects(resource).items)
        except (Unserved, CredentialsRejected):
            return ()
