"""The disk of the clone is full, without inodes or read-only: stop, say so, lose nothing, go on when it is mended."""

from __future__ import annotations

import errno
import itertools
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from live_world import MINUTE
from machine import lacks
from scene import Scene, scene

LEFT_BY_A_KILLED_GIT = "objects/pack/tmp_pack_left"
OLD_SECONDS = 3600.0


@contextmanager
def small_disk(folder: Path, options: str) -> Iterator[Path]:
    """A file system of its own at `folder`/state. Skips where this user may not mount one, but fails so in CI."""
    place = folder / "state"
    place.mkdir(parents=True)
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(place)], capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        lacks(f"no tmpfs may be mounted here: {done.stderr.strip()}")
    try:
        yield place
    finally:
        subprocess.run(["umount", "--lazy", str(place)], check=True)


def remounted(place: Path, option: str) -> bool:
    """True once it is `ro` or `rw`: read-only it becomes only while nobody has a file open for writing."""
    done = subprocess.run(["mount", "-o", f"remount,{option}", str(place)], capture_output=True, check=False)
    return done.returncode == 0


def fill(place: Path) -> Path:
    """Leave no byte free; the file that takes them."""
    ballast = place / "ballast"
    with ballast.open("wb", buffering=0) as file:
        for size in (1 << 16, 1 << 12, 1):
            while room(lambda size=size: file.write(b"\0" * size)):
                pass
    return ballast


def fill_inodes(place: Path) -> Path:
    """Leave no inode free; the folder whose files take them."""
    ballast = place / "ballast"
    ballast.mkdir()
    numbers = itertools.count()
    while room(lambda: (ballast / str(next(numbers))).touch()):
        pass
    return ballast


def room(write: Callable[[], object]) -> bool:
    """False once there is none left. Raises: OSError for anything else."""
    try:
        write()
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        return False
    return True


def free(ballast: Path) -> None:
    if ballast.is_dir():
        for one in ballast.iterdir():
            one.unlink()
        ballast.rmdir()
    else:
        ballast.unlink()


def full(folder: Path, seed: int) -> tuple[str, ...]:
    """F32: hold and page, sweep what a killed git left, and go on when there is room."""
    with small_disk(folder, "size=6m") as place, scene(folder, seed, controller=False) as it:
        _start_with_its_own_temporary_folder(it, place)
        clone = next((place / "clones").glob("*.git"))
        left = clone / LEFT_BY_A_KILLED_GIT
        left.write_bytes(b"x" * 1000)
        os.utime(left, (time.time() - OLD_SECONDS,) * 2)
        _held(it, lambda: fill(place), "DiskFull", "while the disk was full")
        it.check(not left.exists(), "a temporary file of a killed git was not swept")
    return tuple(it.broken)


def _start_with_its_own_temporary_folder(it: Scene, place: Path) -> None:
    """As in a pod with a read-only root: temporary files lie on the same small disk."""
    (place / "tmp").mkdir()
    it.live.start_controller(TMPDIR=str(place / "tmp"))
    it.until(lambda: it.live.probe("/readyz")[0] == 200, "ready")


def _held(it: Scene, spoil: Callable[[], Path], reason: str, during: str) -> None:
    """The disk gets its fault before the push; a person is paged, nothing is done, and afterwards all is as ever."""
    it.live.fail()
    if it.dice.random() < 0.7:
        it.pending()
    ballast = spoil()
    it.until(lambda: it.paged(reason), f"a person is paged with {reason}")
    it.nothing_for(2 * MINUTE, during)
    it.check(it.live.probe("/healthz")[0] == 200, f"it does not live {during}")
    free(ballast)
    it.verified()


def unwritable(folder: Path, seed: int) -> tuple[str, ...]:
    """F33: no inodes, or read-only: acting stops, nothing is lost, since the state is in the remote."""
    broken: list[str] = []
    with (
        small_disk(folder / "inodes", "size=20m,nr_inodes=900") as place,
        scene(folder / "inodes", seed, controller=False) as it,
    ):
        _start_with_its_own_temporary_folder(it, place)
        _held(it, lambda: fill_inodes(place), "DiskFull", "without inodes")
    broken += it.broken
    with small_disk(folder / "ro", "size=20m") as place, scene(folder / "ro", seed, controller=False) as it:
        _start_with_its_own_temporary_folder(it, place)
        it.live.fail()
        it.pending()
        it.until(lambda: remounted(place, "ro"), "read-only")
        it.until(lambda: it.paged("DiskFull"), "a person is paged with DiskFull")
        it.nothing_for(2 * MINUTE, "while the disk was read-only")
        it.check(it.live.probe("/healthz")[0] == 200, "it does not live on a read-only disk")
        it.until(lambda: remounted(place, "rw"), "writable again")
        it.verified()
    return tuple(broken + it.broken)


FAULTS = {"F32": full, "F33": unwritable}
