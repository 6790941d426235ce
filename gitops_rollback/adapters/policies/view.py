"""Looking into a policy's tree without knowing whether its shape is right: what is not there, or misspelt, is None.

Rules that compare several keys use it, so that they speak in the same round as the faults of shape.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar

from gitops_rollback.adapters.policies.scalars import Misspelt, read_duration, read_flag, read_number, read_text
from gitops_rollback.core.written import Listed, Mapped, Mark, Node, Written

Read = TypeVar("Read")


@dataclass(frozen=True)
class View:
    """A node, or the absence of one; `mark` is its own place, or that of the nearest node around it."""

    node: Node | None
    mark: Mark

    def at(self, *keys: str) -> View:
        """The view below these keys."""
        view = self
        for key in keys:
            node = view.node
            found = {name.text: value for name, value in node.entries} if isinstance(node, Mapped) else {}
            view = View(found.get(key), found[key].mark if key in found else view.mark)
        return view

    def key_mark(self, key: str) -> Mark:
        """Where the key itself stands; the mapping's place if it is not there."""
        if isinstance(self.node, Mapped):
            return next((name.mark for name, _ in self.node.entries if name.text == key), self.mark)
        return self.mark

    @property
    def here(self) -> bool:
        return self.node is not None

    @property
    def keys(self) -> tuple[str, ...]:
        return tuple(name.text for name, _ in self.node.entries) if isinstance(self.node, Mapped) else ()

    def has(self, key: str) -> bool:
        return key in self.keys

    @property
    def items(self) -> tuple[View, ...]:
        """Views of a list's items; () for anything else."""
        return tuple(View(item, item.mark) for item in self.node.items) if isinstance(self.node, Listed) else ()

    @property
    def text(self) -> str | None:
        return self._read(read_text)

    @property
    def duration(self) -> timedelta | None:
        return self._read(read_duration)

    @property
    def number(self) -> float | None:
        return self._read(read_number)

    @property
    def flag(self) -> bool | None:
        return self._read(read_flag)

    def _read(self, read: Callable[[Written], Read]) -> Read | None:
        if not isinstance(self.node, Written):
            return None
        try:
            return read(self.node)
        except Misspelt:
            return None
