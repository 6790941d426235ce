"""What the Argo CD client makes of answers: refusals, nonsense, silence, slowness; over real HTTP on loopback."""

from __future__ import annotations

import gzip
import json
import socket
from collections.abc import Iterator
from datetime import timedelta

import pytest
import requests
from argocd_server import EXCERPTS, NOT_FOUND, RawServer, Reply, Server, engine_for, json_reply, lines, serve
from requests import exceptions

from gitops_rollback.adapters.engines.argocd import ArgoCd
from gitops_rollback.adapters.engines.argocd_exchange import exchange
from gitops_rollback.adapters.engines.argocd_http import LIBRARY_ERRORS
from gitops_rollback.adapters.engines.argocd_settings import ArgoCdSettings
from gitops_rollback.core.errors import (
    CredentialsRejected,
    EngineUnavailable,
    Reason,
    RollbackError,
    StalledError,
)
from gitops_rollback.core.sync import ApplicationId

SHOP = ApplicationId("default", "Application", "argocd", "shop")
APPLICATION = {"metadata": {"name": "shop", "namespace": "argocd"}, "spec": {"project": "web"}}
GET_SHOP = ("GET", "/api/v1/applications/shop")
LIST = ("GET", "/api/v1/applications")
SYNC = ("POST", "/api/v1/applications/shop/sync")
TERMINATE = ("DELETE", "/api/v1/applications/shop/operation")
ANSWERS = {entry["note"]: entry for entry in lines(EXCERPTS / "answers.jsonl")}
HTML = {"Content-Type": "text/html; charset=utf-8"}
JSON = {"Content-Type": "application/json"}


@pytest.fixture
def server() -> Iterator[Server]:
    with serve() as running:
        yield running


# What is not Argo CD's answer is never an empty list, never "gone", never a state.
NOT_ARGO_CD = [
    pytest.param(Reply(headers=HTML, body=b"<html>Sign in</html>"), id="E1 login page with 200"),
    pytest.param(Reply(headers={}, body=b'{"items":[]}'), id="no content type"),
    pytest.param(Reply(headers=JSON, body=b""), id="F13 empty 200"),
    pytest.param(Reply(headers=JSON, body=b'{"items":[{"metadata":{"na'), id="E2 truncated"),
    pytest.param(Reply(headers=JSON, body=b"[" * 100_000), id="E2 100k-deep brackets"),
    pytest.param(Reply(headers=JSON, body=b'{"items":' * 50_000), id="E2 50k-deep objects"),
    pytest.param(Reply(headers=JSON, body=b'{"items":"none","metadata":{}}'), id="items is no list"),
    pytest.param(Reply(headers=JSON, body=b"{}"), id="no items"),
    pytest.param(Reply(headers=JSON, body=b"[]"), id="a list"),
    pytest.param(Reply(headers=JSON, body=b"\xff\xfe"), id="no UTF-8"),
    pytest.param(Reply(headers=JSON, body=b'{"items":[NaN]}'), id="no JSON number"),
    pytest.param(Reply(headers={**JSON, "Content-Encoding": "gzip"}, body=b"no gzip"), id="broken compression"),
    pytest.param(Reply(500, JSON, b'{"error":"x","code":2,"message":"x"}'), id="500"),
    pytest.param(Reply(502, HTML, b"<html>Bad gateway</html>"), id="502 page"),
    pytest.param(Reply(503, JSON, b""), id="503 without a body"),
    pytest.param(Reply(429, JSON, b"{}"), id="429"),
    pytest.param(Reply(404, HTML, b"<html>not here</html>"), id="404 page"),
    pytest.param(NOT_FOUND, id="404 of an unknown path"),
    pytest.param(Reply(404, JSON, b'{"error":"other","code":12,"message":"other"}'), id="404 with another code"),
    pytest.param(Reply(204, JSON, b""), id="204"),
]


@pytest.mark.parametrize("reply", NOT_ARGO_CD)
def test_what_is_no_argo_cd_answer_is_unavailable(server: Server, reply: Reply) -> None:
    server.put(*LIST, reply)
    server.put(*GET_SHOP, reply)
    engine = engine_for(server)
    with pytest.raises(EngineUnavailable):
        engine.applications()
    with pytest.raises(EngineUnavailable):
        engine.application(SHOP, "web")


@pytest.mark.parametrize("reply", NOT_ARGO_CD)
def test_what_is_no_argo_cd_answer_is_no_sync_and_no_terminate(server: Server, reply: Reply) -> None:
    if reply.body in (b"[]", b"{}") and reply.status == 200:
        reply = Reply(headers=HTML, body=reply.body)  # an empty object is the real answer to a terminate
    server.put(*SYNC, reply)
    server.put(*TERMINATE, reply)
    engine = engine_for(server)
    with pytest.raises(EngineUnavailable):
        engine.sync(SHOP, "web", prune=True, info={})
    if b'"items":"none"' not in reply.body:
        with pytest.raises(EngineUnavailable):
            engine.terminate(SHOP, "web")


def test_an_answer_about_another_application_is_not_taken_for_ours(server: Server) -> None:
    server.put(*GET_SHOP, json_reply({"metadata": {"name": "shop", "namespace": "team"}, "spec": {}}))
    with pytest.raises(EngineUnavailable, match="not about argocd/shop"):
        engine_for(server).application(SHOP, "web")


def test_no_applications_at_all_is_an_empty_list(server: Server) -> None:
    server.put(*LIST, json_reply({"items": None, "metadata": {"resourceVersion": "1"}}))
    assert engine_for(server).applications() == ()


@pytest.mark.parametrize("note", ["no token", "bad signature", "absent without project: 403", "patch (needs update)"])
def test_401_and_403_are_rejected_credentials(server: Server, note: str) -> None:
    server.put_recorded({**ANSWERS[note], "request": {"method": "GET", "path": GET_SHOP[1]}})
    with pytest.raises(CredentialsRejected, match=r"answers 40[13]: \w"):
        engine_for(server).application(SHOP, "web")


def test_gone_is_only_what_argo_cd_itself_does_not_find(server: Server) -> None:
    server.put_recorded({**ANSWERS["absent with project: 404"], "request": {"method": "GET", "path": GET_SHOP[1]}})
    assert engine_for(server).application(SHOP, "web") is None


def test_a_busy_engine_answers_false_and_a_refused_one_raises(server: Server) -> None:
    busy = ANSWERS["sync while an operation runs: refused"]
    refused = ANSWERS["sync to a sha while auto-sync is on: refused"]
    server.put_recorded(*({**entry, "request": {"method": "POST", "path": SYNC[1]}} for entry in (busy, refused)))
    engine = engine_for(server)
    assert engine.sync(SHOP, "web", prune=True, info={}) is False
    with pytest.raises(EngineUnavailable, match="auto-sync currently set to main"):
        engine.sync(SHOP, "web", prune=True, info={})


def test_a_closed_sync_window_is_its_own_reason_and_not_a_lost_right(server: Server) -> None:
    refused = {
        "error": "cannot sync: blocked by sync window",
        "code": 7,
        "message": "cannot sync: blocked by sync window",
    }
    server.put(*SYNC, json_reply(refused, 403))
    with pytest.raises(StalledError) as caught:
        engine_for(server).sync(SHOP, "web", prune=True, info={})
    assert caught.value.reason is Reason.WINDOW_CLOSED
    assert not isinstance(caught.value, CredentialsRejected)


@pytest.mark.parametrize("note", ["terminate", "terminate with no operation"])
def test_terminating_nothing_is_no_error(server: Server, note: str) -> None:
    server.put_recorded({**ANSWERS[note], "request": {"method": "DELETE", "path": TERMINATE[1]}})
    engine_for(server).terminate(SHOP, "web")


def test_a_refused_content_type_is_told(server: Server) -> None:
    entry = ANSWERS["terminate without a content type"]
    server.put_recorded({**entry, "request": {"method": "DELETE", "path": TERMINATE[1]}})
    with pytest.raises(EngineUnavailable, match="answers 415"):
        engine_for(server).terminate(SHOP, "web")


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_is_not_followed_and_the_token_goes_nowhere_else(server: Server, status: int) -> None:
    with serve() as other:
        target = f"{other.url}/api/v1/applications/shop?code=hunter2"
        server.put(*GET_SHOP, Reply(status, {"Location": target}, b""))
        with pytest.raises(EngineUnavailable) as caught:
            engine_for(server).application(SHOP, "web")
        assert other.requests == []
    assert "redirect to http://127.0.0.1" in str(caught.value)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(("location", "words"), [("/login?x=hunter2", "another path"), ("http://[::1", "unreadable")])
def test_an_odd_redirect_is_told_without_its_query(server: Server, location: str, words: str) -> None:
    server.put(*GET_SHOP, Reply(302, {"Location": location}, b""))
    with pytest.raises(EngineUnavailable, match=words) as caught:
        engine_for(server).application(SHOP, "web")
    assert "hunter2" not in str(caught.value)


def test_the_body_of_a_redirect_is_bounded_too(server: Server) -> None:
    server.put(*GET_SHOP, Reply(302, {"Location": "/login"}, b"x" * 2_000_000))
    with pytest.raises(EngineUnavailable, match="larger than 1000 bytes"):
        engine_for(server, max_body=1000).application(SHOP, "web")


def test_no_error_holds_the_token_even_if_the_server_repeats_it(server: Server) -> None:
    message = "bad token header.payload.signature, " + "x" * 5000
    server.put(*GET_SHOP, json_reply({"error": message, "code": 16, "message": message}, 401))
    with pytest.raises(CredentialsRejected) as caught:
        engine_for(server).application(SHOP, "web")
    assert "payload" not in str(caught.value)
    assert len(str(caught.value)) < 300


def test_a_body_over_the_limit_is_refused_also_when_it_comes_compressed(server: Server) -> None:
    body = gzip.compress(json.dumps({"items": [], "x": "y" * 2_000_000}).encode())
    server.put(*LIST, Reply(headers={**JSON, "Content-Encoding": "gzip"}, body=body))
    with pytest.raises(EngineUnavailable, match="larger than 1000000 bytes"):
        engine_for(server, max_body=1_000_000).applications()


def test_a_server_that_says_nothing_ends_with_the_deadline(server: Server) -> None:
    server.put(*LIST, Reply(chunks=server.hang))
    with pytest.raises(EngineUnavailable, match="no answer"):
        engine_for(server, timeout=timedelta(seconds=0.2)).applications()


def test_a_body_that_comes_byte_by_byte_ends_with_the_deadline(server: Server) -> None:
    server.put(*LIST, Reply(chunks=server.trickle))
    with pytest.raises(EngineUnavailable, match=r"no answer within 0\.3 s"):
        engine_for(server, timeout=timedelta(seconds=0.3)).applications()


def test_headers_that_come_byte_by_byte_end_with_the_deadline() -> None:
    with (
        RawServer(b"HTTP/1.1 200 OK\r\nX: ", endless=b"a") as url,
        pytest.raises(EngineUnavailable, match="no answer"),
    ):
        ArgoCd(ArgoCdSettings(url, lambda: "a.b.c", timeout=timedelta(seconds=0.3))).applications()


def test_an_answer_without_a_length_that_is_cut_by_the_deadline_is_not_taken_for_whole() -> None:
    start = b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n{"metadata":{},"items":[]}'
    with RawServer(start, endless=b" ") as url, pytest.raises(EngineUnavailable, match="no answer"):
        ArgoCd(ArgoCdSettings(url, lambda: "a.b.c", timeout=timedelta(seconds=0.3))).applications()


def test_an_answer_that_breaks_off_is_unavailable() -> None:
    start = b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 99\r\n\r\n{"items":[]}'
    with RawServer(start) as url, pytest.raises(EngineUnavailable):
        ArgoCd(ArgoCdSettings(url, lambda: "a.b.c")).applications()


def test_a_port_where_nobody_listens_is_unavailable_with_the_systems_words() -> None:
    with RawServer(b"") as url:
        pass
    with pytest.raises(EngineUnavailable, match="Connection refused"):
        ArgoCd(ArgoCdSettings(url, lambda: "a.b.c")).applications()


def test_a_refresh_that_hangs_ends_with_its_own_deadline(server: Server) -> None:
    server.put(*GET_SHOP, Reply(chunks=server.hang))
    with pytest.raises(EngineUnavailable, match=r"no answer within 0\.2 s"):
        engine_for(server, refresh_timeout=timedelta(seconds=0.2)).refresh(SHOP, "web")
    assert server.requests[0].query["refresh"] == ["normal"]


def test_one_cut_exchange_does_not_spoil_the_next(server: Server) -> None:
    server.put(*GET_SHOP, Reply(chunks=server.hang))
    server.put(*LIST, json_reply({"items": [], "metadata": {}}))
    engine = engine_for(server, refresh_timeout=timedelta(seconds=0.2))
    with pytest.raises(EngineUnavailable):
        engine.refresh(SHOP, "web")
    assert engine.applications() == ()


def test_an_exchange_that_was_cut_before_it_had_a_socket_ends_as_soon_as_it_has_one() -> None:
    near, far = socket.socketpair()
    with near, far, exchange(None) as running:
        running.cut()
        running.hold(near)
        assert running.was_cut
        assert near.recv(1) == b""


def test_cutting_a_socket_that_is_closed_already_is_no_error() -> None:
    near, far = socket.socketpair()
    with far, exchange(None) as running:
        running.hold(near)
        near.close()
        running.cut()
        running.cut()
        assert running.was_cut


def test_a_cut_after_the_end_leaves_the_connection_to_its_next_user() -> None:
    near, far = socket.socketpair()
    with near, far:
        with exchange(None) as running:
            running.hold(near)
        running.cut()
        far.sendall(b"x")
        assert near.recv(1) == b"x"


def library_errors() -> list[type[BaseException]]:
    found = [getattr(exceptions, name) for name in dir(exceptions)]
    kinds = [one for one in found if isinstance(one, type) and issubclass(one, exceptions.RequestException)]
    return sorted(set(kinds), key=lambda kind: kind.__name__)


@pytest.mark.parametrize("kind", library_errors(), ids=lambda kind: kind.__name__)
def test_each_error_of_the_http_library_has_a_meaning(kind: type[BaseException]) -> None:
    # The base class stands at the end, for what a newer library may raise; what this one raises has its own meaning.
    named = tuple(known for known, _ in LIBRARY_ERRORS[:-1])
    assert issubclass(kind, named) or kind is LIBRARY_ERRORS[-1][0], f"{kind.__name__} is not mapped"


@pytest.mark.parametrize("kind", library_errors(), ids=lambda kind: kind.__name__)
def test_no_error_of_the_http_library_gets_out(monkeypatch: pytest.MonkeyPatch, kind: type[BaseException]) -> None:
    def fail(*args: object, **kwargs: object) -> None:
        raise (
            kind("GET http://127.0.0.1/api/v1/applications?token=hunter2", "", 0)
            if issubclass(kind, json.JSONDecodeError)
            else kind("http://127.0.0.1/?token=hunter2")
        )

    engine = ArgoCd(ArgoCdSettings("127.0.0.1", lambda: "a.b.c"))
    monkeypatch.setattr(requests.Session, "request", fail)
    with pytest.raises(RollbackError) as caught:
        engine.applications()
    assert isinstance(caught.value, EngineUnavailable)
    assert "hunter2" not in str(caught.value)
