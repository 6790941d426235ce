"""How does the API server word its refusals? Every one is a `Status` object, in the words of the recorded server.

Source: k8s.io/apimachinery pkg/api/errors/errors.go, and the recorded answers.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from gitops_rollback.sandbox.kubernetes.kinds import Kind
from gitops_rollback.sandbox.rendering import Json

JSON = "application/json"
TEXT = "text/plain; charset=utf-8"
REASONS = {
    400: "BadRequest",
    401: "Unauthorized",
    403: "Forbidden",
    404: "NotFound",
    405: "MethodNotAllowed",
    406: "NotAcceptable",
    409: "Conflict",
    410: "Expired",
    413: "RequestEntityTooLarge",
    415: "UnsupportedMediaType",
    422: "Invalid",
    429: "TooManyRequests",
    500: "InternalError",
    503: "ServiceUnavailable",
    504: "Timeout",
}
TOO_OLD_PAGE = (
    "The provided continue parameter is too old to display a consistent list result. You can start a new list without "
    "the continue parameter, or use the continue token in this response to retrieve the remainder of the results. "
    "Continuing with the provided token results in an inconsistent list - objects that were created, modified, or "
    "deleted between the time the first chunk was returned and now may show up in the list."
)
STALE_WRITE = "the object has been modified; please apply your changes to the latest version and try again"


@dataclass(frozen=True)
class Answer:
    """One answer, ready to send."""

    status: int
    body: bytes
    content_type: str = JSON
    headers: Mapping[str, str] = field(default_factory=dict)


def found(body: Json, status: int = 200, headers: Mapping[str, str] | None = None) -> Answer:
    """An answer of JSON, which ends with a line break as the real server's do."""
    return Answer(status, json.dumps(body, separators=(",", ":")).encode() + b"\n", JSON, dict(headers or {}))


def plain(status: int, text: str) -> Answer:
    """An answer in words."""
    return Answer(status, text.encode(), TEXT)


class Refusal(Exception):
    """An answer that is a failure: the HTTP status, the `Status` object, and headers that go with it."""

    def __init__(self, status: Json, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(status["message"])
        self.status = status
        self.headers = dict(headers or {})

    def answer(self) -> Answer:
        """As it is sent."""
        return found(self.status, self.code, self.headers)

    @property
    def code(self) -> int:
        """The HTTP status."""
        return int(self.status["code"])

    @property
    def reason(self) -> str:
        """The machine-readable reason: `Conflict`, `NotFound` and so on."""
        return str(self.status["reason"])


def failure(code: int, message: str, reason: str = "", details: Json | None = None, **metadata: str) -> Json:
    """A `Status` that says no."""
    status: Json = {"kind": "Status", "apiVersion": "v1", "metadata": dict(metadata), "status": "Failure"}
    status |= {"message": message, "reason": reason or REASONS.get(code, "InternalError")}
    if details:
        status["details"] = details
    return {**status, "code": code}


def success(kind: Kind, name: str, uid: str) -> Json:
    """What a deletion answers."""
    details = {**_about(kind, name), "uid": uid}
    return {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details}


def not_found(kind: Kind, name: str) -> Refusal:
    """No such object."""
    return Refusal(failure(404, f'{kind.resource} "{name}" not found', details=_about(kind, name)))


def already_exists(kind: Kind, name: str) -> Refusal:
    """An object of that name is there."""
    message = f'{kind.resource} "{name}" already exists'
    return Refusal(failure(409, message, "AlreadyExists", _about(kind, name)))


def conflict(kind: Kind, name: str, why: str = STALE_WRITE) -> Refusal:
    """The write rests on an old state."""
    message = f'Operation cannot be fulfilled on {kind.resource} "{name}": {why}'
    return Refusal(failure(409, message, details=_about(kind, name)))


def apply_conflict(owned: Sequence[tuple[str, str]]) -> Refusal:
    """Server-side apply over fields of others: pairs of the owner's words and the field."""
    count = f"{len(owned)} conflict" + ("s" if len(owned) > 1 else "")
    causes = [
        {"reason": "FieldManagerConflict", "message": f"conflict with {owner}", "field": path} for owner, path in owned
    ]
    listed = "\n".join(f"{cause['message']}: {cause['field']}" for cause in causes)
    message = f"Apply failed with {count}: {listed}"
    return Refusal(failure(409, message, details={"causes": causes}))


def invalid(kind: Kind, name: str, field: str, reason: str, complaint: str) -> Refusal:
    """A body that the schema refuses; `reason` as `FieldValueInvalid`."""
    causes = [{"reason": reason, "message": complaint, "field": field}]
    about: Json = {**_about(kind, name), "kind": kind.kind, "causes": causes}
    message = f'{kind.qualified} "{name}" is invalid: {field}: {complaint}'
    return Refusal(failure(422, message, details=about))


def bad_request(message: str) -> Refusal:
    """The request itself makes no sense."""
    return Refusal(failure(400, message))


def too_old(version: int, oldest: int) -> Refusal:
    """A watch or an exact read from before what is kept."""
    return Refusal(failure(410, f"too old resource version: {version} ({oldest})", "Expired"))


def too_new(version: int, current: int) -> Refusal:
    """A read at a version that has not come yet."""
    causes = [{"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}]
    message = f"Timeout: Too large resource version: {version}, current: {current}"
    return Refusal(failure(504, message, "Timeout", {"causes": causes, "retryAfterSeconds": 1}), {"Retry-After": "1"})


def expired_page(fresh: str) -> Refusal:
    """A `continue` token whose state is gone; `fresh` goes on at the present state."""
    status = failure(410, TOO_OLD_PAGE, "Expired")
    status["metadata"] = {"continue": fresh}
    return Refusal(status)


def unsupported_media(accepted: Sequence[str]) -> Refusal:
    """A body of a type that is not taken here."""
    types = ", ".join(accepted)
    return Refusal(
        failure(415, f"the body of the request was in an unknown format - accepted media types include: {types}")
    )


def _about(kind: Kind, name: str) -> Json:
    return {"name": name, **({"group": kind.group} if kind.group else {}), "kind": kind.plural}
