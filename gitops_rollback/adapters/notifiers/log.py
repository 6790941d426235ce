"""The receiver that is always there: each message as one structured log line."""

from __future__ import annotations

import structlog

from gitops_rollback.adapters.notifiers.seen import Seen
from gitops_rollback.ports import Message


class LogNotifier:
    """Each message as one log line; pages are warnings."""

    def __init__(self) -> None:
        self._seen = Seen()
        self._log = structlog.get_logger("notify")

    def tell(self, message: Message) -> None:
        if self._seen.again(message.key):
            return
        say = self._log.warning if message.page else self._log.info
        say(
            f"{message.event}: {message.title}",
            application=message.application,
            reason=message.reason,
            rollback_id=message.rollback_id,
            page=message.page,
            text=message.text,
            **({"silenced": message.silenced} if message.silenced else {}),
        )
