"""What is applied to a cluster so that the controller runs there: the very manifests of `deploy/`, for these engines.

The same objects as `kubectl kustomize deploy/` with the components of the engines, as text with its comments; the
settings stand in a ConfigMap. The Secret with the tokens is for a person to make.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from pathlib import Path

from gitops_rollback.core.survey import ARGOCD, FLUX

NAMESPACE = "gitops-rollback"  # as the manifests have it
BASE = ("namespace", "serviceaccount", "rbac", "deployment", "service", "networkpolicy", "poddisruptionbudget")
CLUSTER_WIDE = ("Namespace", "ClusterRole", "ClusterRoleBinding")
REPO = "GITOPS_ROLLBACK_REPO"
TOKENS = """# Beside these a Secret with the tokens is needed; the names of its keys are those of the ConfigMap's files:
#   kubectl -n gitops-rollback create secret generic gitops-rollback \\
#     --from-file=git-token=FILE{argocd}
"""
_KIND = re.compile(r"^kind: (\w+)$", re.MULTILINE)
_NAME = re.compile(r"^metadata: \{name: ([\w.-]+)\}$", re.MULTILINE)


def deploy_folder() -> Path:
    """Inside the package where it is installed, beside the source in a checkout."""
    inside = Path(__file__).resolve().parents[1] / "deploy"
    return inside if inside.is_dir() else Path(__file__).resolve().parents[2] / "deploy"


def manifests_for(engines: Collection[str], url: str) -> str:
    """YAML for `kubectl apply -f -`. `url` is the config repository; "" leaves the example's."""
    files = [f"base/{name}.yaml" for name in BASE]
    if FLUX in engines:
        files += ["components/flux/rbac.yaml", "components/pods/rbac.yaml"]
    texts = [_placed((deploy_folder() / file).read_text("utf-8").strip() + "\n") for file in files]
    argocd = " --from-file=argocd-token=FILE" if ARGOCD in engines else ""
    return TOKENS.format(argocd=argocd) + "---\n".join([texts[0], _settings(engines, url), *texts[1:]])


def _placed(text: str) -> str:
    """Each object in the namespace, as kustomize puts it there."""
    parts = text.split("\n---\n")
    return "\n---\n".join(part if _is_cluster_wide(part) else _NAME.sub(_in_namespace, part) for part in parts)


def _is_cluster_wide(part: str) -> bool:
    kind = _KIND.search(part)
    return kind is not None and kind.group(1) in CLUSTER_WIDE


def _in_namespace(name: re.Match[str]) -> str:
    return f"metadata: {{name: {name.group(1)}, namespace: {NAMESPACE}}}"


def _settings(engines: Collection[str], url: str) -> str:
    lines = [
        "# What to watch; the README names every variable.",
        "apiVersion: v1",
        "kind: ConfigMap",
        f"metadata: {{name: gitops-rollback, namespace: {NAMESPACE}}}",
        "data:",
    ]
    return "\n".join([*lines, *_variables(engines, url)]) + "\n"


def _variables(engines: Collection[str], url: str) -> Iterator[str]:
    for line in (deploy_folder() / "base" / "settings.env").read_text("utf-8").splitlines():
        name, _, value = line.partition("=")
        if name.startswith("ARGOCD_") and ARGOCD not in engines:
            continue
        yield f"  {name}: {_quoted(url if name == REPO and url else value)}"
    if FLUX in engines:
        yield '  GITOPS_ROLLBACK_FLUX: "true"'


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
