"""What did an object say, if it says the same as at the last look? Of thousands of applications few change in between.

To read an object takes many times as long as to see that it is the same one, or an equal one. Equal is what Python
calls so: a `1` in place of a `true` goes unseen, which no schema of Kubernetes lets pass.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar, cast

_Value = TypeVar("_Value")
_Key = tuple[str, str, str]  # kind, namespace, name


class Reader:
    """Reads objects of the Kubernetes API, and none again that has not changed. Not thread-safe."""

    def __init__(self) -> None:
        self._before: dict[_Key, tuple[object, object]] = {}
        self._now: dict[_Key, tuple[object, object]] = {}

    def read(self, read: Callable[[object], _Value], values: Iterable[object]) -> list[_Value]:
        """What `read` makes of each. Objects must never be changed, and one kind always be read in the same way."""
        return [self._one(read, value) for value in values]

    def next_look(self) -> None:
        """Forget what was not there any more in the look that has ended."""
        self._before, self._now = self._now, {}

    def _one(self, read: Callable[[object], _Value], value: object) -> _Value:
        key = _key(value)
        held, found = self._before.get(key, (None, None))
        if held is not None and (held is value or held == value):
            value, known = held, cast(_Value, found)  # the object from before, so that only one of the two is held
        else:
            known = read(value)
        self._now[key] = (value, known)
        return known


def _key(value: object) -> _Key:
    """Which object it is; what is none is told apart by the comparison alone."""
    metadata = value.get("metadata") if isinstance(value, dict) else None
    if not isinstance(value, dict) or not isinstance(metadata, dict):
        return "", "", ""
    return str(value.get("kind") or ""), str(metadata.get("namespace") or ""), str(metadata.get("name") or "")
