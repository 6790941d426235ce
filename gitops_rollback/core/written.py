"""From the bytes of a YAML file to a small tree of written texts with places, or to faults; nothing is interpreted.

Policies and pauses come from whoever may push, so everything that can blow up is refused on PyYAML's event stream,
before any tree is built: size, depth, anchors, aliases, tags, merge keys, directives, a second document. Only events
are asked for, since the C loader's composer crashes the process on deep nesting. What the C parser calls odd is read
again by the pure-Python one, ten times slower, whose words are better. Scalars stay as they were written: PyYAML's
YAML 1.1 would read `no` as false, `1:30` as 90 and `0777` as 511.
Source: PyYAML 6.0 `yaml/events.py`, `yaml/error.py` (marks count from 0).
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass

import yaml

from gitops_rollback.core.faults import Fault, shown

SKIP_MARKER = "+argocd:skip-file-rendering"  # in a comment: a recursing Argo CD application leaves the file alone
MAX_BYTES = 64 * 1024
MAX_DEPTH = 32
BOOLEAN_KEYS = frozenset({"on", "off", "yes", "no", "y", "n", "true", "false"})
LFS_POINTER = b"version https://git-lfs.github.com/spec/"
UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")
UTF8_MARK = b"\xef\xbb\xbf"
QUICK_LOADER = getattr(yaml, "CSafeLoader", None)  # PyYAML may have been built without it
NO_READER_TAKES = yaml.reader.Reader.NON_PRINTABLE


@dataclass(frozen=True)
class Mark:
    """A place in the file; both numbers start at 1."""

    line: int
    col: int


@dataclass(frozen=True)
class Written:
    """A scalar as it was written; `plain` False means quoted, or a block."""

    text: str
    plain: bool
    mark: Mark


@dataclass(frozen=True)
class Listed:
    items: tuple[Node, ...]
    mark: Mark


@dataclass(frozen=True)
class Mapped:
    entries: tuple[tuple[Written, Node], ...]
    mark: Mark


Node = Written | Listed | Mapped


def read_written(
    data: bytes, path: str, limit: int = MAX_BYTES, boolean_keys: bool = False
) -> tuple[Node | None, list[Fault]]:
    """The file's one document, and what is wrong with it; None if it is empty, or cannot be read safely.

    Keys that YAML 1.1 reads as booleans are faults unless `boolean_keys` lets them stand as words.
    """
    text, faults = _text(data, path, limit)
    if text is None:
        return None, faults
    events, faults = _safe_events(text, path)
    if any(fault.is_error for fault in faults) or not events:
        return None, faults
    composer = _Composer(iter(events), path, boolean_keys)
    return composer.node(), composer.faults


def _text(data: bytes, path: str, limit: int) -> tuple[str | None, list[Fault]]:
    def refused(message: str, fix: str, line: int = 1, col: int = 1) -> tuple[None, list[Fault]]:
        return None, [Fault(path, line, col, message, fix)]

    if len(data) > limit:
        return refused(f"the file has {len(data)} bytes, more than {limit}", "split it into several")
    if data.startswith(UTF16_MARKS):
        return refused("the file is UTF-16", "save it as UTF-8")
    if data.startswith(LFS_POINTER):
        return refused("the file is a Git LFS pointer", "take it out of LFS")
    try:
        text = data.removeprefix(UTF8_MARK).decode()
    except UnicodeDecodeError as exc:
        line, col = _place(data[: exc.start].decode(errors="replace"))
        return refused("the file is not UTF-8", "save it as UTF-8", line, col)
    if "\0" in text:
        line, col = _place(text[: text.index("\0")])
        return refused("the file holds a NUL byte", "remove it; is it a binary, or UTF-16?", line, col)
    return text, []


def _place(before: str) -> tuple[int, int]:
    return before.count("\n") + 1, len(before) - (before.rfind("\n") + 1) + 1


def _safe_events(text: str, path: str) -> tuple[list[yaml.Event], list[Fault]]:
    """The events of the one document, without the stream's and the document's own, if all of them are harmless."""
    if QUICK_LOADER is not None and text.isascii() and NO_READER_TAKES.search(text) is None:
        events, faults = _events_of(text, path, QUICK_LOADER)
        if not faults:
            return events, faults
    return _events_of(text, path, yaml.SafeLoader)


def _events_of(text: str, path: str, loader: type[yaml.SafeLoader]) -> tuple[list[yaml.Event], list[Fault]]:
    faults: list[Fault] = []
    events: list[yaml.Event] = []
    depth = documents = 0
    try:
        for event in yaml.parse(text, Loader=loader):
            faults += _event_faults(event, path)
            if isinstance(event, yaml.DocumentStartEvent):
                documents += 1
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            if documents > 1:
                faults.append(_fault(event, path, "a second document", "one document a file"))
                break
            if depth > MAX_DEPTH:
                faults.append(_fault(event, path, f"nested deeper than {MAX_DEPTH}", "8 levels are enough"))
                break
            if isinstance(event, yaml.ScalarEvent | yaml.CollectionStartEvent | yaml.CollectionEndEvent):
                events.append(event)
    except yaml.YAMLError as exc:
        faults.append(_syntax_fault(exc, text, path))
    except (ValueError, OverflowError):
        # PyYAML converts `%YAML` numbers and `\U` escapes without looking at their size.
        faults.append(Fault(path, 1, 1, "the YAML holds a number or an escape that is out of range", "remove it"))
    return events, faults


def _event_faults(event: yaml.Event, path: str) -> Iterator[Fault]:
    if isinstance(event, yaml.AliasEvent):
        yield _fault(event, path, "aliases are not allowed", "write the value out")
        return
    if isinstance(event, yaml.DocumentStartEvent) and (event.version or event.tags):
        yield _fault(event, path, "directives (`%`) are not allowed", "remove the line")
    if isinstance(event, yaml.NodeEvent) and event.anchor is not None:
        yield _fault(event, path, "anchors are not allowed", "write the value out where it is needed")
    if isinstance(event, yaml.ScalarEvent | yaml.CollectionStartEvent) and event.tag is not None:
        yield _fault(event, path, "tags (`!`) are not allowed", "remove the tag; quote a text that starts with `!`")
    if isinstance(event, yaml.ScalarEvent) and _has_unreadable(event.value):
        yield _fault(event, path, "a text holds a control character", "remove the escape")


def _has_unreadable(text: str) -> bool:
    return not text.isprintable() and any(_unreadable(char) for char in text)


def _unreadable(char: str) -> bool:
    return char not in "\n\t" and unicodedata.category(char) in ("Cc", "Cs")


def _fault(event: yaml.Event, path: str, message: str, fix: str) -> Fault:
    mark = _mark(event)
    return Fault(path, mark.line, mark.col, message, fix)


def _mark(event: yaml.Event) -> Mark:
    start = event.start_mark
    return Mark(start.line + 1, start.column + 1) if start else Mark(1, 1)


def _syntax_fault(exc: yaml.YAMLError, text: str, path: str) -> Fault:
    if isinstance(exc, yaml.MarkedYAMLError):
        mark = exc.problem_mark or exc.context_mark
        line, col = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        problem = str(exc.problem or exc.context or "cannot be read")
        if "'\\t'" in problem:
            return Fault(path, line, col, "a tab stands where YAML wants spaces", "indent with spaces")
        where = f" {exc.context}" if exc.context and exc.problem else ""
        return Fault(path, line, col, f"not YAML:{where}: {problem}" if where else f"not YAML: {problem}")
    if isinstance(exc, yaml.reader.ReaderError):
        line, col = _place(text[: exc.position])
        return Fault(path, line, col, "the file holds a control character", "remove it")
    return Fault(path, 1, 1, "not YAML")


class _Composer:
    """Builds the tree of one document whose events are known to be bounded and harmless."""

    def __init__(self, events: Iterator[yaml.Event], path: str, boolean_keys: bool) -> None:
        self._events = events
        self._path = path
        self._boolean_keys = boolean_keys
        self.faults: list[Fault] = []

    def node(self) -> Node:
        """The next node with all below it."""
        return self._node(next(self._events))

    def _node(self, event: yaml.Event) -> Node:
        mark = _mark(event)
        if isinstance(event, yaml.ScalarEvent):
            return Written(event.value, not event.style, mark)
        if isinstance(event, yaml.SequenceStartEvent):
            return Listed(tuple(self._until(yaml.SequenceEndEvent)), mark)
        return Mapped(tuple(self._entries()), mark)

    def _until(self, end: type[yaml.Event]) -> Iterator[Node]:
        while not isinstance(event := next(self._events), end):
            yield self._node(event)

    def _entries(self) -> Iterator[tuple[Written, Node]]:
        seen: dict[str, Mark] = {}
        nodes = self._until(yaml.MappingEndEvent)
        for key in nodes:
            value = next(nodes)
            if not isinstance(key, Written):
                self._report(key.mark, "a key is a list or a mapping", "quote `{{ ... }}`; it is no template here")
            elif self._usable(key, seen):
                seen[key.text] = key.mark
                yield key, value

    def _usable(self, key: Written, seen: dict[str, Mark]) -> bool:
        if key.plain and key.text == "<<":
            self._report(key.mark, "merge keys (`<<`) are not allowed", "write the keys out")
        elif key.text in seen:
            first = seen[key.text]
            self._report(key.mark, f"{shown(key.text)} stands twice; first on line {first.line}", "remove one of them")
        elif key.plain and not self._boolean_keys and key.text.lower() in BOOLEAN_KEYS:
            self._report(key.mark, f"the key {shown(key.text)} reads as a boolean elsewhere", "quote it, or rename it")
        else:
            return True
        return False

    def _report(self, mark: Mark, message: str, fix: str) -> None:
        self.faults.append(Fault(self._path, mark.line, mark.col, message, fix))
