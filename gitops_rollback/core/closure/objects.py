"""What an Argo CD Application, a Flux Kustomization or a HelmRelease renders from in this repository.

A source counts as ours where its path stands in the tree: by its address alone nobody can tell which clone this is.
Source: argo-cd `pkg/apis/application/v1alpha1/types.go` (v3), Flux `kustomize.toolkit.fluxcd.io/v1`,
`helm.toolkit.fluxcd.io/v2`; contracts/argocd.md, contracts/flux-kubernetes.md.
"""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Iterator, Mapping

from gitops_rollback.core.closure import helm, jsonnet, kustomize
from gitops_rollback.core.closure.tree import YAML_ENDINGS, Gathered, below, joined, mappings, strings
from gitops_rollback.core.manifest_text import Value
from gitops_rollback.core.paths import matches

OWN_MANIFEST = "the manifest of "
GENERATE_PATHS = "argocd.argoproj.io/manifest-generate-paths"
PLAIN = (*YAML_ENDINGS, *jsonnet.ENDINGS)

Object = Mapping[str, Value]


def of_object(inputs: Gathered, document: Object) -> bool:
    """Adds what the object renders from, and its own manifest; False if it is of no known kind."""
    group = str(document.get("apiVersion") or "").partition("/")[0]
    follow = KINDS.get((group, str(document.get("kind") or "")))
    if follow is None:
        return False
    follow(inputs, document)
    _own_manifest(inputs, document)
    return True


def _application(inputs: Gathered, document: Object) -> None:
    sources = [*mappings(below(dict(document), "spec", "source")), *mappings(below(dict(document), "spec", "sources"))]
    hydrated = below(dict(document), "spec", "sourceHydrator", "drySource")
    for source in (*sources, *mappings(hydrated)):
        _source(inputs, source, _name(document))
    for owner in mappings(below(dict(document), "metadata", "ownerReferences")):
        if owner.get("kind") == "ApplicationSet" and isinstance(owner.get("name"), str):
            _set_of(inputs, str(owner["name"]))
    folder = _path(sources[0]) if sources else None
    globs = below(dict(document), "metadata", "annotations", GENERATE_PATHS)
    for name in globs.split(";") if isinstance(globs, str) and folder is not None else ():
        path = joined("", name) if name.startswith("/") else joined(folder or "", name)
        if path is not None:
            _matching(inputs, path, f"{GENERATE_PATHS} of {_name(document)}")


def _source(inputs: Gathered, source: Object, application: str) -> None:
    folder, why = _path(source), f"source of {application}"
    options = source.get("helm")
    optional = below(dict(source), "helm", "ignoreMissingValueFiles") == "true"
    for name in strings(below(dict(options), "valueFiles") if isinstance(options, dict) else None):
        inner = name.partition("/")[2] if name.startswith("$") else name
        where = "" if name.startswith("$") else folder or ""
        helm.values(inputs, where, inner, f"a value file of {application}", optional)
    for parameter in mappings(below(dict(options), "fileParameters") if isinstance(options, dict) else None):
        helm.values(inputs, folder or "", str(parameter.get("path") or ""), f"a file parameter of {application}")
    if isinstance(source.get("chart"), str):
        inputs.remote.append(f"{source['chart']} of {source.get('repoURL')}")
        return
    if folder is None or (source.get("ref") and not source.get("path")):
        return
    folder = inputs.place(folder, why)
    for name in (".argocd-source.yaml", f".argocd-source-{application}.yaml"):
        inputs.add(posixpath.join(folder, name), why)
    if helm.is_chart(inputs, folder) and not source.get("kustomize"):
        helm.chart(inputs, folder, why)
    elif inputs.tree.kustomization_of(folder) is not None and not source.get("directory"):
        kustomize.build(inputs, folder, why)
        for name in strings(below(dict(source), "kustomize", "components")):
            local = joined(folder, name)
            if local is not None:
                kustomize.build(inputs, local, f"a component of {application}")
    else:
        _directory(inputs, source, folder, why)


def _directory(inputs: Gathered, source: Object, folder: str, why: str) -> None:
    """Plain manifests and jsonnet; a plugin may read anything below."""
    deep = below(dict(source), "directory", "recurse") == "true" or source.get("plugin") is not None
    for path in inputs.tree.below(folder) if deep else inputs.tree.directly_in(folder):
        if path.endswith(PLAIN) or source.get("plugin") is not None:
            inputs.add(path, why)
    libraries = []
    for name in strings(below(dict(source), "directory", "jsonnet", "libs")):
        local = joined("", name)
        if local is not None:
            libraries.append(local)
            inputs.add_below(local, f"a jsonnet library of {why}")
    jsonnet.imports(inputs, [path for path in inputs.why if path.endswith(jsonnet.ENDINGS)], libraries)


def _set_of(inputs: Gathered, name: str) -> None:
    """The ApplicationSet that made an Application, and the files that its git generators read."""
    for path, document in inputs.tree.manifests_naming(name, "ApplicationSet"):
        if document.get("kind") == "ApplicationSet" and below(dict(document), "metadata", "name") == name:
            inputs.add(path, f"the ApplicationSet {name}")
            _generators(inputs, below(dict(document), "spec", "generators"), f"a generator of {path}")


def _generators(inputs: Gathered, value: Value, why: str) -> None:
    for generator in mappings(value):
        for one in mappings(below(generator, "git", "files")):
            _matching(inputs, str(one.get("path") or ""), why)
        for kind in ("matrix", "merge"):
            _generators(inputs, below(generator, kind, "generators"), why)


def _application_set(inputs: Gathered, document: Object) -> None:
    _generators(inputs, below(dict(document), "spec", "generators"), f"a generator of {_name(document)}")
    template = below(dict(document), "spec", "template", "spec")
    for source in (*mappings(below(template, "source")), *mappings(below(template, "sources"))):
        folder = _path(source)
        if folder is not None and "{{" not in folder:
            _source(inputs, source, _name(document))


def _kustomization(inputs: Gathered, document: Object) -> None:
    path = joined("", str(below(dict(document), "spec", "path") or ""))
    if path is not None:
        kustomize.build_generated(inputs, path, f"path of {_name(document)}")
    for name in strings(below(dict(document), "spec", "components")):
        local = joined(path or "", name)
        if local is not None:
            kustomize.build(inputs, local, f"a component of {_name(document)}")
    for one in mappings(below(dict(document), "spec", "postBuild", "substituteFrom")):
        _configuration(inputs, one, f"substituteFrom of {_name(document)}")
    for one in mappings(below(dict(document), "spec", "dependsOn")):  # it waits for them, but renders none of theirs
        for path, _ in _referred(inputs, document, {**one, "kind": "Kustomization"}):
            inputs.add(path, f"dependsOn of {_name(document)}")


def _helm_release(inputs: Gathered, document: Object) -> None:
    name = _name(document)
    for reference in mappings(below(dict(document), "spec", "chartRef")):
        for path, found in _referred(inputs, document, reference):
            inputs.add(path, f"chartRef of {name}")
            if found.get("kind") == "HelmChart":
                _chart_of(inputs, document, found.get("spec"))
    _chart_of(inputs, document, below(dict(document), "spec", "chart", "spec"))
    for one in mappings(below(dict(document), "spec", "valuesFrom")):
        _configuration(inputs, one, f"valuesFrom of {name}")


def _chart_of(inputs: Gathered, release: Object, spec: Value) -> None:
    """A chart in our repository, or the manifest of where it comes from."""
    name, chart = _name(release), below(spec, "chart")
    if below(spec, "sourceRef", "kind") == "GitRepository" and isinstance(chart, str):
        local = joined("", chart)
        if local is not None:
            helm.chart(inputs, local, f"chart of {name}")
        for file in strings(below(spec, "valuesFiles")):
            helm.values(inputs, "", file, f"a value file of {name}")
    elif isinstance(chart, str):
        inputs.remote.append(f"{chart} of {below(spec, 'sourceRef', 'name')}")
        for reference in mappings(below(spec, "sourceRef")):
            for path, _ in _referred(inputs, release, reference):
                inputs.add(path, f"sourceRef of {name}")


def _referred(inputs: Gathered, by: Object, reference: Object) -> list[tuple[str, Object]]:
    """The manifests of the object that `by` names. Many folders may have one of that name: its own comes first."""
    name, kind = reference.get("name"), reference.get("kind")
    if not isinstance(name, str) or not isinstance(kind, str) or not name:
        return []
    namespace = reference.get("namespace") or below(dict(by), "metadata", "namespace")
    found = [
        (path, one)
        for path, one in inputs.tree.manifests_naming(name, kind)
        if one.get("kind") == kind
        and _name(one) == name
        and (not namespace or below(dict(one), "metadata", "namespace") in (None, namespace))
    ]
    folders = {posixpath.dirname(path) for path in _manifests_of(inputs, by)}
    return [one for one in found if posixpath.dirname(one[0]) in folders] or found


def _configuration(inputs: Gathered, reference: Object, why: str) -> None:
    """The manifest, or the generator, of a ConfigMap or Secret. What seals or fetches a Secret has its name too."""
    name, kind = reference.get("name"), str(reference.get("kind") or "ConfigMap")
    if not isinstance(name, str) or not name:
        return
    for path, document in inputs.tree.manifests_naming(name):
        if str(document.get("kind") or "").endswith(kind) and below(dict(document), "metadata", "name") == name:
            inputs.add(path, why)
        key = "secretGenerator" if kind == "Secret" else "configMapGenerator"
        if any(generator.get("name") == name for generator in mappings(document.get(key))):
            inputs.add(path, why)
            for generator in mappings(document.get(key)):
                for file in (*strings(generator.get("files")), *strings(generator.get("envs"))):
                    local = joined(posixpath.dirname(path), file.partition("=")[2] or file)
                    if generator.get("name") == name and local is not None:
                        inputs.add(local, why)


def _own_manifest(inputs: Gathered, document: Object) -> None:
    """The object's own file is an input: who changes it there changes what is deployed."""
    for path in _manifests_of(inputs, document):
        inputs.add(path, f"{OWN_MANIFEST}{document.get('kind')} {_name(document)}")


def _manifests_of(inputs: Gathered, document: Object) -> Iterator[str]:
    name, kind = _name(document), document.get("kind")
    namespace = below(dict(document), "metadata", "namespace")
    for path, found in inputs.tree.manifests_naming(name, str(kind)) if name else ():
        other = below(dict(found), "metadata", "namespace")
        if found.get("kind") == kind and _name(found) == name and (not namespace or other in (None, namespace)):
            yield path


def _matching(inputs: Gathered, pattern: str, why: str) -> None:
    for path in inputs.tree.blobs:
        if pattern and matches(pattern, path):
            inputs.add(path, why)


def _path(source: Object) -> str | None:
    """The folder of a source; None if it leaves the repository."""
    return joined("", str(source.get("path") or ""))


def _name(document: Object) -> str:
    return str(below(dict(document), "metadata", "name") or "")


KINDS: Mapping[tuple[str, str], Callable[[Gathered, Object], None]] = {
    ("argoproj.io", "Application"): _application,
    ("argoproj.io", "ApplicationSet"): _application_set,
    ("kustomize.toolkit.fluxcd.io", "Kustomization"): _kustomization,
    ("helm.toolkit.fluxcd.io", "HelmRelease"): _helm_release,
}
