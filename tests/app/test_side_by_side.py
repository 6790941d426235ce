"""Does one look that hangs, raises or was slow delay the others?"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator

import pytest

from gitops_rollback.app.workers import SideBySide

LONG = 30.0


class Looks:
    """Answers a name with itself; `hang` holds one back until `end` is set, `broken` raises."""

    def __init__(self) -> None:
        self.patience: Callable[[], float] = lambda: 0.05
        self.failed: list[str] = []
        self.hang, self.broken = "", ""
        self.end = threading.Event()
        self.ended = threading.Event()
        self.asked: list[str] = []
        self.beside = SideBySide[str, str](str, lambda name, _error: self.failed.append(name), lambda: self.patience())

    def __call__(self, *names: str) -> tuple[str, ...]:
        return self.beside(self._look, names)

    def _look(self, name: str) -> str | None:
        self.asked.append(name)
        if name == self.hang:
            self.end.wait(LONG)
            self.ended.set()
        if name == self.broken:
            raise ValueError(name)
        return name


@pytest.fixture
def looks() -> Iterator[Looks]:
    found = Looks()
    yield found
    found.end.set()
    found.beside.close()


def test_what_hangs_is_left_out_and_asked_once(looks: Looks) -> None:
    looks.hang = "b"
    assert looks("a", "b", "c") == ("a", "c")
    assert looks("a", "b", "c") == ("a", "c")
    assert looks.asked.count("b") == 1
    assert looks.beside.late() == 1


def test_what_was_found_late_is_taken_at_a_later_round(looks: Looks) -> None:
    looks.hang = "b"
    assert looks("b") == ()
    looks.hang = ""
    looks.end.set()
    assert looks.ended.wait(LONG)
    deadline = time.monotonic() + LONG
    while looks.beside.late():
        assert time.monotonic() < deadline
    assert looks("a", "b") == ("a", "b")


def test_nobody_waits_again_for_one_that_was_slow(looks: Looks) -> None:
    """From then on the patience is an hour: a round that waited for the slow one would outlast its look."""
    looks.patience = lambda: 3600.0 if looks.beside._slow else 0.05
    looks.hang = "b"
    assert looks("b") == ()
    looks.end.set()
    assert looks.ended.wait(LONG)
    deadline = time.monotonic() + LONG
    while looks.beside.late():
        assert time.monotonic() < deadline
    looks.end.clear()
    assert looks("a", "b") == ("a", "b")
    assert looks.beside.late() == 1


def test_one_that_raises_is_told_and_the_others_are_seen(looks: Looks) -> None:
    looks.broken = "a"
    assert looks("a", "b") == ("b",)
    assert looks.failed == ["a"]
    looks.broken = ""
    assert looks("a", "b") == ("a", "b")


def test_what_is_too_old_counts_only_as_what_is_made_of_it(looks: Looks, monkeypatch: pytest.MonkeyPatch) -> None:
    """A look that takes longer than its result is good for, every time, must not be silent for ever."""
    monkeypatch.setattr("gitops_rollback.app.workers.STALE_SECONDS", 0.0)
    assert looks("a") == ()
    looks.beside._aged = lambda name: f"{name}, long ago"
    assert looks("a") == ("a, long ago",)
