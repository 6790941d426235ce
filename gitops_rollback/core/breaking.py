"""How is an application broken on purpose, by one edit of its files that a revert takes back whole?

Three ways: an image that no registry has, a ConfigMap that is not there, a command that ends at once. Each keeps the
new Pods from coming up while the old ones go on to serve. The edit is spliced; every other byte stays.
Source: Kubernetes' waiting reasons ImagePullBackOff, CreateContainerConfigError, CrashLoopBackOff; kustomize's order of
transformers, in which `images` comes after `patches`.
"""

from __future__ import annotations

import json
import posixpath
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from gitops_rollback.core.images import parse_image
from gitops_rollback.core.layout import RUNS
from gitops_rollback.core.manifest import KUSTOMIZATION_NAMES
from gitops_rollback.core.merging.edits import Edits
from gitops_rollback.core.merging.nodes import Mapping, Node, Scalar, Unreadable, read_documents
from gitops_rollback.core.merging.nodes import Sequence as ListNode
from gitops_rollback.core.policy import Workload

MARK = "gitops-rollback-drill"


class Break(StrEnum):
    """What is broken."""

    IMAGE = "image"
    CONFIG = "config"
    CRASH_LOOP = "crash-loop"

    @property
    def words(self) -> str:
        """For the subject of the commit."""
        return _WORDS[self]


_WORDS = {
    Break.IMAGE: "an image that no registry has",
    Break.CONFIG: "a ConfigMap that is not there",
    Break.CRASH_LOOP: "a command that ends at once",
}


@dataclass(frozen=True)
class Wound:
    """The one file that is changed, as it is then; `what` says the change, for people."""

    path: str
    content: bytes
    what: str


@dataclass(frozen=True)
class _Text:
    path: str
    text: str
    roots: tuple[Node, ...]

    @property
    def is_kustomization(self) -> bool:
        return posixpath.basename(self.path) in KUSTOMIZATION_NAMES


@dataclass(frozen=True)
class _Pods:
    """The object that runs Pods, and its first container."""

    file: _Text
    manifest: Mapping
    container: Mapping


@dataclass(frozen=True)
class _Case:
    """`own` files are read by no other application; `inside` stands in one of these, `outside` in another one."""

    own: tuple[_Text, ...]
    inside: _Pods | None
    outside: _Pods | None
    how: Break
    identity: str

    @property
    def image(self) -> str:
        pods = self.inside or self.outside
        return _word(_at(pods.container, "image")) if pods else ""


def wounded(
    own: Sequence[tuple[str, bytes]],
    shared: Sequence[tuple[str, bytes]],
    workload: Workload | None,
    how: Break,
    identity: str,
) -> tuple[Wound | None, str]:
    """The edit, or None and why there is none. Only `own` files are edited; `shared` ones are read by others, too.

    `identity` makes the state one that never was before. A kustomization that sets the image is edited before the
    manifest that it overrides, and bears a patch where the manifest itself may not be touched.
    """
    mine, others = _readable(own), _readable(shared)
    case = _Case(mine, next(_pods(mine, workload), None), next(_pods(others, workload), None), how, identity)
    ways = (_kustomized_image, _manifest, _patched, _values) if how is Break.IMAGE else (_manifest, _patched)
    wound = next((one for way in ways if (one := way(case)) is not None), None)
    if wound is not None:
        return wound, ""
    named = f"{workload.kind} {workload.name}" if workload else "what runs Pods"
    return None, (
        f"a drill cannot break it by {how.value}: {named} stands in no plain manifest among the {len(own)} files that"
        " this application alone reads, and none of them is a kustomization that could patch it"
    )


def _readable(files: Sequence[tuple[str, bytes]]) -> tuple[_Text, ...]:
    return tuple(text for path, content in files if (text := _read(path, content)) is not None)


def _read(path: str, content: bytes) -> _Text | None:
    if not path.endswith((".yaml", ".yml", ".json")) and posixpath.basename(path) not in KUSTOMIZATION_NAMES:
        return None
    try:
        text = content.decode()
        roots = tuple(one.root for one in read_documents(text))
    except (UnicodeDecodeError, Unreadable):
        return None
    plain = "\r" not in text and not text.startswith("\N{ZERO WIDTH NO-BREAK SPACE}")
    return _Text(path, text, roots) if plain else None


def _pods(files: Sequence[_Text], workload: Workload | None) -> Iterator[_Pods]:
    """Objects that may be meant; without a workload in the policy, any that runs Pods."""
    for file in files:
        for root in file.roots:
            kind, name = _word(_at(root, "kind")), _word(_at(root, "metadata", "name"))
            meant = kind in RUNS if workload is None else (kind, name) == (workload.kind, workload.name)
            containers = _at(root, "spec", "template", "spec", "containers") if meant else None
            first = containers.items[0] if isinstance(containers, ListNode) and containers.items else None
            if isinstance(root, Mapping) and isinstance(first, Mapping):
                yield _Pods(file, root, first)


def _kustomized_image(case: _Case) -> Wound | None:
    for file in case.own:
        entries = _at(file.roots[0], "images") if file.is_kustomization and file.roots else None
        for entry in entries.items if isinstance(entries, ListNode) else ():
            name = _word(_at(entry, "name"))
            version = _entry(entry, "digest") or _entry(entry, "newTag")
            if version is not None and (not case.image or parse_image(case.image).name == parse_image(name).name):
                key, value = version
                edited = _spliced(file, key.start, value.end, f"newTag: {_tag(case.identity)}")
                return Wound(file.path, edited, f"{name} becomes {name}:{_tag(case.identity)}")
    return None


def _manifest(case: _Case) -> Wound | None:
    image = _entry(case.inside.container, "image") if case.inside else None
    if case.inside is None or image is None:
        return None
    file, container = case.inside.file, case.inside.container
    key, value = _field(case)
    known, written = _entry(container, key), json.dumps(value)
    what = f"{key}: {written}"
    if known is not None:
        name = file.text[known[0].start : known[0].end]
        return Wound(file.path, _spliced(file, known[0].start, known[1].end, f"{name}: {written}"), what)
    line = f'"{key}": {written}, ' if container.flow else f"{what}\n{' ' * _column(file, image[0])}"
    return Wound(file.path, _spliced(file, image[0].start, image[0].start, line), what)


def _patched(case: _Case) -> Wound | None:
    """A strategic merge patch in the first kustomization; the manifest says which container it is for."""
    file = next((one for one in case.own if one.is_kustomization and one.roots), None)
    if file is None or case.outside is None or case.inside is not None or not isinstance(file.roots[0], Mapping):
        return None
    key, value = _field(case)
    manifest, container = case.outside.manifest, case.outside.container
    patch = {
        "apiVersion": _word(_at(manifest, "apiVersion")),
        "kind": _word(_at(manifest, "kind")),
        "metadata": {"name": _word(_at(manifest, "metadata", "name"))},
        "spec": {"template": {"spec": {"containers": [{"name": _word(_at(container, "name")), key: value}]}}},
    }
    item = "{patch: '" + json.dumps(patch).replace("'", "''") + "'}"
    what = f"a patch sets {key}: {json.dumps(value)}"
    known = _at(file.roots[0], "patches")
    if isinstance(known, ListNode) and known.items and not known.flow:
        line = f"- {item}\n{' ' * _column(file, known)}"
        return Wound(file.path, _spliced(file, known.start, known.start, line), what)
    if known is not None or file.roots[0].flow:
        return None
    end = len(file.text.rstrip())
    return Wound(file.path, _spliced(file, end, len(file.text), f"\npatches:\n  - {item}\n"), what)


def _values(case: _Case) -> Wound | None:
    """Helm values: the first `image` with a tag, in a values file or in a HelmRelease."""
    for file in case.own:
        for root in file.roots:
            values = _at(root, "spec", "values") if _word(_at(root, "kind")) == "HelmRelease" else root
            named = posixpath.basename(file.path).startswith("values") or values is not root
            for mapping in _mappings(values) if named and values is not None else ():
                tag = _entry(_at(mapping, "image"), "tag")
                if tag is None or not isinstance(tag[1], Scalar) or _word(_at(mapping, "image", "digest")):
                    continue
                quote, new = tag[1].style, _tag(case.identity)
                edited = _spliced(file, tag[1].start, tag[1].end, f"{quote}{new}{quote}")
                return Wound(file.path, edited, f"image.tag becomes {new}")
    return None


def _field(case: _Case) -> tuple[str, object]:
    """The field of a container that breaks it, and its value."""
    if case.how is Break.IMAGE:
        return "image", _broken_image(case.image, case.identity)
    if case.how is Break.CONFIG:
        return "envFrom", [{"configMapRef": {"name": _tag(case.identity)}}]
    return "command", ["/bin/sh", "-c", f"exit 1  # {MARK} {case.identity}"]


def _column(file: _Text, node: Node) -> int:
    return node.start - (file.text.rfind("\n", 0, node.start) + 1)


def _tag(identity: str) -> str:
    return f"{MARK}-{identity}-missing"


def _broken_image(image: str, identity: str) -> str:
    name = image.partition("@")[0]
    head, slash, tail = name.rpartition("/")
    return f"{head}{slash}{tail.partition(':')[0]}:{_tag(identity)}"


def _spliced(file: _Text, start: int, end: int, text: str) -> bytes:
    edits = Edits()
    edits.put(start, end, text)
    return edits.applied(file.text).encode()


def _entry(node: Node | None, key: str) -> tuple[Scalar, Node] | None:
    entries = node.entries if isinstance(node, Mapping) else ()
    return next(((one.key, one.value) for one in entries if one.key.value == key), None)


def _at(node: Node | None, *keys: str) -> Node | None:
    for key in keys:
        entry = _entry(node, key)
        node = entry[1] if entry else None
    return node


def _word(node: Node | None) -> str:
    return node.value if isinstance(node, Scalar) else ""


def _mappings(node: Node) -> Iterator[Mapping]:
    if isinstance(node, Mapping):
        yield node
        for entry in node.entries:
            yield from _mappings(entry.value)
    elif isinstance(node, ListNode):
        for item in node.items:
            yield from _mappings(item)
