"""Where do the files go that a git command needs for a moment, and who removes them when their process was killed?

Each process has a folder of its own and holds a lock in it as long as it lives. Who makes a new one removes those
beside it whose lock is free: their processes are dead. So nothing piles up, and no living process loses a file.
Source: flock(2): a lock goes with its process; rename(2): a lock file is there from the start with its lock held.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
import threading
import weakref
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

PREFIX = "gitops-rollback-scratch-"
LOCK = "lock"
UNFINISHED_SECONDS = 600.0  # a folder this old without a lock file: its maker died between two lines


class Scratch:
    """A folder of this process in `parent` (None: the system's temporary folder), made on first use. Thread-safe."""

    def __init__(self, parent: Path | None = None) -> None:
        """Touches nothing."""
        self._parent = parent
        self._thread_lock = threading.Lock()
        self._folder: Path | None = None
        self._remove: Callable[[], object] | None = None

    def folder(self) -> Path:
        """The folder; made anew if something removed it. Raises: OSError if it cannot be made."""
        with self._thread_lock:
            if self._folder is None or not self._folder.is_dir():
                self._drop()
                self._folder = self._make()
            return self._folder

    def close(self) -> None:
        """Remove the folder; the next use makes another one. Also done when the process ends by itself."""
        with self._thread_lock:
            self._drop()

    def _drop(self) -> None:
        if self._remove is not None:
            self._remove()
        self._folder = self._remove = None

    def _make(self) -> Path:
        parent = Path(os.path.abspath(self._parent or tempfile.gettempdir()))
        parent.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=parent))
        new = folder / f"{LOCK}.new"
        new.touch(exist_ok=False)
        lock = new.open("rb")  # a file held open for writing would keep its disk from being made read-only
        self._remove = weakref.finalize(self, _remove, folder, lock)
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.rename(folder / f"{LOCK}.new", folder / LOCK)
        sweep(folder)
        return folder


def sweep(own: Path) -> None:
    """Remove the folders beside `own`, which is new, whose process is dead; what is not ours to remove stays."""
    now = own.stat().st_mtime  # by the clock of this disk
    for folder in own.parent.glob(f"{PREFIX}*"):
        with suppress(OSError):  # gone meanwhile, or another user's
            if folder != own and _is_dead(folder, now):
                shutil.rmtree(folder, ignore_errors=True)


def _is_dead(folder: Path, now: float) -> bool:
    """Raises: OSError if `folder` cannot be looked into."""
    if folder.is_symlink() or folder.stat().st_uid != os.geteuid():
        return False
    try:
        lock = (folder / LOCK).open("rb")
    except FileNotFoundError:
        return folder.stat().st_mtime < now - UNFINISHED_SECONDS
    with lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)  # refused (an OSError) while its process lives
        return True


def _remove(folder: Path, lock: BinaryIO) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    lock.close()
