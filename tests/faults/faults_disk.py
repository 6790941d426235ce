"""The disk of the clone is full, without inodes, read-only or broken: stop, say so, lose nothing, go on when mended."""

from __future__ import annotations

import errno
import itertools
import os
import shutil
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
BROKEN_FSYNC = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

static int broken(void) {
    const char *sign = getenv("BROKEN_FSYNC");
    return sign && access(sign, F_OK) == 0;
}

#define BREAKS(name) \
    int name(int file) { \
        int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, #name); \
        if (broken()) { errno = EIO; return -1; } \
        return real(file); \
    }
BREAKS(fsync)
BREAKS(fdatasync)
"""


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
    """F33: no inodes, read-only, or no fsync: acting stops, nothing is lost, since the state is in the remote."""
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
    return (*broken, *it.broken, *_unsynced(folder / "fsync", seed))


def _unsynced(folder: Path, seed: int) -> tuple[str, ...]:
    """Nothing can be brought to the disk: git syncs the packs that it fetches, so what is new cannot be read."""
    with scene(folder, seed, controller=False) as it:
        sign = folder / "broken"
        it.live.start_controller(LD_PRELOAD=str(_without_fsync(folder)), BROKEN_FSYNC=str(sign))
        it.until(lambda: it.live.probe("/readyz")[0] == 200, "ready")
        sign.touch()
        it.live.fail()
        it.until(lambda: it.paged("DiskFull"), "a person is paged with DiskFull")
        it.nothing_for(MINUTE, "while no fsync succeeded")
        it.check(it.live.probe("/healthz")[0] == 200, "it does not live while no fsync succeeded")
        free(sign)
        it.verified()
    return tuple(it.broken)


def _without_fsync(folder: Path) -> Path:
    """A library whose fsync fails for as long as the file that `BROKEN_FSYNC` names is there."""
    compiler = shutil.which("cc") or lacks("no C compiler (`cc`) is installed, so that no fsync can be made to fail")
    source, library = folder / "fsync.c", folder / "fsync.so"
    source.write_text(BROKEN_FSYNC)
    subprocess.run([compiler, "-shared", "-fPIC", "-o", str(library), str(source), "-ldl"], check=True)
    return library


FAULTS = {"F32": full, "F33": unwritable}
