"""How is a commit object written without a process for each, and without a setting of the clone having a part in it?

One long-lived `hash-object --stdin-paths` takes the objects from a private file.
Source: git-hash-object(1); gitformat-commit; git 2.38 `builtin/hash-object.c` (each id is flushed once it is written).
"""

from __future__ import annotations

import os
import selectors
import subprocess
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path

from gitops_rollback.adapters.git.disk import FULL, DiskFull, meaning_of
from gitops_rollback.adapters.git.door import ERROR_OUTPUT_LIMIT, Git, end_group
from gitops_rollback.core.commit import is_sha
from gitops_rollback.core.errors import RepositoryUnavailable

ANSWER_LIMIT = 256


class ObjectWriter:
    """Writes commit objects. Thread-safe; its process starts on first use, and again after it ended."""

    def __init__(self, git: Git, deadline: float = 30.0) -> None:
        self._git = git
        self._deadline = deadline
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._folder: tempfile.TemporaryDirectory[str] | None = None

    def commit(self, tree: str, parents: Sequence[str], message: str, seconds: int, identity: str) -> str:
        """The id of a commit that `identity` ("Name <mail>") made at `seconds`: equal arguments give an equal id.

        Raises: RepositoryUnavailable if the object cannot be written.
        """
        lines = [f"tree {tree}", *(f"parent {parent}" for parent in parents)]
        lines += [f"{role} {identity} {seconds} +0000" for role in ("author", "committer")]
        with self._lock:
            try:
                return self._write("\n".join((*lines, "", message)).encode())
            except BaseException:
                self._stop()  # an answer that comes late must not be taken for the next one's
                raise

    def close(self) -> None:
        """End the process; the next commit starts a new one."""
        with self._lock:
            self._stop()

    def _write(self, content: bytes) -> str:
        if self._process is not None and self._process.poll() is not None:
            self._stop()  # an idle process may have been killed long ago
        try:
            process = self._process or self._start()
            assert self._folder is not None
            assert process.stdin is not None
            path = Path(self._folder.name) / "commit"
            path.write_bytes(content)
            process.stdin.write(f"{path}\n".encode())
            process.stdin.flush()
        except OSError as exc:  # git ended, or the temporary folder is full or gone
            self._git.complain(str(exc.strerror))
            raise meaning_of("git hash-object", exc) from exc
        return self._answer(process)

    def _start(self) -> subprocess.Popen[bytes]:
        self._folder = tempfile.TemporaryDirectory(prefix="commit-", dir=self._git.scratch.folder())
        command = ("hash-object", "-t", "commit", "-w", "--no-filters", "--stdin-paths")
        self._process = self._git.open(*command, stdin=subprocess.PIPE)
        return self._process

    def _stop(self) -> None:
        if self._process is not None:
            end_group(self._process)
        if self._folder is not None:
            self._folder.cleanup()
        self._process = self._folder = None

    def _answer(self, process: subprocess.Popen[bytes]) -> str:
        assert process.stdout is not None
        assert process.stderr is not None
        until, answer = time.monotonic() + self._deadline, b""
        with selectors.DefaultSelector() as selector:
            selector.register(process.stdout, selectors.EVENT_READ)
            while not answer.endswith(b"\n") and len(answer) < ANSWER_LIMIT:
                if not selector.select(max(0.0, until - time.monotonic())):
                    raise RepositoryUnavailable("git hash-object", f"no answer within {self._deadline:g} s")
                chunk = os.read(process.stdout.fileno(), ANSWER_LIMIT)
                if not chunk:
                    complaint = os.read(process.stderr.fileno(), ERROR_OUTPUT_LIMIT).decode("utf-8", "replace")
                    said = self._git.complain(complaint).strip() or "has ended"
                    if FULL.search(said):
                        raise DiskFull("git hash-object")
                    raise RepositoryUnavailable("git hash-object", f"the commit cannot be written: {said}")
                answer += chunk
        sha = answer.decode("ascii", "replace").strip()
        if not is_sha(sha):
            raise RepositoryUnavailable("git hash-object", "gave no sensible answer")
        return sha
