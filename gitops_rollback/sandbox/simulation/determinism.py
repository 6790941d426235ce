"""Nothing of a simulated step may come from outside of its world: no clock, no chance, no thread but the seed's.

For as long as a world runs, each door to them is guarded; whoever of the product goes through one ends the simulation.
`datetime.now` cannot be replaced: `tests/test_architecture.py` finds it in the text, and has the few who may ask it.
"""

from __future__ import annotations

import gc
import os
import random
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

PRODUCT = "gitops_rollback."
DOORS: tuple[tuple[Any, tuple[str, ...]], ...] = (
    (time, ("time", "time_ns", "monotonic", "monotonic_ns", "perf_counter", "sleep")),
    (random, ("random", "uniform", "choice", "choices", "sample", "shuffle", "randint", "randrange", "getrandbits")),
    (uuid, ("uuid1", "uuid4")),
    (os, ("urandom", "getrandom")),
    (threading.Thread, ("start",)),
)


class NotDeterministic(BaseException):
    """A simulated step asked the real world; nothing in the product may catch this."""


@contextmanager
def guarded() -> Iterator[None]:
    """Guard the doors until the end of the block. Libraries may still go through them: log lines have real times."""
    kept = [(owner, name, getattr(owner, name)) for owner, names in DOORS for name in names if hasattr(owner, name)]
    for owner, name, real in kept:
        setattr(owner, name, _door(f"{owner.__name__}.{name}", real, threading.get_ident()))
    try:
        yield
    finally:
        for owner, name, real in kept:
            setattr(owner, name, real)


@contextmanager
def uncollected() -> Iterator[None]:
    """Until the end of the block no cycle is collected: a world is small, and ends as a whole."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def _door(name: str, real: Callable[..., Any], thread: int) -> Callable[..., Any]:
    def door(*args: Any, **named: Any) -> Any:
        caller = sys._getframe(1).f_globals.get("__name__", "")
        product = caller.startswith(PRODUCT) or name.startswith("Thread.")
        if product and threading.get_ident() == thread:
            raise NotDeterministic(f"{caller} calls {name} within a simulated step")
        return real(*args, **named)

    return door
