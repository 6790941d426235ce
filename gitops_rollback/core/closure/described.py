"""An application as its engine tells of it, as the objects that a closure is looked for.

Only what lies in our repository is told: a path in another repository is none of ours, even where both have it.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping

from gitops_rollback.core.closure.objects import GENERATE_PATHS
from gitops_rollback.core.manifest_text import Value
from gitops_rollback.core.sync import ApplicationState, Source

Document = Mapping[str, Value]

ARGO = "argoproj.io/v1alpha1"
KUSTOMIZATION = "kustomize.toolkit.fluxcd.io/v1"
HELM_RELEASE = "helm.toolkit.fluxcd.io/v2"


def described(state: ApplicationState, ours: Collection[int]) -> tuple[Document, ...]:
    """The objects to follow; `ours` are the indexes of `state.sources` in our repository. () for an unknown kind."""
    sources = [(source, index in ours) for index, source in enumerate(state.sources)]
    match state.id.kind:
        case "Application":
            return (_application(state, sources),)
        case "Kustomization":
            return tuple(_kustomization(state, source) for source, own in sources if own)
        case "HelmRelease":
            return tuple(_helm_release(state, sources))
    return ()


def settings_of(source: Source) -> dict[str, Value] | None:
    """The source's tool settings; None where the engine's answer was too long to be kept whole."""
    try:
        found = as_value(json.loads(source.parameters)) if source.parameters else {}
    except ValueError:
        return None
    return found if isinstance(found, dict) and set(found) != {"sha256"} else None


def as_value(document: object) -> Value:
    """JSON as the texts that YAML would show."""
    if isinstance(document, dict):
        return {str(key): as_value(value) for key, value in document.items()}
    if isinstance(document, (list, tuple)):
        return tuple(as_value(value) for value in document)
    if isinstance(document, bool):
        return "true" if document else "false"
    return None if document is None else str(document)


def _application(state: ApplicationState, sources: list[tuple[Source, bool]]) -> Document:
    refs = {f"${source.ref}" for source, own in sources if own and source.ref}
    metadata = _metadata(state)
    globs = state.annotations.get(GENERATE_PATHS)
    if globs:
        metadata["annotations"] = {GENERATE_PATHS: globs}
    if state.applicationset:
        metadata["ownerReferences"] = ({"kind": "ApplicationSet", "name": state.applicationset},)
    told = tuple(_source(source, own, refs) for source, own in sources)
    return {"apiVersion": ARGO, "kind": "Application", "metadata": metadata, "spec": {"sources": told}}


def _source(source: Source, ours: bool, refs: Collection[str]) -> Value:
    tools = settings_of(source) or {}
    helm = tools.get("helm")
    files = tuple(name for name in source.value_files if _is_ours(name, ours, refs))
    told: dict[str, Value] = {**tools, "repoURL": source.repo_url}
    told["helm"] = {**(helm if isinstance(helm, dict) and ours else {}), "valueFiles": files}
    if not ours or source.chart:  # its own files are elsewhere
        return {**told, "chart": source.chart or source.path or source.repo_url}
    return {**told, "path": source.path, **({"ref": source.ref} if source.ref else {})}


def _is_ours(name: str, ours: bool, refs: Collection[str]) -> bool:
    return name.partition("/")[0] in refs if name.startswith("$") else ours


def _kustomization(state: ApplicationState, source: Source) -> Document:
    spec: dict[str, Value] = {**(settings_of(source) or {}), "path": source.path}
    return {"apiVersion": KUSTOMIZATION, "kind": "Kustomization", "metadata": _metadata(state), "spec": spec}


def _helm_release(state: ApplicationState, sources: list[tuple[Source, bool]]) -> Iterator[Document]:
    """The chart, then the folder of the Kustomization that brings the release."""
    for place, (source, own) in enumerate(sources):
        if place == 0:
            kind = "GitRepository" if own and not source.chart else "HelmRepository"
            chart: Value = {"spec": {"chart": source.chart or source.path, "sourceRef": {"kind": kind}}}
            spec: dict[str, Value] = {**(settings_of(source) or {}), "chart": chart}
            yield {"apiVersion": HELM_RELEASE, "kind": "HelmRelease", "metadata": _metadata(state), "spec": spec}
        elif own:
            yield {"apiVersion": KUSTOMIZATION, "kind": "Kustomization", "spec": {"path": source.path}}


def _metadata(state: ApplicationState) -> dict[str, Value]:
    return {"name": state.id.name, "namespace": state.id.namespace}
