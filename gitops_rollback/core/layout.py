"""How is a repository laid out: which folders are rendered by themselves, by what, and what would one call each?

A folder is rendered by itself where nothing else in the repository takes it in: an overlay and not its base, a chart
and not what it depends on.
"""

from __future__ import annotations

import posixpath
import re

from gitops_rollback.core.closure.finding import of_kustomization
from gitops_rollback.core.closure.helm import CHART_FILES
from gitops_rollback.core.closure.jsonnet import ENDINGS as JSONNET
from gitops_rollback.core.closure.tree import YAML_ENDINGS, Tree, joined, mappings
from gitops_rollback.core.manifest import KUSTOMIZATION_NAMES, objects_in

HELM, KUSTOMIZE, PLAIN = "Helm", "Kustomize", "plain manifests"
RUNS = frozenset({"Deployment", "StatefulSet", "DaemonSet", "Rollout", "CronJob"})
# Folders whose names say how a repository is sorted, and nothing about what lies in them.
SORTING = frozenset(
    {"app", "apps", "applications", "base", "bases", "chart", "charts", "cluster", "clusters", "config", "deploy"}
    | {"deployment", "deployments", "env", "environments", "envs", "helm", "k8s", "kubernetes", "kustomize"}
    | {"manifests", "overlay", "overlays", "services", "variants", "workloads"}
)
_NOT_IN_NAMES = re.compile(r"[^a-z0-9]+")


def folders_to_render(tree: Tree) -> tuple[str, ...]:
    """Charts, overlays, and folders of plain manifests with workloads, in order."""
    files = [path for path in tree.blobs if posixpath.basename(path) in CHART_FILES]
    charts, overlays = frozenset(posixpath.dirname(path) for path in files), _overlays(tree)
    taken = {path for folder in overlays for path in of_kustomization((tree,), folder).why}
    plain = {
        posixpath.dirname(path)
        for path in tree.blobs
        if path.endswith(YAML_ENDINGS)
        and path not in taken
        and not any(_is_below(path, chart) for chart in charts)
        and _runs_something(tree, path)
    }
    bases = {posixpath.dirname(path) for path in taken}
    return tuple(sorted({*(charts - _parts(tree, charts) - bases), *overlays, *(plain - bases)}))


def renderer_of(tree: Tree, folder: str) -> str:
    """What an engine takes for the folder."""
    if any(tree.is_file(posixpath.join(folder, name)) for name in CHART_FILES):
        return HELM
    if tree.kustomization_of(folder) is not None:
        return KUSTOMIZE
    return "jsonnet" if any(path.endswith(JSONNET) for path in tree.directly_in(folder)) else PLAIN


def name_of(folder: str, repository: str) -> str:
    """What one would call the application that a folder is: its path without the words that only sort it."""
    parts = [_NOT_IN_NAMES.sub("-", part.lower()).strip("-") for part in folder.split("/")]
    telling = [part for part in parts if part and part not in SORTING]
    return "-".join(telling)[:63].strip("-") or plain_name(repository)


def plain_name(text: str) -> str:
    """A text as a name that Kubernetes takes; `first` where nothing is left of it."""
    return _NOT_IN_NAMES.sub("-", text.lower()).strip("-")[:63].strip("-") or "first"


def _parts(tree: Tree, charts: frozenset[str]) -> frozenset[str]:
    """The charts that render nothing by themselves: libraries, those inside of another, and what others depend on."""
    found = {folder for folder in charts if any(_is_below(folder, one) for one in charts if one != folder)}
    for chart in charts:
        for name in (*CHART_FILES, "requirements.yaml"):
            for document in mappings(tree.documents(posixpath.join(chart, name))):
                found |= {chart} if document.get("type") == "library" else set()
                for one in mappings(document.get("dependencies")):
                    address = str(one.get("repository") or "")
                    local = joined(chart, address.removeprefix("file://")) if address.startswith("file://") else None
                    found |= {local} if local is not None else set()
    return frozenset(found)


def _overlays(tree: Tree) -> frozenset[str]:
    """The kustomizations that no other one builds on."""
    files = {path: posixpath.dirname(path) for path in tree.blobs if posixpath.basename(path) in KUSTOMIZATION_NAMES}
    components = {
        path for path in files if any(one.get("kind") == "Component" for one in mappings(tree.documents(path)))
    }
    built_on = {
        path
        for own, folder in files.items()
        for path in of_kustomization((tree,), folder).why
        if path in files and path != own
    }
    return frozenset(folder for path, folder in files.items() if path not in built_on | components)


def _runs_something(tree: Tree, path: str) -> bool:
    objects = (one for document in tree.manifests(path) for one in objects_in(dict(document), path))
    return any(one.kind in RUNS for one in objects)


def _is_below(path: str, folder: str) -> bool:
    return not folder or path.startswith(f"{folder}/")
