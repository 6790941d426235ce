"""A Prometheus API on loopback whose series are functions of time, with the real wire shapes and the real errors.

It does not evaluate PromQL: a registered query text (or a predicate over it) stands for a function. A text that the
parser refuses is answered as the real one does; one that nobody registered matches no series. One that groups by
what it selects several values of is answered by what stands for each of them.
Source: answers of Prometheus 2.42 and `web/api/v1/api.go`; tests/e2e compares the shapes with a real Prometheus.
"""

from __future__ import annotations

import gzip
import json
import math
import re
import socket
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import product
from typing import Any, ClassVar
from urllib.parse import parse_qsl, urlsplit

import promql_parser

from gitops_rollback.ports import Clock

Labels = Mapping[str, str]
Vector = Sequence[tuple[Labels, float]]
SeriesFunction = Callable[[datetime], "Vector | float | None"]
Evaluator = Callable[[str, datetime], "Vector | float | None"]
Matcher = Callable[[str], bool]

MAX_POINTS = 11_000
DURATION = re.compile(r"[0-9]+(?:\.[0-9]*)?|(?:[0-9]+(?:ms|[ywdhms]))+")  # no fraction before a unit
GROUPED = re.compile(r"\bby \((\w+(?:, \w+)*)\)")
UNIX_SECONDS = re.compile(r"[0-9]+(?:\.[0-9]*)?")
MAX_BODY = 1 << 20
LONGEST_HANG_SECONDS = 60.0


class Fault(StrEnum):
    """What is wrong with the sandbox's Prometheus now."""

    NONE = "none"
    EMPTY = "empty"  # no series, as if nothing had been scraped
    NAN = "nan"
    ERROR = "error"  # 503 timeout
    HANG = "hang"  # no answer until the fault is lifted
    WARNINGS = "warnings"  # data, but partial
    HTML = "html"  # a proxy's login page, with 200
    ELSEWHERE = "elsewhere"  # sends everybody to `PrometheusSandbox.elsewhere`


@dataclass(frozen=True)
class Asked:
    """A request as it came in, for tests and the demo's screen."""

    path: str
    form: Mapping[str, str]
    headers: Mapping[str, str]


class PrometheusSandbox:
    """Start, point a metric source at `url`, register series, stop. Functions are called by several threads."""

    def __init__(self, clock: Clock, port: int = 0, token: str = "") -> None:
        self._clock = clock
        self._token = token
        self._series: list[tuple[Matcher, Evaluator]] = []
        self._lifted = threading.Event()
        self._fault = Fault.NONE
        self.elsewhere = ""  # the base URL of another server
        self.asked: deque[Asked] = deque(maxlen=1000)
        self._server = _Server(("127.0.0.1", port), self)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), name="prometheus", daemon=True)

    @property
    def url(self) -> str:
        """Base URL, without a slash at the end."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    @property
    def fault(self) -> Fault:
        return self._fault

    @fault.setter
    def fault(self, fault: Fault) -> None:
        self._fault = fault
        if fault is Fault.HANG:
            self._lifted.clear()
        else:
            self._lifted.set()

    def set_series(self, pattern: str | Matcher, function: SeriesFunction) -> None:
        """Answer queries that contain (or satisfy) `pattern` with `function(time)`; the newest registration wins.

        A float is one series without labels; None or an empty list is no series at that time.
        """
        self.set_evaluator(pattern, lambda _query, at: function(at))

    def set_evaluator(self, pattern: str | Matcher, evaluate: Evaluator) -> None:
        """As `set_series`, for a function that must see the query's text too: `evaluate(query, time)`."""
        matches = pattern if callable(pattern) else _contains(pattern)
        self._series.insert(0, (matches, evaluate))

    def start(self) -> None:
        """Serve in a thread."""
        self._thread.start()

    def stop(self) -> None:
        """Stop serving and end open connections, hanging ones included."""
        self._lifted.set()
        self._server.shutdown()
        self._server.end_connections()
        self._server.server_close()
        self._thread.join(timeout=5)

    def answer(self, asked: Asked) -> tuple[int, str, bytes]:
        """Status, content type and body for one request."""
        self.asked.append(asked)
        if asked.path in ("/-/ready", "/-/healthy"):
            return 200, "text/plain; charset=utf-8", b"Prometheus Server is Ready.\n"
        if self._token and asked.headers.get("authorization") != f"Bearer {self._token}":
            return 401, "text/plain; charset=utf-8", b"Unauthorized\n"
        if self._fault is Fault.HANG:
            self._lifted.wait(LONGEST_HANG_SECONDS)
        if self._fault is Fault.HTML:
            return 200, "text/html; charset=utf-8", b"<html><body>Please log in</body></html>"
        if self._fault is Fault.ELSEWHERE:
            return 307, "text/plain; charset=utf-8", b"Temporary Redirect\n"
        if self._fault is Fault.ERROR:
            return _failure(503, "timeout", "query timed out in expression evaluation")
        try:
            _refuse_timeout(asked.form.get("timeout"))
            return self._routed(asked)
        except _BadData as exc:
            return _failure(400, "bad_data", str(exc))

    def _routed(self, asked: Asked) -> tuple[int, str, bytes]:
        if asked.path == "/api/v1/query":
            return self._success(self._query(asked.form))
        if asked.path == "/api/v1/query_range":
            return self._success(self._query_range(asked.form))
        if asked.path == "/api/v1/labels":
            return self._success(["__name__", "instance", "job"])
        if asked.path == "/api/v1/status/buildinfo":
            return self._success({"version": "2.42.0", "revision": "", "branch": "", "goVersion": "go1.19"})
        return 404, "text/plain; charset=utf-8", b"404 page not found\n"

    def _success(self, data: object) -> tuple[int, str, bytes]:
        payload: dict[str, object] = {"status": "success", "data": data}
        if self._fault is Fault.WARNINGS:
            payload["warnings"] = ["remote storage: context deadline exceeded"]
        return 200, "application/json", json.dumps(payload, separators=(",", ":")).encode()

    def _query(self, form: Mapping[str, str]) -> object:
        query = _parsed(form.get("query", ""))
        at = _time(form, "time", self._clock.now())
        result = [
            {"metric": dict(labels), "value": [_stamp(at), _number(value)]} for labels, value in self._at(query, at)
        ]
        return {"resultType": "vector", "result": result}

    def _query_range(self, form: Mapping[str, str]) -> object:
        query = _parsed(form.get("query", ""))
        start, end = _time(form, "start", None), _time(form, "end", None)
        step = _step(form.get("step", ""))
        if end < start:
            raise _BadData('invalid parameter "end": end timestamp must not be before start time')
        if (end - start) / step > MAX_POINTS:
            limit = "exceeded maximum resolution of 11,000 points per timeseries."
            raise _BadData(f"{limit} Try decreasing the query resolution (?step=XX)")
        found: dict[tuple[tuple[str, str], ...], list[object]] = {}
        at = start
        while at <= end:
            for labels, value in self._at(query, at):
                found.setdefault(tuple(sorted(labels.items())), []).append([_stamp(at), _number(value)])
            at += step
        result = [{"metric": dict(labels), "values": values} for labels, values in found.items()]
        return {"resultType": "matrix", "result": result}

    def _at(self, query: str, at: datetime) -> Vector:
        if self._fault is Fault.EMPTY:
            return []
        for matches, evaluate in tuple(self._series):
            if matches(query):
                return self._spoiled(evaluate(query, at))
        return [({**labels, **own}, value) for own, alone in _apart(query) for labels, value in self._at(alone, at)]

    def _spoiled(self, value: Vector | float | None) -> Vector:
        vector: Vector = [] if value is None else [({}, float(value))] if isinstance(value, int | float) else value
        return [(labels, math.nan) for labels, _ in vector] if self._fault is Fault.NAN else vector


def _apart(query: str) -> Iterator[tuple[dict[str, str], str]]:
    """A query that groups by labels, and selects several values of them, as one query for each of these."""
    grouped = GROUPED.search(query)
    selected = {} if grouped is None else {label: _selected(query, label) for label in grouped[1].split(", ")}
    if not selected or not all(selected.values()):
        return
    for values in product(*selected.values()):
        own, alone = dict(zip(selected, values, strict=True)), query
        for label, value in own.items():
            alone = re.sub(rf'\b{label}=~"[^"]*"', f'{label}="{value}"', alone)
        yield own, alone


def _selected(query: str, label: str) -> list[str]:
    found = re.search(rf'\b{label}=~"([^"]*)"', query)
    return [re.sub(r"\\+(.)", r"\1", value) for value in found[1].split("|")] if found is not None else []


class _BadData(Exception):
    """What the real one answers with 400 `bad_data`."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, address: tuple[str, int], sandbox: PrometheusSandbox) -> None:
        super().__init__(address, _Handler)
        self.sandbox = sandbox
        self.open: set[socket.socket] = set()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that dies in the middle is no news; anything else is told as ever."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)

    def end_connections(self) -> None:
        for connection in tuple(self.open):
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                self.open.discard(connection)  # it ended by itself


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server
    timeout: ClassVar[float] = 120.0
    disable_nagle_algorithm = True

    def setup(self) -> None:
        super().setup()
        self.server.open.add(self.connection)

    def finish(self) -> None:
        self.server.open.discard(self.connection)
        super().finish()

    def do_GET(self) -> None:
        self._serve("")

    def do_POST(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        if length > MAX_BODY:
            self.send_error(413)
            return
        self._serve(self.rfile.read(length).decode("utf-8", "replace"))

    def log_message(self, *_args: object) -> None:
        """The sandbox's screen is the story, not its requests."""

    def _serve(self, body: str) -> None:
        parts = urlsplit(self.path)
        form = dict(parse_qsl(parts.query, keep_blank_values=True) + parse_qsl(body, keep_blank_values=True))
        headers = {name.lower(): value for name, value in self.headers.items()}
        status, content_type, answer = self.server.sandbox.answer(Asked(parts.path, form, headers))
        try:
            self._send(status, content_type, answer)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True  # the client stopped waiting

    def _send(self, status: int, content_type: str, answer: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        if status == 307:
            self.send_header("Location", self.server.sandbox.elsewhere + self.path)
        if "gzip" in (self.headers.get("Accept-Encoding") or ""):
            answer = gzip.compress(answer)
            self.send_header("Content-Encoding", "gzip")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)


def _contains(text: str) -> Matcher:
    return lambda query: text in query


def _failure(status: int, error_type: str, error: str) -> tuple[int, str, bytes]:
    payload = {"status": "error", "errorType": error_type, "error": error}
    return status, "application/json", json.dumps(payload, separators=(",", ":")).encode()


def _parsed(query: str) -> str:
    try:
        promql_parser.parse(query)
    except ValueError as exc:
        raise _BadData(f'invalid parameter "query": 1:1: parse error: {exc}') from exc
    return query


def _time(form: Mapping[str, str], name: str, default: datetime | None) -> datetime:
    text = form.get(name, "")
    if not text and default is not None:
        return default
    try:
        if UNIX_SECONDS.fullmatch(text):
            return datetime.fromtimestamp(float(text), UTC)
        return datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError) as exc:
        raise _BadData(f'invalid parameter "{name}": cannot parse "{text}" to a valid timestamp') from exc


def _refuse_timeout(text: str | None) -> None:
    if text and not DURATION.fullmatch(text):
        raise _BadData(f'invalid parameter "timeout": cannot parse "{text}" to a valid duration')


def _step(text: str) -> timedelta:
    try:
        step = timedelta(seconds=float(text))
    except (ValueError, OverflowError) as exc:
        raise _BadData(f'invalid parameter "step": cannot parse "{text}" to a valid duration') from exc
    if step <= timedelta(0):
        zero = "zero or negative query resolution step widths are not accepted. Try a positive integer"
        raise _BadData(f'invalid parameter "step": {zero}')
    return step


def _stamp(at: datetime) -> float | int:
    seconds = round(at.timestamp(), 3)
    return int(seconds) if seconds == int(seconds) else seconds


def _number(value: float) -> str:
    """As Go prints a float in the API: shortest digits, no exponent."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    text = format(Decimal(repr(float(value))), "f")
    return text.rstrip("0").rstrip(".") if "." in text else text
