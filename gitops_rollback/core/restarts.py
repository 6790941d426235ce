"""Who reads a ConfigMap only while a Pod starts, and what starts it anew when that ConfigMap changes?

What stands in the environment, or is mounted by `subPath`, stays as it was until the container starts again; what is
mounted whole follows the ConfigMap. A Job's next Pod reads it anew anyway.
Source: Kubernetes docs, "ConfigMaps" (mounted ConfigMaps are updated automatically); Stakater Reloader and Wave,
READMEs; Helm docs, "Automatically Roll Deployments"; kustomize, `generatorOptions.disableNameSuffixHash`.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from gitops_rollback.core.manifest import FileView, ManifestObject, ObjectChange

STAKATER = "reloader.stakater.com"
WAVE = "wave.pusher.com/update-on-config-change"

_RUN_ANEW = frozenset({"Job", "CronJob"})
_CONTAINERS = ("containers", "initContainers")

Document = Mapping[str, object]


@dataclass(frozen=True)
class Reader:
    """A workload, the ConfigMaps that it reads at the start of a Pod alone, and its annotations."""

    kind: str
    name: str
    config_maps: frozenset[str]
    annotations: Mapping[str, str] = field(default_factory=dict)
    of_template: Mapping[str, str] = field(default_factory=dict)

    @property
    def label(self) -> str:
        return f"{self.kind} {self.name}"

    @property
    def has_checksum(self) -> bool:
        """Its Pod template bears a checksum of what it reads, as a chart renders it."""
        return any("checksum" in name.lower() for name in self.of_template)

    def is_reloaded(self, config_map: str, annotations: Mapping[str, str]) -> bool:
        """A reloader restarts it when the ConfigMap of this name and these annotations changes."""
        own = {**self.of_template, **self.annotations}
        if _is_true(own.get(WAVE)):
            return True
        if _is_true(annotations.get(f"{STAKATER}/ignore")):
            return False
        if any(_is_true(own.get(name)) for name in (f"{STAKATER}/auto", f"configmap.{STAKATER}/auto")):
            return True
        if _is_true(own.get(f"{STAKATER}/search")) and _is_true(annotations.get(f"{STAKATER}/match")):
            return True
        return config_map in (one.strip() for one in own.get(f"configmap.{STAKATER}/reload", "").split(","))


@dataclass(frozen=True)
class Generator:
    """One ConfigMap that a kustomization makes. With `hashed` its name, and all that names it, changes with it."""

    name: str
    hashed: bool
    files: frozenset[str]  # paths from the root of the repository
    entry: Document = field(repr=False)


def reader(document: Document) -> Reader | None:
    """What a manifest or a live object reads at the start of its Pods; None if it is no workload that goes on."""
    kind, metadata = str(document.get("kind") or ""), mapping(document.get("metadata"))
    if kind in _RUN_ANEW:
        return None
    found: set[str] = set()
    of_template: dict[str, str] = {}
    templates = tuple(_pod_templates(document))
    for template in templates:
        found.update(_read_at_start(mapping(template.get("spec"))))
        of_template |= annotations_of(template)
    name = str(metadata.get("name") or "")
    return Reader(kind, name, frozenset(found), annotations_of(document), of_template) if templates else None


def starts_pods(change: ObjectChange) -> bool:
    """The change of this object makes its controller start new Pods."""
    return any("template" in one.path for one in change.fields)


def generators(file: FileView) -> tuple[Generator, ...]:
    """The ConfigMaps that a kustomization makes; () for every other file."""
    found: list[Generator] = []
    for document in file.plain if file.is_kustomization else ():
        whole = mapping(document)
        for entry in map(mapping, _elements(whole.get("configMapGenerator"))):
            options = {**mapping(whole.get("generatorOptions")), **mapping(entry.get("options"))}
            named = [*_elements(entry.get("files")), *_elements(entry.get("envs")), entry.get("env")]
            files = frozenset(_beside(file.path, str(one).rpartition("=")[2]) for one in named if one)
            hashed = not _is_true(options.get("disableNameSuffixHash"))
            found.append(Generator(str(entry.get("name") or ""), hashed, files, entry))
    return tuple(found)


def annotations_of(document: Document) -> Mapping[str, str]:
    """The annotations as text, whatever wrote them."""
    found = mapping(mapping(document.get("metadata")).get("annotations"))
    return {name: str(value) for name, value in found.items()}


def mapping(value: object) -> Document:
    """`value` where it is a mapping; {} for all else."""
    return value if isinstance(value, Mapping) else {}


def _pod_templates(document: Document) -> Iterator[Document]:
    """Each mapping whose `spec` holds containers: a Pod itself, or the templates of what makes Pods."""
    stack: list[object] = [document]
    while stack:
        value = stack.pop()
        if isinstance(value, Mapping):
            if _elements(mapping(value.get("spec")).get("containers")):
                yield value
            stack.extend(value.values())
        else:
            stack.extend(_elements(value))


def _read_at_start(spec: Document) -> Iterator[str]:
    mounted_in_part: set[object] = set()
    for container in (mapping(one) for kind in _CONTAINERS for one in _elements(spec.get(kind))):
        for one in map(mapping, _elements(container.get("envFrom"))):
            yield str(mapping(one.get("configMapRef")).get("name") or "")
        for one in map(mapping, _elements(container.get("env"))):
            yield str(mapping(mapping(one.get("valueFrom")).get("configMapKeyRef")).get("name") or "")
        mounts = map(mapping, _elements(container.get("volumeMounts")))
        mounted_in_part |= {one.get("name") for one in mounts if one.get("subPath") or one.get("subPathExpr")}
    for volume in map(mapping, _elements(spec.get("volumes"))):
        if volume.get("name") in mounted_in_part:
            projected = _elements(mapping(volume.get("projected")).get("sources"))
            for source in (volume, *map(mapping, projected)):
                yield str(mapping(source.get("configMap")).get("name") or "")


def _elements(value: object) -> Iterable[object]:
    """The elements of a list of a file, which is a tuple, or of JSON."""
    return value if isinstance(value, (list, tuple)) else ()


def _beside(path: str, name: str) -> str:
    return posixpath.normpath(posixpath.join(posixpath.dirname(path), name))


def _is_true(value: object) -> bool:
    return str(value).lower() == "true"


def same_workload(one: Reader, other: ManifestObject) -> bool:
    """True if the manifest is that of this reader."""
    return (one.kind, one.name) == (other.kind, other.name)
