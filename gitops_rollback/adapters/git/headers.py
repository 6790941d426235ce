"""How long does the remote ask to be left alone? git keeps no `Retry-After`, but can write down the headers it got.

Source: git(1) `GIT_TRACE_CURL`, `GIT_TRACE_CURL_NO_DATA` (credentials are redacted); RFC 9110, 10.2.3 Retry-After.
"""

from __future__ import annotations

import os
import re
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from pathlib import Path

from gitops_rollback.adapters.git.scratch import Scratch

READ_LIMIT = 1 << 20
RETRY_AFTER = re.compile(rb"<= Recv header: retry-after:[ \t]*([^\r\n]{1,64})", re.IGNORECASE)


@dataclass(frozen=True)
class Heard:
    """What one git command writes down, given this `environment`; without a file nothing."""

    file: Path | None

    @property
    def environment(self) -> Mapping[str, str]:
        if self.file is None:
            return {}
        return {"GIT_TRACE_CURL": str(self.file), "GIT_TRACE_CURL_NO_DATA": "1"}

    def retry_after(self) -> float:
        """Seconds that the last answer with such a header asks for; 0 without one."""
        if self.file is None:
            return 0.0
        try:
            with self.file.open("rb") as opened:
                found = RETRY_AFTER.findall(opened.read(READ_LIMIT))
        except OSError:  # somebody cleaned up behind us: no reason to fail
            return 0.0
        return seconds_of(found[-1].decode("ascii", "replace").strip()) if found else 0.0


@contextmanager
def recorded(scratch: Scratch) -> Iterator[Heard]:
    """A file in `scratch` for the headers, gone at the end. Where none can be made (a full disk), git runs without."""
    try:
        handle, name = tempfile.mkstemp(prefix="headers-", dir=scratch.folder())
    except OSError:
        yield Heard(None)
        return
    os.close(handle)
    try:
        yield Heard(Path(name))
    finally:
        with suppress(OSError):
            os.unlink(name)


def seconds_of(value: str) -> float:
    """A `Retry-After`: seconds, or a date of HTTP; 0 for anything else, and for the past."""
    if value.isascii() and value.isdigit():
        return float(value[:9])
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - time.time())
    except (ValueError, TypeError, OverflowError):
        return 0.0
