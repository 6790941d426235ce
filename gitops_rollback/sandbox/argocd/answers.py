"""How does the API server word its answers and errors? One value per answer; the HTTP part only sends it.

Source: grpc-gateway v1.16 runtime/errors.go (`error`, `code`, `message`), argo-cd v3.5.1 server/server.go, recordings.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from gitops_rollback.sandbox.rendering import Json

JSON = "application/json"
TEXT = "text/plain; charset=utf-8"
HTML = "text/html; charset=utf-8"
HTTP_STATUS = {
    1: 408,
    2: 500,
    3: 400,
    4: 504,
    5: 404,
    6: 409,
    7: 403,
    8: 429,
    9: 400,
    10: 409,
    12: 501,
    14: 503,
    16: 401,
}
STATUS_WORDS = {400: "Bad Request", 401: "Unauthorized", 403: "Forbidden", 404: "Not Found"}


@dataclass(frozen=True)
class Answer:
    """One answer, ready to send."""

    status: int
    body: bytes
    content_type: str = JSON


class ApiError(Exception):
    """An answer that is an error: a gRPC code and a message."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.status = HTTP_STATUS[code]

    def answer(self) -> Answer:
        """The unary form: `error` is a string."""
        body = {"error": self.message, "code": self.code, "message": self.message}
        return Answer(self.status, json.dumps(body, separators=(",", ":")).encode())

    def in_stream(self) -> Json:
        """The form inside a stream: `error` is an object."""
        words = STATUS_WORDS.get(self.status, "Internal Server Error")
        return {
            "error": {
                "grpc_code": self.code,
                "http_code": self.status,
                "message": self.message,
                "http_status": words,
            }
        }


def found(body: object) -> Answer:
    """A good answer."""
    return Answer(200, json.dumps(body, separators=(",", ":")).encode())


def plain(status: int, text: str) -> Answer:
    """What the HTTP layer itself says, before the API is reached."""
    return Answer(status, f"{text}\n".encode(), TEXT)
