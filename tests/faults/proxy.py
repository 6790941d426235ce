"""A TCP proxy on loopback that spoils a link: what if the network, or the server behind it, does this?

    proxy = FaultProxy(world.git.url)                # listens at once; give `proxy.url` to the client
    lost = proxy.strike(cut_before_reply(), posts_to("git-receive-pack"), times=1)
    ...
    assert lost.struck == 1
    proxy.strike(black_hole(), open_too=True)        # the link is down, for connections that are open as well
    proxy.heal()                                     # everything passes again; what waited ends
    proxy.stop()

An exchange is one HTTP request with its reply, or, where the client does not speak HTTP (SSH, TLS), the connection as a
whole. The first fault whose condition holds strikes it: `times` of them (None: every one until `heal`). Times are real
seconds. `proxy.seen` has every exchange, `FaultProxy.link_down()` and `strike(status(503))` are the common whole.
"""

from __future__ import annotations

import socket
import threading
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from urllib.parse import urlsplit

from exchange import METHODS, Exchange, read_request

CHUNK = 1 << 16
KEPT = 200_000
CONNECT_SECONDS = 10.0


Condition = Callable[[Exchange], bool]


@dataclass(frozen=True)
class Verb:
    """What happens to an exchange; the functions below make them. `instead`: the request never reaches the server."""

    name: str
    amount: float = 0.0
    reply: bytes = b""
    instead: bool = False


def delay(seconds: float) -> Verb:
    """The reply comes, this much later."""
    return Verb("delay", seconds)


def drop_after(count: int) -> Verb:
    """The connection ends after so many bytes of the reply."""
    return Verb("drop", count)


def cut_before_reply() -> Verb:
    """The server does its work and answers; the connection ends before the client hears a byte of it."""
    return Verb("drop", 0)


def corrupt(skip: int = 0) -> Verb:
    """Of the reply, after `skip` bytes, one byte in 16 is another one."""
    return Verb("corrupt", skip)


def slow(bytes_per_second: float = 1.0) -> Verb:
    """The reply comes at this rate."""
    return Verb("slow", bytes_per_second)


def black_hole() -> Verb:
    """The connection is taken; nothing passes in either direction until `heal`, and then it ends."""
    return Verb("hold", instead=True)


def silent_reply() -> Verb:
    """The server does its work; its reply never comes. At `heal` the connection ends."""
    return Verb("hold")


def refuse() -> Verb:
    """The connection ends at once; the server hears nothing."""
    return Verb("drop", instead=True)


def duplicate() -> Verb:
    """The server gets the request twice, one after the other; the client hears the second reply."""
    return Verb("duplicate")


def elsewhere(path: str, other: str) -> Verb:
    """The same server is asked for the path `other` instead of `path`: a mirror, an old copy."""
    return Verb("elsewhere", reply=f"{path} {other}".encode())


def status(code: int, headers: Mapping[str, str] | None = None, body: bytes = b"fault\n", after: bool = False) -> Verb:
    """The client hears this instead; `after` the server has done its work all the same."""
    lines = {"Content-Type": "text/plain", "Content-Length": str(len(body)), "Connection": "close", **(headers or {})}
    head = f"HTTP/1.1 {code} Fault\r\n" + "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    return Verb("answer", reply=head.encode() + b"\r\n" + body, instead=not after)


def every(_exchange: Exchange) -> bool:
    """No condition."""
    return True


def asks_for(part: str, method: str = "") -> Condition:
    """HTTP requests whose path and query hold `part`."""
    return lambda one: part in one.path and method in ("", one.method)


def posts_to(part: str) -> Condition:
    """HTTP requests that carry something there; not the four bytes with which git tries out the way first."""
    return lambda one: one.method == "POST" and part in one.path and len(one.body) > 4


def pushes_to(ref: str) -> Condition:
    """Pushes over HTTP that ask for this ref (by its full name) to be moved."""
    return lambda one: posts_to("git-receive-pack")(one) and f" {ref}".encode() in one.body[:4096]


@dataclass
class Fault:
    """One verb in force. `struck`: how many exchanges it met; `over` is set once it ends."""

    verb: Verb
    when: Condition
    times: int | None
    open_too: bool
    struck: int = 0
    over: threading.Event = field(default_factory=threading.Event)


class FaultProxy:
    """Stands before `target` (a URL, or host:port) on a port of its own until `stop`. Thread-safe."""

    def __init__(self, target: str) -> None:
        parts = urlsplit(target if "://" in target else f"//{target}")
        assert parts.hostname is not None
        self.target = (parts.hostname, parts.port or 80)
        self.seen: deque[Exchange] = deque(maxlen=KEPT)
        self.most_open = 0  # connections at once
        self._parts = parts
        self._faults: list[Fault] = []
        self._lock = threading.Lock()
        self._links: set[_Link] = set()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self._thread = threading.Thread(target=self._accept, name="fault-proxy", daemon=True)
        self._thread.start()

    @property
    def port(self) -> int:
        return int(self._listener.getsockname()[1])

    @property
    def url(self) -> str:
        """As the target's, with our port; host:port where that had no scheme."""
        user = f"{self._parts.username}@" if self._parts.username else ""
        place = f"{user}127.0.0.1:{self.port}{self._parts.path}"
        return f"{self._parts.scheme}://{place}" if self._parts.scheme else place

    def strike(self, verb: Verb, when: Condition = every, times: int | None = None, open_too: bool = False) -> Fault:
        """From now on. With `open_too`, exchanges that are under way are met as well (a stream, a slow answer)."""
        fault = Fault(verb, when, times, open_too)
        with self._lock:
            self._faults.append(fault)
        return fault

    def link_down(self) -> Fault:
        """Nothing passes any more, on open connections neither; no end of a connection is heard."""
        return self.strike(black_hole(), open_too=True)

    def heal(self, fault: Fault | None = None) -> None:
        """End this fault, or all of them."""
        with self._lock:
            ended = [one for one in self._faults if fault is None or one is fault]
            self._faults = [one for one in self._faults if fault is not None and one is not fault]
        for one in ended:
            one.over.set()

    def cut_open(self) -> None:
        """End all open connections."""
        with self._lock:
            links = list(self._links)
        for link in links:
            link.close()

    def stop(self) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()
        self.heal()
        self.cut_open()

    def take(self, exchange: Exchange) -> Fault | None:
        """The fault that meets this new exchange; one of its times is used up."""
        self.seen.append(exchange)
        with self._lock:
            for fault in self._faults:
                if fault.when(exchange) and (fault.times is None or fault.struck < fault.times):
                    fault.struck += 1
                    return fault
        return None

    def join_late(self, exchange: Exchange) -> Fault | None:
        """The fault that meets an exchange which began before it."""
        with self._lock:
            return next((one for one in self._faults if one.open_too and one.when(exchange)), None)

    def forget(self, link: _Link) -> None:
        with self._lock:
            self._links.discard(link)

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            try:
                server = socket.create_connection(self.target, CONNECT_SECONDS)
            except OSError:
                client.close()
                continue
            server.settimeout(None)
            link = _Link(self, client, server)
            with self._lock:
                self._links.add(link)
                self.most_open = max(self.most_open, sum(one.is_open() for one in self._links))
            link.start()


class _Link:
    """One connection: a thread for each direction."""

    def __init__(self, proxy: FaultProxy, client: socket.socket, server: socket.socket) -> None:
        self.proxy, self.client, self.server = proxy, client, server
        self.fault: Fault | None = None
        self.exchange = Exchange()  # the one under way
        self.passed = 0  # bytes of the reply
        self._input = client.makefile("rb")
        self._lock = threading.Lock()
        self._pumping = 2

    def start(self) -> None:
        for pump in (self._requests, self._replies):
            threading.Thread(target=self._pump, args=(pump,), daemon=True).start()

    def is_open(self) -> bool:
        """The client has not ended it: its word is there before our threads have taken notice of it."""
        try:
            return bool(self.client.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT))
        except BlockingIOError:
            return True
        except OSError:
            return False

    def close(self) -> None:
        for one in (self.client, self.server):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def _pump(self, direction: Callable[[], bool]) -> None:
        ended = True
        with suppress(OSError, ValueError):
            ended = direction()
        if ended:
            self.close()
        self._last_one_frees()

    def _last_one_frees(self) -> None:
        with self._lock:
            self._pumping -= 1
            if self._pumping:
                return
        for one in (self._input, self.client, self.server):
            one.close()
        self.proxy.forget(self)

    def _requests(self) -> bool:
        """True once the connection has to end."""
        first = self.client.recv(8, socket.MSG_PEEK)
        if not first.startswith(METHODS):
            return self._pass_bytes()
        while (exchange := read_request(self._input)) is not None:
            if not self._begin(exchange):
                break
            self.server.sendall(self.exchange.head + self.exchange.body)
        return True

    def _pass_bytes(self) -> bool:
        """No HTTP: one exchange, whose reply is all that the server says."""
        if not self._begin(Exchange()):
            return True
        while chunk := self._input.read1(CHUNK):
            self._wait_if_held()
            self.server.sendall(chunk)
        self.server.shutdown(socket.SHUT_WR)  # it may still have something to say
        return False

    def _begin(self, exchange: Exchange) -> bool:
        """Take up the exchange; False if its request is not to be passed on, and the connection has ended."""
        fault = self.proxy.take(exchange)
        self.exchange, self.passed, self.fault = exchange, 0, fault
        if fault is None:
            return True
        if fault.verb.name == "duplicate":
            self._send_alone(exchange)
        elif fault.verb.name == "elsewhere":
            self.exchange = replace(exchange, head=exchange.head.replace(*fault.verb.reply.split(b" "), 1))
        if not fault.verb.instead:
            return True
        if fault.verb.name == "hold":
            fault.over.wait()
        self.client.sendall(fault.verb.reply)
        return False

    def _wait_if_held(self) -> None:
        late = self.proxy.join_late(self.exchange)
        if late is not None and late.verb.name == "hold":
            late.over.wait()
            raise OSError("the link was down")

    def _send_alone(self, exchange: Exchange) -> None:
        """The request on a connection of its own, to its end."""
        with socket.create_connection(self.proxy.target, CONNECT_SECONDS) as other:
            other.settimeout(CONNECT_SECONDS)
            other.sendall(exchange.head.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n", 1) + exchange.body)
            while other.recv(CHUNK):
                pass

    def _replies(self) -> bool:
        while chunk := self.server.recv(CHUNK):
            fault = self.fault or self.proxy.join_late(self.exchange)
            if fault is None:
                self.client.sendall(chunk)
            else:
                self._spoil(fault, chunk)
            self.passed += len(chunk)
        return True

    def _spoil(self, fault: Fault, chunk: bytes) -> None:
        """Pass a piece of the reply on as the fault has it. Raises OSError where the connection ends."""
        verb = fault.verb
        if verb.name == "drop":
            left = int(verb.amount) - self.passed
            self.client.sendall(chunk[: max(0, left)])
            if len(chunk) >= left:
                raise OSError("dropped")
        elif verb.name == "hold":
            fault.over.wait()
            raise OSError("held to the end")
        elif verb.name == "answer":
            self.client.sendall(verb.reply)
            raise OSError("answered")
        elif verb.name == "slow":
            for byte in chunk:
                fault.over.wait(1.0 / verb.amount)
                self.client.sendall(bytes((byte,)))
        elif verb.name == "corrupt":
            self.client.sendall(corrupted(chunk, self.passed, int(verb.amount)))
        else:
            if verb.name == "delay" and self.passed == 0:
                fault.over.wait(verb.amount)
            self.client.sendall(chunk)


def corrupted(chunk: bytes, position: int, skip: int) -> bytes:
    """`chunk`, which begins at `position` of the reply, with one byte in 16 after `skip` inverted."""
    return bytes(
        byte ^ 0xFF if position + index >= skip and (position + index) % 16 == 0 else byte
        for index, byte in enumerate(chunk)
    )
