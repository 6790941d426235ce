"""Which applications does the watch stream name? Pure parsing of server-sent events, bounded.

The stream is only a wake-up: it loses, repeats and reorders events, so nothing is concluded from what one says.
Source: contracts/argocd.md section 4; argoproj/pkg v2.0.1 grpc/http/forwarders.go (`data: {...} ` and an empty line,
keepalive `:`); WHATWG HTML, "Server-sent events", for line ends and several `data` lines.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from gitops_rollback.adapters.json_node import Node, load

MAX_FRAME = 8 << 20  # bytes
CHANGES = frozenset({"ADDED", "MODIFIED", "DELETED"})


@dataclass(frozen=True)
class Change:
    """Something happened to this application."""

    namespace: str
    name: str


@dataclass(frozen=True)
class StreamError:
    """The server ends the stream; `code` is the HTTP status, 0 where it says none."""

    code: int
    message: str


class EventReader:
    """Turns the bytes of one connection into changes and errors. Frames of any other kind are passed over."""

    def __init__(self, max_frame: int = MAX_FRAME) -> None:
        self._max_frame = max_frame
        self._line = bytearray()
        self._data = bytearray()

    def feed(self, chunk: bytes) -> Iterator[Change | StreamError]:
        """What became complete with `chunk`, in order. Raises: ValueError for a frame that is too large or no JSON."""
        *complete, rest = chunk.split(b"\n")
        for piece in complete:
            self._line += piece
            yield from self._end_of_line()
        self._line += rest
        self._check_size()

    def _end_of_line(self) -> Iterator[Change | StreamError]:
        line = bytes(self._line).rstrip(b"\r")
        self._line.clear()
        if line.startswith(b"data:"):
            self._data += line[5:] + b"\n"
            self._check_size()
        elif not line and self._data:
            frame = bytes(self._data)
            self._data.clear()
            yield from read_frame(frame)

    def _check_size(self) -> None:
        if len(self._line) + len(self._data) > self._max_frame:
            raise ValueError(f"a frame of the stream is larger than {self._max_frame} bytes")


def read_frame(frame: bytes) -> Iterator[Change | StreamError]:
    """The change or error in one frame, if it is one. Raises: ValueError if it is not JSON."""
    root = Node(load(frame))
    error = root.get("error")
    if error:
        yield StreamError(error.get("http_code").number() or 0, error.get("message").text()[:200])
    metadata = root.get("result", "application", "metadata")
    name = metadata.get("name").text()
    if name and root.get("result", "type").text() in CHANGES:
        yield Change(metadata.get("namespace").text(), name)
