"""How long does the forge want to be left alone, and may this request be sent now?

Told by `Retry-After`; else by a quota that is used up and the time when it is filled again; else a minute, doubled
each time. Times are the server's own, by its `Date`, so that our clock does not matter.
Source: contracts/forges.md, sections 3 and 4; GitHub docs, "Rate limits for the REST API".
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import UTC
from email.utils import parsedate_to_datetime

from gitops_rollback.adapters.forges.answer import Answer
from gitops_rollback.adapters.git.headers import seconds_of

CORE, GRAPH = "core", "graphql"  # GitHub counts them apart
UNTOLD_SECONDS = 60.0
LONGEST_UNTOLD_SECONDS = 900.0
LONGEST_SECONDS = 3600.0
WORDS = ("rate limit", "abuse detection")


class RateLimits:
    """Thread-safe; of one set of credentials at one forge."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._now = monotonic
        self._lock = threading.Lock()
        self._until: dict[str, float] = {}
        self._untold = 0  # refusals in a row that did not say for how long

    def wait_seconds(self, resource: str) -> float:
        """How long nothing may be asked of the resource; 0 if it may be."""
        with self._lock:
            return max(0.0, self._until.get(resource, 0.0) - self._now())

    def see(self, resource: str, answer: Answer) -> bool:
        """Remember what the answer says of the limits; True if it is a refusal for their sake."""
        if is_limit(answer):
            self.hit(resource, answer)
            return True
        if answer.fine:
            told = _told_seconds(answer) if remaining(answer) == 0 else 0.0  # the last one that was free
            with self._lock:
                self._untold = 0
                if told:
                    self._until[resource] = self._now() + min(told, LONGEST_SECONDS)
        return False

    def hit(self, resource: str, answer: Answer) -> None:
        """The answer is a refusal for the sake of a limit."""
        told = _told_seconds(answer)
        with self._lock:
            self._untold += 0 if told else 1
            wait = told or min(UNTOLD_SECONDS * 2 ** (self._untold - 1), LONGEST_UNTOLD_SECONDS)
            self._until[resource] = self._now() + min(wait, LONGEST_SECONDS)


def is_limit(answer: Answer) -> bool:
    """GitHub says 403 as well as 429, for its primary and for its secondary limits."""
    if answer.status == 429:
        return True
    if answer.status != 403:
        return False
    return (
        "retry-after" in answer.headers
        or remaining(answer) == 0
        or any(words in answer.words().lower() for words in WORDS)
    )


def remaining(answer: Answer) -> int | None:
    """How many requests are left of the quota; None if it does not say."""
    text = answer.headers.get("x-ratelimit-remaining") or answer.headers.get("ratelimit-remaining") or ""
    return int(text[:12]) if text.isascii() and text.isdigit() else None


def _told_seconds(answer: Answer) -> float:
    """Seconds until it may be asked again; 0 if it does not say."""
    after = seconds_of(answer.headers.get("retry-after", "").strip())
    if after:
        return after
    reset = answer.headers.get("x-ratelimit-reset") or answer.headers.get("ratelimit-reset") or ""
    if remaining(answer) != 0 or not (reset.isascii() and reset.isdigit()):
        return 0.0
    try:
        said = parsedate_to_datetime(answer.headers.get("date", "")).astimezone(UTC).timestamp()
    except (ValueError, TypeError, OverflowError):
        return UNTOLD_SECONDS
    return max(1.0, float(reset[:12]) - said)
