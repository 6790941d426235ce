"""What does one HTTP answer of Argo CD mean: a value, a refusal, or something that is no Argo CD at all?

Source: contracts/argocd.md section 1; grpc-gateway v1.16 runtime/errors.go: JSON `{"error", "code", "message"}` with a
gRPC code; routing errors and wrong content types are plain text, a wrong root path is the web page with 200.
"""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit

from gitops_rollback.adapters.json_node import Node, load
from gitops_rollback.core.errors import CredentialsRejected, EngineUnavailable, Reason, RollbackError, StalledError

JSON_TYPE = "application/json"
SHOWN = 200  # characters of the server's own words in an error

# gRPC codes. HTTP 400 stands for two of them, so the status alone does not tell busy from wrong.
INVALID_ARGUMENT, NOT_FOUND, FAILED_PRECONDITION = 3, 5, 9


@dataclass(frozen=True)
class Answer:
    """A whole answer. `secret` is what must not be repeated, should the server send it back."""

    subject: str
    status: int
    content_type: str  # lower case, without parameters
    body: bytes
    location: str = ""
    secret: str = ""

    def value(self) -> object:
        """The JSON value of a success. Raises: EngineUnavailable; CredentialsRejected; StalledError WindowClosed."""
        if not 200 <= self.status < 300:
            raise self._refusal()
        if self.content_type != JSON_TYPE:
            found = self.content_type or "no content type"
            raise EngineUnavailable(self.subject, f"answers {self.status} with {found}: that is no Argo CD API")
        try:
            return load(self.body)
        except ValueError as exc:
            raise EngineUnavailable(self.subject, "the answer is no readable JSON") from exc

    def says(self, status: int, code: int, words: str = "") -> bool:
        """True for this very error of Argo CD, by HTTP status, gRPC code and a part of its message."""
        said_code, message = self._error()
        return (self.status, said_code) == (status, code) and words in message

    def _error(self) -> tuple[int, str]:
        """gRPC code and message; (-1, "") where the body is no error of Argo CD."""
        try:
            root = Node(load(self.body) if self.content_type == JSON_TYPE else None)
        except ValueError:
            return -1, ""
        code = root.get("code").number()
        return (-1 if code is None else code), " ".join(root.get("message").text().split())

    def _refusal(self) -> RollbackError:
        message = self._error()[1]
        shown = (message.replace(self.secret, "***") if self.secret else message)[:SHOWN]
        said = f"answers {self.status}: {shown}" if shown else f"answers {self.status}"
        if 300 <= self.status < 400:
            return EngineUnavailable(self.subject, f"{said}, a redirect to {_origin(self.location)}, not followed")
        if self.status not in (401, 403):
            return EngineUnavailable(self.subject, said)
        if "blocked by sync window" in message:
            return StalledError(self.subject, said, Reason.WINDOW_CLOSED)
        return CredentialsRejected(self.subject, said)


def _origin(location: str) -> str:
    """Scheme and host only: a path or query may hold what is nobody's business."""
    try:
        parts = urlsplit(location)
        return f"{parts.scheme}://{parts.hostname}"[:SHOWN] if parts.hostname else "another path"
    except ValueError:
        return "an unreadable address"
