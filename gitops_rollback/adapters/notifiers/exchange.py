"""JSON to one service and back, and what its status means for a message.

Source: RFC 9110, 10.2.3 Retry-After and 15.5; RFC 6585, 429.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from types import MappingProxyType

from gitops_rollback.adapters.git.headers import seconds_of
from gitops_rollback.adapters.http import Http, HttpAnswer
from gitops_rollback.adapters.notifiers.sender import Outcome, Receipt

PATIENCE = timedelta(seconds=10)
JSON = "application/json; charset=utf-8"
MAX_ANSWER = 4 << 20  # bytes of an answer
LATER = frozenset({408, 425, 429})
_NOTHING: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True)
class Answered:
    """One answer; `document` {} where the body is no JSON object."""

    status: int
    document: Mapping[str, object]
    wait_seconds: float = 0.0
    rows: tuple[object, ...] = ()  # where the body is a list

    @property
    def receipt(self) -> Receipt:
        """What the status alone says: 2xx delivered, 408, 425, 429 and 5xx later, all else no."""
        said = f"answered {self.status}"
        if 200 <= self.status < 300:
            return Receipt(Outcome.DELIVERED, said)
        if self.status in LATER or self.status >= 500:
            return Receipt(Outcome.LATER, said, self.wait_seconds)
        return Receipt(Outcome.REFUSED, said)


class Exchange:
    """Requests of one receiver; its credentials are in the client's own headers."""

    def __init__(self, http: Http) -> None:
        self._http = http

    def post(self, url: str, document: object, method: str = "POST") -> Answered:
        """Raises: HttpFailed; OutboundBlocked."""
        body = json.dumps(document, sort_keys=True, allow_nan=False).encode()
        return _answered(self._http.post(url, body, JSON, PATIENCE, method=method))

    def send(self, url: str, body: bytes, kind: str, headers: Mapping[str, str] = _NOTHING) -> Answered:
        """These very bytes. Raises: HttpFailed; OutboundBlocked."""
        return _answered(self._http.post(url, body, kind, PATIENCE, headers))

    def get(self, url: str) -> Answered:
        """Raises: HttpFailed; OutboundBlocked."""
        return _answered(self._http.get(url, PATIENCE))

    def close(self) -> None:
        self._http.close()


def _answered(answer: HttpAnswer) -> Answered:
    try:
        found = json.loads(answer.body)
    except (ValueError, RecursionError):
        found = None
    document = found if isinstance(found, dict) else {}
    rows = tuple(found) if isinstance(found, list) else ()
    return Answered(answer.status, document, seconds_of(answer.headers.get("retry-after", "").strip()), rows)
