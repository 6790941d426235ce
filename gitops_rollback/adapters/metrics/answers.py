"""What did the metric backend say? The wire format of Prometheus's HTTP API v1, read strictly.

Whatever is not exactly the documented shape is an ERROR: inconclusive, never a number and never an empty vector.
Source: prometheus `web/api/v1/api.go` and `docs/querying/api.md` (v2.42, v3.x); VictoriaMetrics `isPartial`.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from gitops_rollback.adapters.http import HttpAnswer
from gitops_rollback.core.errors import Reason
from gitops_rollback.core.measurement import Answer, Outcome, Series

NUMBER = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?|NaN|[+-]?Inf", re.ASCII)
BROKEN_QUERY = frozenset({"bad_data", "execution", "400", "422"})  # errorType; VictoriaMetrics writes the code there
LINT = "PromQL info:"  # Prometheus 2.48 sent its lint among the warnings, later versions as `infos`
MAX_QUOTE = 200
MAX_CONTAINERS = 300_000  # lists and objects of an answer: 20 series over a month of hourly steps need a tenth
MAX_SEPARATORS = 1_000_000
OLDEST_SAMPLE = timedelta(seconds=60)
NEWEST_SAMPLE = timedelta(seconds=5)

TIMES = (int, float)  # exactly: true is no time

# What JSON is read into takes many times the place of its text and of what is kept of it, and threads that read at once
# take turns all the same: so one reads after the other.
READING = threading.Lock()

# How nearly all answers with series begin. What begins otherwise is read as a whole.
USUAL_BEGIN = re.compile(
    r'\{"status":"success",(?:"isPartial":(?:true|false),)?'
    r'"data":\{"resultType":"(?P<kind>vector|matrix)","result":\['
)

Instants = dict[float, datetime]  # of one answer, whose series mostly have the same ones


class Malformed(ValueError):
    """The answer is not the documented shape; the text says where, and quotes nothing."""


class TooMuch(Malformed):
    """The answer is of the documented shape, and too large."""


@dataclass(frozen=True)
class Asked:
    """A query as it was sent. `instant` answers must be about `at`; the time of a range's samples is their own."""

    query: str
    at: datetime
    instant: bool
    allowed_warnings: tuple[str, ...] = ()

    def failed(self, reason: Reason, detail: str, oversized: bool = False) -> Answer:
        return Answer(Outcome.ERROR, self.at, self.query, reason=reason, detail=detail, oversized=oversized)

    def invalid(self, detail: str) -> Answer:
        return Answer(Outcome.INVALID, self.at, self.query, reason=Reason.QUERY_INVALID, detail=detail)


def read_answer(asked: Asked, received: HttpAnswer) -> Answer:
    """The answer as a value. Never raises for what came over the wire."""
    if received.status in (401, 403):
        return asked.failed(Reason.CREDENTIALS_REJECTED, f"the metric source refuses us (HTTP {received.status})")
    if received.status == 404:
        detail = "no Prometheus API at this address (HTTP 404): is the path prefix right?"
        return asked.failed(Reason.METRICS_UNAVAILABLE, detail)
    try:
        with READING:
            return _read_body(asked, received)
    except Malformed as exc:
        return asked.failed(
            Reason.METRICS_UNAVAILABLE, f"HTTP {received.status}: {exc}", oversized=isinstance(exc, TooMuch)
        )


def _read_body(asked: Asked, received: HttpAnswer) -> Answer:
    _bound(received.body)
    found = _piece_by_piece(received.body)
    if found is None:
        return _read(asked, received.status, object_of(read_json(received.body), "the answer"))
    payload, series = found
    return _read(asked, received.status, payload, series)


def _piece_by_piece(body: bytes) -> tuple[Mapping[str, object], tuple[Series, ...]] | None:
    """An answer without its series, and these; each is let go as JSON before the next one is read.

    None where it is not exactly of the usual shape: read as a whole, it says what is wrong with it.
    """
    try:
        text = body.decode()
        begin = USUAL_BEGIN.match(text)
        if begin is None:
            return None
        series, end = _pieces(text, begin.end(), begin["kind"] == "matrix")
        payload = object_of(_json(text[: begin.end()] + text[end:]), "the answer")
    except (IndexError, ValueError, RecursionError):
        return None
    data = payload["data"]
    is_usual = isinstance(data, dict) and data.get("resultType") == begin["kind"] and data.get("result") == []
    return (payload, series) if is_usual else None


def _pieces(text: str, place: int, matrix: bool) -> tuple[tuple[Series, ...], int]:
    """The series from `place` on, at least one, and where they end. Raises: IndexError, ValueError."""
    read, instants, pairs = json.JSONDecoder(parse_constant=_refuse_constant).raw_decode, Instants(), _Pairs()
    found: list[Series] = []
    while True:
        value, place = read(text, place)
        element = object_of(value, "a series")
        if "histogram" in element or "histograms" in element:
            raise Malformed("a histogram")
        found.append(_one_series(element, matrix, instants, pairs))
        if text[place] != ",":
            return tuple(found), place
        place += 1


def _read(asked: Asked, status: int, payload: Mapping[str, object], read: tuple[Series, ...] = ()) -> Answer:
    """`read`: the series, where they are not in `payload` any more."""
    if payload.get("status") != "success" or not 200 <= status < 300:
        return _error(asked, status, payload)
    warnings = [text for text in _warnings(payload) if not _allowed(text, asked.allowed_warnings)]
    if warnings:
        return asked.failed(Reason.METRICS_UNAVAILABLE, f"the answer is partial: {quoted(warnings[0])}")
    data = object_of(payload.get("data"), "data")
    if payload.get("isPartial") or data.get("isPartial"):
        return asked.failed(Reason.METRICS_UNAVAILABLE, "the answer is partial: not all storage nodes answered")
    kind = data.get("resultType")
    series, histograms = (read, False) if read else _series(kind, data.get("result"))
    if histograms:
        kind = "histogram"
    late = _not_about(asked, series) if asked.instant and kind in ("vector", "scalar") else ""
    if late:
        return asked.failed(Reason.METRICS_UNAVAILABLE, late)
    return Answer(Outcome.VALUE, asked.at, asked.query, series, str(kind))


def _error(asked: Asked, status: int, payload: Mapping[str, object]) -> Answer:
    error_type = payload.get("errorType")
    if payload.get("status") != "error":
        return asked.failed(Reason.METRICS_UNAVAILABLE, f"HTTP {status}, not an answer of the Prometheus API")
    detail = quoted(str(payload.get("error") or "no reason given"))
    if status in (400, 422) or (status == 200 and error_type in BROKEN_QUERY):
        return asked.invalid(detail)
    return asked.failed(Reason.METRICS_UNAVAILABLE, f"HTTP {status}, {quoted(str(error_type))}: {detail}")


def read_json(body: bytes) -> object:
    """A bounded body as JSON. Raises: Malformed."""
    _bound(body)
    return _json(body)


def _bound(body: bytes) -> None:
    """A few bytes of text can stand for a hundred times as much memory, so it is counted before anything is built."""
    if body.count(b"[") + body.count(b"{") > MAX_CONTAINERS or body.count(b",") > MAX_SEPARATORS:
        raise TooMuch("the answer holds more values than anybody needs; aggregate the query")


def _json(text: str | bytes) -> object:
    try:
        return json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as exc:
        raise Malformed("the answer is not JSON") from exc


def _refuse_constant(name: str) -> float:
    raise Malformed(f"a bare {name} is not JSON")


def _warnings(payload: Mapping[str, object]) -> Sequence[str]:
    given = payload.get("warnings")
    if not given:
        return ()
    return [str(text) for text in given] if isinstance(given, list) else [str(given)]


def _allowed(warning: str, allowed: Sequence[str]) -> bool:
    return warning.startswith(LINT) or any(words in warning for words in allowed)


class _Pairs(dict[tuple[str, object], tuple[str, str]]):
    """Labels of one answer, each kept once: most of its series share most of theirs."""

    def __missing__(self, pair: tuple[str, object]) -> tuple[str, str]:
        name, value = pair
        if not isinstance(value, str):
            raise Malformed("a label's value is not text")
        kept = self[pair] = (name, value)
        return kept


def _series(kind: object, result: object) -> tuple[tuple[Series, ...], bool]:
    """The series of a result, and whether any of them are native histograms."""
    if kind == "string":
        return (), False
    if kind == "scalar":
        return (Series((), (_sample(result, {}),)),), False
    if kind not in ("vector", "matrix"):
        raise Malformed("the resultType is none that is known")
    elements = [object_of(element, "a series") for element in list_of(result, "result")]
    for element in elements:
        if "histogram" in element or "histograms" in element:
            return (), True
    instants: Instants = {}
    pairs = _Pairs()
    return tuple([_one_series(element, kind == "matrix", instants, pairs) for element in elements]), False


def _one_series(element: Mapping[str, object], matrix: bool, instants: Instants, pairs: _Pairs) -> Series:
    labels = object_of(element.get("metric"), "metric")
    samples = list_of(element.get("values"), "values") if matrix else [element.get("value")]
    try:
        ordered = tuple(sorted([pairs[pair] for pair in labels.items()]))
    except TypeError as exc:  # a list or an object, which is no key either
        raise Malformed("a label's value is not text") from exc
    return Series(ordered, tuple([_sample(sample, instants) for sample in samples]))


def _sample(pair: object, instants: Instants) -> tuple[datetime, float]:
    if not isinstance(pair, list) or len(pair) != 2:
        raise Malformed("a sample is not a pair of time and value")
    at, value = pair
    if type(at) not in TIMES or not isinstance(value, str):
        raise Malformed("a sample is not a pair of time and value")
    if not NUMBER.fullmatch(value):
        raise Malformed("a sample's value is not a number")
    try:
        instant = instants.get(at)
        if instant is None:
            instant = instants[at] = datetime.fromtimestamp(at, UTC)
        return instant, float(value)
    except (ValueError, OverflowError, OSError) as exc:
        raise Malformed("a sample's time is out of range") from exc


def _not_about(asked: Asked, series: Sequence[Series]) -> str:
    """A sentence if a sample is not of the asked instant, which a backend with a cache or a wrong clock answers."""
    for age in [asked.at - at for at in dict.fromkeys([at for one in series for at, _ in one.samples])]:
        if age > OLDEST_SAMPLE:
            return f"a sample is {age.total_seconds():.0f} s older than the instant that was asked for"
        if -age > NEWEST_SAMPLE:
            return f"a sample is {-age.total_seconds():.0f} s newer than the instant that was asked for"
    return ""


def object_of(value: object, what: str) -> Mapping[str, object]:
    """`value`, which `what` names, as an object. Raises: Malformed."""
    if not isinstance(value, dict):
        raise Malformed(f"{what} is not an object")
    return value


def list_of(value: object, what: str) -> Sequence[object]:
    """`value`, which `what` names, as a list. Raises: Malformed."""
    if not isinstance(value, list):
        raise Malformed(f"{what} is not a list")
    return value


def quoted(text: str) -> str:
    """A backend's words for people: one line, printable, cut."""
    line = "".join(char if char.isprintable() else " " for char in text[: 2 * MAX_QUOTE])
    return line if len(line) <= MAX_QUOTE else line[: MAX_QUOTE - 1] + "…"
