"""What is really so in a world on the wire: which image tags do harm, what ran where, and which commits brought it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta


@dataclass(frozen=True)
class Ran:
    """From `at` on an application ran this revision, with these image tags."""

    at: datetime
    revision: str
    tags: frozenset[str]


@dataclass
class Truth:
    """The facts; only people and the cluster write them."""

    onset: dict[str, timedelta] = field(default_factory=dict)  # bad tag -> how long it runs before it hurts
    culprits: dict[str, frozenset[str]] = field(default_factory=dict)  # commit -> applications that it hurts
    ran: dict[str, list[Ran]] = field(default_factory=dict)

    def deployed(self, application: str, ran: Ran) -> None:
        """The cluster was told to run this."""
        self.ran.setdefault(application, []).append(ran)

    def red_since(self, application: str, at: datetime) -> datetime | None:
        """Since when the application has been failing at `at`; None if it is well."""
        bad: Mapping[str, datetime] = {}
        for one in self.ran.get(application, ()):
            if one.at > at:
                break
            bad = {tag: bad.get(tag, one.at + self.onset[tag]) for tag in one.tags if tag in self.onset}
        since = min(bad.values(), default=at + timedelta(1))
        return since if since <= at else None

    def spans(self, application: str) -> Iterator[tuple[Ran, datetime | None]]:
        """What ran, and until when."""
        line = self.ran.get(application, [])
        for index, one in enumerate(line):
            yield one, line[index + 1].at if index + 1 < len(line) else None
