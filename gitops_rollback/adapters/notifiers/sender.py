"""Sends the messages of one place in the background, so that telling never stands in the way of a rollback.

`tell` only puts a message into a bounded queue; a worker thread sends it, tries again with growing waits and gives up
after some tries. What is given up is counted, logged, and handed to whoever can tell it elsewhere. Delivery is at
least once with a dedup key; the same key is not told twice while it is remembered. Where many applications have
something to say at once, the first are told by themselves and the others in one message with the list.
Source: reliability.md 17b; design.md, promise 20.
"""

from __future__ import annotations

import queue
import random
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

import structlog

from gitops_rollback.adapters.notifiers.folding import Storm, folded
from gitops_rollback.adapters.notifiers.seen import Seen
from gitops_rollback.core.errors import RollbackError, TransientError
from gitops_rollback.crash_points import crash_point
from gitops_rollback.ports import Message

QUEUE_LENGTH = 256
TRIES = 6
FIRST_WAIT_SECONDS = 1.0
LONGEST_WAIT_SECONDS = 60.0
LONGEST_ASKED_SECONDS = 120.0  # of what a receiver asks for by Retry-After


class Outcome(StrEnum):
    """How one try to deliver ended; LATER: another try may do."""

    DELIVERED = "delivered"
    LATER = "later"
    REFUSED = "refused"


@dataclass(frozen=True)
class Receipt:
    """What came back of one try; `wait_seconds`: as long as the receiver asked for, 0 if it did not."""

    outcome: Outcome
    said: str = ""
    wait_seconds: float = 0.0


class Channel(Protocol):
    """One receiver at the wire. Called by one thread at a time; may block for some seconds.

    `folds`: people read there, so that many messages at once are better told as one.
    """

    folds: bool

    def send(self, message: Message) -> Receipt:
        """One try. What was done of it in an earlier try is not done again. Raises: RollbackError."""
        ...

    def check(self) -> Receipt | None:
        """Whether messages would arrive, asked without sending any; None where the service has no such question."""
        ...

    def close(self) -> None: ...


GivenUp = Callable[[Message, str], None]


class Sender:
    """One place: a `channel` with its queue and its thread. `name` is for people, and holds no secret.

    `events` filters; `("*",)` is all. `given_up` hears of each message that will not arrive, and why. Call `close` at
    the end.
    """

    def __init__(
        self,
        channel: Channel,
        name: str,
        events: Sequence[str] = ("*",),
        given_up: GivenUp | None = None,
        wait: Callable[[float], object] | None = None,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name = name
        self.channel = channel
        self._given_up = given_up
        self._events = frozenset(events)
        self._stop = threading.Event()
        self._wait = wait or self._stop.wait
        self._queue: queue.Queue[Message | None] = queue.Queue(QUEUE_LENGTH)
        self._seen = Seen()
        self._storm = Storm(now)
        self._log = structlog.get_logger("notify")
        self.dropped = 0  # never delivered: the queue was full, or every try failed
        self._worker = threading.Thread(target=self._run, name=f"tell {name}", daemon=True)
        self._worker.start()

    def wants(self, message: Message) -> bool:
        """Whether its events name this one."""
        return bool(self._events & {"*", message.event})

    def tell(self, message: Message) -> None:
        """Queue what it wants."""
        if self.wants(message):
            self.take(message)

    def take(self, message: Message) -> None:
        """Queue it, whatever its event; nothing after `close`."""
        if self._stop.is_set() or self._seen.again(message.key):
            return
        try:
            self._queue.put_nowait(message)
        except queue.Full:
            self._drop(message, "the queue is full")

    def finish(self) -> None:
        """Begin to end, so that several end side by side; `close` waits for it."""
        with suppress(queue.Full):
            self._queue.put_nowait(None)

    def retire(self) -> None:
        """Take no more, send what is queued, and end; returns at once."""
        threading.Thread(target=self.close, name=f"retire {self.name}", daemon=True).start()

    def close(self, timeout_seconds: float = 5.0) -> None:
        """Send what is queued, as far as `timeout_seconds` of real time allow, and end the worker."""
        try:
            self._queue.put(None, timeout=timeout_seconds)
        except queue.Full:
            self._log.warning("Gave up on a full queue at the end", place=self.name, length=self._queue.qsize())
        self._worker.join(timeout_seconds)
        self._stop.set()
        if not self._worker.is_alive():
            self.channel.close()

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                message = self._queue.get(timeout=self._storm.left_seconds)
            except queue.Empty:
                self._tell_held()
                continue
            if message is None:
                self._tell_held()
                return
            if not (self.channel.folds and self._storm.holds(message)):
                self._deliver(message)

    def _tell_held(self) -> None:
        held, beyond = self._storm.release()
        if len(held) == 1 and not beyond:
            self._deliver(held[0])
        elif held:
            self._deliver(folded(held, beyond))

    @crash_point("deliver")
    def _deliver(self, message: Message) -> None:
        trouble = ""
        for attempt in range(TRIES):
            receipt = self._try(message)
            if receipt.outcome is Outcome.DELIVERED:
                return
            trouble = receipt.said
            if receipt.outcome is Outcome.REFUSED or self._stop.is_set() or attempt + 1 == TRIES:
                break
            longest = min(LONGEST_WAIT_SECONDS, FIRST_WAIT_SECONDS * 2**attempt)
            asked = min(receipt.wait_seconds, LONGEST_ASKED_SECONDS)
            self._wait(max(asked, longest * random.uniform(0.5, 1.0)))
        self._drop(message, trouble)

    def _try(self, message: Message) -> Receipt:
        try:
            return self.channel.send(message)
        except TransientError as exc:
            return Receipt(Outcome.LATER, exc.message)
        except RollbackError as exc:
            return Receipt(Outcome.REFUSED, exc.message)
        except Exception as exc:
            # Whatever a message holds, the next one must still be sent.
            return Receipt(Outcome.LATER, type(exc).__name__)

    def _drop(self, message: Message, why: str) -> None:
        self.dropped += 1
        for key in (message.key, *message.folds):
            self._seen.forget(key)
        self._log.error(
            "Dropped a message",
            reason="NotDelivered",
            place=self.name,
            application=message.application,
            rollback_id=message.rollback_id,
            why=why,
            title=message.title,
        )
        if self._given_up is not None:
            self._given_up(message, why)
