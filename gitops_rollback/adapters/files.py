"""Tells when one of some files changed: settings, secrets, certificates.

Watched are the files' directories: Kubernetes replaces a mounted ConfigMap by moving a symlink (`..data`) beside it,
and editors replace a file by moving another one there; a watch on the file itself would stay with the old one.
Source: Kubernetes AtomicWriter (pkg/volume/util/atomic_writer.go); watchfiles 1.x `watch`.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterable
from pathlib import Path

from watchfiles import watch

from gitops_rollback.core.errors import Reason, StalledError

MAX_BYTES = 1 << 20


def watch_files(paths: Iterable[str], changed: Callable[[], None], stop: threading.Event) -> None:
    """Call `changed` after each change of what the files say, until `stop` is set. Blocks: run it in a thread.

    It is called once at the start too: what the caller read before may be old by now. A file that is missing, comes or
    goes counts as a change. Raises: StalledError if a directory cannot be watched.
    """
    files = tuple(Path(path).absolute() for path in paths)
    directories = {str(file.parent) for file in files if file.parent.is_dir()}
    if not directories:
        return
    before = _contents(files)
    changed()
    try:
        # Filtering is by content: a ConfigMap's swap names only `..data`, never the file.
        for _ in watch(
            *directories,
            watch_filter=None,
            stop_event=stop,
            recursive=False,
            raise_interrupt=False,
            yield_on_timeout=True,
        ):
            now = _contents(files)
            if now != before:
                before = now
                changed()
    except OSError as exc:
        raise StalledError("files", f"cannot be watched ({exc.strerror})", Reason.INTERNAL_ERROR) from exc


def _contents(files: tuple[Path, ...]) -> tuple[str, ...]:
    return tuple(_digest(file) for file in files)


def _digest(file: Path) -> str:
    try:
        with file.open("rb") as opened:
            return hashlib.sha256(opened.read(MAX_BYTES)).hexdigest()
    except OSError:
        # Unreadable is a state of its own: the change into it and out of it is told like any other.
        return "unreadable"
