"""Puts a field into a YAML or JSON file where it is not there, and takes it out again: one line, or one entry.

What is put in and taken out again leaves the file byte for byte as it was.
"""

from __future__ import annotations

import json

from gitops_rollback.core.manifest_fields import FieldFault, Place, Value, nodes_at, place_of, read_field, text_of
from gitops_rollback.core.merging.nodes import Entry, Mapping


def value_at(content: bytes, field: str) -> tuple[Value, ...]:
    """What stands at the field, as the only one; () where nothing does. Raises: FieldFault where that is unclear."""
    text, place = text_of(content, field), place_of(field)
    return (read_field(content, field),) if nodes_at(text, place, place.hops) else ()


def with_field(content: bytes, field: str, value: Value) -> bytes:
    """The file with a field that it does not have. Raises: FieldFault where there is no certain place for it."""
    text, place = text_of(content, field), place_of(field)
    above, key = _above(text, place)
    first = above.entries[0]
    name = json.dumps(key) if first.key.style == '"' else key
    said = f"{name}: {json.dumps(value)}"
    start = first.key.start
    if above.flow:
        changed = f"{text[:start]}{said}, {text[start:]}"
    else:
        margin = _margin(text, first, field)
        line = start - len(margin)
        changed = f"{text[:line]}{margin}{said}\n{text[line:]}"
    return _checked(changed, field, (value,))


def without_field(content: bytes, field: str) -> bytes:
    """The file without the field; as it is where that is not there. Raises: FieldFault."""
    if not value_at(content, field):
        return content
    text, place = text_of(content, field), place_of(field)
    above, key = _above(text, place)
    at = next(index for index, entry in enumerate(above.entries) if entry.key.value == key)
    entry = above.entries[at]
    if len(above.entries) == 1:
        raise FieldFault(f"{field}: nothing else stands there, so it cannot be taken out alone")
    if above.flow:
        end = above.entries[at + 1].key.start if at + 1 < len(above.entries) else entry.value.end
        start = entry.key.start if at + 1 < len(above.entries) else above.entries[at - 1].value.end
    else:
        start = entry.key.start - len(_margin(text, entry, field))
        found = text.find("\n", entry.value.end)
        end = len(text) if found < 0 else found + 1
    return _checked(text[:start] + text[end:], field, ())


def _above(text: str, place: Place) -> tuple[Mapping, str]:
    """The mapping that has the field, or is to have it, and the field's own key there."""
    *way, key = place.hops
    if place.inside or not isinstance(key, str) or not way:
        raise FieldFault(f"{place.text}: only a key of an object can be put in or taken out")
    found = nodes_at(text, place, tuple(way))
    if len(found) != 1 or not isinstance(found[0], Mapping) or not found[0].entries:
        raise FieldFault(f"{place.text}: what it belongs to does not stand there once, as a mapping")
    return found[0], key


def _margin(text: str, entry: Entry, field: str) -> str:
    """What stands before a key on its line: spaces alone."""
    margin = text[text.rfind("\n", 0, entry.key.start) + 1 : entry.key.start]
    if margin.strip(" "):
        raise FieldFault(f"{field}: what it belongs to begins in the middle of a line")
    return margin


def _checked(changed: str, field: str, wanted: tuple[Value, ...]) -> bytes:
    content = changed.encode()
    if value_at(content, field) != wanted:
        raise FieldFault(f"{field}: it cannot be written there")
    return content
