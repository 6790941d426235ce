"""A promise: its number in `design.md` section 5, its sentence, and what finds it broken."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from gitops_rollback.sandbox.simulation.events import Event
from gitops_rollback.sandbox.simulation.world import World

Check = Callable[[World, Event], Iterator[str]]
AtEnd = Callable[[World], Iterator[str]]


@dataclass(frozen=True)
class Promise:
    """`check` looks at one event just after it happened; `at_end` looks at the world that has come to rest."""

    number: str
    sentence: str
    check: Check | None = None
    at_end: AtEnd | None = None

    def __str__(self) -> str:
        return f"{self.number} ({self.sentence})"
