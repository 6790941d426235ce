"""How long do things take in the sandbox's Flux and its cluster? Seconds of sandbox time."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass

Reconciliation = Generator[float, None, float]  # waits for as long as it yields; answers when it is due again


@dataclass(frozen=True)
class Timing:
    """`requeue` is Flux's `--requeue-dependency`, `poll` how often a health wait looks."""

    requeue: float = 30.0
    poll: float = 5.0
    ready: float = 3.0  # how long a Pod takes to be ready
