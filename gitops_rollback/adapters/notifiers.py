"""Tells people: a structured log line, and a generic webhook. Neither may stand in the way of a rollback.

`tell` only puts a message into a bounded queue; a worker thread sends it, tries again with growing waits and gives up
after some tries. What is dropped is counted and logged. Delivery is at least once with a dedup key; the same key is
not told twice while it is remembered.
Source: product.md section 2 (`X-Signature` as Flux's notification-controller: `sha256=<hex>`); CloudEvents 1.0 JSON
event format, structured mode; reliability.md 17b and A19.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import queue
import random
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Protocol, runtime_checkable

import structlog

from gitops_rollback.core.errors import RollbackError
from gitops_rollback.core.journal import format_time, plain
from gitops_rollback.crash_points import crash_point
from gitops_rollback.ports import Message, Notifier

MAX_TEXT = 200  # characters of a title, and of each line of a text
MAX_LINES = 40
QUEUE_LENGTH = 256
REMEMBERED_KEYS = 1024
LAST_WORDS_SECONDS = 3.0
TRIES = 6
FIRST_WAIT_SECONDS = 1.0
LONGEST_WAIT_SECONDS = 60.0

Post = Callable[[str, bytes, Mapping[str, str]], int]

# What makes Slack, Teams, GitHub or a terminal do something; a zero-width space keeps it readable and dead.
_LIVE = {"@": "@\u200b", "<": "‹", ">": "›", "[": "［", "]": "］", "`": "'"}


def quoted(text: str, limit: int = MAX_TEXT) -> str:
    """One line of a stranger's text that mentions nobody, links nowhere and moves no cursor."""
    safe = "".join(_LIVE.get(character, character) for character in text if character.isprintable())
    return safe if len(safe) <= limit else safe[: limit - 1] + "…"


def quoted_lines(text: str) -> str:
    """As `quoted`, for several lines."""
    lines = text.splitlines()
    kept = [quoted(line.replace("\t", " ")) for line in lines[:MAX_LINES]]
    return "\n".join([*kept, "…"] if len(lines) > MAX_LINES else kept)


class _Seen:
    """The newest keys, a bounded number of them."""

    def __init__(self, limit: int = REMEMBERED_KEYS) -> None:
        self._keys: OrderedDict[str, None] = OrderedDict()
        self._limit = limit
        self._lock = threading.Lock()

    def again(self, key: str) -> bool:
        """True if `key` was asked about before and is still remembered; an empty key never was."""
        if not key:
            return False
        with self._lock:
            known = key in self._keys
            self._keys[key] = None
            self._keys.move_to_end(key)
            if len(self._keys) > self._limit:
                self._keys.popitem(last=False)
            return known

    def forget(self, key: str) -> None:
        """A message that was never delivered may be told again."""
        with self._lock:
            self._keys.pop(key, None)


class LogNotifier:
    """Each message as one log line; pages are warnings."""

    def __init__(self) -> None:
        self._seen = _Seen()
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
        )


class WebhookNotifier:
    """Sends each message to one URL. `post` returns the HTTP status; it raises RollbackError if there was no answer.

    `secret` signs the body: `X-Signature: sha256=<hex>`. `events` filters; `("*",)` is all. Call `close` at the end.
    """

    def __init__(
        self,
        post: Post,
        url: str,
        secret: str = "",
        format: str = "json",
        events: Sequence[str] = ("*",),
        wait: Callable[[float], object] | None = None,
    ) -> None:
        self._post = post
        self._url = url
        self._secret = secret.encode()
        self._format = format
        self._events = frozenset(events)
        self._stop = threading.Event()
        self._wait = wait or self._stop.wait
        self._queue: queue.Queue[Message | None] = queue.Queue(QUEUE_LENGTH)
        self._seen = _Seen()
        self._log = structlog.get_logger("webhook")
        self.dropped = 0  # never delivered: the queue was full, or every try failed
        self._worker = threading.Thread(target=self._run, name="webhook", daemon=True)
        self._worker.start()

    def tell(self, message: Message) -> None:
        if not self._events & {"*", message.event} or self._stop.is_set() or self._seen.again(message.key):
            return
        try:
            self._queue.put_nowait(message)
        except queue.Full:
            self._drop(message, "the queue is full")

    def close(self, timeout_seconds: float = 5.0) -> None:
        """Send what is queued, as far as `timeout_seconds` of real time allow, and end the worker."""
        try:
            self._queue.put(None, timeout=timeout_seconds)
        except queue.Full:
            self._log.warning("Gave up on a full queue at the end", length=self._queue.qsize())
        self._worker.join(timeout_seconds)
        self._stop.set()

    def _run(self) -> None:
        while (message := self._queue.get()) is not None and not self._stop.is_set():
            self._deliver(message)

    @crash_point("deliver")
    def _deliver(self, message: Message) -> None:
        body, headers = self._request(message)
        trouble = ""
        for attempt in range(TRIES):
            try:
                status = self._post(self._url, body, headers)
            except RollbackError as exc:
                trouble = exc.message
            except Exception as exc:
                # Whatever a message holds, the next one must still be sent.
                trouble = type(exc).__name__
            else:
                if 200 <= status < 300:
                    return
                trouble = f"answered {status}"
                if 400 <= status < 500 and status not in (408, 425, 429):
                    break
            if self._stop.is_set() or attempt + 1 == TRIES:
                break
            longest = min(LONGEST_WAIT_SECONDS, FIRST_WAIT_SECONDS * 2**attempt)
            self._wait(longest * random.uniform(0.5, 1.0))
        self._drop(message, trouble)

    def _drop(self, message: Message, why: str) -> None:
        self.dropped += 1
        self._seen.forget(message.key)
        self._log.error(
            "Dropped a message",
            reason="NotDelivered",
            application=message.application,
            rollback_id=message.rollback_id,
            why=why,
            title=message.title,
        )

    def _request(self, message: Message) -> tuple[bytes, Mapping[str, str]]:
        document = message_document(message)
        kind = "application/json"
        if self._format == "cloudevents":
            document, kind = cloud_event(message, document), "application/cloudevents+json"
        body = json.dumps(document, sort_keys=True, allow_nan=False).encode()
        headers = {"Content-Type": kind}
        if self._secret:
            headers["X-Signature"] = "sha256=" + hmac.new(self._secret, body, hashlib.sha256).hexdigest()
        return body, headers


def message_document(message: Message) -> dict[str, object]:
    """The webhook's JSON body. Texts of strangers are quoted; ids and reasons are ours."""
    return {
        "event": message.event,
        "application": quoted(message.application),
        "title": quoted(message.title),
        "text": quoted_lines(message.text),
        "key": message.key,
        "reason": message.reason,
        "rollbackId": message.rollback_id,
        "page": message.page,
        "details": _quoted_tree(plain(dict(message.details or {}))),
    }


def _quoted_tree(node: object) -> object:
    if isinstance(node, dict):
        return {quoted(str(key)): _quoted_tree(item) for key, item in node.items()}
    if isinstance(node, list):
        return [_quoted_tree(item) for item in node]
    return quoted_lines(node) if isinstance(node, str) else node


def cloud_event(message: Message, document: Mapping[str, object]) -> dict[str, object]:
    """The message as a CloudEvent; its id is the dedup key, so a receiver may drop repeats by (source, id)."""
    verified = message.event == "verified"
    return {
        "specversion": "1.0",
        "id": message.key or hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()[:32],
        "source": "/gitops-rollback",
        "type": "dev.cdevents.service.rolledback.0.2.0" if verified else f"dev.gitops-rollback.{message.event}",
        "subject": str(document["application"]),
        "time": format_time(datetime.now(UTC)),
        "datacontenttype": "application/json",
        "data": dict(document),
    }


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
        """Send what is queued, all side by side, as far as `timeout_seconds` of real time allow. Tells nothing more."""
        end = time.monotonic() + timeout_seconds
        for notifier in self._notifiers:
            if isinstance(notifier, Closing):
                notifier.close(max(0.0, end - time.monotonic()))
