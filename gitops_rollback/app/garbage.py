"""How often does Python look for cycles? Each tick makes hundreds of thousands of values, and hardly any cycle."""

from __future__ import annotations

import gc

YOUNG = 50_000  # new objects before the youngest are looked at; Python's own 700 spend a fifth of a tick on it
OLDER, OLDEST = 20, 20


def collect_seldom() -> None:
    """What is loaded by now stays for good, and what comes is looked at in larger lots. To be called once, at start."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG, OLDER, OLDEST)
