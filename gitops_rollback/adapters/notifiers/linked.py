"""Leads whoever reads a message to the pages of the dashboard that show the rollback, and what its reason means."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from gitops_rollback.adapters.notifiers.fanout import Closing
from gitops_rollback.adapters.pages import Pages
from gitops_rollback.ports import Message, Notifier


class Linked:
    """Tells another notifier, with the links below each message."""

    def __init__(self, notifier: Notifier, pages: Pages) -> None:
        self._notifier = notifier
        self._pages = pages

    def tell(self, message: Message) -> None:
        self._notifier.tell(replace(message, guide=(*message.guide, *self._links(message))))

    def close(self, timeout_seconds: float) -> None:
        """As the notifier behind it."""
        if isinstance(self._notifier, Closing):
            self._notifier.close(timeout_seconds)

    def _links(self, message: Message) -> Iterator[str]:
        if message.rollback_id:
            yield self._pages.rollback(message.rollback_id)
        reason = self._pages.reason(message.reason)
        if reason is not None:
            yield reason
