"""Which fields of a file may an image automation write, and how is such a mark taken off one and put back?

Flux writes a value whose line ends with `# {"$imagepolicy": "<namespace>:<policy>[:name|:tag|:digest]"}`, and nothing
else. A mark is a comment, so to take it off changes nothing of what is rendered. Edits are spliced at PyYAML's marks;
every other byte stays.
Source: contracts/flux-kubernetes.md section 9; image-automation-controller pkg/update/setters.go.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass

from gitops_rollback.core.merging.documents import same_documents
from gitops_rollback.core.merging.edits import Edits
from gitops_rollback.core.merging.matching import Path, Step, matched, steps, written
from gitops_rollback.core.merging.nodes import Mapping, Node, Scalar, Sequence, Unreadable, read_documents

IMAGE_MARKER = b'"$imagepolicy"'
_COMMENT = re.compile(
    r'[ \t]+#[ \t]*\{[ \t]*"\$imagepolicy"[ \t]*:[ \t]*"'
    r'(?P<policy>[^":\s]+:[^":\s]+)(?::(?P<part>name|tag|digest))?"[ \t]*\}[ \t]*'
)


@dataclass(frozen=True)
class Mark:
    """One marked value. `policy` is `namespace:name`; `part` is name, tag, digest, or "" for the whole image.

    `comment` is all that stands behind the value on its line, at [start, end) of the text.
    """

    field: str
    policy: str
    part: str
    value: str
    comment: str
    start: int
    end: int


@dataclass(frozen=True)
class Field:
    """A value without a mark; `rest` is what stands behind it on its line, from `end` on."""

    value: str
    end: int
    rest: str


def is_marked(content: bytes | None) -> bool:
    """True if a marker stands anywhere in it."""
    return content is not None and IMAGE_MARKER in content


def marks(content: bytes) -> tuple[Mark, ...] | None:
    """All marked values; None if it cannot be told for each marker which value it marks."""
    if not is_marked(content):
        return ()
    text = _text(content)
    fields = None if text is None else _fields(text)
    if text is None or fields is None:
        return None
    found = [_mark(name, field) for name, field in fields]
    marked = tuple(one for one in found if one is not None)
    names = [one.field for one in marked]
    unique = len(set(names)) == len(names) and all(sum(name == one for name, _ in fields) == 1 for one in names)
    return marked if unique and len(marked) == content.count(IMAGE_MARKER) else None


def written_again(before: bytes | None, after: bytes | None) -> tuple[Mark, ...] | None:
    """The marks of `after` at values that differ from `before`: an automation may write those anew.

    So does a mark that `before` has not. None if either cannot be told.
    """
    earlier, later = (() if content is None else marks(content) for content in (before, after))
    if earlier is None or later is None:
        return None
    known = {(one.field, one.policy, one.part, one.value) for one in earlier}
    return tuple(one for one in later if (one.field, one.policy, one.part, one.value) not in known)


def without(content: bytes, taken: Collection[Mark]) -> bytes:
    """`content` with these marks of its own taken off."""
    edits = Edits()
    for one in taken:
        edits.put(one.start, one.end, "")
    return edits.applied(content.decode()).encode()


def with_mark(content: bytes, name: str, comment: str) -> bytes | None:
    """`content` with the mark put back at the field; None if that is not there alone, or its line has no room."""
    field = unmarked(content, name)
    if field is None or field.rest.strip():
        return None
    edits = Edits()
    edits.put(field.end, field.end + len(field.rest), comment)
    changed = edits.applied(content.decode()).encode()
    found = marks(changed)
    return changed if found is not None and any(one.field == name for one in found) else None


def unmarked(content: bytes, name: str) -> Field | None:
    """The value of a field that bears no mark; None if it bears one, is not there, or cannot be read for certain."""
    text = _text(content)
    fields = None if text is None else _fields(text)
    found = [field for one, field in fields or () if one == name]
    return found[0] if len(found) == 1 and _mark(name, found[0]) is None else None


def policy_of(comment: str) -> tuple[str, str]:
    """(`namespace:name`, part) that a mark names; ("", "") if it is none."""
    match = _COMMENT.fullmatch(comment)
    return (match["policy"], match["part"] or "") if match is not None else ("", "")


def part_of(image: str, part: str) -> str:
    """What an automation writes for `name:tag@digest` where a mark asks for `part`."""
    rest, _, digest = image.partition("@")
    name, colon, tag = rest.rpartition(":")
    if not colon or "/" in tag:
        name, tag = rest, ""
    return {"name": name, "tag": tag, "digest": digest}.get(part, image)


def _mark(name: str, field: Field) -> Mark | None:
    policy, part = policy_of(field.rest)
    end = field.end + len(field.rest)
    return Mark(name, policy, part, field.value, field.rest, field.end, end) if policy else None


def _text(content: bytes) -> str | None:
    try:
        text = content.decode()
    except UnicodeDecodeError:
        return None
    return None if "\r" in text or text.startswith("\N{ZERO WIDTH NO-BREAK SPACE}") else text


def _fields(text: str) -> list[tuple[str, Field]] | None:
    """Every value that stands on one line with all that follows it there; None if the text is no plain YAML."""
    try:
        documents = read_documents(text)
        names = same_documents(documents)[0]
    except Unreadable:
        return None
    found: list[tuple[str, Field]] = []
    for name, document in zip(names, documents, strict=True):
        for path, scalar in _scalars(document.root, ()):
            if not scalar.block and "\n" not in text[scalar.start : scalar.end]:
                line_end = text.find("\n", scalar.end)
                rest = text[scalar.end : len(text) if line_end < 0 else line_end]
                found.append((f"{name.value} {written(path)}", Field(scalar.value, scalar.end, rest)))
    return found


def _scalars(node: Node, path: Path) -> Iterator[tuple[Path, Scalar]]:
    if isinstance(node, Scalar):
        yield path, node
    elif isinstance(node, Mapping):
        for entry in node.entries:
            yield from _scalars(entry.value, (*path, Step(entry.key.value)))
    elif isinstance(node, Sequence):
        by = matched((node,), path)
        places = (Step(str(place), "at") for place in range(len(node.items)))
        for step, item in zip(steps(node, by) if by else places, node.items, strict=True):
            yield from _scalars(item, (*path, step))
