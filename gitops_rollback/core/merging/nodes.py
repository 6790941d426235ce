"""What a YAML or JSON text says, and where in the text: nodes with the span of each, bounded and never built.

A scalar is what is written: style and value, so `1.10` is not `1.1` and "on" is not on. What holds an anchor, an alias
or a tag is kept whole as an `Opaque`, since an edit inside would change more than its own place. A template's `{{` is
text inside quotes and block scalars; anywhere else it may begin a condition or a loop, and only its renderer can tell.
Source: git.md 5.4; PyYAML 6 events, whose marks count characters.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import yaml

MAX_BYTES = 2 << 20
MAX_DEPTH = 48
MAX_NODES = 200_000
TEMPLATE_SIGN = "{{"
TEMPLATE = "it is a template, which only its renderer can read"

# A scalar's (style, value); a mapping's ("map", {key: data}); a list's ("list", (data, ...)); an opaque's text.
Data = tuple[str, object]


class Unreadable(Exception):
    """The text cannot be taken apart for certain; says why, for people."""


@dataclass(frozen=True, slots=True)
class Scalar:
    start: int
    end: int
    value: str
    style: str  # "" plain, ' " quoted, | > block

    @property
    def data(self) -> Data:
        return (self.style, self.value)

    @property
    def block(self) -> bool:
        return self.style in ("|", ">")


@dataclass(frozen=True, slots=True)
class Opaque:
    """Text that is compared as a whole and never edited inside."""

    start: int
    end: int
    text: str

    @property
    def data(self) -> Data:
        return ("opaque", " ".join(self.text.split()))


@dataclass(frozen=True, slots=True)
class Entry:
    key: Scalar
    value: Node


@dataclass(frozen=True, slots=True)
class Mapping:
    start: int
    end: int
    entries: tuple[Entry, ...]
    flow: bool

    @property
    def data(self) -> Data:
        return ("map", {entry.key.value: entry.value.data for entry in self.entries})


@dataclass(frozen=True, slots=True)
class Sequence:
    start: int
    end: int
    items: tuple[Node, ...]
    flow: bool

    @property
    def data(self) -> Data:
        return ("list", tuple(item.data for item in self.items))


Node = Scalar | Opaque | Mapping | Sequence


def holds_opaque(node: Node) -> bool:
    """Does an anchor, an alias or a tag stand anywhere in it?"""
    if isinstance(node, Mapping):
        return any(holds_opaque(entry.value) for entry in node.entries)
    return isinstance(node, Opaque) or (isinstance(node, Sequence) and any(map(holds_opaque, node.items)))


@dataclass(frozen=True, slots=True)
class Document:
    """`start` is where its `---` stands, or its first node; `explicit`: it has a `---`."""

    start: int
    root: Node
    explicit: bool


def read_documents(text: str) -> tuple[Document, ...]:
    """The documents of `text` (no BOM, lines end with a line feed). Raises: Unreadable.

    Unreadable are: more than 2 MiB, 48 levels or 200,000 nodes, templates outside of quotes, directives, an explicit
    document end, keys that stand twice or are no scalars, and what is not YAML.
    """
    if len(text) > MAX_BYTES:
        raise Unreadable("it is too large to be merged by key")
    reader = _Reader(text)
    try:
        found = tuple(reader.documents())
    except (yaml.YAMLError, ValueError) as error:
        raise Unreadable(TEMPLATE if TEMPLATE_SIGN in text else "it is not plain YAML") from error
    if reader.quoted_templates < text.count(TEMPLATE_SIGN):
        raise Unreadable(TEMPLATE)
    return found


@dataclass(slots=True)
class _Open:
    """A collection whose end has not come."""

    event: yaml.CollectionStartEvent
    children: list[Node] = field(default_factory=list)
    opaque: bool = False

    @property
    def mapping(self) -> bool:
        return isinstance(self.event, yaml.MappingStartEvent)


class _Reader:
    def __init__(self, text: str) -> None:
        self.text = text
        self.nodes = 0
        self.quoted_templates = 0

    def documents(self) -> Iterator[Document]:
        events = yaml.parse(self.text, Loader=yaml.CSafeLoader)
        for event in events:
            if isinstance(event, yaml.DocumentStartEvent):
                if event.version or event.tags:
                    raise Unreadable("it has a YAML directive")
                root = self._root(events)
                yield Document(_span(event)[0] if event.explicit else root.start, root, bool(event.explicit))
            elif isinstance(event, yaml.DocumentEndEvent) and event.explicit:
                raise Unreadable("it marks the end of a document")

    def _root(self, events: Iterator[yaml.Event]) -> Node:
        stack: list[_Open] = []
        for event in events:
            if isinstance(event, yaml.CollectionStartEvent):
                if len(stack) >= MAX_DEPTH:
                    raise Unreadable("it is nested too deeply")
                stack.append(_Open(event, opaque=event.anchor is not None or event.tag is not None))
                continue
            node = self._close(stack.pop(), event) if isinstance(event, yaml.CollectionEndEvent) else self._leaf(event)
            self.nodes += 1
            if self.nodes > MAX_NODES:
                raise Unreadable("it has too many values to be merged by key")
            if not stack:
                return node
            stack[-1].children.append(node)
        raise Unreadable("it ends too early")

    def _leaf(self, event: yaml.Event) -> Node:
        start, end = _span(event)
        if isinstance(event, yaml.ScalarEvent) and event.style:
            self.quoted_templates += self.text.count(TEMPLATE_SIGN, start, end)
        if isinstance(event, yaml.ScalarEvent) and event.anchor is None and event.tag is None:
            style = event.style or ""
            if style in ("|", ">"):
                end = start + len(self.text[start:end].rstrip("\n "))
            return Scalar(start, end, event.value, style)
        if isinstance(event, yaml.ScalarEvent | yaml.AliasEvent):
            return Opaque(start, end, self.text[start:end])
        raise Unreadable("it is not plain YAML")

    def _close(self, done: _Open, event: yaml.Event) -> Node:
        flow = bool(done.event.flow_style)
        start = _span(done.event)[0]
        end = _span(event)[1] if flow else max((child.end for child in done.children), default=start)
        pairs = list(zip(done.children[::2], done.children[1::2], strict=True)) if done.mapping else []
        if done.opaque or any(isinstance(key, Scalar) and key.value == "<<" for key, _ in pairs):
            return Opaque(start, end, self.text[start:end])
        if not done.mapping:
            return Sequence(start, end, tuple(done.children), flow)
        entries = tuple(Entry(key, value) for key, value in pairs if isinstance(key, Scalar))
        if len(entries) < len(pairs):
            raise Unreadable(TEMPLATE if TEMPLATE_SIGN in self.text[start:end] else "a key is no plain word")
        repeated = _repeated(entries)
        if repeated is not None:
            raise Unreadable(f"the key {repeated[:80]!r} stands twice in one mapping")
        return Mapping(start, end, entries, flow)


def _span(event: yaml.Event) -> tuple[int, int]:
    if event.start_mark is None or event.end_mark is None:
        raise Unreadable("it cannot be told what stands where")
    return event.start_mark.index, event.end_mark.index


def _repeated(entries: tuple[Entry, ...]) -> str | None:
    seen: set[str] = set()
    for entry in entries:
        if entry.key.value in seen:
            return entry.key.value
        seen.add(entry.key.value)
    return None
