"""Is a changed file noticed as Kubernetes changes it, and does demo time run as fast as it says?"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from gitops_rollback.adapters.clock import ScaledClock, SystemClock
from gitops_rollback.adapters.files import watch_files

START = datetime(2026, 11, 25, 3, 0, tzinfo=UTC)


Watch = Callable[[Path], "Watched"]


class Watched:
    """What a watcher saw of one file, in order; the first is what was there when it began."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._changed = threading.Condition()
        self.seen: list[str | None] = []

    def look(self) -> None:
        with self._changed:
            self.seen.append(self._file.read_text() if self._file.exists() else None)
            self._changed.notify_all()

    def wait_for(self, *seen: str | None) -> bool:
        with self._changed:
            return self._changed.wait_for(lambda: self.seen == list(seen), 30)


@pytest.fixture
def watching() -> Iterator[Watch]:
    """Watch a file; returns once the watcher has begun."""
    stop = threading.Event()
    threads: list[threading.Thread] = []

    def start(file: Path) -> Watched:
        watched = Watched(file)
        threads.append(threading.Thread(target=watch_files, args=([str(file)], watched.look, stop)))
        threads[-1].start()
        assert watched.wait_for(file.read_text() if file.exists() else None)
        return watched

    yield start
    stop.set()
    for thread in threads:
        thread.join(30)
        assert not thread.is_alive()


def project(volume: Path, version: str, text: str) -> None:
    """Fill a mounted ConfigMap as the kubelet does: a new directory, then `..data` is moved onto it."""
    (volume / version).mkdir()
    (volume / version / "gitops-rollback.yaml").write_text(text)
    (volume / "..data_tmp").symlink_to(version)
    os.replace(volume / "..data_tmp", volume / "..data")


def test_a_config_map_that_is_swapped_is_noticed(tmp_path: Path, watching: Watch) -> None:
    project(tmp_path, "..v1", "paused: false\n")
    file = tmp_path / "gitops-rollback.yaml"
    file.symlink_to("..data/gitops-rollback.yaml")
    watched = watching(file)
    project(tmp_path, "..v2", "paused: true\n")
    assert watched.wait_for("paused: false\n", "paused: true\n")


def test_a_file_that_an_editor_replaced_is_noticed(tmp_path: Path, watching: Watch) -> None:
    file = tmp_path / "token"
    file.write_text("old")
    watched = watching(file)
    (tmp_path / "token.new").write_text("new")
    os.replace(tmp_path / "token.new", file)
    assert watched.wait_for("old", "new")


def test_a_file_that_goes_and_comes_is_two_changes(tmp_path: Path, watching: Watch) -> None:
    file = tmp_path / "token"
    file.write_text("x")
    watched = watching(file)
    file.unlink()
    assert watched.wait_for("x", None)
    (tmp_path / "token.new").write_text("y")
    os.replace(tmp_path / "token.new", file)
    assert watched.wait_for("x", None, "y")


def test_a_neighbour_that_changes_is_no_change(tmp_path: Path, watching: Watch) -> None:
    quiet, busy = tmp_path / "a", tmp_path / "b"
    quiet.write_text("x")
    busy.write_text("x")
    watched, neighbour = watching(quiet), watching(busy)
    (tmp_path / "b.new").write_text("y")
    os.replace(tmp_path / "b.new", busy)
    assert neighbour.wait_for("x", "y")
    assert watched.seen == ["x"]


def test_a_directory_that_is_not_there_ends_the_watch_at_once(tmp_path: Path) -> None:
    watch_files([str(tmp_path / "none" / "file")], lambda: None, threading.Event())


@pytest.mark.parametrize(("passed", "seen"), [(-5.0, 0), (0.0, 0), (1.0, 30), (120.0, 3600)])
def test_scaled_time_runs_from_its_start_at_its_speed(passed: float, seen: int) -> None:
    clock = ScaledClock(START, 30, lambda: START.timestamp() + passed)
    assert clock.now() == START + timedelta(seconds=seen)
    assert clock.real_seconds(timedelta(minutes=5)) == 10.0


def test_the_machines_clock_is_utc_and_unscaled() -> None:
    assert SystemClock().now().utcoffset() == timedelta(0)
    assert SystemClock().real_seconds(timedelta(minutes=1)) == 60.0


def test_time_cannot_stand_still() -> None:
    with pytest.raises(ValueError, match="speed"):
        ScaledClock(START, 0)
