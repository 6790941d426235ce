"""Which objects does a directory of the config repository ask for? Plain YAML directories and simple kustomizations.

Enough to know objects, images and replicas; what it cannot render it refuses, so that no story rests on a wrong guess.
Source: argo-cd v3.5.1 reposerver/repository/repository.go (directory and Kustomize sources; the wording of errors from
a recorded `ComparisonError`); the kustomization file of kubectl.docs.kubernetes.io.
"""

from __future__ import annotations

import copy
import json
import posixpath
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar, cast

import yaml

Json = dict[str, Any]
Parsed = TypeVar("Parsed")

KUSTOMIZATIONS = ("kustomization.yaml", "kustomization.yml", "Kustomization")
SKIP_MARK = "+argocd:skip-file-rendering"
CLUSTER_SCOPED = frozenset(
    {
        *("Namespace", "ClusterRole", "ClusterRoleBinding", "CustomResourceDefinition", "PersistentVolume"),
        *("StorageClass", "PriorityClass", "IngressClass", "APIService"),
        *("ValidatingWebhookConfiguration", "MutatingWebhookConfiguration"),
    }
)
_KUSTOMIZE_KEYS = frozenset(
    {
        *("apiVersion", "kind", "metadata", "resources", "bases", "images", "replicas", "namespace"),
        *("namePrefix", "nameSuffix", "commonLabels", "commonAnnotations", "patches", "patchesStrategicMerge"),
    }
)


def copied(value: Parsed) -> Parsed:
    """A copy of parsed JSON, in a fraction of the time of `copy.deepcopy`."""
    made: Any = value
    if isinstance(value, dict):
        made = {key: copied(inner) for key, inner in value.items()}
    elif isinstance(value, list):
        made = [copied(inner) for inner in value]
    return cast(Parsed, made)


class RenderError(Exception):
    """The manifests of a revision cannot be made; the message is what the engine would show."""


class Tree(Protocol):
    """The files of one revision."""

    def files(self, under: str) -> Sequence[str]:
        """Paths of all files below the directory `under` ("" is the root), sorted."""
        ...

    def read(self, paths: Sequence[str]) -> Mapping[str, bytes]:
        """The bytes of each of `paths` that exists."""
        ...


class _Loader(yaml.SafeLoader):
    """YAML as Kubernetes reads it: a date is a string, since it must become JSON."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, regexp) for tag, regexp in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


@dataclass(frozen=True)
class Rendering:
    """`source_type` as the engine calls it; `manifests` in the order of the files."""

    source_type: str
    manifests: tuple[Json, ...]


def render(tree: Tree, source: Mapping[str, Any], namespace: str) -> Rendering:
    """The objects that `source` (an engine's source: path, directory, kustomize) wants; `namespace` where none is set.

    Raises: RenderError.
    """
    path = posixpath.normpath(source.get("path") or ".").strip("/")
    path = "" if path == "." else path
    if not tree.files(path):
        raise RenderError(f"{path}: app path does not exist")
    if _kustomization(tree, path):
        manifests = _kustomize(tree, path, depth=0)
        _set_images(manifests, [_parse_image(image) for image in source.get("kustomize", {}).get("images", [])])
        kind = "Kustomize"
    else:
        manifests = _directory(tree, path, bool(source.get("directory", {}).get("recurse")))
        kind = "Directory"
    for manifest in manifests:
        if manifest["kind"] not in CLUSTER_SCOPED:
            manifest["metadata"].setdefault("namespace", namespace)
    return Rendering(kind, tuple(manifests))


def group_of(manifest: Mapping[str, Any]) -> str:
    """The API group of an object; "" is the core group."""
    return str(manifest["apiVersion"]).rpartition("/")[0]


def pod_spec(manifest: Mapping[str, Any]) -> Json:
    """The pod template's spec (or the Pod's own); {} for an object without pods."""
    spec = manifest.get("spec") or {}
    if manifest.get("kind") == "Pod":
        return dict(spec)
    if manifest.get("kind") == "CronJob":
        spec = spec.get("jobTemplate", {}).get("spec", {})
    template = spec.get("template") if isinstance(spec, Mapping) else None
    return dict(template.get("spec") or {}) if isinstance(template, Mapping) else {}


def images_of(manifest: Mapping[str, Any]) -> tuple[str, ...]:
    """All images of an object's pods, init containers first, in their order."""
    spec = pod_spec(manifest)
    containers = [*(spec.get("initContainers") or []), *(spec.get("containers") or [])]
    return tuple(str(container["image"]) for container in containers if container.get("image"))


def _directory(tree: Tree, path: str, recurse: bool) -> list[Json]:
    prefix = f"{path}/" if path else ""
    names = [name for name in tree.files(path) if recurse or "/" not in name[len(prefix) :]]
    wanted = [name for name in names if name.endswith((".yaml", ".yml", ".json"))]
    manifests: list[Json] = []
    for name, content in sorted(tree.read(wanted).items()):
        if SKIP_MARK.encode() not in content:
            manifests += parse(name[len(prefix) :], content)
    return manifests


def parse(name: str, content: bytes) -> list[Json]:
    """The objects in a file; a `List` is what it lists. Raises: RenderError, which names the file as `name`."""
    try:
        documents = _documents(content)
    except yaml.MarkedYAMLError as exc:
        line = exc.problem_mark.line + 1 if exc.problem_mark else 0
        raise _unmarshal_error(name, f"error converting YAML to JSON: yaml: line {line}: {exc.problem}") from exc
    except (yaml.YAMLError, UnicodeDecodeError) as exc:
        raise _unmarshal_error(name, "error converting YAML to JSON: yaml: invalid characters") from exc
    return [manifest for document in documents for manifest in _objects(name, document)]


def _documents(content: bytes) -> list[object]:
    constructor: Any = _Loader(content)
    found = []
    try:
        while constructor.check_data():
            found.append(constructor.get_data())
    finally:
        constructor.dispose()
    return [document for document in found if document is not None]


def _objects(name: str, document: object) -> Iterable[Json]:
    if not isinstance(document, dict) or not document.get("apiVersion") or not document.get("kind"):
        raise _unmarshal_error(name, "Object 'Kind' is missing")
    if document["kind"] == "List":
        for item in document.get("items") or []:
            yield from _objects(name, item)
        return
    metadata = document.get("metadata")
    if not isinstance(metadata, dict) or not (metadata.get("name") or metadata.get("generateName")):
        raise _unmarshal_error(name, "resource name may not be empty")
    yield document


def _unmarshal_error(name: str, problem: str) -> RenderError:
    what = f'Failed to unmarshal "{name}": failed to unmarshal manifest: {problem}'
    return RenderError(f"rpc error: code = FailedPrecondition desc = {what}")


def _kustomization(tree: Tree, path: str) -> str:
    present = set(tree.files(path))
    candidates = [posixpath.join(path, name) for name in KUSTOMIZATIONS]
    return next((name for name in candidates if name in present), "")


def _kustomize(tree: Tree, path: str, depth: int) -> list[Json]:
    name = _kustomization(tree, path)
    if not name or depth > 10:
        raise _build_error(f"unable to find one of {', '.join(KUSTOMIZATIONS)} in directory '{path}'")
    settings = _one_document(name, tree.read([name])[name])
    unknown = sorted(set(settings) - _KUSTOMIZE_KEYS)
    if unknown:
        raise _build_error(f"the sandbox does not render kustomization keys {', '.join(unknown)}")
    manifests: list[Json] = []
    for entry in [*(settings.get("resources") or []), *(settings.get("bases") or [])]:
        manifests += _resource(tree, posixpath.normpath(posixpath.join(path, str(entry))), depth)
    _patch(tree, path, settings, manifests)
    _decorate(settings, manifests)
    _set_images(manifests, settings.get("images") or [])
    return manifests


def _resource(tree: Tree, path: str, depth: int) -> list[Json]:
    content = tree.read([path]).get(path)
    if content is not None:
        return parse(path, content)
    if tree.files(path):
        return _kustomize(tree, path, depth + 1)
    raise _build_error(f"accumulating resources: accumulation err='{path}': no such file or directory")


def _one_document(name: str, content: bytes) -> Json:
    try:
        documents = _documents(content)
    except yaml.YAMLError as exc:
        raise _build_error(f"invalid Kustomization: {name}: malformed YAML") from exc
    if len(documents) != 1 or not isinstance(documents[0], dict):
        raise _build_error(f"invalid Kustomization: {name}: not one mapping")
    return documents[0]


def _build_error(problem: str) -> RenderError:
    return RenderError(f"rpc error: code = Unknown desc = kustomize build failed exit status 1: Error: {problem}")


def _decorate(settings: Json, manifests: list[Json]) -> None:
    for manifest in manifests:
        metadata = manifest["metadata"]
        if settings.get("namespace") and manifest["kind"] not in CLUSTER_SCOPED:
            metadata["namespace"] = settings["namespace"]
        if metadata.get("name"):
            metadata["name"] = f"{settings.get('namePrefix', '')}{metadata['name']}{settings.get('nameSuffix', '')}"
        for key, field in (("commonLabels", "labels"), ("commonAnnotations", "annotations")):
            if settings.get(key):
                metadata[field] = {**(metadata.get(field) or {}), **settings[key]}
        for replicas in settings.get("replicas") or []:
            if replicas["name"] == metadata.get("name"):
                manifest.setdefault("spec", {})["replicas"] = replicas["count"]


def _patch(tree: Tree, path: str, settings: Json, manifests: list[Json]) -> None:
    entries = [
        *(settings.get("patches") or []),
        *({"path": entry} for entry in settings.get("patchesStrategicMerge") or []),
    ]
    for entry in entries:
        name = posixpath.normpath(posixpath.join(path, entry["path"])) if "path" in entry else f"{path}: inline patch"
        content = tree.read([name]).get(name) if "path" in entry else str(entry["patch"]).encode()
        if content is None:
            raise _build_error(f"failed to get the patch file from path({entry['path']})")
        for patch in parse(name, content):
            _patch_one(patch, manifests)


def _patch_one(patch: Json, manifests: list[Json]) -> None:
    for index, manifest in enumerate(manifests):
        if (manifest["kind"], manifest["metadata"].get("name")) == (patch["kind"], patch["metadata"].get("name")):
            manifests[index] = merged(manifest, patch)
            return
    raise _build_error(
        f"no matches for Id {patch['kind']}/{patch['metadata'].get('name')}; failed to find unique target"
    )


def merged(base: Any, patch: Any) -> Any:
    """A strategic merge as far as pods need it: mappings key by key, lists of named mappings by name, else replaced."""
    if isinstance(base, dict) and isinstance(patch, dict):
        changed = {key: merged(base.get(key), value) for key, value in patch.items() if value is not None}
        return {**{key: value for key, value in base.items() if key not in patch}, **changed}
    if isinstance(base, list) and isinstance(patch, list) and _named(base) and _named(patch):
        changes = {item["name"]: item for item in patch}
        kept = [merged(item, changes.pop(item["name"])) if item["name"] in changes else item for item in base]
        return kept + list(changes.values())
    return copy.deepcopy(patch)


def _named(items: list[Any]) -> bool:
    return all(isinstance(item, dict) and "name" in item for item in items)


def _parse_image(text: str) -> Json:
    """`[old=]name[:tag|@digest]`, as a source's `kustomize.images` spells it."""
    old, _, new = text.rpartition("=")
    name, digest = new.partition("@")[::2]
    head, _, tail = name.rpartition("/")
    base, tag = tail.partition(":")[::2]
    full = f"{head}/{base}" if head else base
    return {
        "name": old or full,
        "newName": full,
        **({"newTag": tag} if tag else {}),
        **({"digest": digest} if digest else {}),
    }


def _set_images(manifests: list[Json], overrides: Sequence[Mapping[str, Any]]) -> None:
    for manifest in manifests:
        for containers in _containers(manifest):
            for container in containers:
                for override in overrides:
                    container["image"] = _override(str(container.get("image", "")), override)


def _containers(manifest: Json) -> list[list[Json]]:
    spec = manifest.get("spec") or {}
    if manifest["kind"] == "CronJob":
        spec = spec.get("jobTemplate", {}).get("spec", {})
    spec = spec if manifest["kind"] == "Pod" else ((spec.get("template") or {}).get("spec") or {})
    return [spec[key] for key in ("initContainers", "containers") if spec.get(key)]


def _override(image: str, override: Mapping[str, Any]) -> str:
    name = image.partition("@")[0]
    head, _, tail = name.rpartition("/")
    base, _, tag = tail.partition(":")
    full = f"{head}/{base}" if head else base
    if full != override["name"]:
        return image
    new = override.get("newName") or full
    if override.get("digest"):
        return f"{new}@{override['digest']}"
    tag = str(override.get("newTag") or tag)
    return f"{new}:{tag}" if tag else new


def as_json(manifest: Mapping[str, Any]) -> str:
    """One object as the engine prints it inside an answer: compact, keys sorted."""
    return json.dumps(manifest, sort_keys=True, separators=(",", ":"))
