"""One notifier that is many."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import structlog

from gitops_rollback.crash_points import crash_point
from gitops_rollback.ports import Message, Notifier

LAST_WORDS_SECONDS = 3.0


@runtime_checkable
class Closing(Protocol):
    """A notifier that sends in the background, and must be let end."""

    def close(self, timeout_seconds: float) -> None: ...


class Fanout:
    """Tells all of them; one that fails against its contract does not keep the message from the others."""

    def __init__(self, notifiers: Sequence[Notifier]) -> None:
        self._notifiers = tuple(notifiers)
        self._log = structlog.get_logger("notify")

    @crash_point("tell")
    def tell(self, message: Message) -> None:
        for notifier in self._notifiers:
            try:
                notifier.tell(message)
            except Exception as exc:
                self._log.error("Lost a message", error=type(exc).__name__, application=message.application)

    def close(self, timeout_seconds: float) -> None:
        """Send what is queued, as far as `timeout_seconds` of real time allow. Tells nothing more."""
        end = time.monotonic() + timeout_seconds
        for notifier in self._notifiers:
            if isinstance(notifier, Closing):
                notifier.close(max(0.0, end - time.monotonic()))
