"""Webhooks: who may say "look now", and what becomes of a delivery?

A delivery is a hint. Nothing in it is believed but its sender, and that only says: look sooner than the next tick. An
authentic one is always answered 202; whoever cannot prove that they know the token learns no more than 401.
Source: interfaces.md, Webhooks; fluxcd/notification-controller internal/notifier/forwarder.go (`generic-hmac` signs the
body into `X-Signature`; `generic` sends the headers of its Secret).
"""

from __future__ import annotations

import hashlib
import hmac
import json
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.message import Message
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from typing import Protocol
from urllib.parse import urlsplit

from prometheus_client import Counter

from gitops_rollback.core.journal import parse_time
from gitops_rollback.web.server import REQUEST_SECONDS, TEXT, Handler, Server

PREFIX = "/hooks/"
LARGEST_BODY = 25 << 20  # bytes that are read, to check the signature
LARGEST_PARSED = 1 << 20  # bytes that are looked into
PIECE = 64 << 10
BODY_SECONDS = 30.0  # for the whole body
AT_ONCE = 64  # deliveries that are read at the same time
PER_SECOND, BURST = 200.0, 400.0  # deliveries of one address
ADDRESSES = 1000  # that are kept count of
REMEMBERED = 10_000  # deliveries that are known again
AGE = timedelta(minutes=5)  # beyond which a delivery says nothing about now
DIGESTS = {"sha256": hashlib.sha256, "sha512": hashlib.sha512}


@dataclass(frozen=True)
class Door:
    """One path, and the token of who may post to it."""

    kind: str
    name: str
    token: str


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
        self._look: Callable[[], None] | None = None
        self._known: OrderedDict[tuple[str, bytes], None] = OrderedDict()
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def open(self, doors: Iterable[Door], look: Callable[[], None]) -> None:
        """From now on these doors are there, and each new delivery calls `look`, which must return at once."""
        with self._lock:
            self._doors = {f"{PREFIX}{door.kind}/{door.name}": door for door in doors}
            self._look = look

    def close(self) -> None:
        """Until `open`, nothing is taken."""
        with self._lock:
            self._look = None

    def answer(self, path: str, headers: Message, body: Body, source: str) -> HTTPStatus:
        """The status of one delivery that comes from the address `source`."""
        if not self._has_room(source) or not self._places.acquire(blocking=False):
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
        proof = _proof(headers)
        if proof is None:
            return self._counts(door, "refused", HTTPStatus.UNAUTHORIZED)
        length = _length(headers)
        if isinstance(length, HTTPStatus):
            return self._counts(door, "refused", length)
        try:
            seen = _read(body, length, proof, door.token)
        except TimeoutError:
            return self._counts(door, "refused", HTTPStatus.REQUEST_TIMEOUT)
        if not seen.authentic:
            return self._counts(door, "refused", HTTPStatus.UNAUTHORIZED)
        result = self._worth(path, seen)
        if result == "accepted":
            look()
        return self._counts(door, result, HTTPStatus.ACCEPTED)

    def _counts(self, door: Door, result: str, status: HTTPStatus) -> HTTPStatus:
        self._counted.labels(door.kind, door.name, result).inc()
        return status

    def _worth(self, path: str, seen: _Seen) -> str:
        """`accepted` is worth a look; else why it is not."""
        with self._lock:
            key = (path, seen.digest)
            if key in self._known:
                self._known.move_to_end(key)
                return "repeated"
            self._known[key] = None
            while len(self._known) > REMEMBERED:
                self._known.popitem(last=False)
        event = _event(seen.text)
        if _metadata(event).get("commit_status") == "update":
            return "routine"  # Flux tells each interval that nothing changed
        at = _time(event.get("timestamp"))
        return "old" if at is not None and abs(self._now() - at) > AGE else "accepted"

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
    """One body: whether its sender knows the token, its digest, and its text unless it is too large to look into."""

    authentic: bool
    digest: bytes
    text: bytes


Proof = tuple[str, str]  # the name of a digest, or "" for the token itself; what the header says


def _proof(headers: Message) -> Proof | None:
    """What proves the sender; None where there is nothing, or more than one word, or a digest that proves nothing."""
    signatures = headers.get_all("X-Signature", []) + headers.get_all("X-Hub-Signature-256", [])
    tokens = headers.get_all("Authorization", [])
    if len(signatures) == 1:
        name, _, digest = str(signatures[0]).strip().partition("=")
        return (name.lower(), digest.strip().lower()) if name.lower() in DIGESTS else None
    if not signatures and len(tokens) == 1:
        scheme, _, token = str(tokens[0]).strip().partition(" ")
        return ("", token.strip()) if scheme.lower() == "bearer" and token.strip() else None
    return None


def _length(headers: Message) -> int | HTTPStatus:
    lengths = headers.get_all("Content-Length", [])
    if len(lengths) != 1 or headers.get("Transfer-Encoding"):
        return HTTPStatus.LENGTH_REQUIRED
    text = str(lengths[0]).strip()
    if not (text.isascii() and text.isdecimal()):
        return HTTPStatus.BAD_REQUEST
    return int(text) if len(text) < 10 and int(text) <= LARGEST_BODY else HTTPStatus.REQUEST_ENTITY_TOO_LARGE


def _read(body: Body, length: int, proof: Proof, token: str) -> _Seen:
    """Read piece by piece, so that a large body costs no memory. Raises: TimeoutError."""
    kind, told = proof
    signed = hmac.new(token.encode(), digestmod=DIGESTS[kind or "sha256"])
    plain, text, left = hashlib.sha256(), bytearray(), length
    while left > 0:
        piece = body.read(min(left, PIECE))
        if not piece:
            break  # shorter than was said: no signature is over that
        left -= len(piece)
        signed.update(piece)
        plain.update(piece)
        text += piece if length <= LARGEST_PARSED else b""
    wanted = signed.hexdigest() if kind else token
    authentic = left == 0 and hmac.compare_digest(told.encode(), wanted.encode())
    return _Seen(authentic, plain.digest(), bytes(text))


def _event(text: bytes) -> Mapping[str, object]:
    """The event, or nothing: what cannot be read is still a hint."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _metadata(event: Mapping[str, object]) -> Mapping[str, object]:
    found = event.get("metadata")
    return found if isinstance(found, dict) else {}


def _time(value: object) -> datetime | None:
    try:
        return parse_time(value) if isinstance(value, str) else None
    except ValueError:
        return None
