"""Reads and sets single fields of a YAML or JSON file: one scalar is spliced, and every other byte stays.

A field is written as `[Kind/name:] key.key[0][name=stable]["odd.key"] [-> key.key]`. `Kind/name:` says which of several
objects of the file is meant. What stands behind `->` is looked for inside the text of the field before it, which is
YAML or JSON itself: a file in a ConfigMap, the JSON of an annotation.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping as Named
from dataclasses import dataclass

import yaml

from gitops_rollback.core.merging.edits import Edits, Unwritable
from gitops_rollback.core.merging.nodes import (
    Document,
    Mapping,
    Node,
    Scalar,
    Sequence,
    Unreadable,
    read_documents,
)

Value = str | int | float | bool | None
Hop = str | int | tuple[str, str]  # a mapping's key, a list's place, or the list element whose key has that value

MAX_FIELD = 500
INSIDE = "->"
_OBJECT = re.compile(r"(?P<kind>[A-Z][A-Za-z0-9]*)/(?P<name>[a-z0-9][a-z0-9.-]*):\s*")
_HOP = re.compile(
    r"""(?P<first>\.?)(?P<key>[A-Za-z0-9_$-]+(?:/[A-Za-z0-9_-]+)?)
      | \[(?P<place>\d{1,6})\]
      | \[(?P<by>[A-Za-z0-9_-]+)=(?P<is>[^\]\s]+)\]
      | \["(?P<quoted>[^"\]]+)"\]""",
    re.VERBOSE,
)
_PLAIN = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._/+-]*")


class FieldFault(Exception):
    """The field cannot be read or set for certain; says which and why, for people."""


@dataclass(frozen=True)
class Place:
    """A field taken apart. `inside`: the way within the text that stands at `hops`; () where it is the field itself."""

    text: str
    kind: str
    name: str
    hops: tuple[Hop, ...]
    inside: tuple[Hop, ...]


def place_of(field: str) -> Place:
    """Take a field's way apart. Raises: FieldFault."""
    if len(field) > MAX_FIELD:
        raise FieldFault(f"a field of more than {MAX_FIELD} characters")
    found = _OBJECT.match(field)
    outer, arrow, inner = field[found.end() if found else 0 :].partition(INSIDE)
    inside = _hops(field, inner.strip()) if arrow else ()
    kind, name = (found["kind"], found["name"]) if found else ("", "")
    return Place(field, kind, name, _hops(field, outer.strip()), inside)


def read_field(content: bytes, field: str) -> Value:
    """What stands at the field. Raises: FieldFault where nothing, no single value, or more than one does."""
    text, place = text_of(content, field), place_of(field)
    scalar = _only(text, place, place.hops)
    if not place.inside:
        return _value(scalar)
    return _value(_only(scalar.value, _within(place), place.inside))


def set_fields(content: bytes, values: Named[str, Value]) -> bytes:
    """The file with these fields set, in the type that each has now. Raises: FieldFault."""
    for field, value in values.items():
        content = _set(content, field, alike(read_field(content, field), value, field))
    return content


def alike(old: Value, new: Value, field: str) -> Value:
    """`new` in the type of `old`: "20" stays a text. Raises: FieldFault where it has another type."""
    if isinstance(old, str) and isinstance(new, int | float) and not isinstance(new, bool) and _is_number(old):
        return str(new)
    number = isinstance(old, int | float) and not isinstance(old, bool)
    if number and isinstance(new, int | float) and not isinstance(new, bool):
        return int(new) if isinstance(new, float) and new.is_integer() and isinstance(old, int) else new
    if type(old) is not type(new):
        raise FieldFault(f"{field}: {_shown(old)} stands there, and {_shown(new)} is of another type")
    return new


def _set(content: bytes, field: str, value: Value) -> bytes:
    text, place = text_of(content, field), place_of(field)
    scalar = _only(text, place, place.hops)
    if place.inside:
        inner = _only(scalar.value, _within(place), place.inside)
        said = _spliced(scalar.value, inner, _written(inner, value), field)
        new = _rewritten(text, scalar, said, field)
    else:
        new = _written(scalar, value)
    changed = _spliced(text, scalar, new, field).encode()
    if read_field(changed, field) != value:
        raise FieldFault(f"{field}: {_shown(value)} cannot be written there")
    return changed


def _within(place: Place) -> Place:
    """The same field within one text, where no object has to be told from others."""
    return Place(place.text, "", "", place.inside, ())


def _hops(field: str, way: str) -> tuple[Hop, ...]:
    found: list[Hop] = []
    at = 0
    while at < len(way):
        match = _HOP.match(way, at)
        if match is None or (match["key"] and bool(match["first"]) != bool(at)):
            raise FieldFault(f"{field!r} is no field: look at {way[at : at + 20]!r}")
        found.append(_hop(match))
        at = match.end()
    if not found:
        raise FieldFault(f"{field!r} is no field: it names nothing")
    return tuple(found)


def _hop(match: re.Match[str]) -> Hop:
    if match["place"]:
        return int(match["place"])
    if match["by"]:
        return match["by"], match["is"]
    return match["key"] or match["quoted"]


def text_of(content: bytes, field: str) -> str:
    """The file as text. Raises: FieldFault where that is not plain UTF-8."""
    try:
        text = content.decode()
    except UnicodeDecodeError:
        raise FieldFault(f"{field}: the file is not UTF-8") from None
    if "\r" in text or text.startswith("\N{ZERO WIDTH NO-BREAK SPACE}"):
        raise FieldFault(f"{field}: the file has a byte order mark or lines that do not end with a line feed alone")
    return text


def nodes_at(text: str, place: Place, hops: tuple[Hop, ...]) -> list[Node]:
    """What stands at the end of `hops` in each object that may be meant. Raises: FieldFault."""
    try:
        documents = read_documents(text)
    except Unreadable as error:
        raise FieldFault(f"{place.text}: {error}") from None
    return [node for one in documents if _is_of(one, place) and (node := _at(one.root, hops)) is not None]


def _only(text: str, place: Place, hops: tuple[Hop, ...]) -> Scalar:
    """The one scalar that is meant."""
    nodes = nodes_at(text, place, hops)
    if not nodes:
        raise FieldFault(f"{place.text}: there is no such field")
    if len(nodes) > 1:
        raise FieldFault(f"{place.text}: it stands in {len(nodes)} objects; write `Kind/name:` before the field")
    if not isinstance(nodes[0], Scalar):
        raise FieldFault(f"{place.text}: it is no single value, or an anchor, alias or tag")
    return nodes[0]


def _is_of(document: Document, place: Place) -> bool:
    if not place.kind:
        return True
    names = (_at(document.root, ("kind",)), _at(document.root, ("metadata", "name")))
    return [one.value if isinstance(one, Scalar) else "" for one in names] == [place.kind, place.name]


def _at(node: Node, hops: tuple[Hop, ...]) -> Node | None:
    for hop in hops:
        found: Node | None = None
        if isinstance(node, Mapping) and isinstance(hop, str):
            found = next((entry.value for entry in node.entries if entry.key.value == hop), None)
        elif isinstance(node, Sequence) and isinstance(hop, int):
            found = node.items[hop] if hop < len(node.items) else None
        elif isinstance(node, Sequence) and isinstance(hop, tuple):
            named = [item for item in node.items if _is_named(item, *hop)]
            found = named[0] if len(named) == 1 else None
        if found is None:
            return None
        node = found
    return node


def _is_named(item: Node, key: str, value: str) -> bool:
    own = _at(item, (key,))
    return isinstance(own, Scalar) and own.value == value


def _value(scalar: Scalar) -> Value:
    """A plain scalar is what YAML makes of it; a quoted one is a text."""
    if scalar.style:
        return scalar.value
    try:
        read = yaml.safe_load(scalar.value)
    except (yaml.YAMLError, ValueError):
        return scalar.value
    return read if read is None or isinstance(read, bool | int | float) else scalar.value


def _written(scalar: Scalar, value: Value) -> str:
    """The value as it stands in a file, quoted as what it replaces."""
    if isinstance(value, str):
        if scalar.style == "'" and "\n" not in value:
            return "'" + value.replace("'", "''") + "'"
        plain = not scalar.style and _PLAIN.fullmatch(value) and isinstance(_value(Scalar(0, 0, value, "")), str)
        return value if plain else json.dumps(value, ensure_ascii=False)
    return json.dumps(value)


def _rewritten(text: str, scalar: Scalar, said: str, field: str) -> str:
    """A text that holds YAML or JSON, in the way it was written."""
    if scalar.style == ">":
        raise FieldFault(f"{field}: its text is folded (`>`), so a line of it cannot be told; write it with `|`")
    if scalar.style != "|":
        quoted = Scalar(scalar.start, scalar.end, "", scalar.style or '"')
        return _written(quoted, said)
    header, _, body = text[scalar.start : scalar.end].partition("\n")
    first = next((line for line in body.split("\n") if line.strip()), "")
    margin = first[: len(first) - len(first.lstrip(" "))]
    lines = said.rstrip("\n").split("\n")
    return "\n".join([header, *(margin + line if line else line for line in lines)])


def _spliced(text: str, scalar: Scalar, new: str, field: str) -> str:
    edits = Edits()
    edits.put(scalar.start, scalar.end, new)
    try:
        return edits.applied(text)
    except Unwritable as error:
        raise FieldFault(f"{field}: {error}") from None


def _is_number(text: str) -> bool:
    return re.fullmatch(r"\d{1,9}", text) is not None


def _shown(value: Value) -> str:
    return json.dumps(value, ensure_ascii=False)
