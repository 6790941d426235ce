"""What happened, in words and as one hash: time, who, what. A seed that is run again must tell the same story."""

from __future__ import annotations

import hashlib
from collections import deque
from dataclasses import dataclass
from datetime import datetime

KEPT_LINES = 5000


@dataclass(frozen=True)
class Line:
    """One thing that happened."""

    at: datetime
    actor: str
    text: str

    def __str__(self) -> str:
        return f"{self.at:%H:%M:%S}.{self.at.microsecond // 1000:03d}  {self.actor:<14} {self.text}"


class Story:
    """Keeps the newest lines; the hash is over all of them, and over every port call."""

    def __init__(self) -> None:
        self.lines: deque[Line] = deque(maxlen=KEPT_LINES)
        self._hash = hashlib.sha256()

    def tell(self, at: datetime, actor: str, text: str) -> None:
        """One line for people."""
        self.lines.append(Line(at, actor, text))
        self.count(f"{at.isoformat()} {actor} {text}")

    def count(self, text: str) -> None:
        """Something too small to be told, which must be the same again all the same."""
        self._hash.update(text.encode("utf-8", "surrogateescape"))

    @property
    def trace(self) -> str:
        """The hash so far."""
        return self._hash.hexdigest()
