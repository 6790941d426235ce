"""Does the controller do what it must when git fails it? Each fault once, side by side.

The same plays are repeated with other seeds by the soak.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import faults_git_link
import faults_git_remote
import pytest
from faults import run_fault
from ssh_server import SSHD

AT_ONCE = 6
# Those that wait for git's own limits begin first. A fault's seed is its variant.
LONG = [("F3", 0), ("F4", 0), ("F3", 2), ("F5", 0), ("F5", 1), ("F8", 0)]
SHORT = [("F1", 0), ("F1", 1), ("F1", 2), ("F2", 0), ("F6", 0), ("F7", 0), ("F7", 2), ("F9", 0), ("F9", 1), ("F9", 2)]
SHORT += [("F10", 0), ("F10", 1), ("F11", 0), ("F11", 1), ("F12", 0), ("F12", 2)]
NEEDS_SSHD = ("F10", 1)


def _name(play: tuple[str, int]) -> str:
    number, variant = play
    of = {**faults_git_link.VARIANTS, **faults_git_remote.VARIANTS}[number]
    return f"{number}-{variant + 1}-of-{of}" if of > 1 else number


PLAYS = {_name(play): play for play in (*LONG, *SHORT)}


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Future[tuple[str, ...]]]]:
    """All plays, begun: a play mostly waits."""
    pool = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="fault")
    root = tmp_path_factory.mktemp("faults")
    yield {name: pool.submit(_play, play, root / name) for name, play in PLAYS.items()}
    pool.shutdown(cancel_futures=True)


def _play(play: tuple[str, int], folder: Path) -> tuple[str, ...]:
    if play == NEEDS_SSHD and SSHD is None:
        return ("sshd is not installed",)
    return run_fault(play[0], folder, play[1])


@pytest.mark.parametrize("name", PLAYS)
def test_fault(played: dict[str, Future[tuple[str, ...]]], name: str) -> None:
    assert played[name].result() == ()
