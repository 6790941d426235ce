"""Which elements of three versions of one list are the same thing?

A list is matched by the first merge key that each element of all versions has, uniquely, as Kubernetes and the tools
around it name things; a list of different scalars by value. Any other list is one value.
Source: git.md 5.4; Kubernetes API, `x-kubernetes-list-map-keys` and `patchMergeKey`.
"""

from __future__ import annotations

from collections.abc import Hashable
from collections.abc import Sequence as Listed
from dataclasses import dataclass

from gitops_rollback.core.merging.nodes import Mapping, Node, Scalar, Sequence

MERGE_KEYS = (
    *("name", "key", "id", "path", "mountPath", "devicePath", "repository", "repoURL", "url", "host", "ip", "resource"),
    *("ref", "containerPort", "port", "topologyKey", "uid", "release", "chart", "alert", "record"),
)
ORDERED = frozenset({"command", "args", "entrypoint"})  # words whose neighbours may belong to them


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a path: a mapping's key (`field` ""), or the list element whose `field` is `value`.

    The field "=" stands for an element that is the value itself, "document" for a file's document.
    """

    value: str
    field: str = ""

    def __str__(self) -> str:
        if not self.field:
            return self.value
        return f"[{self.value}]" if self.field == "=" else f"[{self.field}={self.value}]"


Path = tuple[Step, ...]


def written(path: Path) -> str:
    """`spec.containers[name=app].image`, for people; the document is left out, since the file has few."""
    text = ""
    for step in path:
        if step.field != "document":
            text += str(step) if step.field or not text else f".{step}"
    return text


def matched(versions: Listed[Sequence], path: Path) -> str | None:
    """The field by which the elements are matched, "=" for scalars by their value; None if the list is one value."""
    items = [item for version in versions for item in version.items]
    if not items:
        return None
    if all(isinstance(item, Scalar) for item in items):
        if path and path[-1].value in ORDERED and not all(_is_flag(item) for item in items):
            return None
        return "=" if all(_unique([item.data for item in version.items]) for version in versions) else None
    for field in MERGE_KEYS:
        named = [[_named(item, field) for item in version.items] for version in versions]
        if all(None not in names and _unique(names) for names in named):
            return field
    return None


def steps(version: Sequence, field: str) -> list[Step]:
    """The step of each element, in order."""
    return [Step(item.value if isinstance(item, Scalar) else str(_named(item, field)), field) for item in version.items]


def at(node: Node, path: Path) -> Node | None:
    """The node at a path; None if there is none."""
    for step in path:
        found: Node | None = None
        if isinstance(node, Mapping) and not step.field:
            found = next((entry.value for entry in node.entries if entry.key.value == step.value), None)
        elif isinstance(node, Sequence) and step.field:
            own = zip(steps(node, step.field), node.items, strict=True)
            found = next((item for name, item in own if name == step), None)
        if found is None:
            return None
        node = found
    return node


def _is_flag(item: Node) -> bool:
    return isinstance(item, Scalar) and item.value.startswith("-") and "=" in item.value


def _named(item: Node, field: str) -> str | None:
    if not isinstance(item, Mapping):
        return None
    value = next((entry.value for entry in item.entries if entry.key.value == field), None)
    return value.value if isinstance(value, Scalar) and not value.block and value.value else None


def _unique(names: Listed[Hashable]) -> bool:
    return len(set(names)) == len(names)
