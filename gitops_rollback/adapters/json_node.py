"""Is this answer JSON that is safe to read, and which of its values have the type that they should have?

A `Node` never raises: what is absent, null or of a wrong type reads as the empty value of its type, and a wrong type
is noted in the list of faults that all nodes of one answer share.
Source: Go's encoding/json writes absent for zero `omitempty` values and null for empty lists (contracts/argocd.md
section 1); RFC 8259 section 9 lets a reader bound the nesting. Of a key that stands twice the last value is read, as
Go's decoder does.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TypeVar

_T = TypeVar("_T")

MAX_DEPTH = 200  # far below the depth at which the parser itself raises RecursionError
MAX_CONTAINERS = 1_000_000  # lists and objects; far more than 64 MiB of real applications hold
MAX_FAULTS = 5

# A string that is never closed ends with the text: were it no match, each of its quotes would be tried anew.
_STRING = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\\?\Z)', re.DOTALL)
_NOT_BRACKETS = bytes(byte for byte in range(256) if byte not in b"[]{}")
_RFC3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)")


def load(body: bytes) -> object:
    """The value of a JSON text in UTF-8. Raises: ValueError, also for more than 200 levels or a million lists."""
    brackets = _STRING.sub(b"", body).translate(None, _NOT_BRACKETS)
    if len(brackets) > 2 * MAX_CONTAINERS:
        raise ValueError(f"JSON of more than {MAX_CONTAINERS} lists and objects")
    if _too_deep(brackets):
        raise ValueError(f"JSON is nested deeper than {MAX_DEPTH} levels, or its brackets do not match")
    value: object = json.loads(body.decode(), parse_constant=_no_number)
    return value


def _no_number(word: str) -> object:
    raise ValueError(f"{word} is not JSON")


def _too_deep(brackets: bytes) -> bool:
    """Each pass takes away the innermost level, so that a bomb is found without a recursive parser."""
    for _ in range(MAX_DEPTH):
        if not brackets:
            return False
        brackets = brackets.replace(b"[]", b"").replace(b"{}", b"")
    return bool(brackets)


@dataclass(slots=True)
class Node:
    """One value of an answer. `parent` and `key` are only put together to a path when there is a fault to name."""

    value: object
    faults: list[str] = field(default_factory=list)
    parent: Node | None = None
    key: str | int = ""

    @property
    def path(self) -> str:
        """Where the value stands, as `status.history[3].id`; "" for the whole answer."""
        above = self.parent.path if self.parent else ""
        return f"{above}[{self.key}]" if isinstance(self.key, int) else f"{above}.{self.key}".lstrip(".")

    def __bool__(self) -> bool:
        """False for what is absent, null or an empty object."""
        return bool(self.value)

    def get(self, *keys: str) -> Node:
        """The node below `keys`; an empty one where one of them is absent."""
        node = self
        for key in keys:
            below = node.value.get(key) if isinstance(node.value, dict) else node.mapping().get(key)
            node = Node(below, self.faults, node, key)
        return node

    def mapping(self) -> Mapping[str, object]:
        """The object, or {}."""
        if self.value is None:
            return {}
        return self.value if isinstance(self.value, dict) else self._wrong("an object", {})

    def items(self, newest: int | None = None) -> Iterator[Node]:
        """The list's elements, or only its last `newest`."""
        values = self.value if isinstance(self.value, list) else []
        if self.value is not None and not isinstance(self.value, list):
            self._wrong("a list", values)
        start = max(0, len(values) - newest) if newest is not None else 0
        for number, value in enumerate(values[start:], start):
            yield Node(value, self.faults, self, number)

    def text(self, default: str = "") -> str:
        """The string; surrogate halves, which no other text may hold, are replaced."""
        if self.value is None:
            return default
        if not isinstance(self.value, str):
            return self._wrong("a string", default)
        return self.value if self.value.isascii() else self.value.encode("utf-8", "replace").decode()

    def flag(self, default: bool = False) -> bool:
        if self.value is None:
            return default
        return self.value if isinstance(self.value, bool) else self._wrong("true or false", default)

    def number(self) -> int | None:
        if self.value is None:
            return None
        if isinstance(self.value, bool) or not isinstance(self.value, int):
            return self._wrong("a whole number", None)
        return self.value

    def texts(self) -> tuple[str, ...]:
        return tuple(item.text() for item in self.items())

    def pairs(self) -> dict[str, str]:
        """An object of strings, as annotations and labels are."""
        return {key: self.get(key).text() for key in self.mapping()}

    def moment(self) -> datetime | None:
        """An RFC 3339 time in UTC; None if absent, and for Go's zero time."""
        if self.value is None:
            return None
        text = self.text()
        if text.startswith("0001-01-01T00:00:00"):
            return None
        try:
            if _RFC3339.fullmatch(text):
                return datetime.fromisoformat(text.upper()).astimezone(UTC)
        except (ValueError, OverflowError):
            pass
        return self._wrong("a time", None)

    def _wrong(self, expected: str, instead: _T) -> _T:
        if len(self.faults) < MAX_FAULTS:
            self.faults.append(f"{self.path[:200] or 'the answer'} is not {expected}")
        return instead
