"""The documents of a YAML or JSON file as plain values, read without ever trusting its nesting or its size.

Values are `str`, None, tuples and dicts: a scalar stands as written, so `1.10` is not `1.1`. A file that this module
does not read (None) is not harmless, it is unseen. The C composer crashes on deep nesting and merge keys multiply, so
the events alone are read, and aliases count as often as they are used.
Source: git.md 5.4; PyYAML 6 `yaml.parse`, `yaml.events`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache

import yaml

MAX_BYTES = 1 << 20
MAX_DEPTH = 48
MAX_NODES = 200_000
REMEMBERED_FILES, REMEMBERED_CHARACTERS = 1000, 8192

Value = str | None | tuple["Value", ...] | dict[str, "Value"]

_TAG = "tag:yaml.org,2002:"
_PLAIN_TAGS = frozenset(_TAG + name for name in ("str", "int", "float", "bool", "null", "map", "seq", "timestamp"))
_NULLS = frozenset({"", "~", "null", "Null", "NULL"})


class _Unread(Exception):
    """The file is not what this module reads."""


def documents(content: bytes | str) -> tuple[Value, ...] | None:
    """All documents that are not empty; None if the file cannot be read safely or for certain.

    None for: more than 1 MiB, no UTF-8, a template (`{{`), broken YAML, more than 48 levels, duplicate or non-scalar
    keys, merge keys, tags of its own, and aliases that multiply beyond 200,000 values.
    """
    text = _text(content)
    if text is None or "{{" in text:
        return None
    return _documents_once(text) if len(text) <= REMEMBERED_CHARACTERS else _documents(text)


@lru_cache(maxsize=REMEMBERED_FILES)
def _documents_once(text: str) -> tuple[Value, ...] | None:
    """Rules ask one after the other about the same few files, at each tick. Nobody changes what they are given."""
    return _documents(text)


def _documents(text: str) -> tuple[Value, ...] | None:
    try:
        return tuple(_read(text))
    except (_Unread, yaml.YAMLError):
        return None


def _text(content: bytes | str) -> str | None:
    try:
        raw = content.encode() if isinstance(content, str) else content
        return raw.decode("utf-8-sig") if len(raw) <= MAX_BYTES else None
    except UnicodeError:
        return None


@dataclass
class _Open:
    """A collection whose end has not come. `key` is the mapping key that waits for its value."""

    mapping: bool
    anchor: str | None
    values: list[Value] = field(default_factory=list)
    entries: dict[str, Value] = field(default_factory=dict)
    key: str | None = None
    size: int = 1

    def close(self) -> Value:
        return self.entries if self.mapping else tuple(self.values)


class _Reader:
    def __init__(self) -> None:
        self.stack: list[_Open] = []
        self.anchors: dict[str, tuple[Value, int]] = {}
        self.nodes = 0
        self.root: Value = None

    def take(self, value: Value, size: int, anchor: str | None, literal_key: bool = False) -> None:
        self.nodes += size
        if self.nodes > MAX_NODES:
            raise _Unread
        if anchor is not None:
            self.anchors[anchor] = (value, size)
        if not self.stack:
            self.root = value
            return
        parent = self.stack[-1]
        parent.size += size
        if not parent.mapping:
            parent.values.append(value)
        elif parent.key is None:
            self._key(parent, value, literal_key)
        else:
            parent.entries[parent.key] = value
            parent.key = None

    @staticmethod
    def _key(parent: _Open, value: Value, literal: bool) -> None:
        text = "" if value is None else value
        if not isinstance(text, str) or text in parent.entries or (text == "<<" and not literal):
            raise _Unread
        parent.key = text

    def open(self, mapping: bool, event: yaml.CollectionStartEvent) -> None:
        if len(self.stack) >= MAX_DEPTH or not (event.tag is None or event.tag in _PLAIN_TAGS):
            raise _Unread
        self.stack.append(_Open(mapping, event.anchor))

    def close(self) -> None:
        done = self.stack.pop()
        self.nodes -= done.size - 1
        self.take(done.close(), done.size, done.anchor)

    def scalar(self, event: yaml.ScalarEvent) -> None:
        if not (event.tag is None or event.tag in _PLAIN_TAGS):
            raise _Unread
        plain = event.style in (None, "")
        value = None if plain and event.value in _NULLS and event.tag in (None, _TAG + "null") else event.value
        self.take(value, 1, event.anchor, literal_key=not plain)

    def alias(self, event: yaml.AliasEvent) -> None:
        if event.anchor not in self.anchors:
            raise _Unread
        value, size = self.anchors[event.anchor]
        self.take(value, size, None)


def _read(text: str) -> Iterator[Value]:
    reader = _Reader()
    for event in yaml.parse(text, Loader=yaml.CSafeLoader):
        if isinstance(event, yaml.DocumentStartEvent):
            reader.root, reader.anchors = None, {}
        elif isinstance(event, yaml.DocumentEndEvent):
            if reader.root is not None:
                yield reader.root
        elif isinstance(event, yaml.MappingStartEvent):
            reader.open(True, event)
        elif isinstance(event, yaml.SequenceStartEvent):
            reader.open(False, event)
        elif isinstance(event, yaml.CollectionEndEvent):
            reader.close()
        elif isinstance(event, yaml.ScalarEvent):
            reader.scalar(event)
        elif isinstance(event, yaml.AliasEvent):
            reader.alias(event)
