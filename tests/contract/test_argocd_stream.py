"""Argo CD's watch stream: parsing bounded server-sent events, and following it for ever until told to stop."""

from __future__ import annotations

import json
import queue
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from argocd_server import EXCERPTS, Reply, Server, engine_for, json_reply, serve

from gitops_rollback.adapters.engines.argocd_exchange import Backoff
from gitops_rollback.adapters.engines.argocd_stream import Change, EventReader, StreamError
from gitops_rollback.core.sync import ApplicationId

PATIENCE = 20.0
STREAM = ("GET", "/api/v1/stream/applications")
SSE = {"Content-Type": "text/event-stream"}
EXCERPT = (EXCERPTS / "stream.txt").read_bytes()


def event(name: str, kind: str = "MODIFIED", **metadata: str) -> bytes:
    value = {"result": {"type": kind, "application": {"metadata": {"name": name, "namespace": "argocd", **metadata}}}}
    return f"data: {json.dumps(value)} \n\n\n".encode()


def read(*chunks: bytes) -> list[Change | StreamError]:
    reader = EventReader()
    return [found for chunk in chunks for found in reader.feed(chunk)]


def test_events_are_read_as_recorded() -> None:
    assert read(EXCERPT) == [Change("argocd", "shop"), Change("argocd", "cart"), Change("argocd", "cart")]


def test_events_may_be_cut_anywhere() -> None:
    assert read(*(EXCERPT[i : i + 1] for i in range(len(EXCERPT)))) == read(EXCERPT)


def test_line_ends_may_have_a_carriage_return() -> None:
    assert read(EXCERPT.replace(b"\n", b"\r\n")) == read(EXCERPT)


@pytest.mark.parametrize("story", ["bad-image-reverted", "stuck-hook-terminated", "multi-source", "errors"])
def test_a_whole_recorded_stream_names_each_application_that_changed(shared: Path, story: str) -> None:
    text = (shared / "recordings" / "argocd" / story / "stream.txt").read_text()
    sent = [line.partition("\t")[2] for line in text.splitlines()[1:]]
    events = [json.loads(line.removeprefix("data:")) for line in sent if line.startswith("data:")]
    names = [one["result"]["application"]["metadata"]["name"] for one in events]
    # The recording may stop within an event's last line end.
    body = "".join(f"{line}\n" for line in [*sent, "", ""]).encode()
    assert [found.name for found in read(body) if isinstance(found, Change)] == names
    assert len(names) > 2


@pytest.mark.parametrize(
    ("frame", "found"),
    [
        pytest.param(event("shop", "BOOKMARK"), [], id="E10 BOOKMARK"),
        pytest.param(event("shop", "ERROR"), [], id="E10 ERROR object"),
        pytest.param(event("shop"), [Change("argocd", "shop")], id="E10 no uid"),
        pytest.param(
            event("shop", resourceVersion="9") + event("shop", resourceVersion="3"),
            [Change("argocd", "shop")] * 2,
            id="E10 resourceVersion going back",
        ),
        pytest.param(b'data: {"result":{"type":"ADDED"}}\n\n', [], id="no application"),
        pytest.param(b'data: {"result":null}\n\n', [], id="null"),
        pytest.param(b"data: []\n\n", [], id="a list"),
        pytest.param(b":\n:\n\n\n", [], id="keepalives"),
        pytest.param(b"event: x\nid: 4\nretry: 5\n\n", [], id="other fields"),
        pytest.param(b'data: {"result":\ndata: {}}\n\n', [], id="two data lines"),
        pytest.param(
            b'data: {"error":{"grpc_code":16,"http_code":401,"message":"expired","http_status":"Unauthorized"}}\n\n',
            [StreamError(401, "expired")],
            id="an error object",
        ),
    ],
)
def test_only_what_names_a_changed_application_wakes(frame: bytes, found: list[Change | StreamError]) -> None:
    assert read(frame) == found


@pytest.mark.parametrize("frame", [b"data: {\n\n", b"data: " + b"[" * 100_000 + b"\n\n"])
def test_a_frame_that_is_no_json_is_told(frame: bytes) -> None:
    with pytest.raises(ValueError):
        read(frame)


@pytest.mark.parametrize("endless", [b"data: " + b"x" * 50, b"data: xxxxxxxx\n"])
def test_a_frame_cannot_grow_without_end(endless: bytes) -> None:
    reader = EventReader(max_frame=1000)
    with pytest.raises(ValueError, match="larger than 1000 bytes"):
        [list(reader.feed(endless)) for _ in range(1000)]


def test_the_wait_between_tries_doubles_up_to_its_limit_and_starts_anew_after_a_success() -> None:
    backoff = Backoff(timedelta(seconds=1), longest=timedelta(seconds=4))
    waits = [backoff.next_seconds() for _ in range(5)]
    assert all(plain * 0.5 <= wait <= plain * 1.5 for plain, wait in zip([1, 2, 4, 4, 4], waits, strict=True))
    backoff.reset()
    assert backoff.next_seconds() <= 1.5


class Watching:
    """A watch on its own thread; `next` gives the applications in the order in which they woke."""

    def __init__(self, server: Server, **settings: object) -> None:
        self.stop = threading.Event()
        self.woken: queue.Queue[ApplicationId] = queue.Queue()
        quick = {"reconnect_after": timedelta(milliseconds=20), **settings}
        engine = engine_for(server, **quick)
        self.thread = threading.Thread(target=engine.watch, args=(self.woken.put, self.stop), daemon=True)

    def next(self) -> str:
        return self.woken.get(timeout=PATIENCE).name

    def end(self) -> None:
        self.stop.set()
        self.thread.join(PATIENCE)
        assert not self.thread.is_alive(), "the watch did not end when it was told to"


@contextmanager
def watching(server: Server, **settings: object) -> Iterator[Watching]:
    watch = Watching(server, **settings)
    watch.thread.start()
    try:
        yield watch
    finally:
        watch.end()


@pytest.fixture
def server() -> Iterator[Server]:
    with serve() as running:
        yield running


def then_silence(server: Server, *chunks: bytes) -> Reply:
    def parts() -> Iterator[bytes]:
        yield from chunks
        yield from server.hang()

    return Reply(headers=SSE, chunks=parts)


def test_the_stream_wakes_for_each_change_and_asks_for_it_rightly(server: Server) -> None:
    server.put(*STREAM, then_silence(server, EXCERPT, event("late", "DELETED")))
    with watching(server) as watch:
        assert [watch.next() for _ in range(4)] == ["shop", "cart", "cart", "late"]
    (request,) = server.requests
    assert request.headers["Accept"] == "text/event-stream"
    assert request.headers["Authorization"].startswith("Bearer ")
    assert "resourceVersion" not in request.query
    assert "result.application.metadata.resourceVersion" in request.query["fields"][0].split(",")


def test_a_stream_that_ends_is_opened_again_and_its_replay_wakes_again(server: Server) -> None:
    whole = Reply(headers=SSE, chunks=lambda: iter([event("shop", "ADDED")]))
    server.put(*STREAM, whole, whole, then_silence(server, event("cart", "ADDED")))
    with watching(server) as watch:
        assert [watch.next() for _ in range(3)] == ["shop", "shop", "cart"]
    assert all("resourceVersion" not in request.query for request in server.requests)


def test_a_stream_that_gives_something_each_time_is_not_waited_for_longer_and_longer(server: Server) -> None:
    server.put(*STREAM, Reply(headers=SSE, chunks=lambda: iter([event("shop")])))
    with watching(server) as watch:
        assert {watch.next() for _ in range(14)} == {"shop"}  # doubled each time, the last wait would be a minute


def broken_off() -> Iterator[bytes]:
    yield event("shop")
    raise OSError


@pytest.mark.parametrize(
    "trouble",
    [
        pytest.param(Reply(headers=SSE, chunks=broken_off), id="breaks off"),
        pytest.param(Reply(headers=SSE, chunks=lambda: iter([b"data: {\n\n"])), id="unreadable"),
        pytest.param(
            Reply(headers=SSE, chunks=lambda: iter([b'data: {"error":{"http_code":401}}\n\n'])), id="error frame"
        ),
        pytest.param(json_reply({"error": "no session information", "code": 16}, 401), id="401"),
        pytest.param(Reply(503, {"Content-Type": "text/html"}, b"<html>"), id="503"),
        pytest.param(Reply(headers={"Content-Type": "text/html"}, body=b"<html>Sign in</html>"), id="E1 login page"),
        pytest.param(json_reply({"result": {}}), id="JSON instead of events"),
        pytest.param(Reply(307, {"Location": "https://other.example/"}, b""), id="redirect"),
    ],
)
def test_no_trouble_of_the_stream_ends_the_watch(server: Server, trouble: Reply) -> None:
    server.put(*STREAM, trouble, then_silence(server, event("after")))
    with watching(server) as watch:
        assert "after" in {watch.next(), watch.next()} if trouble.chunks is broken_off else watch.next() == "after"


def test_a_stream_that_says_nothing_is_left_for_a_new_one(server: Server) -> None:
    server.put(*STREAM, then_silence(server, event("shop")))
    with watching(server, silence=timedelta(seconds=0.5)) as watch:
        assert [watch.next(), watch.next()] == ["shop", "shop"]
    assert len(server.requests) >= 2


def test_an_unchunked_stream_is_read_without_waiting_for_its_end(server: Server) -> None:
    body = event("shop") + b":\n"
    headers = {**SSE, "Content-Length": str(len(body) + 1000)}
    server.put(*STREAM, Reply(headers=headers, body=body))
    with watching(server) as watch:
        assert watch.next() == "shop"


def test_stopping_ends_a_watch_that_waits_for_the_first_event(server: Server) -> None:
    server.put(*STREAM, Reply(headers=SSE, chunks=server.hang))
    with watching(server) as watch:
        assert wait_until(lambda: len(server.requests) == 1)
        watch.end()


def test_stopping_ends_a_watch_that_waits_to_reconnect(server: Server) -> None:
    with watching(server, reconnect_after=timedelta(minutes=1)) as watch:
        assert wait_until(lambda: len(server.requests) == 1)
        watch.end()


def test_a_watch_that_is_stopped_before_it_starts_asks_nothing(server: Server) -> None:
    watch = Watching(server)
    watch.stop.set()
    watch.thread.start()
    watch.end()
    assert server.requests == []


def wait_until(condition: Callable[[], bool]) -> bool:
    ticks = threading.Event()
    return any(condition() or ticks.wait(0.02) for _ in range(int(PATIENCE / 0.02)))
