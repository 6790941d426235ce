"""One request over a real socket: deadline, size, redirects, and what an error tells."""

from __future__ import annotations

import gzip
import socket
import ssl
import threading
import tracemalloc
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
import trustme
from canned_http import Request, Script, Server, canned, serving

from gitops_rollback.adapters.http import Failure, Http, HttpFailed, HttpSettings
from gitops_rollback.adapters.origins import OriginRules, OutboundBlocked
from gitops_rollback.core.errors import SettingsInvalid

PATIENCE = timedelta(seconds=5)
SHORT = timedelta(milliseconds=400)
TOKEN = "canary-7f3a"


def client(server: Server, **settings: object) -> Http:
    return Http(OriginRules.parse([server.url]), replace(HttpSettings(), **settings))


def failure_of(script: Script, timeout: timedelta = PATIENCE, **settings: object) -> HttpFailed:
    with serving(script) as server:
        http = client(server, headers=(("Authorization", f"Bearer {TOKEN}"),), **settings)
        with pytest.raises(HttpFailed) as caught:
            http.get(f"{server.url}/path?secret=1", timeout)
        http.close()
    assert TOKEN not in str(caught.value)
    assert "secret" not in str(caught.value)
    assert "/path" not in str(caught.value)
    return caught.value


def test_an_answer_comes_back_whole_with_its_status() -> None:
    with serving(canned("418 I'm a teapot", b"short", "X-Kind: pot")) as server:
        http = client(server)
        answer = http.post_form(f"{server.url}/a", {"query": "a b&c"}, PATIENCE)
        http.close()
    assert (answer.status, answer.body, answer.headers["x-kind"]) == (418, b"short", "pot")
    assert server.requests[0].form == {"query": "a b&c"}


@pytest.mark.parametrize("status", ["301 Moved Permanently", "302 Found", "307 Temporary Redirect", "304 Not Modified"])
def test_a_redirect_is_never_followed_and_its_target_never_told(status: str) -> None:
    error = failure_of(canned(status, b"", "Location: http://169.254.169.254/latest/meta-data"))
    assert error.failure is Failure.REDIRECT
    assert "169.254" not in str(error)


def test_who_asks_on_a_condition_is_told_that_nothing_has_changed() -> None:
    with serving(canned("304 Not Modified", b"", 'ETag: "1"')) as server:
        http = client(server)
        answer = http.send("GET", f"{server.url}/a", PATIENCE, headers={"If-None-Match": '"1"'})
        http.close()
    assert (answer.status, answer.body) == (304, b"")


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE"])
def test_any_method_goes_out_with_its_body_and_its_path_as_it_was_written(method: str) -> None:
    with serving(canned("200 OK", b"{}")) as server:
        http = client(server)
        http.send(
            method, f"{server.url}/projects/a%2Fb%2Fc?x=%2F", PATIENCE, b"{}", {"Content-Type": "application/json"}
        )
        with pytest.raises(OutboundBlocked):
            http.send(method, "https://elsewhere.example/", PATIENCE)
        http.close()
    assert server.requests[0].line == f"{method} /projects/a%2Fb%2Fc?x=%2F HTTP/1.1"
    assert server.requests[0].body == b"{}"


def test_no_time_left_is_a_time_out_like_any_other() -> None:
    assert failure_of(lambda _connection, _request: None, timedelta(0)).failure is Failure.TIMEOUT


def test_a_silent_server_is_left_at_the_deadline() -> None:
    with serving(lambda _connection, _request: server.done.wait(20) and None) as server:
        http = client(server)
        with pytest.raises(HttpFailed) as caught:
            http.get(server.url, SHORT)
        http.close()
    assert caught.value.failure is Failure.TIMEOUT


def dripping(head: bytes) -> Script:
    """Sends a byte each 20 ms: every single read is quick, the whole is endless."""

    def drip(connection: socket.socket, _request: Request) -> None:
        connection.sendall(head)
        ticking = threading.Event()
        for _ in range(1000):
            ticking.wait(0.02)
            connection.sendall(b"x")

    return drip


@pytest.mark.parametrize(
    "head",
    [
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n", id="body"),
        pytest.param(b"HTTP/1.1 200 OK\r\nX-Slow: ", id="headers"),
    ],
)
def test_a_server_that_drips_cannot_stretch_the_deadline(head: bytes) -> None:
    assert failure_of(dripping(head), SHORT).failure is Failure.TIMEOUT


def endless(connection: socket.socket, _request: Request) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    for _ in range(10_000):
        connection.sendall(b"10000\r\n" + b"x" * 0x10000 + b"\r\n")


BOMB = gzip.compress(b"0" * (64 << 20))


@pytest.mark.parametrize(
    ("script", "failure"),
    [
        pytest.param(endless, Failure.TOO_LARGE, id="endless-chunks"),
        pytest.param(canned("200 OK", b"x" * 200_000), Failure.TOO_LARGE, id="over-the-limit"),
        pytest.param(canned("200 OK", BOMB, "Content-Encoding: gzip"), Failure.TOO_LARGE, id="gzip-bomb"),
        pytest.param(canned("200 OK", BOMB[:50], "Content-Encoding: gzip"), Failure.BROKEN, id="gzip-cut"),
        pytest.param(canned("200 OK", b"plain", "Content-Encoding: gzip"), Failure.BROKEN, id="gzip-that-is-not"),
        pytest.param(canned("200 OK", b"x", "Content-Encoding: br"), Failure.BROKEN, id="an-encoding-not-asked-for"),
        pytest.param(lambda connection, _r: connection.sendall(b"SSH-2.0-x\r\n"), Failure.BROKEN, id="not-http"),
        pytest.param(lambda connection, _r: None, Failure.BROKEN, id="hangs-up"),
    ],
)
def test_a_body_is_bounded_and_must_be_whole(script: Script, failure: Failure) -> None:
    assert failure_of(script, max_body=100_000).failure is failure


def test_a_gzip_bomb_is_not_unpacked_beyond_the_limit() -> None:
    with serving(canned("200 OK", BOMB, "Content-Encoding: gzip")) as server:
        http = client(server, max_body=100_000)
        tracemalloc.start()
        with pytest.raises(HttpFailed):
            http.get(server.url, PATIENCE)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        http.close()
    assert peak < 4 << 20


def test_a_body_of_exactly_the_limit_is_taken() -> None:
    with serving(canned("200 OK", gzip.compress(b"x" * 1000), "Content-Encoding: gzip")) as server:
        http = client(server, max_body=1000)
        assert len(http.get(server.url, PATIENCE).body) == 1000
        http.close()


def test_nobody_there_is_told_apart_from_a_slow_answer() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    http = Http(OriginRules.parse([f"http://127.0.0.1:{port}"]))
    with pytest.raises(HttpFailed) as caught:
        http.get(f"http://127.0.0.1:{port}", PATIENCE)
    http.close()
    assert caught.value.failure is Failure.CONNECT


def test_a_closed_client_fails_like_any_other() -> None:
    http = Http(OriginRules.parse(["http://127.0.0.1:1"]))
    http.close()
    with pytest.raises(HttpFailed):
        http.get("http://127.0.0.1:1", PATIENCE)


def test_a_token_that_http_cannot_carry_is_refused_without_quoting_it() -> None:
    with pytest.raises(SettingsInvalid) as caught:
        Http(OriginRules(), HttpSettings(headers=(("Authorization", f"Bearer {TOKEN}é€"),)))
    assert TOKEN not in str(caught.value)
    assert caught.value.__cause__ is None


def test_connections_are_kept_but_not_for_another_origin() -> None:
    with serving(canned("200 OK", b"one")) as first, serving(canned("200 OK", b"two")) as second:
        http = Http(OriginRules.parse([first.url]))
        assert http.get(first.url, PATIENCE).body == b"one"
        with pytest.raises(OutboundBlocked):
            http.get(second.url, PATIENCE)
        http.close()
    assert second.requests == []


def tls_server(authority: trustme.CA, clients: bool) -> tuple[socket.socket, threading.Thread]:
    """Answers one request; its certificate is for `localhost` alone."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    if clients:
        context.verify_mode = ssl.CERT_REQUIRED
        authority.configure_trust(context)
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        try:
            plain, _ = listener.accept()
            with plain, context.wrap_socket(plain, server_side=True) as secure:
                secure.recv(65536)
                secure.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")
        except OSError:
            return  # the handshake failed, as some tests want

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    return listener, thread


@pytest.mark.parametrize(
    ("host", "trusted", "client_cert", "works"),
    [
        pytest.param("localhost", True, False, True, id="own-ca"),
        pytest.param("localhost", False, False, False, id="unknown-ca"),
        pytest.param("127.0.0.1", True, False, False, id="the-name-is-checked-though-the-address-is-pinned"),
        pytest.param("localhost", True, True, True, id="client-certificate"),
    ],
)
def test_tls_is_verified_against_the_name(
    tmp_path: Path, host: str, trusted: bool, client_cert: bool, works: bool
) -> None:
    authority, ca, pair = trustme.CA(), str(tmp_path / "ca.pem"), str(tmp_path / "client.pem")
    authority.cert_pem.write_to_path(ca)
    authority.issue_cert("client.example").private_key_and_cert_chain_pem.write_to_path(pair)
    listener, thread = tls_server(authority, client_cert)
    origin = f"https://{host}:{listener.getsockname()[1]}"
    files = {"cert_file": pair, "key_file": pair} if client_cert else {}
    http = Http(OriginRules.parse([origin]), HttpSettings(ca_file=ca if trusted else "", **files))
    try:
        if works:
            assert http.get(origin, PATIENCE).body == b"ok"
        else:
            with pytest.raises(HttpFailed):
                http.get(origin, PATIENCE)
    finally:
        http.close()
        listener.close()
        thread.join(timeout=5)


def test_a_ca_file_that_is_missing_is_a_setting_to_mend() -> None:
    with pytest.raises(SettingsInvalid):
        Http(OriginRules(), HttpSettings(ca_file="/nowhere.pem"))


def test_a_resolver_that_hangs_does_not_hold_the_request(monkeypatch: pytest.MonkeyPatch) -> None:
    release = threading.Event()

    def hang(*_args: object, **_more: object) -> list[object]:
        release.wait(20)
        return []

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    http = Http(OriginRules.parse(["https://slow.example"]))
    with pytest.raises(HttpFailed) as caught:
        http.get("https://slow.example/", SHORT)
    release.set()
    http.close()
    assert caught.value.failure is Failure.TIMEOUT
