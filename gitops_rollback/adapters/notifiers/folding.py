"""Many applications at once: the first few are told by themselves, the others in one message with the list.

Source: reliability.md 17b; safety.md, One commit, many applications.
"""

from __future__ import annotations

import hashlib
from collections import Counter, OrderedDict
from collections.abc import Callable, Sequence

from gitops_rollback.ports import Message

WINDOW_SECONDS = 30.0  # of real time
ALONE = 5  # applications of one window that are told by themselves
MOST_HELD = 500  # more are counted, and not listed
# What begins or ends a rollback is told by itself: it opens and closes threads, incidents and regions, and is rare.
FOLDS = frozenset({"suggested", "refused", "held", "failed", "blind", "stopped"})


class Storm:
    """Decides for one place, by the applications that were told of within the window, whether a message waits."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._told: OrderedDict[str, float] = OrderedDict()
        self._held: list[Message] = []
        self._beyond = 0
        self._until = 0.0

    def holds(self, message: Message) -> bool:
        """True if it was kept for the message with the list; else it is to be told now, and counted.

        What an application says that was told of lately is no storm: it belongs to what people already know.
        """
        if message.event not in FOLDS or message.over:
            return False
        now = self._now()
        while self._told and next(iter(self._told.values())) <= now - WINDOW_SECONDS:
            self._told.popitem(last=False)
        if message.application in self._told and not self._held:
            return False
        if not self._held and len(self._told) < ALONE:
            self._told[message.application] = now
            return False
        if not self._held:
            self._until = now + WINDOW_SECONDS
        if len(self._held) < MOST_HELD:
            self._held.append(message)
        else:
            self._beyond += 1
        return True

    @property
    def left_seconds(self) -> float | None:
        """Until what is held must be told; None if nothing is."""
        return max(0.0, self._until - self._now()) if self._held else None

    def release(self) -> tuple[tuple[Message, ...], int]:
        """What was held, and how many more were not kept."""
        held, beyond = tuple(self._held), self._beyond
        self._held, self._beyond = [], 0
        return held, beyond


def folded(messages: Sequence[Message], beyond: int = 0) -> Message:
    """One message that lists them, pages first; it is a page if one of them is."""
    ranked = sorted(messages, key=lambda message: not message.page)
    counts = Counter(message.event for message in ranked)
    counted = ", ".join(f"{count} {event}" for event, count in counts.most_common())
    applications = {message.application for message in ranked}
    keys = tuple(message.key for message in messages)
    digest = hashlib.sha256("\n".join(keys).encode()).hexdigest()[:16]
    lines = [f"{message.event} {message.title} ({message.reason})" for message in ranked]
    return Message(
        event="folded",
        application=ranked[0].application,
        title=f"{len(applications)} more applications at once: {counted}",
        text="\n".join([*lines, f"and {beyond} more messages that are not listed"] if beyond else lines),
        key=f"folded/{digest}",
        reason=ranked[0].reason,
        page=any(message.page for message in ranked),
        details={"messages": [_line(message) for message in ranked], "notListed": beyond},
        topic=f"folded/{digest}",
        guide=("each of them stands in `gitops-rollback history` and `gitops-rollback get`",),
        folds=keys,
    )


def _line(message: Message) -> dict[str, object]:
    return {
        "event": message.event,
        "application": message.application,
        "reason": message.reason,
        "rollbackId": message.rollback_id,
        "page": message.page,
    }
