"""Where does the place go that a large answer took, once the answer is let go? Back to the system.

glibc keeps a reserve for each thread, and after the first large block that is freed it keeps blocks of up to 32 MiB
there as well. Answers for thousands of applications are read by several threads, each of which then holds some MiB.
Source: glibc `malloc.h` and mallopt(3), M_MMAP_THRESHOLD: once it is set, it is not raised any more.
"""

from __future__ import annotations

import ctypes
import os

M_MMAP_THRESHOLD = -3
LARGE = 128 << 10  # bytes, from which on a block is a mapping of its own: glibc's own first choice
GLIBC = "CS_GNU_LIBC_VERSION"


def give_back_large_blocks() -> bool:
    """Whether that could be set, for this process. Only glibc knows it: with any other library nothing is done."""
    if GLIBC not in os.confstr_names:
        return False
    try:
        return bool(ctypes.CDLL(None).mallopt(M_MMAP_THRESHOLD, LARGE))
    except (OSError, AttributeError):
        return False
