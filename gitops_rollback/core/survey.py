"""What stands in a config repository: which applications does an engine run from it, and what is known of each?

The engines' own objects are believed where there are any in git. Where there are none, each overlay, chart and folder
with workloads is taken for an application, and is marked as guessed: nothing in git says how the engine calls it.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from gitops_rollback.core.closure.application_sets import generated, is_open
from gitops_rollback.core.closure.described import ARGO, KUSTOMIZATION
from gitops_rollback.core.closure.finding import Scope, of_objects
from gitops_rollback.core.closure.objects import KINDS, OWN_MANIFEST
from gitops_rollback.core.closure.tree import Tree, below, joined, mappings
from gitops_rollback.core.keeping import what_is_kept
from gitops_rollback.core.layout import folders_to_render, name_of, renderer_of
from gitops_rollback.core.manifest import KUSTOMIZATION_NAMES, ManifestObject, objects_in
from gitops_rollback.core.manifest_text import Value
from gitops_rollback.core.policy import Workload
from gitops_rollback.core.repository_url import path_equal, same_repository
from gitops_rollback.core.selecting import Selectable
from gitops_rollback.core.sync import ApplicationId

Object = Mapping[str, Value]

ARGOCD, FLUX = "argocd", "flux"
APPLICATION, APPLICATION_SET = "Application", "ApplicationSet"
FLUX_KUSTOMIZATION, HELM_RELEASE = "Kustomization", "HelmRelease"
RUN = frozenset({("apps", "Deployment"), ("apps", "StatefulSet"), ("apps", "DaemonSet"), ("argoproj.io", "Rollout")})


@dataclass(frozen=True)
class Found:
    """One application. `keeps`: why its data asks for a person, "" where nothing is seen.

    `manifest` is where its own object stands, "" where that is guessed. `workload` is set where there is exactly one.
    """

    kind: str
    namespace: str
    name: str
    renderer: str
    folders: tuple[str, ...] = ()
    manifest: str = ""
    workload: Workload | None = None
    keeps: str = ""
    guessed: bool = False
    facts: Selectable | None = None  # what selectors look at; None where that is guessed

    @property
    def engine(self) -> str:
        return ARGOCD if self.kind == APPLICATION else FLUX

    @property
    def label(self) -> str:
        """For people: `Application argocd/shop`."""
        return f"{self.kind} {self.namespace + '/' if self.namespace else ''}{self.name}"


@dataclass(frozen=True)
class LeftOut:
    """An object of an engine that is no application to watch here, and why."""

    label: str
    why: str


@dataclass(frozen=True)
class Survey:
    """`from_root` is the Flux Kustomization that takes every YAML file of the repository; "" where none does."""

    found: tuple[Found, ...] = ()
    left_out: tuple[LeftOut, ...] = ()
    from_root: str = ""

    @property
    def engines(self) -> tuple[str, ...]:
        return tuple(sorted({one.engine for one in self.found}))


@dataclass(frozen=True)
class Ours:
    """The addresses of this repository, () where none is known: then what stands here is ours. `branch` may be ""."""

    urls: tuple[str, ...] = ()
    branch: str = ""

    def __call__(self, url: str) -> bool:
        unknown = not url or is_open(url) or not self.urls
        return unknown or any(same_repository(url, one) or path_equal(url, one) for one in self.urls)

    def other_branch(self, revision: Value) -> str:
        """What is followed instead of our branch; "" where that is ours, or not known."""
        text = str(revision or "").removeprefix("refs/heads/")
        ours = not text or not self.branch or text in ("HEAD", self.branch) or is_open(text)
        return "" if ours else text


def survey(tree: Tree, ours: Ours, name: str, engine: str = "") -> Survey:
    """`name` is the repository's, `engine` the one that people name where git does not tell: argocd (default), flux."""
    stated = tuple(_stated(tree, ours))
    seen = [_looked_at(tree, one, path, ours) if isinstance(one, Mapping) else one for path, one in stated]
    if not seen:
        seen = [_guess(tree, folder, name, engine or ARGOCD) for folder in folders_to_render(tree)]
    found = _together(one for one in seen if isinstance(one, Found))
    left_out = dict.fromkeys(one for one in seen if isinstance(one, LeftOut))
    return Survey(found, tuple(left_out), from_root(tree, ours))


def from_root(tree: Tree, ours: Ours) -> str:
    """The Flux Kustomization for which all YAML below the root is applied, ours included; "" if there is none."""
    if tree.kustomization_of("") is not None:
        return ""
    for _, document in _of_kind(tree, FLUX_KUSTOMIZATION):
        path = below(dict(document), "spec", "path")
        if _has_source(document) and joined("", str(path or "")) == "" and not _elsewhere(tree, document, ours):
            return f"{_namespace(tree, document, '') or '*'}/{_name(document)}"
    return ""


def _stated(tree: Tree, ours: Ours) -> Iterator[tuple[str, Object | LeftOut]]:
    """The objects of the engines, each with its path; a patch of one elsewhere is none."""
    for path, document in _of_kind(tree, APPLICATION):
        if is_open(_name(document)):
            yield path, LeftOut(f"{APPLICATION} in {path}", "a template makes its name")
        elif _has_source(document):
            yield path, document
    for path, document in _of_kind(tree, APPLICATION_SET):
        made = generated(tree, document, ours)
        yield from ((path, one) for one in made.applications)
        if made.doubt:
            yield path, LeftOut(f"{APPLICATION_SET} {_name(document)}", f"not all that it makes is known: {made.doubt}")
    for kind in (FLUX_KUSTOMIZATION, HELM_RELEASE):
        yield from ((path, one) for path, one in _of_kind(tree, kind) if _has_source(one) and not is_open(_name(one)))


def _of_kind(tree: Tree, kind: str) -> Iterator[tuple[str, Object]]:
    for path, document in tree.manifests_naming(kind):
        group = str(document.get("apiVersion") or "").partition("/")[0]
        if document.get("kind") == kind and (group, kind) in KINDS and _name(document):
            yield path, document


def _has_source(document: Object) -> bool:
    spec = below(dict(document), "spec")
    return isinstance(spec, dict) and any(
        spec.get(key) is not None for key in ("source", "sources", "sourceHydrator", "sourceRef", "chart", "chartRef")
    )


def _looked_at(tree: Tree, document: Object, path: str, ours: Ours) -> Found | LeftOut:
    kind, name = str(document.get("kind")), _name(document)
    namespace = _namespace(tree, document, path)
    label = f"{kind} {namespace + '/' if namespace else ''}{name}"
    elsewhere = _elsewhere(tree, document, ours)
    if elsewhere:
        return LeftOut(label, elsewhere)
    inputs = _inputs(tree, document)
    if not inputs and kind != HELM_RELEASE:
        return LeftOut(label, f"{' and '.join(_folders(document)) or 'what it renders from'} is not in this repository")
    objects = _objects(tree, inputs)
    runs = _workloads(objects)
    if not runs and any((one.group, one.kind) in KINDS for one in objects):
        return LeftOut(label, "it only brings other applications, which are watched themselves")
    workload = _one_workload(tree, document, inputs, runs)
    folders, renderer = _folders(document), _renderer(tree, document)
    keeps, facts = what_is_kept(objects), _facts(document, kind, namespace, name)
    return Found(kind, namespace, name, renderer, folders, path, workload, keeps, facts=facts)


def _facts(document: Object, kind: str, namespace: str, name: str) -> Selectable:
    """As an engine would tell it. Flux applies to its own cluster, which has no name there."""
    spec = dict(document)
    destination = below(spec, "spec", "destination")
    there = destination if isinstance(destination, dict) else {}
    cluster = str(there.get("name") or there.get("server") or "")
    lives = str(there.get("namespace") or below(spec, "spec", "targetNamespace") or "")
    labels = below(spec, "metadata", "labels")
    words = {key: str(value) for key, value in labels.items()} if isinstance(labels, dict) else {}
    return Selectable(
        ApplicationId("", kind, namespace, name), str(below(spec, "spec", "project") or ""), cluster, lives, words
    )


def _guess(tree: Tree, folder: str, repository: str, engine: str) -> Found:
    """As if an object of the engine named the folder, in the namespace where such objects usually are."""
    name, path = name_of(folder, repository), folder or "."
    kind, namespace = (FLUX_KUSTOMIZATION, "flux-system") if engine == FLUX else (APPLICATION, "argocd")
    spec: Value = {"path": path} if engine == FLUX else {"source": {"path": path}}
    version = KUSTOMIZATION if engine == FLUX else ARGO
    document: Object = {"apiVersion": version, "kind": kind, "metadata": {"name": name}, "spec": spec}
    inputs = _inputs(tree, document)
    objects = _objects(tree, inputs)
    workload = _one_workload(tree, document, inputs, _workloads(objects))
    keeps, renderer = what_is_kept(objects), renderer_of(tree, folder)
    return Found(kind, namespace, name, renderer, (folder,), "", workload, keeps, guessed=True)


def _together(found: Iterable[Found]) -> tuple[Found, ...]:
    """One of each name: several clusters may have one, and a policy that names no instance means all of them."""
    known: dict[tuple[str, str, str], Found] = {}
    for one in found:
        key = (one.kind, one.namespace, one.name)
        first = known.setdefault(key, one)
        if first is not one:
            known[key] = replace(
                first,
                folders=tuple(dict.fromkeys((*first.folders, *one.folders))),
                workload=first.workload if first.workload == one.workload else None,
                keeps=first.keeps or one.keeps,
            )
    return tuple(known.values())


def _elsewhere(tree: Tree, document: Object, ours: Ours) -> str:
    """Why nothing of what it renders is ours, as half a sentence; "" where some is."""
    kind = document.get("kind")
    if kind == HELM_RELEASE:
        return ""  # its values stand in its own object
    if kind == FLUX_KUSTOMIZATION:
        source = below(dict(document), "spec", "sourceRef", "kind")
        if source != "GitRepository":
            return f"it renders from a {source}, not from git"
        followed = [(_url(one), below(one, "spec", "ref", "branch")) for one in _git_repositories(tree, document)]
    else:
        followed = [(str(one.get("repoURL") or ""), one.get("targetRevision")) for one in _sources(document)]
    here = [revision for url, revision in followed if ours(url)]
    if followed and not here:
        return f"it renders from {' and '.join(dict.fromkeys(url for url, _ in followed))}, not from this repository"
    others = [ours.other_branch(revision) for revision in here]
    return f"it follows {others[0]} of this repository, not {ours.branch}" if others and all(others) else ""


def _git_repositories(tree: Tree, document: Object) -> list[dict[str, Value]]:
    """Those of the name that it refers to, as far as git holds them: each cluster may have its own."""
    name = str(below(dict(document), "spec", "sourceRef", "name") or "")
    found = tree.manifests_naming(name, "GitRepository") if name else ()
    return [dict(one) for _, one in found if one.get("kind") == "GitRepository" and _name(one) == name]


def _url(source: Value) -> str:
    return str(below(source, "spec", "url") or "")


def _inputs(tree: Tree, document: Object) -> tuple[str, ...]:
    """The files that it renders from, without those that only say that it is there."""
    closure = of_objects((tree,), (document,))
    told = (OWN_MANIFEST, "the ApplicationSet ", "a generator of ", "dependsOn of ")
    found = () if closure.scope is Scope.REPOSITORY else closure.why.items()
    return tuple(path for path, why in found if not why.startswith(told))


def _objects(tree: Tree, paths: Iterable[str]) -> tuple[ManifestObject, ...]:
    return tuple(one for path in paths for document in tree.manifests(path) for one in objects_in(dict(document), path))


def _workloads(objects: Iterable[ManifestObject]) -> tuple[ManifestObject, ...]:
    """One of each kind and name: overlays patch what their base has."""
    runs = {(one.kind, one.name): one for one in objects if (one.group, one.kind) in RUN}
    return tuple(runs.values())


def _one_workload(
    tree: Tree, document: Object, inputs: Iterable[str], runs: tuple[ManifestObject, ...]
) -> Workload | None:
    """The only one, under the name and in the namespace that it has in the cluster; None where that is not certain."""
    if len(runs) != 1 or is_open(runs[0].name):
        return None
    builds = [
        one
        for path in inputs
        if posixpath.basename(path) in KUSTOMIZATION_NAMES
        for one in mappings(tree.documents(path))
    ]
    spec = dict(document).get("spec")
    settings = [*builds, *mappings(spec), *(one for source in _sources(document) for one in _kustomize(source))]
    if any(one.get(key) for one in settings for key in ("namePrefix", "nameSuffix")):
        return None
    set_by_builds = {str(one["namespace"]) for one in builds if one.get("namespace")}
    namespace = (
        below(spec, "targetNamespace")
        or (set_by_builds.pop() if len(set_by_builds) == 1 else None if set_by_builds else runs[0].namespace)
        or below(spec, "destination", "namespace")
    )
    if len(set_by_builds) > 1 or not isinstance(namespace, str) or is_open(namespace):
        return None
    return Workload(runs[0].kind, namespace, runs[0].name)


def _kustomize(source: Value) -> Iterator[dict[str, Value]]:
    yield from mappings(below(source, "kustomize"))


def _sources(document: Object) -> tuple[dict[str, Value], ...]:
    spec = below(dict(document), "spec")
    dry = below(spec, "sourceHydrator", "drySource")
    return (*mappings(below(spec, "source")), *mappings(below(spec, "sources")), *mappings(dry))


def _folders(document: Object) -> tuple[str, ...]:
    if document.get("kind") == FLUX_KUSTOMIZATION:
        named = [str(below(dict(document), "spec", "path") or "")]
    else:
        named = [str(source["path"]) for source in _sources(document) if isinstance(source.get("path"), str)]
    paths = (joined("", one) for one in named)
    return tuple(dict.fromkeys(path for path in paths if path is not None))


def _renderer(tree: Tree, document: Object) -> str:
    if document.get("kind") == HELM_RELEASE:
        chart = below(dict(document), "spec", "chart", "spec", "chart") or below(
            dict(document), "spec", "chartRef", "name"
        )
        return f"the Helm chart {chart}"
    if any(source.get("plugin") is not None for source in _sources(document)):
        return "a plugin"
    charts = [str(source["chart"]) for source in _sources(document) if isinstance(source.get("chart"), str)]
    if charts:
        return f"the Helm chart {' and '.join(charts)}, with values from here"
    return " and ".join(dict.fromkeys(renderer_of(tree, folder) for folder in _folders(document)))


def _namespace(tree: Tree, document: Object, path: str) -> str:
    """The object's own; where a kustomization beside it sets one, that. "" where git does not tell."""
    folder = posixpath.dirname(path)
    beside = tree.kustomization_of(folder) if path else None
    for one in mappings(tree.documents(beside)) if beside else ():
        if isinstance(one.get("namespace"), str):
            return str(one["namespace"])
    namespace = str(below(dict(document), "metadata", "namespace") or "")
    return "" if is_open(namespace) else namespace


def _name(document: Object) -> str:
    return str(below(dict(document), "metadata", "name") or "")
