"""Edits of one text, made in any order and applied at once; every byte outside them stays."""

from __future__ import annotations

from dataclasses import dataclass, field


class Unwritable(Exception):
    """What must stand in the text cannot be written as an edit of it; says why, for people."""


@dataclass
class Edits:
    _edits: list[tuple[int, int, str]] = field(default_factory=list)

    def put(self, start: int, end: int, text: str) -> None:
        """Replace [start, end). Of several insertions at one place the first one put stands first."""
        self._edits.append((start, end, text))

    def applied(self, text: str) -> str:
        """Raises: Unwritable if two edits overlap."""
        parts: list[str] = []
        at = 0
        for start, end, new in sorted(self._edits, key=lambda edit: edit[:2]):
            if start < at:
                raise Unwritable("two of the changes stand in the same place")
            parts += text[at:start], new
            at = end
        return "".join([*parts, text[at:]])
