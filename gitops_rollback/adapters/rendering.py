"""Runs a command that the operator configured: no shell, nothing of our environment, bounded, and gone afterwards.

The process leads a group of its own, and the whole group is killed once it ends, runs out of time, or we stop. It runs
as our user all the same: what that may read on disk, it may read.
Source: setsid(2), waitid(2) `WNOWAIT` (the leader stays unreaped, so its number cannot be another group's), prlimit(2).
"""

from __future__ import annotations

import os
import re
import resource
import selectors
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

from gitops_rollback.core.duration import format_duration
from gitops_rollback.core.errors import RepositoryUnavailable

CHUNK = 1 << 16
TAIL_BYTES = 4 << 10  # of what it wrote to stderr; the rest is read and thrown away
LAST_LINES, LAST_CHARACTERS = 5, 600
LOOK_SECONDS = 0.05  # between two looks whether it has ended
FILE_BYTES = 256 << 20  # of one file that it writes
UNPRINTABLE = re.compile(r"\x1b\[[0-9;]*[A-Za-z]|[^\x20-\x7e\n\xa0-\U0010ffff]")


class CommandRenderer:
    """Carries out `ports.Renderer`. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running: set[subprocess.Popen[bytes]] = set()
        self._closed = False

    def run(self, command: Sequence[str], directory: Path, home: Path, timeout: timedelta) -> str:
        """As in `ports.Renderer`."""
        path = _search_path(os.environ.get("PATH", os.defpath))
        program = shutil.which(command[0], path=path)
        if program is None:
            return "is not installed here" if "/" in command[0] else "is not installed here: no such program in PATH"
        try:
            process = self._start([program, *command[1:]], directory, _environment(path, home))
        except OSError as exc:
            return f"cannot be started ({exc.strerror})"
        said = bytearray()
        try:
            in_time = _ends(process, time.monotonic() + timeout.total_seconds(), said)
        finally:
            self._end(process)
        if self._closed:
            raise RepositoryUnavailable(command[0], "was ended, since the controller stops")
        return _fault(process.returncode if in_time else None, bytes(said), timeout)

    def close(self) -> None:
        """As in `ports.Renderer`."""
        with self._lock:
            self._closed = True
            for process in self._running:
                _kill(process)

    def _start(
        self, command: Sequence[str], directory: Path, environment: Mapping[str, str]
    ) -> subprocess.Popen[bytes]:
        with self._lock:
            if self._closed:
                raise RepositoryUnavailable(command[0], "is not run: the controller stops")
            process = subprocess.Popen(
                command,
                cwd=directory,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                start_new_session=True,
                umask=0o022,
            )
            self._running.add(process)
        if hasattr(resource, "prlimit"):  # Linux
            with suppress(OSError):
                resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (FILE_BYTES, FILE_BYTES))
        return process

    def _end(self, process: subprocess.Popen[bytes]) -> None:
        """Kill the group, what the leader left behind included, and only then reap the leader."""
        with self._lock:
            _kill(process)
            self._running.discard(process)
        process.wait()
        if process.stderr is not None:
            process.stderr.close()


def _kill(process: subprocess.Popen[bytes]) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)


def _search_path(path: str) -> str:
    """Without what is looked up in the working directory: that is a checkout."""
    return os.pathsep.join(folder for folder in path.split(os.pathsep) if folder.startswith("/"))


def _environment(path: str, home: Path) -> dict[str, str]:
    """All that it sees. Python is told to import nothing from the checkout that it stands in."""
    return {"PATH": path, "HOME": str(home), "TMPDIR": str(home), "LANG": "C.UTF-8", "PYTHONSAFEPATH": "1"}


def _ends(process: subprocess.Popen[bytes], until: float, said: bytearray) -> bool:
    """Wait for its end; False at the deadline. `said` takes the end of its stderr. Its children are not waited for."""
    assert process.stderr is not None
    with selectors.DefaultSelector() as selector:
        selector.register(process.stderr, selectors.EVENT_READ)
        while time.monotonic() < until:
            ended = os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
            if selector.select(0 if ended else LOOK_SECONDS):
                chunk = os.read(process.stderr.fileno(), CHUNK)  # all that a pipe holds
                said[:] = (said + chunk)[-TAIL_BYTES:]
                if not chunk:
                    selector.unregister(process.stderr)
            if ended:
                return True
    return False


def _fault(code: int | None, said: bytes, timeout: timedelta) -> str:
    """`code` None: it ran out of time."""
    if code == 0:
        return ""
    if code is None:
        why = f"did not end within {format_duration(timeout)}"
    else:
        why = f"ended with exit code {code}" if code > 0 else f"was ended by signal {-code}"
    text = UNPRINTABLE.sub("", said.decode("utf-8", "replace").replace("\r", "\n"))
    lines = [line.strip() for line in text.splitlines() if line.strip()][-LAST_LINES:]
    return f"{why}: {' / '.join(lines)[-LAST_CHARACTERS:]}" if lines else why
