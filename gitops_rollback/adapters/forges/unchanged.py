"""Answers that need not be sent again: asked with their `ETag`, a forge says 304, which costs nothing of the quota.

Source: RFC 9110, 13.1.2; GitHub docs, "Best practices for using the REST API", conditional requests.
"""

from __future__ import annotations

import threading
from collections import OrderedDict

from gitops_rollback.adapters.http import HttpAnswer

MOST = 500  # answers
MOST_BYTES = 8 << 20  # of them all
LARGEST = 512 << 10  # bytes of one that is kept


class KeptAnswers:
    """What was answered last, by address; bounded, the least used goes first. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: OrderedDict[str, HttpAnswer] = OrderedDict()
        self._bytes = 0

    def of(self, url: str) -> HttpAnswer | None:
        """The answer that is kept, with its `etag`."""
        with self._lock:
            if url in self._kept:
                self._kept.move_to_end(url)
            return self._kept.get(url)

    def keep(self, url: str, answer: HttpAnswer) -> None:
        """Keep a success that has an ETag, instead of the one before."""
        with self._lock:
            old = self._kept.pop(url, None)
            self._bytes -= len(old.body) if old else 0
            if answer.status != 200 or not answer.headers.get("etag") or len(answer.body) > LARGEST:
                return
            self._kept[url] = answer
            self._bytes += len(answer.body)
            while len(self._kept) > MOST or self._bytes > MOST_BYTES:
                self._bytes -= len(self._kept.popitem(last=False)[1].body)
