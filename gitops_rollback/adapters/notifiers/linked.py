"""Leads whoever reads a message to the pages of the dashboard that show the rollback, and what its reason means."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from urllib.parse import quote

from gitops_rollback.adapters.notifiers.fanout import Closing
from gitops_rollback.core.reasons import meaning_of
from gitops_rollback.ports import Message, Notifier


class Linked:
    """Tells another notifier, with the links below each message. `address` is where people reach the dashboard."""

    def __init__(self, notifier: Notifier, address: str) -> None:
        self._notifier = notifier
        self._address = address.rstrip("/")

    def tell(self, message: Message) -> None:
        self._notifier.tell(replace(message, guide=(*message.guide, *self._links(message))))

    def close(self, timeout_seconds: float) -> None:
        """As the notifier behind it."""
        if isinstance(self._notifier, Closing):
            self._notifier.close(timeout_seconds)

    def _links(self, message: Message) -> Iterator[str]:
        if message.rollback_id:
            yield f"{self._address}/r/{quote(message.rollback_id, safe='')}"
        if meaning_of(message.reason) is not None:
            yield f"{self._address}/reasons#{message.reason}"
