"""Which Secrets and ConfigMaps do the Pods that come back with a plan need, and which of them come back with it?

Only names are read here, as manifests write them; nobody needs what stands in a Secret to see that it is there. What a
kustomization makes is named by its generator, however the name that the cluster knows it by ends.
Source: Kubernetes docs, "Secrets" and "ConfigMaps" (a Pod does not start without those that are not optional);
kustomize `api/hasher` (the suffix of a name), `nameReference` of its default configuration.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from gitops_rollback.core.images import Found
from gitops_rollback.core.manifest import MANIFESTS, FileView, ManifestObject, at, view, walk
from gitops_rollback.core.manifest_text import Value

SECRET, CONFIG_MAP = "Secret", "ConfigMap"

# The words under which a Pod names one, and the key that holds the name there.
_NAMED = (
    ("secretRef", SECRET, "name"),
    ("secretKeyRef", SECRET, "name"),
    ("configMapRef", CONFIG_MAP, "name"),
    ("configMapKeyRef", CONFIG_MAP, "name"),
    ("configMap", CONFIG_MAP, "name"),
    ("secret", SECRET, "secretName"),  # a volume
    ("secret", SECRET, "name"),  # a source of a projected volume
)
_GENERATORS = (("secretGenerator", SECRET), ("configMapGenerator", CONFIG_MAP))
UNCLEAR = "*"  # no namespace is called so
_HASH = "[bcdfghkmt2456789]{10}"  # kustomize maps hex digits to these, so that no word comes of it
_NAME = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?")


@dataclass(frozen=True, order=True)
class Reference:
    """One that Pods need. `namespace` "" is the application's own, UNCLEAR one that its manifests leave open."""

    kind: str
    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind} {self.namespace + '/' if self.namespace else ''}{self.name}"


@dataclass(frozen=True)
class ReferencePresence:
    """Whether it is there; `message` says why that is not known. Only the cluster itself makes it MISSING."""

    reference: Reference
    found: Found
    message: str = ""


def references_needed(
    target: Mapping[str, bytes], changed: Iterable[str], live: Iterable[tuple[str, str]] = ()
) -> tuple[Reference, ...]:
    """Those that the Pods of a plan's result need and that its manifests do not make, sorted.

    `target` are the application's manifests as the plan leaves them, and `changed` the paths that it changes: where a
    kustomization is among them, each Pod may start anew. `live` are (kind, name) of what the engine manages: a
    generator that lies in no file that is seen here shows there by its hash.
    """
    files = list(_views(target))
    touched = frozenset(changed)
    starting = files if any(one.plain and one.path in touched for one in files) else _only(files, touched)
    namespaces = {name for one in files if one.is_kustomization for name in _namespaces(one)}
    made, found = frozenset(_made(files)), set[Reference]()
    for one in [each for file in starting for each in file.objects]:
        for kind, name in _pods_need(one.document):
            if (kind, name) not in made and not _is_made_live(kind, name, live):
                found.add(Reference(kind, _namespace(one, namespaces), name))
    return tuple(sorted(found))


def _views(target: Mapping[str, bytes]) -> Iterator[FileView]:
    for path, content in target.items():
        found = view(path, content) if path.endswith(MANIFESTS) else None
        if found is not None:
            yield found


def _only(files: Sequence[FileView], touched: frozenset[str]) -> Sequence[FileView]:
    return [one for one in files if one.path in touched]


def _namespaces(file: FileView) -> Iterator[str]:
    for document in file.plain:
        name = at(document, "namespace") if isinstance(document, dict) else None
        if isinstance(name, str) and name:
            yield name
    for one in file.objects:
        name = one.document.get("namespace")
        if isinstance(name, str) and name:
            yield name


def _namespace(one: ManifestObject, namespaces: set[str]) -> str:
    """A kustomization's word goes before the object's own; which one of several has the last word is not seen here."""
    if len(namespaces) > 1:
        return UNCLEAR
    return min(namespaces) if namespaces else one.namespace


def _made(files: Iterable[FileView]) -> Iterator[tuple[str, str]]:
    """(kind, name) of all that the manifests make, by themselves or by what seals, fetches or generates it."""
    for file in files:
        for one in file.objects:
            for kind in (SECRET, CONFIG_MAP):
                if one.kind.endswith(kind):
                    yield kind, one.name
            for name in (at(one.document, "spec", "target", "name"), at(one.document, "spec", "secretName")):
                if isinstance(name, str):
                    yield SECRET, name
        for document in (*file.plain, *(one.document for one in file.objects)):
            yield from _generated(document)


def _generated(document: Value | Mapping[str, Value]) -> Iterator[tuple[str, str]]:
    for key, kind in _GENERATORS:
        listed = at(document, key) if isinstance(document, Mapping) else None
        for entry in listed if isinstance(listed, tuple) else ():
            name = entry.get("name") if isinstance(entry, dict) else None
            if isinstance(name, str):
                yield kind, name


def _is_made_live(kind: str, name: str, live: Iterable[tuple[str, str]]) -> bool:
    """A prefix and a suffix may stand around it as well, where the hash shows that a generator made it."""
    hashed = re.compile(rf"(.+-)?{re.escape(name)}(-.+)?-{_HASH}")
    return any(one == kind and hashed.fullmatch(other) for one, other in live)


def _pods_need(document: Mapping[str, Value]) -> Iterator[tuple[str, str]]:
    for spec in _pod_specs(document):
        listed = spec.get("imagePullSecrets")
        for entry in listed if isinstance(listed, tuple) else ():
            yield from _name(SECRET, entry, "name")
        for _, mapping in walk(dict(spec)):
            for word, kind, key in _NAMED:
                yield from _name(kind, mapping.get(word), key)


def _pod_specs(document: Mapping[str, Value]) -> Iterator[Mapping[str, Value]]:
    """That of each Pod template in it, or its own."""
    kind = document.get("kind")
    if kind == "Pod":
        spec = at(document, "spec")
        if isinstance(spec, dict):
            yield spec
        return
    for path, mapping in walk(dict(document)):
        if path[-1:] == ("template",) and isinstance(spec := mapping.get("spec"), dict) and "containers" in spec:
            yield spec


def _name(kind: str, entry: Value, key: str) -> Iterator[tuple[str, str]]:
    """Nothing where it may be missing, or where the name is none before something is put in."""
    name = entry.get(key) if isinstance(entry, dict) else None
    optional = isinstance(entry, dict) and str(entry.get("optional")).lower() == "true"
    if isinstance(name, str) and not optional and _NAME.fullmatch(name):
        yield kind, name
