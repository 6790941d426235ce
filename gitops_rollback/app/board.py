"""What each repository's newest look saw, kept for whoever shows it: the dashboard reads here and nowhere else.

The controller only lays a reference down; all work for a page is done by the threads of the page.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass

from gitops_rollback.app.reconciler import Reconciler
from gitops_rollback.app.tick import Tick
from gitops_rollback.app.view import View
from gitops_rollback.ports import ConfigRepo


@dataclass(frozen=True)
class Place:
    """One repository, and by what it is looked at."""

    repo: ConfigRepo
    reconciler: Reconciler


@dataclass(frozen=True)
class Picture:
    """One repository at its newest look. `tick` None: this replica only reads, since another one leads.

    `leader` is that one's machine, a Pod for example; "" where it is not known.
    """

    name: str
    place: Place
    view: View
    tick: Tick | None = None
    leader: str = ""


class Board:
    """Thread-safe. Of each repository only the newest picture is kept, so it never grows."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._places: dict[str, Place] = {}
        self._pictures: dict[str, Picture] = {}
        self._version = 0

    def expect(self, name: str, place: Place) -> None:
        """From now on `name` is looked at so; what was seen by other means before is forgotten."""
        with self._lock:
            self._places[name] = place
            self._pictures.pop(name, None)

    def keep(self, names: frozenset[str]) -> None:
        """Forget every other repository."""
        with self._lock:
            for name in [name for name in self._places if name not in names]:
                del self._places[name]
                self._pictures.pop(name, None)

    def see(self, name: str, tick: Tick) -> None:
        """A whole look."""
        self._put(name, tick.view, tick)

    def read(self, name: str, view: View, leader: str = "") -> None:
        """Only the repository was read; what its engines said before is not shown as if it were so now."""
        self._put(name, view, None, leader)

    def _put(self, name: str, view: View, tick: Tick | None, leader: str = "") -> None:
        with self._lock:
            place = self._places.get(name)
            if place is not None:
                self._pictures[name] = Picture(name, place, view, tick, leader)
                self._version += 1

    @property
    def version(self) -> int:
        """Another number after each look of any repository."""
        return self._version

    def pictures(self) -> Mapping[str, Picture]:
        """By the repository's name; one that was not looked at yet is missing."""
        with self._lock:
            return dict(sorted(self._pictures.items()))
