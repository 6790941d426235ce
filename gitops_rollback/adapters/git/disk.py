"""What does the system's refusal mean: is the disk full, read-only or broken, or has this process had its share?

A full disk needs a person; want of files, processes or memory passes, or ends with this process.
Source: errno(3); the messages of git 2.38 and later with LC_ALL=C.
"""

from __future__ import annotations

import errno
import re
from collections.abc import Iterator
from contextlib import contextmanager

from gitops_rollback.core.errors import Reason, RepositoryUnavailable, RollbackError, StalledError

FULL = re.compile(r"No space left on device|Disk quota exceeded|Read-only file system|fsync error on", re.IGNORECASE)
FULL_ERRORS = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO})


class DiskFull(StalledError):
    """Nothing can be written where the clone or the temporary files are. What was pushed is in the remote."""

    reason = Reason.DISK_FULL

    def __init__(self, subject: str) -> None:
        super().__init__(subject, "the disk that holds the clone or the temporary files is full, read-only or broken")


def meaning_of(subject: str, error: OSError) -> RollbackError:
    """The error that says what the system's refusal means; raise it `from` the refusal."""
    if error.errno in FULL_ERRORS:
        return DiskFull(subject)
    return RepositoryUnavailable(subject, f"the system refuses: {error.strerror or type(error).__name__}")


@contextmanager
def told(subject: str) -> Iterator[None]:
    """Let no bare refusal of the system out."""
    try:
        yield
    except OSError as exc:
        raise meaning_of(subject, exc) from exc
