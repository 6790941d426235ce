"""The least rights in a cluster that the settings need: the very manifests of `deploy/`, and none besides."""

from __future__ import annotations

from collections.abc import Iterator

from gitops_rollback.app.manifests import NAMESPACE, deploy_folder
from gitops_rollback.app.settings import Settings

OWN_ROLE = "gitops-rollback-leases"  # the one right that is needed in the own namespace alone


def rights_of(settings: Settings) -> str:
    """YAML for `kubectl apply -f -`, for the account `gitops-rollback`; "" where nothing of a cluster is needed."""
    wanted = settings.kubernetes.own_namespace if settings.kubernetes is not None else ""
    namespace = wanted or NAMESPACE
    text = "---\n".join((deploy_folder() / name / "rbac.yaml").read_text("utf-8") for name in _parts(settings))
    text = text.replace(f"metadata: {{name: {OWN_ROLE}}}", f"metadata: {{name: {OWN_ROLE}, namespace: {NAMESPACE}}}")
    return text.replace(f"namespace: {NAMESPACE}}}", f"namespace: {namespace}}}")


def _parts(settings: Settings) -> Iterator[str]:
    by_objects = settings.argocd_objects is not None and settings.argocd_objects.enabled
    flux = settings.flux is not None and settings.flux.enabled
    if settings.elects:
        yield "base"
    if by_objects:
        yield "components/argocd"
    if flux:
        yield "components/flux"
    if by_objects or flux:
        yield "components/pods"
    if settings.uses_kubernetes and settings.argocd and not by_objects:
        yield "components/writers"
    if any(one.instance in settings.with_events for one in settings.argocd):
        yield "components/events"
