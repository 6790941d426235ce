"""The objects that tell Argo CD Image Updater what to keep up to date, from the API that has the Applications.

Source: argocd-image-updater v1.3 api/v1alpha1/groupversion_info.go, config/crd.
"""

from __future__ import annotations

from collections.abc import Mapping

from gitops_rollback.adapters.kubernetes.client import Kubernetes
from gitops_rollback.adapters.kubernetes.errors import Unserved
from gitops_rollback.adapters.kubernetes.resources import Resource
from gitops_rollback.core.errors import CredentialsRejected
from gitops_rollback.core.sync import ApplicationState

IMAGE_UPDATERS = Resource("argocd-image-updater.argoproj.io", "v1alpha1", "imageupdaters")


class ClusterImageUpdaters:
    """`ports.lookups.ImageUpdaters`."""

    def __init__(self, client: Kubernetes) -> None:
        self._client = client

    def beside(self, application: ApplicationState) -> tuple[Mapping[str, object], ...]:
        """None of them for an application of another engine, or without the right to see them. Raises: as the API does.

        By its commits it is known all the same, so that who has not given that right is not asked about each plan.
        """
        if application.id.kind != "Application":
            return ()
        try:
            return tuple(self._client.list_objects(IMAGE_UPDATERS, application.id.namespace).items)
        except (Unserved, CredentialsRejected):
            return ()
