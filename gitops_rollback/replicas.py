"""How several replicas agree on who acts, as protocols beside those of `ports`.

Nothing of the world is changed by them; adapters carry them out. Nothing here names Kubernetes.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Protocol


class Lease(Protocol):
    """The right to act for one config repository. No fence: two may believe to hold it, the branch head decides."""

    name: str
    identity: str  # how we are called as its holder

    @property
    def holder(self) -> str:
        """Who holds it as far as we have seen; "" if nobody."""
        ...

    @property
    def trouble(self) -> str:
        """What was wrong with the last look at it, "" if nothing."""
        ...

    def epoch(self) -> int | None:
        """The epoch under which an effect may be started now; None: not ours, or not surely so any more.

        Grows with each change of the holder. Asks nobody, so it is cheap.
        """
        ...

    def confirm(self, epoch: int) -> bool:
        """Renew now, just before an effect. True only if the lease is ours under this very epoch."""
        ...

    def run(self, stop: threading.Event, changed: Callable[[int | None], None]) -> None:
        """Try to hold the lease until `stop`; `changed` gets each new epoch, None when it is lost or has run out."""
        ...

    def release(self) -> None:
        """Give it back, once all work under it has stopped. Best effort, never raises."""
        ...


class Members(Protocol):
    """Which replicas live, so that they share the repositories out among them. Only a preference hangs on it."""

    def living(self) -> frozenset[str]:
        """The identities of all, ourselves included, as far as we know. Asks nobody."""
        ...

    def run(self, stop: threading.Event) -> None:
        """Say that we live, and see who else does, until `stop`; at the end say that we go. Never raises."""
        ...
