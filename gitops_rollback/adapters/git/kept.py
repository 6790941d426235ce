"""Answers about commits that never change, kept so that many applications cost git one question.

A commit's id names all of its history, so what was once found out about two ids holds for ever.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Hashable, Sized
from typing import Generic, TypeVar

Value = TypeVar("Value")


class Kept(Generic[Value]):
    """The newest answers, at most `entries` of them that weigh at most `weight` together. Thread-safe."""

    def __init__(self, entries: int, weight: int = 0) -> None:
        self._entries, self._weight = entries, weight
        self._known: OrderedDict[Hashable, Value] = OrderedDict()
        self._weighs = 0
        self._lock = threading.Lock()

    def get(self, question: Hashable) -> Value | None:
        with self._lock:
            if question in self._known:
                self._known.move_to_end(question)
            return self._known.get(question)

    def put(self, question: Hashable, answer: Value) -> Value:
        """Keep the answer, and give it back."""
        with self._lock:
            if question not in self._known:
                self._known[question] = answer
                self._weighs += _weight(answer)
            while len(self._known) > self._entries or (self._weight and self._weighs > self._weight):
                self._weighs -= _weight(self._known.popitem(last=False)[1])
        return answer


def _weight(answer: object) -> int:
    return len(answer) if isinstance(answer, Sized) else 1
