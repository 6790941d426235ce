"""A word to the one person who pressed a button in Slack. Best effort: what was done is told to all in the thread.

Source: docs.slack.dev, Handling user interaction, `response_url` (five times within 30 minutes; ephemeral).
"""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import structlog

from gitops_rollback.adapters.notifiers.exchange import Exchange
from gitops_rollback.adapters.notifiers.slack_blocks import escaped
from gitops_rollback.core.errors import RollbackError

ORIGIN = "https://hooks.slack.com"
MOST_WAITING = 50
LONGEST = 3000


class SlackAnswers:
    """Never raises, and never keeps anybody waiting."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._room = threading.BoundedSemaphore(MOST_WAITING)
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="slack-answers")
        self._log = structlog.get_logger("notify")

    def answer(self, url: str, text: str) -> None:
        """Say it, a little later."""
        if url and self._room.acquire(blocking=False):
            self._pool.submit(self._say, url, text)

    def close(self) -> None:
        """What is not said yet is not said any more."""
        self._pool.shutdown(wait=False, cancel_futures=True)
        self._exchange.close()

    def _say(self, url: str, text: str) -> None:
        words = {"text": escaped(text[:LONGEST]), "response_type": "ephemeral", "replace_original": False}
        try:
            self._exchange.post(url, words)
        except RollbackError as error:
            self._log.warning("could not answer a press of a button", error=error.message)
        finally:
            self._room.release()
