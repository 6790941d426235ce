"""What is one request to the Kubernetes API, and who may end it? No library is named here.

Source: ports-and-adapters inside one adapter: `client` speaks to this, `transport` carries it out.
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol

from gitops_rollback.adapters.kubernetes.answer import Answer


@dataclass(frozen=True)
class Sent:
    """One request. `path` is quoted already."""

    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None
    content_type: str = "application/json"
    accept: str = "application/json"


class Connection(Protocol):
    """What a call must know of the connection that serves it."""

    def get_extra_info(self, info: str) -> Any: ...


class Call:
    """One request under way. `seconds` bounds it as a whole, `silence` each wait for the next bytes."""

    _threads = threading.local()

    def __init__(self, seconds: float, silence: float | None = None) -> None:
        self._seconds = seconds
        self._silence = silence
        self._deadline = time.monotonic() + seconds
        self._lock = threading.Lock()
        self._connection: Connection | None = None
        self.was_cut = False

    def cut(self) -> None:
        """End the request: whoever reads it sees the end of the data at once. By any thread, at any time."""
        with self._lock:
            self.was_cut = True
            self._shut_down()

    def hold(self, connection: Connection) -> None:
        """From now on the request is served by `connection`."""
        with self._lock:
            self._connection = connection
            if self.was_cut:
                self._shut_down()

    def left(self, timeout: float | None = None) -> float:
        """Seconds that the next wait may take. Raises: TimeoutError when there are none."""
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError("deadline")
        return min(bound for bound in (left, timeout, self._silence) if bound is not None)

    def patience(self) -> str:
        """The bound that was reached first, for people."""
        over = self._silence is None or time.monotonic() >= self._deadline
        return f"{self._seconds if over else self._silence:g} s"

    @contextmanager
    def running(self) -> Iterator[None]:
        """The requests of this thread are this call, until it ends; an outer call goes on afterwards."""
        outer = getattr(Call._threads, "current", None)
        Call._threads.current = self
        try:
            yield
        finally:
            Call._threads.current = outer
            with self._lock:
                self._connection = None  # its next user is not ours to cut

    @staticmethod
    def current() -> Call:
        """The innermost call of this thread. Raises: ConnectionError if there is none."""
        call = getattr(Call._threads, "current", None)
        if not isinstance(call, Call):
            raise ConnectionError("no request is running in this thread")
        return call

    def _shut_down(self) -> None:
        sock = self._connection.get_extra_info("socket") if self._connection is not None else None
        if not isinstance(sock, socket.socket):
            return
        try:
            # The plain method: that of a TLS socket would take the session away under its reader.
            socket.socket.shutdown(sock, socket.SHUT_RDWR)
        except OSError:
            self._connection = None  # closed already, which is what we want


class Wire(Protocol):
    """Kept connections to one API server, with one identity. Safe for several threads."""

    subject: str

    def send(self, sent: Sent, seconds: float) -> Answer:
        """The whole answer, whatever its status. Raises: ApiUnavailable; CredentialsRejected."""
        ...

    def stream(self, sent: Sent, call: Call) -> AbstractContextManager[Iterator[bytes]]:
        """The bytes of a successful answer as they come. Raises: what the answer says no with; ApiUnavailable."""
        ...

    def close(self) -> None:
        """Close all kept connections; unusable afterwards."""
        ...
