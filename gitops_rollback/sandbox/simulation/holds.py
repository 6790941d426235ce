"""Which images do our commits hold? By their trailers and by what really stands in the files since.

A hold stands while the value bears no mark. Whoever puts one back has ended it, until somebody takes that off again.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from gitops_rollback.sandbox.simulation.events import Rollback
from gitops_rollback.sandbox.simulation.files import is_marked, words_of
from gitops_rollback.sandbox.simulation.objects import Objects
from gitops_rollback.sandbox.simulation.remote import Accepted

HOLDS, RELEASES = "Rollback-Holds", "Rollback-Releases"


@dataclass
class Hold:
    """A rollback's hold of one file. `tags` were taken back; `ended` is since when a mark is back."""

    rollback: Rollback
    path: str
    name: str  # of the application
    tags: frozenset[str]
    ended: datetime | None = None
    released: bool = False  # by a commit of ours: it never stands again

    @property
    def identity(self) -> str:
        """The rollback's id."""
        return self.rollback.commit.trailers["Rollback-Id"][0]


class Holds:
    """All holds that our commits ever announced."""

    def __init__(self, objects: Objects) -> None:
        self.all: list[Hold] = []
        self._objects = objects

    def see(self, accepted: Accepted, rollbacks: Sequence[Rollback]) -> Iterator[str]:
        """The branch has moved: some holds may have begun or ended. In words."""
        begun = [hold for rollback in rollbacks for hold in self._begun(rollback)]
        self.all += begun
        yield from (f"HOLDS {hold.name}: no mark in {hold.path}" for hold in begun)
        released = RELEASES in self._objects.commits[accepted.new].trailers
        for hold in (one for one in self.all if not one.released):
            content = self._objects.text(accepted.new, hold.path)
            marked = content is not None and is_marked(content)
            if marked and hold.ended is None:
                hold.ended, hold.released = accepted.at, released
                yield f"has ended the hold of {hold.path}"
            elif not marked:
                hold.ended = None

    def standing(self) -> list[Hold]:
        """Those whose mark is not back."""
        return [hold for hold in self.all if hold.ended is None]

    def paths(self, rollback: Rollback) -> frozenset[str]:
        """The files whose marks a rollback says to take off."""
        return frozenset(hold.path for hold in self.all if hold.rollback is rollback)

    def _begun(self, rollback: Rollback) -> Iterator[Hold]:
        for said in rollback.commit.trailers.get(HOLDS, ()):
            path = said.partition(" ")[2]
            before, after = (self._objects.text(at, path) or b"" for at in _around(rollback))
            yield Hold(rollback, path, path.split("/")[1], words_of(before) - words_of(after))


def _around(rollback: Rollback) -> tuple[str, str]:
    return rollback.commit.parents[0], rollback.commit.sha
