"""One request after the other to one forge: limits, deadline, what a lost answer means, what is counted.

Reads that get no answer are asked again within the call's deadline; a write is sent once, and one whose answer is lost
is `OutcomeUnknown`, so that the caller looks before it writes again. Writes of a repository go one at a time.
Source: contracts/forges.md, sections 3 and 9; GitHub docs, "Best practices for using the REST API".
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Protocol
from urllib.parse import urlencode

from gitops_rollback.adapters.forges.answer import Answer, OutcomeUnknown
from gitops_rollback.adapters.forges.credentials import credentials_of
from gitops_rollback.adapters.forges.limits import CORE, RateLimits, remaining
from gitops_rollback.adapters.forges.settings import ForgeSettings
from gitops_rollback.adapters.forges.unchanged import KeptAnswers
from gitops_rollback.adapters.http import Failure, Http, HttpAnswer, HttpFailed, HttpSettings
from gitops_rollback.adapters.origins import OriginRules
from gitops_rollback.core.errors import ForgeRefused, ForgeUnavailable, RollbackError

READ_TRIES = 3
FIRST_PAUSE = 0.5  # seconds before a read is asked again, doubled each time
SHORT_WAIT = 5.0  # seconds that a limit is waited for here; a longer one is told
HOPELESS = (Failure.TIMEOUT, Failure.TOO_LARGE)  # asked again, it would be the same, and somebody waits for the tick
MAX_BODY = 16 << 20
Query = Mapping[str, str | int]
NOTHING: Query = {}


class Meter(Protocol):
    """Who counts what is asked, for the controller's metrics."""

    def asked(self, forge: str, operation: str, code: str) -> None:
        """One request: `code` is the HTTP status, or a word where none came."""
        ...

    def left(self, forge: str, requests: int) -> None:
        """What is left of the quota."""
        ...


class Unmetered:
    """Counts nothing."""

    def asked(self, forge: str, operation: str, code: str) -> None:
        del forge, operation, code

    def left(self, forge: str, requests: int) -> None:
        del forge, requests


UNMETERED = Unmetered()


@dataclass(frozen=True)
class _Request:
    method: str
    url: str
    content: bytes | None
    resource: str

    @property
    def reads(self) -> bool:
        return self.method == "GET"


class Exchange:
    """All requests to one forge about one repository, with one set of credentials. Thread-safe."""

    def __init__(self, settings: ForgeSettings, rules: OriginRules, meter: Meter = UNMETERED) -> None:
        self.settings = settings
        self._meter = meter
        self._http = Http(rules, HttpSettings(ca_file=settings.ca_file, max_body=MAX_BODY))
        self.credentials = credentials_of(settings, self._http, self._count)
        self.limits = RateLimits()
        self._kept = KeptAnswers()
        self._writing = threading.Lock()
        self._closed = threading.Event()
        self._confirming = threading.Lock()
        self._unconfirmed = settings.guessed
        self.confirm: Callable[[Call], None] = lambda _call: None  # raises if the host is no forge of this kind

    def call(self, operation: str) -> Call:
        """A call of the port begins: its deadline runs. Raises: what `confirm` does, the first time."""
        call = Call(self, operation, time.monotonic() + self.settings.patience.total_seconds())
        if self._unconfirmed:
            with self._confirming:
                if self._unconfirmed:
                    self.confirm(replace(call, operation="confirm"))
                    self._unconfirmed = False
        return call

    def close(self) -> None:
        """End what waits, and all connections."""
        self._closed.set()
        self._http.close()

    def pause(self, seconds: float) -> None:
        """Let a moment pass, unless all is to end."""
        self._closed.wait(seconds)

    def ask(self, call: Call, request: _Request) -> Answer:
        """The answer, whatever it says but a limit. Raises: ForgeUnavailable, OutcomeUnknown, CredentialsRejected."""
        if request.reads:
            return self._read(call, request)
        if not self._writing.acquire(timeout=call.left().total_seconds()):
            raise ForgeUnavailable(call.subject, f"was not asked ({call.operation}): another write takes too long")
        try:
            return self._written(call, request)
        finally:
            self._writing.release()

    def _read(self, call: Call, request: _Request) -> Answer:
        pause = FIRST_PAUSE
        for last in (*[False] * (READ_TRIES - 1), True):
            try:
                answer = self._asked(call, request)
                if answer.status < 500 or last or self.limits.wait_seconds(request.resource):
                    return answer
            except HttpFailed as exc:
                if last or exc.failure in HOPELESS or call.left().total_seconds() <= pause:
                    raise ForgeUnavailable(call.subject, f"gives no answer: {exc.message}") from exc
            call.pause(pause)
            pause *= 2
        raise ForgeUnavailable(call.subject, "gives no answer")

    def _written(self, call: Call, request: _Request) -> Answer:
        try:
            answer = self._asked(call, request)
        except HttpFailed as exc:
            if exc.failure is Failure.CONNECT:
                raise ForgeUnavailable(call.subject, f"gives no answer: {exc.message}") from exc
            raise OutcomeUnknown(call.subject, f"did not say whether it was done: {exc.message}") from exc
        if answer.status >= 500:
            raise OutcomeUnknown(call.subject, f"did not say whether it was done: {answer.refusal().message}")
        return answer

    def _asked(self, call: Call, request: _Request) -> Answer:
        """Past limits, and with new credentials where the old ones have ended. Raises: HttpFailed for no answer."""
        renewed = False
        while True:
            self._pass(call, request.resource)
            answer = self._once(call, request)
            if answer.status >= 500 and "retry-after" in answer.headers:
                self.limits.hit(request.resource, answer)  # not sent again here: a write may have been done
                return answer
            if self.limits.see(request.resource, answer):
                continue  # a short wait is passed there, a long one is told
            if answer.status == 401 and not renewed and self.credentials.renewed():
                renewed = True
                continue
            return answer

    def _pass(self, call: Call, resource: str) -> None:
        wait = self.limits.wait_seconds(resource)
        if not wait:
            return
        if wait > min(SHORT_WAIT, call.left().total_seconds() - 1.0):
            said = f"asks to be left alone for {wait:.0f} s"
            raise ForgeUnavailable(call.subject, said, wait)
        self._closed.wait(wait)

    def _once(self, call: Call, request: _Request) -> Answer:
        within = call.left()
        kept = self._kept.of(request.url) if request.reads else None
        headers = {**self.settings.headers, **self.credentials.headers(within)}
        if request.content is not None:
            headers["Content-Type"] = "application/json"
        if kept is not None:
            headers["If-None-Match"] = kept.headers["etag"]
        longest = self.settings.timeout * (1 if request.reads else 2)
        found = self._sent(call, request, min(within, longest), headers)
        if kept is not None and found.status == 304:
            found = HttpAnswer(kept.status, {**kept.headers, **found.headers}, kept.body)
        elif request.reads:
            self._kept.keep(request.url, found)
        answer = Answer(call.subject, found.status, found.headers, found.body, self.credentials.secrets())
        left = remaining(answer)
        if left is not None and request.resource == CORE:
            self._meter.left(self.settings.kind, left)
        return answer

    def _sent(self, call: Call, request: _Request, within: timedelta, headers: Mapping[str, str]) -> HttpAnswer:
        try:
            found = self._http.send(request.method, request.url, within, request.content, headers)
        except HttpFailed as exc:
            self._count(call.operation, exc.failure.value)
            if exc.failure is Failure.REDIRECT:
                said = f"{exc.message}: was the repository moved? See forge.repository and forge.api"
                raise ForgeRefused(call.subject, said, 301) from exc
            raise
        self._count(call.operation, str(found.status))
        return found

    def _count(self, operation: str, code: str) -> None:
        self._meter.asked(self.settings.kind, operation, code)


@dataclass(frozen=True)
class Call:
    """One call of the port: all its requests end by one deadline, and are counted under one name."""

    exchange: Exchange
    operation: str
    deadline: float  # of the monotonic clock

    @property
    def subject(self) -> str:
        return self.exchange.settings.subject

    def left(self) -> timedelta:
        """Raises: ForgeUnavailable where nothing is left."""
        left = self.deadline - time.monotonic()
        if left <= 0:
            patience = self.exchange.settings.patience.total_seconds()
            raise ForgeUnavailable(self.subject, f"took more than {patience:g} s for one call ({self.operation})")
        return timedelta(seconds=left)

    def pause(self, seconds: float) -> None:
        """Let a moment pass, within the deadline."""
        self.exchange.pause(min(seconds, self.left().total_seconds()))

    def get(self, path: str, query: Query = NOTHING, accept: tuple[int, ...] = ()) -> Answer:
        """A success, or an answer with a status of `accept`. Raises: what the answer is otherwise."""
        return self._asked("GET", path, query, None, accept)

    def repository(self, path: str) -> Answer:
        """What the forge says of the repository itself; one that we may not see it calls absent."""
        answer = self.get(path, accept=(404,))
        if answer.status == 404:
            said = f"answers 404: there is no {self.exchange.settings.repository}, or the account may not see it"
            raise ForgeRefused(self.subject, f"{said}; see forge.repository and the token", 404)
        return answer

    def write(self, method: str, path: str, body: object = None, accept: tuple[int, ...] = ()) -> Answer:
        """As `get`, for POST, PUT, PATCH and DELETE. Raises: OutcomeUnknown, too."""
        content = json.dumps(body).encode() if body is not None else None
        return self._asked(method, path, NOTHING, content, accept)

    def post_to(self, url: str, body: object, resource: str) -> Answer:
        """A POST to another address than one below the API's root, counted by another limit."""
        content = json.dumps(body).encode()
        return _fine(self.exchange.ask(self, _Request("POST", url, content, resource)), ())

    def _asked(self, method: str, path: str, query: Query, content: bytes | None, accept: tuple[int, ...]) -> Answer:
        asked = f"?{urlencode(query)}" if query else ""
        url = f"{self.exchange.settings.api}{path}{asked}"
        return _fine(self.exchange.ask(self, _Request(method, url, content, CORE)), accept)


def _fine(answer: Answer, accept: tuple[int, ...]) -> Answer:
    if answer.fine or answer.status in accept:
        return answer
    raise answer.refusal()


def no_such(error: RollbackError) -> bool:
    """Whether it says that there is no such thing."""
    return isinstance(error, ForgeRefused) and error.status == 404
