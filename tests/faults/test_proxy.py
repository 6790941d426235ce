"""Does the fault proxy do to a link what its verbs say, to the exchange that was meant and to no other?"""

from __future__ import annotations

import http.client
import socket
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from proxy import (
    Exchange,
    FaultProxy,
    Verb,
    asks_for,
    black_hole,
    corrupt,
    cut_before_reply,
    delay,
    drop_after,
    duplicate,
    elsewhere,
    posts_to,
    refuse,
    silent_reply,
    slow,
    status,
)
from remote_world import wait_until

PATIENCE_SECONDS = 20.0
SHORT_SECONDS = 0.3
TEXT = b"the quick brown fox jumps over the lazy dog, and does it again"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    heard: list[tuple[str, bytes]]

    def do_GET(self) -> None:
        self.heard.append((self.path, self._body()))
        self.send_response(200)
        self.send_header("Content-Length", str(len(TEXT)))
        self.end_headers()
        self.wfile.write(TEXT)

    do_POST = do_GET

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") == "chunked":
            body = b""
            while size := int(self.rfile.readline(), 16):
                body += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
            return body
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def log_message(self, *_about: Any) -> None:
        """Not worth a line."""


class Link:
    """A server, the proxy before it, and a client with one connection."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, bytes]] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), type("Bound", (_Handler,), {"heard": self.heard}))
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        self.proxy = FaultProxy(f"http://127.0.0.1:{self._server.server_address[1]}")
        self._connection = self.connect()

    def connect(self, seconds: float = PATIENCE_SECONDS) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self.proxy.port, timeout=seconds)

    def ask(self, path: str = "/a", body: bytes | None = None, seconds: float = PATIENCE_SECONDS) -> bytes:
        """Over the one connection; raises what the client would."""
        if self._connection.sock is not None:
            self._connection.sock.settimeout(seconds)
        self._connection.timeout = seconds
        self._connection.request("POST" if body is not None else "GET", path, body)
        with self._connection.getresponse() as answer:
            return answer.read()

    def again(self) -> None:
        self._connection.close()
        self._connection = self.connect()

    def stop(self) -> None:
        self._connection.close()
        self.proxy.stop()
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def link() -> Iterator[Link]:
    link = Link()
    yield link
    link.stop()


def test_without_a_fault_all_passes_over_one_connection(link: Link) -> None:
    assert link.ask() == TEXT
    assert link.ask("/b", b"x" * 100_000) == TEXT
    assert link.heard == [("/a", b""), ("/b", b"x" * 100_000)]
    assert [(one.method, one.path) for one in link.proxy.seen] == [("GET", "/a"), ("POST", "/b")]


def test_a_chunked_request_passes_whole(link: Link) -> None:
    connection = link.connect()
    connection.request(
        "POST", "/c", iter([b"one", b"two"]), encode_chunked=True, headers={"Transfer-Encoding": "chunked"}
    )
    assert connection.getresponse().read() == TEXT
    assert link.heard == [("/c", b"onetwo")]
    connection.close()


def test_a_reply_is_delayed(link: Link) -> None:
    link.proxy.strike(delay(SHORT_SECONDS), times=1)
    began = time.monotonic()
    assert link.ask() == TEXT
    assert time.monotonic() - began >= SHORT_SECONDS


def test_a_reply_is_cut_after_some_bytes(link: Link) -> None:
    link.proxy.strike(drop_after(120), times=1)  # all of the head, and not all of the text
    with pytest.raises((http.client.IncompleteRead, ConnectionError)):
        link.ask()
    assert link.heard == [("/a", b"")]


@pytest.mark.parametrize("verb", [cut_before_reply(), refuse()], ids=["after the work", "before the work"])
def test_a_connection_ends_without_a_reply(link: Link, verb: Verb) -> None:
    link.proxy.strike(verb, times=1)
    with pytest.raises((http.client.HTTPException, ConnectionError)):
        link.ask(body=b"work")
    assert len(link.heard) == (verb == cut_before_reply())
    link.again()
    assert link.ask() == TEXT


def test_bytes_are_corrupted(link: Link) -> None:
    link.proxy.strike(corrupt(skip=120), times=1)
    found = link.ask()
    assert len(found) == len(TEXT)
    assert found != TEXT
    assert link.ask() == TEXT


def test_a_slow_reply_comes_byte_by_byte(link: Link) -> None:
    link.proxy.strike(slow(500), times=1)
    began = time.monotonic()
    assert link.ask() == TEXT
    assert time.monotonic() - began >= len(TEXT) / 500


@pytest.mark.parametrize(("verb", "heard"), [(black_hole(), 0), (silent_reply(), 1)], ids=["hole", "mute"])
def test_silence_lasts_until_it_is_healed(link: Link, verb: Verb, heard: int) -> None:
    fault = link.proxy.strike(verb)
    with pytest.raises(TimeoutError):
        link.ask(seconds=SHORT_SECONDS)
    assert (fault.struck, len(link.heard)) == (1, heard)
    link.proxy.heal()
    link.again()
    assert link.ask() == TEXT


def test_a_link_goes_down_under_an_open_connection(link: Link) -> None:
    assert link.ask() == TEXT
    link.proxy.link_down()
    with pytest.raises(TimeoutError):
        link.ask(seconds=SHORT_SECONDS)


def test_a_request_comes_twice(link: Link) -> None:
    link.proxy.strike(duplicate(), times=1)
    assert link.ask(body=b"work") == TEXT
    assert link.heard == [("/a", b"work")] * 2


def test_a_request_goes_elsewhere(link: Link) -> None:
    link.proxy.strike(elsewhere("/a", "/old"), asks_for("/a"))
    assert link.ask("/a/x", b"work") == TEXT
    assert link.ask("/b") == TEXT
    assert link.heard == [("/old/x", b"work"), ("/b", b"")]


@pytest.mark.parametrize("after", [False, True], ids=["instead", "after"])
def test_another_answer_is_given(link: Link, after: bool) -> None:
    link.proxy.strike(status(503, {"Retry-After": "7"}, after=after), times=1)
    connection = link.connect()
    connection.request("GET", "/a")
    answer = connection.getresponse()
    assert (answer.status, answer.headers["Retry-After"], answer.read()) == (503, "7", b"fault\n")
    assert len(link.heard) == after
    connection.close()


def test_only_the_exchange_that_was_meant_is_struck(link: Link) -> None:
    fault = link.proxy.strike(status(500), posts_to("/push"), times=1)
    assert link.ask("/push") == TEXT  # no POST
    assert link.ask("/push", b"0000") == TEXT  # a probe that carries nothing
    assert link.ask("/other", b"some work") == TEXT
    assert link.ask("/push", b"some work") == b"fault\n"
    link.again()
    assert link.ask("/push", b"some work") == TEXT
    assert fault.struck == 1


def test_one_fault_of_several_is_healed(link: Link) -> None:
    link.proxy.strike(status(500), asks_for("/a"))
    other = link.proxy.strike(status(502), asks_for("/b"))
    link.proxy.heal(other)
    assert link.ask("/b") == TEXT
    assert link.ask("/a") == b"fault\n"


def test_what_is_no_http_is_one_exchange() -> None:
    server = socket.create_server(("127.0.0.1", 0))
    proxy = FaultProxy(f"127.0.0.1:{server.getsockname()[1]}")
    client = socket.create_connection(("127.0.0.1", proxy.port), PATIENCE_SECONDS)
    client.sendall(b"SSH-2.0-x\r\n")
    other, _ = server.accept()
    other.settimeout(PATIENCE_SECONDS)
    assert other.recv(64) == b"SSH-2.0-x\r\n"
    client.shutdown(socket.SHUT_WR)
    assert other.recv(64) == b""
    other.sendall(b"and the last word")
    other.close()
    assert client.recv(64) == b"and the last word"
    assert [one.path for one in proxy.seen] == [""]
    for one in (client, server):
        one.close()
    proxy.stop()


def test_nothing_is_left_when_it_stops(link: Link) -> None:
    link.proxy.strike(black_hole())

    def ask() -> None:
        with pytest.raises((http.client.HTTPException, ConnectionError)):
            link.ask()

    asking = threading.Thread(target=ask)
    asking.start()
    wait_until(lambda: len(link.proxy.seen) == 1)
    link.proxy.stop()
    asking.join(PATIENCE_SECONDS)
    assert not asking.is_alive()
    assert isinstance(link.proxy.seen[0], Exchange)
