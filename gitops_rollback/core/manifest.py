"""Which Kubernetes objects stand in a file of the config repository, and what becomes of each between two trees?

A file holds objects (`apiVersion` and `kind`), or plain documents: Helm values, kustomizations, charts.
"""

from __future__ import annotations

import posixpath
from collections import deque
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from gitops_rollback.core.differences import Difference, differences
from gitops_rollback.core.manifest_text import Value, documents

KUSTOMIZATION_NAMES = frozenset({"kustomization.yaml", "kustomization.yml", "Kustomization"})
CHART_NAMES = frozenset({"Chart.yaml", "Chart.yml"})
KUSTOMIZE_GROUP = "kustomize.config.k8s.io"
MANIFESTS = (".yaml", ".yml", ".json")  # how files end that may hold objects


@dataclass(frozen=True)
class ManifestObject:
    """One object as it stands in a file. A `generateName` reads as that name with a `*`."""

    group: str
    kind: str
    namespace: str
    name: str
    document: Mapping[str, Value] = field(repr=False, compare=False)
    path: str = ""

    @property
    def key(self) -> str:
        """Stable name, the same form as `ResourceStatus.key`."""
        return f"{self.group}/{self.kind}/{self.namespace}/{self.name}"

    @property
    def label(self) -> str:
        """For people: `Deployment shop/checkout`."""
        return f"{self.kind} {self.namespace + '/' if self.namespace else ''}{self.name}"

    @property
    def hook(self) -> bool:
        """The engine runs it instead of keeping it: an Argo CD or Helm hook."""
        annotations = at(self.document, "metadata", "annotations")
        return isinstance(annotations, dict) and any(
            name in annotations for name in ("argocd.argoproj.io/hook", "helm.sh/hook")
        )


@dataclass(frozen=True)
class FileView:
    """A file's objects and its plain documents, each in order."""

    path: str
    objects: tuple[ManifestObject, ...] = ()
    plain: tuple[Value, ...] = ()

    @property
    def is_kustomization(self) -> bool:
        return posixpath.basename(self.path) in KUSTOMIZATION_NAMES

    @property
    def is_chart(self) -> bool:
        return posixpath.basename(self.path) in CHART_NAMES


class ChangeKind(StrEnum):
    CHANGED = "changed"
    REMOVED = "removed"
    ADDED = "added"
    RENAMED = "renamed"


@dataclass(frozen=True)
class ObjectChange:
    """What becomes of one object. `object` is the one before, for ADDED the one after. `fields` only where CHANGED."""

    object: ManifestObject
    kind: ChangeKind
    fields: tuple[Difference, ...] = ()
    after: ManifestObject | None = None


def view(path: str, content: bytes | str | None) -> FileView | None:
    """What stands in the file; None if it cannot be read for certain. An absent file (`content` None) holds nothing."""
    if content is None:
        return FileView(path)
    found = documents(content)
    if found is None:
        return None
    listed: list[ManifestObject] = []
    plain: list[Value] = []
    for document in found:
        inner = tuple(objects_in(document, path))
        listed.extend(inner)
        if not inner:
            plain.append(document)
    return FileView(path, tuple(listed), tuple(plain))


def objects(content: bytes | str, path: str = "") -> tuple[ManifestObject, ...] | None:
    """The objects of a file; None if it cannot be read for certain, () if it holds none."""
    found = view(path, content)
    return None if found is None else found.objects


def changes(before: Sequence[ManifestObject], after: Sequence[ManifestObject]) -> tuple[ObjectChange, ...]:
    """What becomes of each object when `before` is replaced by `after`; objects that stay equal are left out.

    An object that only moved to another file stays. Where one went and one of the same kind came in the same file, it
    was renamed.
    """
    same_file, left, right = _pairs(before, after, lambda one: (one.key, one.path))
    moved, left, right = _pairs(left, right, lambda one: one.key)
    found: list[ObjectChange] = []
    for old, new in (*same_file, *moved):
        fields = differences(dict(old.document), dict(new.document))
        if fields:
            found.append(ObjectChange(old, ChangeKind.CHANGED, fields, new))
    return (*found, *_gone_and_come(left, right))


def at(value: Value | Mapping[str, Value], *path: str) -> Value:
    """The value at a key path; None if there is none."""
    found: Value | Mapping[str, Value] = value
    for key in path:
        if not isinstance(found, Mapping):
            return None
        found = found.get(key)
    return found if not isinstance(found, Mapping) else dict(found)


def walk(value: Value, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Mapping[str, Value]]]:
    """Every mapping inside `value`, itself included, with its key path; list elements do not add to the path."""
    if isinstance(value, dict):
        yield path, value
        for key, inner in value.items():
            yield from walk(inner, (*path, key))
    elif isinstance(value, tuple):
        for inner in value:
            yield from walk(inner, path)


def objects_in(document: Value, path: str) -> Iterator[ManifestObject]:
    """The object that a document is, or those of a list; nothing where it is none."""
    if not isinstance(document, dict):
        return
    version, kind = document.get("apiVersion"), document.get("kind")
    if not isinstance(version, str) or not isinstance(kind, str) or not version or not kind:
        return
    group = version.rpartition("/")[0]
    items = document.get("items")
    if group == KUSTOMIZE_GROUP:
        return
    if kind.endswith("List") and isinstance(items, tuple):
        for item in items:
            yield from objects_in(item, path)
        return
    name = at(document, "metadata", "name") or f"{at(document, 'metadata', 'generateName') or ''}*"
    namespace = at(document, "metadata", "namespace")
    yield ManifestObject(group, kind, str(namespace or ""), str(name), document, path)


def _pairs(
    before: Sequence[ManifestObject], after: Sequence[ManifestObject], mark: Callable[[ManifestObject], Hashable]
) -> tuple[list[tuple[ManifestObject, ManifestObject]], list[ManifestObject], list[ManifestObject]]:
    """Pairs of equal mark, first with first, and what is left of both; a file may hold many thousand objects."""
    waiting: dict[Hashable, deque[ManifestObject]] = {}
    for new in after:
        waiting.setdefault(mark(new), deque()).append(new)
    pairs: list[tuple[ManifestObject, ManifestObject]] = []
    left: list[ManifestObject] = []
    for old in before:
        found = waiting.get(mark(old))
        if found:
            pairs.append((old, found.popleft()))
        else:
            left.append(old)
    free = {id(one) for found in waiting.values() for one in found}
    return pairs, left, [one for one in after if id(one) in free]


def _gone_and_come(left: Sequence[ManifestObject], right: Sequence[ManifestObject]) -> Iterator[ObjectChange]:
    renamed, gone, come = _pairs(left, right, lambda one: (one.group, one.kind, one.path))
    yield from (ObjectChange(old, ChangeKind.RENAMED, after=new) for old, new in renamed)
    yield from (ObjectChange(old, ChangeKind.REMOVED) for old in gone)
    yield from (ObjectChange(new, ChangeKind.ADDED, after=new) for new in come)
