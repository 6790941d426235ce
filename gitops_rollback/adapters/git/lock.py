"""Who may change a clone now? A lock over the threads of this process and over all processes of this machine.

Source: flock(2): the lock goes with its process, so one that was killed leaves none behind.
"""

from __future__ import annotations

import fcntl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from gitops_rollback.adapters.git.disk import told
from gitops_rollback.core.errors import RepositoryUnavailable

POLL_SECONDS = 0.02


class FileLock:
    """Reentrant in one thread. Two objects on the same path exclude each other, in one process too."""

    def __init__(self, path: Path, subject: str) -> None:
        self._path = path
        self._subject = subject
        self._thread_lock = threading.RLock()
        self._depth = 0
        self._file: BinaryIO | None = None

    @contextmanager
    def held(self, patience: float) -> Iterator[None]:
        """Hold the lock. Raises: RepositoryUnavailable if somebody else keeps it for `patience` seconds."""
        until = time.monotonic() + patience
        if not self._thread_lock.acquire(timeout=patience):
            raise RepositoryUnavailable(self._subject, "another thread is at work in the clone")
        try:
            if self._depth == 0:
                self._file = self._lock_file(until)
            self._depth += 1
            try:
                yield
            finally:
                self._depth -= 1
                if self._depth == 0 and self._file is not None:
                    self._file.close()
                    self._file = None
        finally:
            self._thread_lock.release()

    def _lock_file(self, until: float) -> BinaryIO:
        with told(self._subject):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            file = self._path.open("ab")
        pause = threading.Event()
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return file
            except BlockingIOError as exc:
                if time.monotonic() >= until:
                    file.close()
                    raise RepositoryUnavailable(self._subject, "another process is at work in the clone") from exc
                pause.wait(POLL_SECONDS)
