"""Which engines are meant where the settings name none? Those of the cluster, if there is a way to one.

Whoever names an engine gets that one alone: with Argo CD by its own API no right in a cluster is needed.
Source: interfaces.md, Engine; kubectl's order (flag, KUBECONFIG, ~/.kube/config), and the Pod's own account before it.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from gitops_rollback.app.settings import ArgoCDObjects, Flux, Settings

NO_ENGINE = "no engine: the settings name none, and there is neither a kubeconfig nor a Pod's account to find one by"
NONE_INSTALLED = "no engine: the settings name none, and the cluster that was found has neither Argo CD nor Flux"
NAME_ONE = "set ARGOCD_SERVER, or give --kubeconfig (or KUBECONFIG) of the cluster where Argo CD or Flux runs"


def engines_of_cluster(settings: Settings, environ: Mapping[str, str]) -> dict[str, object]:
    """Argo CD by its objects and Flux, where the settings name no engine; {} where they do, or no cluster is found."""
    named = bool(settings.argocd) or any(
        one is not None and one.enabled for one in (settings.argocd_objects, settings.flux)
    )
    if named or not _has_cluster(settings, environ):
        return {}
    left_out = {"argocd_objects": settings.argocd_objects is None, "flux": settings.flux is None}
    meant: dict[str, object] = {"argocd_objects": ArgoCDObjects(), "flux": Flux()}
    return {"engines_found": True, **{name: meant[name] for name, free in left_out.items() if free}}


def _has_cluster(settings: Settings, environ: Mapping[str, str]) -> bool:
    """An address is there; whether it answers, and may be asked, is said by who asks."""
    access = settings.kubernetes
    if (access is not None and (access.kubeconfig or access.context)) or environ.get("KUBERNETES_SERVICE_HOST"):
        return True
    named = [path for path in environ.get("KUBECONFIG", "").split(os.pathsep) if path]
    home = environ.get("HOME", "")
    paths = named or ([f"{home}/.kube/config"] if home else [])
    return any(Path(path).expanduser().is_file() for path in paths)
