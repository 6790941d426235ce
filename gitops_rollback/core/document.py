"""One YAML document from untrusted bytes as plain values, with the place of each, and bounded before it is built.

Checked on the event stream, so that no composer ever sees it: no anchor, alias, tag, merge key or duplicate key, at
most 32 levels, 64 KiB, one document. Plain `true`, `false`, `null` and decimal numbers are what they say; everything
else is text, so `yes`, `off`, `1:30` and dates stay words.
Source: PyYAML 6.0 `yaml.parse`; reliability.md, section 6, Policy reader.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import yaml

MAX_BYTES = 64 << 10
MAX_DEPTH = 32

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
    if len(text) > limit:
        raise DocumentInvalid(0, 0, f"larger than {limit} bytes")
    try:
        decoded = text.decode().removeprefix("\ufeff")
    except UnicodeDecodeError as exc:
        raise DocumentInvalid(text.count(b"\n", 0, exc.start) + 1, 1, "not UTF-8") from exc
    try:
        return _Reader(decoded).document()
    except yaml.MarkedYAMLError as exc:
        mark = exc.problem_mark or exc.context_mark
        line, column = (mark.line + 1, mark.column + 1) if mark else (0, 0)
        raise DocumentInvalid(line, column, f"not YAML: {exc.problem or exc.context}") from exc
    except yaml.YAMLError as exc:
        raise DocumentInvalid(0, 0, "not YAML: holds a character that YAML forbids") from exc


class _Reader:
    def __init__(self, text: str) -> None:
        self._events: Iterator[yaml.Event] = iter(yaml.parse(text, Loader=yaml.SafeLoader))
        self._marks: dict[Path, tuple[int, int]] = {}

    def document(self) -> Document:
        value: object = None
        seen = False
        for event in self._events:
            if isinstance(event, yaml.DocumentStartEvent) and seen:
                raise _fault(event, "a second document; one file holds one")
            if isinstance(event, yaml.NodeEvent):
                value, seen = self._node(event, ()), True
        return Document(value, self._marks)

    def _node(self, event: yaml.Event, path: Path) -> object:
        self._marks.setdefault(path, _place(event))
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None) is not None:
            raise _fault(event, "anchors and aliases are not allowed")
        if getattr(event, "tag", None) is not None:
            raise _fault(event, "tags are not allowed")
        if len(path) > MAX_DEPTH:
            raise _fault(event, f"nested deeper than {MAX_DEPTH} levels")
        if isinstance(event, yaml.MappingStartEvent):
            return self._mapping(path)
        if isinstance(event, yaml.SequenceStartEvent):
            return self._sequence(path)
        if isinstance(event, yaml.ScalarEvent):
            return _scalar(event)
        raise _fault(event, "a value is missing")

    def _sequence(self, path: Path) -> list[object]:
        items: list[object] = []
        while not isinstance(event := next(self._events), yaml.SequenceEndEvent):
            items.append(self._node(event, (*path, len(items))))
        return items

    def _mapping(self, path: Path) -> dict[str, object]:
        items: dict[str, object] = {}
        while not isinstance(event := next(self._events), yaml.MappingEndEvent):
            if not isinstance(event, yaml.ScalarEvent):
                raise _fault(event, "a key must be a word")
            key = str(event.value)
            if key == "<<":
                raise _fault(event, "merge keys are not allowed")
            if key in items:
                raise _fault(event, f"duplicate key {key[:60]!r}")
            # Keys pass the same checks as values; their place is where a person looks first.
            self._node(event, (*path, key))
            items[key] = self._node(next(self._events), (*path, key))
        return items


def _scalar(event: yaml.ScalarEvent) -> object:
    text = str(event.value)
    if event.style is not None:
        return text
    if text in _WORDS:
        return _WORDS[text]
    if _INTEGER.fullmatch(text):
        return int(text)
    return float(text) if _DECIMAL.fullmatch(text) else text


def _place(event: yaml.Event) -> tuple[int, int]:
    mark = event.start_mark
    return (mark.line + 1, mark.column + 1) if mark else (0, 0)


def _fault(event: yaml.Event, message: str) -> DocumentInvalid:
    return DocumentInvalid(*_place(event), message)
