"""To which address does a request connect, and when must it be over?

A connection is made to the very address that was checked, so a name that resolves elsewhere a moment later changes
nothing. One deadline covers a whole request, name resolution and a slow body included.
Source: httpcore 1.0 `NetworkBackend` (the pool's own seam for connecting).
"""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Iterable

import httpcore

from gitops_rollback.adapters.origins import Origin, OriginRules, OutboundBlocked

MAX_RESOLVING = 16
RESOLVING = threading.BoundedSemaphore(MAX_RESOLVING)


class Call:
    """What the connection must know of the request that it serves now: sockets are read in the request's thread."""

    _current = threading.local()

    def __init__(self, origin: Origin, deadline: float) -> None:
        self.origin = origin
        self._deadline = deadline

    def __enter__(self) -> None:
        Call._current.call = self

    def __exit__(self, *_exc: object) -> None:
        Call._current.call = None

    @classmethod
    def current(cls) -> Call:
        call = getattr(cls._current, "call", None)
        if not isinstance(call, Call):
            raise httpcore.ConnectError("no request is running in this thread")
        return call

    def left(self, timeout: float | None = None) -> float:
        """Seconds until the deadline, at most `timeout`. Raises: the library's time-out when there are none."""
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise httpcore.ReadTimeout("deadline")
        return left if timeout is None else min(left, timeout)


class CheckedBackend(httpcore.NetworkBackend):
    """Resolves, checks each address, and connects to a checked one; nothing resolves the name again."""

    def __init__(self, rules: OriginRules) -> None:
        self._rules = rules
        self._plain = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        call = Call.current()
        refused: Exception = httpcore.ConnectError("no address")
        addresses = _resolve(host, port, call.left(timeout))
        for index, address in enumerate(addresses):
            try:
                self._rules.check_address(call.origin, address)
                patience = call.left(timeout) / (len(addresses) - index)  # one silent address leaves time for the next
                return _Stream(self._plain.connect_tcp(address, port, patience, local_address, socket_options))
            except (OutboundBlocked, httpcore.ConnectError, httpcore.ConnectTimeout) as exc:
                refused = exc
        raise refused


class _Stream(httpcore.NetworkStream):
    """A connection whose every operation ends at the running request's deadline."""

    def __init__(self, stream: httpcore.NetworkStream) -> None:
        self._stream = stream

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, Call.current().left(timeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, Call.current().left(timeout))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        return _Stream(self._stream.start_tls(ssl_context, server_hostname, Call.current().left(timeout)))

    def get_extra_info(self, info: str) -> object:
        return self._stream.get_extra_info(info)


def _resolve(host: str, port: int, timeout: float) -> tuple[str, ...]:
    """The addresses of `host`. The system's resolver knows no deadline, so it gets a thread that may be left behind."""
    found: list[str] = []

    def look_up() -> None:
        try:
            found.extend(str(entry[4][0]) for entry in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
        except (OSError, UnicodeError):
            found.clear()
        finally:
            RESOLVING.release()

    if not RESOLVING.acquire(timeout=timeout):
        raise httpcore.ConnectTimeout("resolver")
    thread = threading.Thread(target=look_up, name="resolve", daemon=True)
    thread.start()
    thread.join(timeout)
    if thread.is_alive():
        raise httpcore.ConnectTimeout("resolver")
    return tuple(dict.fromkeys(found))
