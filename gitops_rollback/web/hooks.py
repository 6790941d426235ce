"""Webhooks: who may say "look now", and what becomes of a delivery?

A delivery is a hint. Nothing in it is believed but its sender, and that only says: look sooner than the next tick. Only
who pressed which button, in a chat or below a check, is kept for the one who judges it. An authentic delivery is always
answered 202; whoever cannot prove that they know the secret learns no more than 401. The path
alone says which kind of sender it is, and which secret counts.
Source: interfaces.md, Webhooks; contracts/forges.md, section 7.
"""

from __future__ import annotations

import hashlib
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from email.message import Message
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from typing import Protocol
from urllib.parse import urlsplit

from prometheus_client import Counter

from gitops_rollback.core.press import CheckPress, Press
from gitops_rollback.web.check_presses import check_press_of
from gitops_rollback.web.hints import Hint, hint_of
from gitops_rollback.web.presses import press_of
from gitops_rollback.web.proofs import Proof, Reading, proof_of
from gitops_rollback.web.server import REQUEST_SECONDS, TEXT, Handler, Server

PREFIX = "/hooks/"
LARGEST_BODY = 25 << 20  # bytes that are read, to check the signature
LARGEST_PARSED = 1 << 20  # bytes that are looked into
PIECE = 64 << 10
BODY_SECONDS = 30.0  # for the whole body
AT_ONCE = 64  # deliveries that are read at the same time
PLACE_SECONDS = 2.0  # how long one more waits for its turn
PER_SECOND, BURST = 500.0, 5000.0  # deliveries of one address: a forge sends a busy organisation's all at once
ADDRESSES = 1000  # that are kept count of
REMEMBERED = 10_000  # deliveries that are known again
REMEMBERED_SECONDS = 24 * 3600.0

Look = Callable[[Hint], bool]  # must return at once; False: it is about nothing of ours
Pressed = Callable[[Press | CheckPress], None]  # likewise


@dataclass(frozen=True)
class Door:
    """One path, and the secrets of who may post to it: any of them counts, and without one nobody may."""

    kind: str
    name: str
    keys: tuple[str, ...]


class Body(Protocol):
    """What a delivery holds, to be read once."""

    def read(self, size: int) -> bytes:
        """At most `size` bytes; none at the end. Raises: TimeoutError."""
        ...


class Hooks:
    """Answers deliveries. Usable from several threads; what it keeps is bounded."""

    def __init__(self, now: Callable[[], datetime], counted: Counter) -> None:
        self._now = now
        self._counted = counted
        self._lock = threading.Lock()
        self._places = threading.BoundedSemaphore(AT_ONCE)
        self._doors: dict[str, Door] = {}
        self._look: Look | None = None
        self._pressed: Pressed = lambda _press: None
        self._known: OrderedDict[tuple[str, bytes], float] = OrderedDict()
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def open(self, doors: Iterable[Door], look: Look, pressed: Pressed = lambda _press: None) -> None:
        """From now on these doors are there, and each new delivery calls `look`; a button's calls `pressed`."""
        with self._lock:
            self._pressed = pressed
            self._doors = {f"{PREFIX}{door.kind}/{door.name}": door for door in doors}
            self._look = look

    def close(self) -> None:
        """Until `open`, nothing is taken."""
        with self._lock:
            self._look = None

    def answer(self, path: str, headers: Message, body: Body, source: str) -> HTTPStatus:
        """The status of one delivery that comes from the address `source`."""
        if not self._has_room(source) or not self._places.acquire(timeout=PLACE_SECONDS):
            return HTTPStatus.TOO_MANY_REQUESTS
        try:
            return self._taken(path, headers, body)
        finally:
            self._places.release()

    def _taken(self, path: str, headers: Message, body: Body) -> HTTPStatus:
        with self._lock:
            door, look = self._doors.get(path), self._look
        if look is None:
            return HTTPStatus.SERVICE_UNAVAILABLE
        if door is None:
            return HTTPStatus.NOT_FOUND
        now = self._now()
        proof = proof_of(door.kind, headers, now)
        if proof is None:
            return self._counts(door, "refused", HTTPStatus.UNAUTHORIZED)
        length = _length(headers)
        if isinstance(length, HTTPStatus):
            return self._counts(door, "refused", length)
        try:
            seen = _read(body, length, proof, door.keys)
        except TimeoutError:
            return self._counts(door, "refused", HTTPStatus.REQUEST_TIMEOUT)
        if not seen.authentic:
            return self._counts(door, "refused", HTTPStatus.UNAUTHORIZED)
        if self._is_known(path, seen.digest):
            return self._counts(door, "repeated", _taken_status(door))
        if door.kind == "slack":
            return self._press(door, seen.text, now)
        if door.kind == "github":
            self._press_check(headers, seen.text, now)
        hint = hint_of(door.kind, headers, seen.text, now)
        result = hint if isinstance(hint, str) else "accepted" if look(hint) else "elsewhere"
        return self._counts(door, result, HTTPStatus.ACCEPTED)

    def _press_check(self, headers: Message, text: bytes, now: datetime) -> None:
        """What else stands in such a delivery is a hint like any other, so it goes on as one."""
        press = check_press_of(str(headers.get("X-GitHub-Event")), text, now)
        if press is not None:
            with self._lock:
                pressed = self._pressed
            pressed(press)

    def _press(self, door: Door, text: bytes, now: datetime) -> HTTPStatus:
        press = press_of(text, now)
        if press is not None:
            with self._lock:
                pressed = self._pressed
            pressed(press)
        return self._counts(door, "accepted" if press else "ignored", _taken_status(door))

    def _counts(self, door: Door, result: str, status: HTTPStatus) -> HTTPStatus:
        self._counted.labels(door.kind, door.name, result).inc()
        return status

    def _is_known(self, path: str, digest: bytes) -> bool:
        """Whether these very bytes came by this door within a day. Few senders sign their ids, so none counts."""
        now, key = time.monotonic(), (path, digest)
        with self._lock:
            since = self._known.get(key)
            if since is not None and now - since < REMEMBERED_SECONDS:
                return True
            self._known[key] = now
            self._known.move_to_end(key)
            while len(self._known) > REMEMBERED:
                self._known.popitem(last=False)
        return False

    def _has_room(self, source: str) -> bool:
        """Each address fills its own bucket, so that a flood of one keeps nobody else out."""
        now = time.monotonic()
        with self._lock:
            left, at = self._buckets.get(source, (BURST, now))
            left = min(BURST, left + (now - at) * PER_SECOND)
            self._buckets[source] = (max(left - 1.0, 0.0), now)
            self._buckets.move_to_end(source)
            while len(self._buckets) > ADDRESSES:
                self._buckets.popitem(last=False)
        return left >= 1.0


class HookServer(Server):
    """The webhooks alone, on a port that may face the internet."""

    def __init__(self, bind: tuple[str, int], hooks: Hooks) -> None:
        super().__init__(bind, type("BoundHandler", (HooksHandler,), {"hooks": hooks}), "hooks")


class HooksHandler(Handler):
    """Posts to `/hooks/...`; `hooks` None: there are none here."""

    hooks: Hooks | None

    def do_POST(self) -> None:
        path = urlsplit(self.path).path
        if self.hooks is None or not path.startswith(PREFIX):
            self.answer(HTTPStatus.NOT_FOUND, TEXT, b"not found\n")
            return
        body = _Posted(self, BODY_SECONDS)
        status = self.hooks.answer(path, self.headers, body, str(self.client_address[0]))
        self.answer(status, TEXT, f"{status.phrase.lower()}\n".encode())


class _Posted:
    """The body of a request, whose reading takes at most so long in all. Raises: TimeoutError."""

    def __init__(self, handler: BaseHTTPRequestHandler, seconds: float) -> None:
        self._handler = handler
        self._end = time.monotonic() + seconds

    def read(self, size: int) -> bytes:
        left = self._end - time.monotonic()
        if left <= 0:
            raise TimeoutError("the body takes too long")
        self._handler.connection.settimeout(min(left, REQUEST_SECONDS))
        try:
            return self._handler.rfile.read1(size)
        except OSError as exc:
            raise TimeoutError("the body does not come") from exc


@dataclass(frozen=True)
class _Seen:
    """One body: whether its sender knows a secret, its digest, and its text unless it is too large to look into."""

    authentic: bool
    digest: bytes
    text: bytes


def _taken_status(door: Door) -> HTTPStatus:
    """Slack takes 200 alone for a press that has come."""
    return HTTPStatus.OK if door.kind == "slack" else HTTPStatus.ACCEPTED


def _length(headers: Message) -> int | HTTPStatus:
    lengths = headers.get_all("Content-Length", [])
    if len(lengths) != 1 or headers.get("Transfer-Encoding"):
        return HTTPStatus.LENGTH_REQUIRED
    text = str(lengths[0]).strip()
    if not (text.isascii() and text.isdecimal()):
        return HTTPStatus.BAD_REQUEST
    return int(text) if len(text) < 10 and int(text) <= LARGEST_BODY else HTTPStatus.REQUEST_ENTITY_TOO_LARGE


def _read(body: Body, length: int, proof: Proof, keys: tuple[str, ...]) -> _Seen:
    """Read piece by piece, so that a large body costs no memory. Raises: TimeoutError."""
    reading, plain, text, left = Reading(proof, keys), hashlib.sha256(), bytearray(), length
    while left > 0:
        piece = body.read(min(left, PIECE))
        if not piece:
            break  # shorter than was said: no signature is over that
        left -= len(piece)
        reading.update(piece)
        plain.update(piece)
        text += piece if length <= LARGEST_PARSED else b""
    return _Seen(left == 0 and reading.authentic, plain.digest(), bytes(text))
