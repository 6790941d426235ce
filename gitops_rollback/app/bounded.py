"""A memory that only spares work, and so may forget the oldest."""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import TypeVar

MAX_KEPT = 1000

K = TypeVar("K")
V = TypeVar("V")


def keep(memory: MutableMapping[K, V], key: K, value: V) -> V:
    """Remember `value` as the newest one; of too many the oldest goes."""
    memory.pop(key, None)
    memory[key] = value
    while len(memory) > MAX_KEPT:
        memory.pop(next(iter(memory)))
    return value
