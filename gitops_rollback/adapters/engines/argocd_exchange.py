"""How does one HTTP exchange end in time, however slowly the other side sends?

A socket's time-out starts anew with every byte, so a server that sends one byte now and then holds a thread for ever.
Here a connection tells the exchange under way on its thread which socket it reads; another thread can shut that down.
Source: http.client `HTTPConnection.endheaders` (connected by then, and before the answer is read); urllib3 2
`PoolManager.pool_classes_by_scheme` (made to be replaced).
"""

from __future__ import annotations

import random
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool


class Exchange:
    """One request and its answer. `cut` may be called by any thread, at any time, more than once."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._socket: socket.socket | None = None
        self._was_cut = False

    @property
    def was_cut(self) -> bool:
        """True if what was read since may be incomplete."""
        return self._was_cut

    def hold(self, sock: socket.socket | None) -> None:
        """From now on this exchange reads `sock`."""
        with self._lock:
            self._socket = sock
            if self._was_cut:
                self._shut_down()

    def cut(self) -> None:
        """End the exchange: whoever reads it sees the end of the data at once."""
        with self._lock:
            self._was_cut = True
            self._shut_down()

    def release(self) -> None:
        """The exchange is over; a later `cut` leaves the connection to its next user."""
        with self._lock:
            self._socket = None

    def _shut_down(self) -> None:
        if self._socket is None:
            return
        try:
            # The plain method: that of a TLS socket would take the session away under its reader.
            socket.socket.shutdown(self._socket, socket.SHUT_RDWR)
        except OSError:
            self._socket = None  # closed already, which is what we want


class Backoff:
    """How long to wait before the next try: doubling up to a minute, spread by half, anew after each success."""

    def __init__(self, first: timedelta, longest: timedelta = timedelta(minutes=1)) -> None:
        self._first = self._next = first
        self._longest = longest

    def reset(self) -> None:
        """A try worked."""
        self._next = self._first

    def next_seconds(self) -> float:
        """The wait before the coming try; the one after that waits twice as long."""
        wait, self._next = self._next, min(self._next * 2, self._longest)
        return wait.total_seconds() * random.uniform(0.5, 1.5)


class _Threads(threading.local):
    current: Exchange | None = None


_threads = _Threads()


@contextmanager
def exchange(seconds: float | None) -> Iterator[Exchange]:
    """An exchange on this thread that is cut after `seconds`; None: only when somebody calls `cut`."""
    current = Exchange()
    timer = threading.Timer(seconds, current.cut) if seconds is not None else None
    if timer is not None:
        timer.daemon = True
        timer.start()
    outer, _threads.current = _threads.current, current
    try:
        yield current
    finally:
        _threads.current = outer
        current.release()
        if timer is not None:
            timer.cancel()


def _hold(connection: HTTPConnection) -> None:
    if _threads.current is not None:
        _threads.current.hold(connection.sock)


class _Connection(HTTPConnection):
    def endheaders(self, *args: Any, **kwargs: Any) -> None:
        super().endheaders(*args, **kwargs)
        _hold(self)


class _TlsConnection(HTTPSConnection):
    def endheaders(self, *args: Any, **kwargs: Any) -> None:
        super().endheaders(*args, **kwargs)
        _hold(self)


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _TlsPool(HTTPSConnectionPool):
    ConnectionCls = _TlsConnection


POOLS: dict[str, type[HTTPConnectionPool]] = {"http": _Pool, "https": _TlsPool}
