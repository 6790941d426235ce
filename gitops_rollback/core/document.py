"""One YAML document from untrusted bytes as plain values, with the place of each, and bounded before it is built.

What `core.written` refuses is refused here, at its first fault. Plain `true`, `false`, `null` and decimal numbers are
what they say; everything else is text, so `yes`, `off`, `1:30` and dates stay words.
Source: reliability.md, section 6, Policy reader.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from gitops_rollback.core.written import MAX_BYTES, Listed, Node, Written, read_written

Path = tuple[str | int, ...]

_INTEGER = re.compile(r"-?(?:0|[1-9][0-9]{0,17})")
_DECIMAL = re.compile(r"-?(?:0|[1-9][0-9]{0,17})\.[0-9]{1,18}")
_WORDS: Mapping[str, object] = {"": None, "~": None, "null": None, "true": True, "false": False}


class DocumentInvalid(ValueError):
    """The bytes are no such document: where (1-based, 0 if nowhere), and one sentence."""

    def __init__(self, line: int, column: int, message: str) -> None:
        super().__init__(f"{line}:{column}: {message}")
        self.line = line
        self.column = column
        self.message = message


@dataclass(frozen=True)
class Document:
    """`value` of dicts, lists and scalars; `marks` has (line, column), 1-based, of each key, item and value path."""

    value: object
    marks: Mapping[Path, tuple[int, int]]


def read_document(text: bytes, limit: int = MAX_BYTES) -> Document:
    """The one document in `text`; a file with nothing in it has the value None. Raises: DocumentInvalid."""
    root, faults = read_written(text, "", limit, boolean_keys=True)
    if faults:
        raise DocumentInvalid(faults[0].line, faults[0].col, faults[0].message)
    marks: dict[Path, tuple[int, int]] = {}
    return Document(None if root is None else _value(root, (), marks), marks)


def _value(node: Node, path: Path, marks: dict[Path, tuple[int, int]]) -> object:
    marks.setdefault(path, (node.mark.line, node.mark.col))
    if isinstance(node, Written):
        return _scalar(node)
    if isinstance(node, Listed):
        return [_value(item, (*path, index), marks) for index, item in enumerate(node.items)]
    values: dict[str, object] = {}
    for key, item in node.entries:
        # A key's place is where a person looks first, so it is taken before its value's.
        marks.setdefault((*path, key.text), (key.mark.line, key.mark.col))
        values[key.text] = _value(item, (*path, key.text), marks)
    return values


def _scalar(written: Written) -> object:
    text = written.text
    if not written.plain:
        return text
    if text in _WORDS:
        return _WORDS[text]
    if _INTEGER.fullmatch(text):
        return int(text)
    return float(text) if _DECIMAL.fullmatch(text) else text
