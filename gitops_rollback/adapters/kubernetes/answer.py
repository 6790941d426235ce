"""What does one HTTP answer of the Kubernetes API mean: an object, a refusal, or something that is no Kubernetes?

Of an error only the `Status` is read, and only its message is shown: any other body may hold anything.
Source: contracts/flux-kubernetes.md, section 13; recordings of a real API; apimachinery pkg/api/errors.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from gitops_rollback.adapters.json_node import Node, load
from gitops_rollback.adapters.kubernetes.errors import ApiUnavailable, Conflict, Expired, Missing, Refused, Unserved
from gitops_rollback.core.errors import CredentialsRejected, EngineUnavailable, RollbackError

JSON_TYPE = "application/json"
SHOWN = 200  # characters of the server's own words in an error
LONGEST_WAIT = 300.0  # seconds; a server that asks for more is asked again nevertheless


@dataclass(frozen=True)
class Answer:
    """A whole answer. Header names are lower case. `secret` is what must not be repeated, should it come back."""

    subject: str
    status: int
    headers: Mapping[str, str]
    body: bytes
    secret: str = field(default="", repr=False)

    def value(self) -> dict[str, Any]:
        """The object of a success. Raises: the errors of `refusal`; EngineUnavailable for what is no object."""
        if not 200 <= self.status < 300:
            raise self.refusal()
        if self._media_type() != JSON_TYPE:
            found = self._media_type() or "no content type"
            raise EngineUnavailable(self.subject, f"answers {self.status} with {found}: that is no Kubernetes API")
        try:
            value = load(self.body)
        except ValueError as exc:
            raise EngineUnavailable(self.subject, "the answer is no readable JSON") from exc
        if not isinstance(value, dict):
            raise EngineUnavailable(self.subject, "the answer is no object")
        return value

    def says_not_found(self, name: str) -> bool:
        """True only if the API itself says that this very object is not there."""
        status = self._status()
        same = status.get("details", "name").text() == name
        return self.status == 404 and status.get("reason").text() == "NotFound" and same

    def refusal(self) -> RollbackError:
        """The error that this answer is."""
        return error_of(self.subject, self.status, self._status(), self.headers.get("retry-after", ""), self.secret)

    def _status(self) -> Node:
        try:
            root = Node(load(self.body) if self._media_type() == JSON_TYPE else None)
        except ValueError:
            return Node(None)
        return root if root.get("kind").text() == "Status" else Node(None)

    def _media_type(self) -> str:
        return self.headers.get("content-type", "").split(";")[0].strip().lower()[:60]


def error_of(subject: str, code: int, status: Node, retry_after: str = "", secret: str = "") -> RollbackError:
    """The error for a `Status` (an empty node where there was none) that came with HTTP status `code`."""
    words = " ".join(status.get("message").text().split())
    shown = (words.replace(secret, "***") if secret else words)[:SHOWN]
    said = f"answers {code}: {shown}" if shown else f"answers {code}"
    reason = status.get("reason").text()
    if code in (401, 403):
        return CredentialsRejected(subject, said)
    if code == 404:
        # An unknown group or resource is answered by the router, in plain text; an object by a Status that names it.
        return Missing(subject, said) if status.get("details", "name") else Unserved(subject, f"{said}, not served")
    if code == 409:
        return Conflict(subject, said)
    if code == 410 or reason in ("Expired", "Gone"):
        return Expired(subject, said)
    if code in (400, 405, 406, 413, 415, 422):
        return Refused(subject, said)
    unavailable = ApiUnavailable(subject, said)
    unavailable.retry_after = _seconds(retry_after) or _seconds(status.get("details", "retryAfterSeconds").value)
    return unavailable


def _seconds(value: object) -> float:
    """The wait that a server asks for, bounded; 0 for none, a date, or nonsense."""
    try:
        seconds = float(value) if isinstance(value, str | int) else 0.0
    except (ValueError, OverflowError):
        return 0.0
    return min(seconds, LONGEST_WAIT) if math.isfinite(seconds) and seconds > 0 else 0.0
