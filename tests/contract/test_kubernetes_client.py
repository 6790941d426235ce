"""What does the client make of what a Kubernetes API says, and of what only looks like one? Over real HTTP."""

from __future__ import annotations

import json
import socket
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from canned_http import Request, canned
from kubernetes_server import (
    KUSTOMIZATIONS,
    TYPE,
    Script,
    api,
    bookmark,
    entry,
    event,
    listing,
    reply,
    status,
    streaming,
)

from gitops_rollback.adapters.kubernetes.client import FIELD_MANAGER, Kubernetes, WatchEvent
from gitops_rollback.adapters.kubernetes.credentials import Fixed
from gitops_rollback.adapters.kubernetes.errors import ApiUnavailable, Conflict, Expired, Missing, Refused, Unserved
from gitops_rollback.adapters.kubernetes.resources import DEPLOYMENTS, PODS, Resource
from gitops_rollback.adapters.kubernetes.settings import KubernetesSettings
from gitops_rollback.adapters.kubernetes.wire import Call
from gitops_rollback.core.errors import CredentialsRejected, EngineUnavailable, RollbackError

QUICK = KubernetesSettings(timeout=timedelta(seconds=0.5), max_body=100_000, page=2, max_objects=5)
CART = entry("cart", 7)
ABSENT = status(404, "NotFound", 'kustomizations "cart" not found', name="cart", kind="kustomizations")


def get(client: Kubernetes) -> dict[str, Any] | None:
    return client.get(KUSTOMIZATIONS, "flux-system", "cart")


def test_an_object_is_read_whole_and_plain() -> None:
    with api(reply(CART)) as (client, server):
        assert get(client) == CART
        assert server.requests[0].line == (
            "GET /apis/kustomize.toolkit.fluxcd.io/v1/namespaces/flux-system/kustomizations/cart HTTP/1.1"
        )


def test_only_the_api_itself_says_that_an_object_is_gone() -> None:
    with api(reply(ABSENT, 404)) as (client, _):
        assert get(client) is None


@pytest.mark.parametrize(
    ("script", "error", "words"),
    [
        pytest.param(Script(), Unserved, "not served", id="no-such-kind-is-not-gone"),
        pytest.param(reply({**ABSENT, "details": {"name": "x"}}, 404), Missing, "404", id="another-is-gone"),
        pytest.param(reply(status(401, "Unauthorized", "Unauthorized"), 401), CredentialsRejected, "401", id="401"),
        pytest.param(reply(status(403, "Forbidden", "may not"), 403), CredentialsRejected, "may not", id="403"),
        pytest.param(reply(status(409, "Conflict", "changed"), 409), Conflict, "changed", id="409"),
        pytest.param(reply(status(410, "Expired", "too old"), 410), Expired, "too old", id="410"),
        pytest.param(reply(status(422, "Invalid", "not so"), 422), Refused, "not so", id="422"),
        pytest.param(reply(status(429, "TooManyRequests"), 429), ApiUnavailable, "429", id="429"),
        pytest.param(reply(status(504, "Timeout", "Too large"), 504), ApiUnavailable, "Too large", id="504"),
        pytest.param(canned("500 Oh", b"<html>secret", "Content-Type: text/html"), ApiUnavailable, "500", id="500"),
        pytest.param(canned("200 OK", b"", TYPE), EngineUnavailable, "JSON", id="empty-200"),
        pytest.param(canned("200 OK", b"<html>", "Content-Type: text/html"), EngineUnavailable, "html", id="html-200"),
        pytest.param(canned("200 OK", b"[]", TYPE), EngineUnavailable, "no object", id="list-200"),
        pytest.param(canned("200 OK", b"[" * 5000, TYPE), EngineUnavailable, "JSON", id="deep-200"),
        pytest.param(canned("302 Found", b"", "Location: http://other/"), ApiUnavailable, "302", id="redirect"),
        pytest.param(reply(entry("other")), EngineUnavailable, "not about", id="another-object"),
        pytest.param(reply({**CART, "apiVersion": "kustomize.config.k8s.io/v1"}), EngineUnavailable, "not", id="group"),
        pytest.param(reply({**CART, "pad": "x" * 200_000}), ApiUnavailable, "larger", id="too-large"),
    ],
)
def test_each_refusal_is_told_apart(script: Script, error: type[RollbackError], words: str) -> None:
    with api(script, QUICK) as (client, _), pytest.raises(error) as caught:
        get(client)
    assert words in str(caught.value)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("script", "seconds"),
    [
        pytest.param(reply({}, 429, "Retry-After: 7"), 7.0, id="header"),
        pytest.param(reply(status(429, "TooManyRequests", retryAfterSeconds=3), 429), 3.0, id="status"),
        pytest.param(reply({}, 503, "Retry-After: 1e9"), 300.0, id="bounded"),
        pytest.param(reply({}, 503, "Retry-After: nan"), 0.0, id="nonsense"),
        pytest.param(reply({}, 503, "Retry-After: Thu, 26 Nov 2026 04:00:00 GMT"), 0.0, id="date"),
    ],
)
def test_a_server_that_asks_to_be_left_alone_is(script: Script, seconds: float) -> None:
    with api(script) as (client, _), pytest.raises(ApiUnavailable) as caught:
        get(client)
    assert caught.value.retry_after == seconds


def test_a_token_that_comes_back_is_not_repeated() -> None:
    def echo(connection: socket.socket, request: Request) -> None:
        reply(status(403, "Forbidden", f"{request.headers['authorization']} may not"), 403)(connection, request)

    with api(echo, credentials=Fixed.token("s3cr3t")) as (client, _), pytest.raises(CredentialsRejected) as caught:
        get(client)
    assert "Bearer *** may not" in str(caught.value)
    assert "s3cr3t" not in repr(caught.value) + repr(caught.value.__cause__)


def trickle(connection: socket.socket, _request: Request) -> None:
    """One byte now and then, in the head already: each is in time, the whole is not."""
    connection.sendall(b"HTTP/1.1 200 OK\r\nX: ")
    connection.settimeout(0.05)
    while True:
        connection.sendall(b"x")
        with suppress(TimeoutError):
            connection.recv(1)  # ends when the client has gone
            return


def hang(connection: socket.socket, _request: Request) -> None:
    connection.recv(1)


@pytest.mark.parametrize("script", [trickle, hang])
def test_a_request_ends_at_its_deadline(script: Script) -> None:
    with api(script, QUICK) as (client, _), pytest.raises(ApiUnavailable):
        get(client)


def test_nobody_there_is_said_without_an_address() -> None:
    with api(reply(CART)) as (client, _):
        pass
    with pytest.raises(ApiUnavailable):
        get(client)


def test_a_list_is_read_in_pages_of_one_state() -> None:
    pages = [reply(listing(9, entry("a"), entry("b"), token="more")), reply(listing(9, entry("c")))]
    with api(Script(pages), QUICK) as (client, server):
        found = client.list_objects(KUSTOMIZATIONS, label_selector="team=shop")
    assert (found.version, [one["metadata"]["name"] for one in found.items]) == ("9", ["a", "b", "c"])
    assert [request.line.split(" ")[1].partition("?")[2] for request in server.requests] == [
        "limit=2&labelSelector=team%3Dshop",
        "limit=2&labelSelector=team%3Dshop&continue=more",
    ]


@pytest.mark.parametrize(
    "second",
    [
        pytest.param(reply(status(410, "Expired", "continue too old"), 410), id="410"),
        pytest.param(reply(listing(10, entry("c"))), id="another-version"),
    ],
)
def test_a_list_whose_pages_do_not_belong_together_is_read_anew(second: Script) -> None:
    pages = [reply(listing(9, entry("a"), token="more")), second, reply(listing(11, entry("a"), entry("b")))]
    with api(Script(pages)) as (client, _):
        found = client.list_objects(KUSTOMIZATIONS)
    assert (found.version, len(found.items)) == ("11", 2)


def test_a_list_without_an_end_is_given_up() -> None:
    with (
        api(Script([reply(listing(9, token="more"))])) as (client, server),
        pytest.raises(EngineUnavailable, match="does not end"),
    ):
        client.list_objects(KUSTOMIZATIONS)
    assert len(server.requests) == 2


def test_a_list_that_never_holds_still_is_given_up() -> None:
    with api(reply(status(410, "Expired"), 410)) as (client, server), pytest.raises(Expired, match="faster"):
        client.list_objects(KUSTOMIZATIONS)
    assert len(server.requests) == 3


@pytest.mark.parametrize(
    "body",
    [
        pytest.param({}, id="empty"),
        pytest.param({"kind": "Status", "status": "Success"}, id="status"),
        pytest.param({**listing(1), "items": {}}, id="items-no-list"),
        pytest.param({name: value for name, value in listing(1).items() if name != "items"}, id="no-items"),
        pytest.param({**listing(1), "metadata": {}}, id="no-version"),
        pytest.param({**listing(1), "apiVersion": "apps/v1"}, id="another-group"),
        pytest.param(listing(1, {}), id="entry-without-name"),
        pytest.param({**listing(1), "items": ["cart"]}, id="entry-no-object"),
        pytest.param(listing(1, *(entry(f"a{number}") for number in range(6))), id="too-many"),
    ],
)
def test_what_is_no_list_is_never_an_empty_one(body: Any) -> None:
    with api(reply(body), QUICK) as (client, _), pytest.raises(EngineUnavailable):
        client.list_objects(KUSTOMIZATIONS)


def test_objects_of_built_in_lists_say_what_they_are() -> None:
    body = {"kind": "PodList", "apiVersion": "v1", "metadata": {"resourceVersion": "5"}}
    body["items"] = [{"metadata": {"name": "a", "resourceVersion": "4"}}]
    with api(reply(body)) as (client, _):
        assert client.list_objects(PODS).items[0]["kind"] == "Pod"
        assert client.list_objects(PODS).items[0]["apiVersion"] == "v1"


def test_a_patch_says_who_patches_and_how() -> None:
    with api(reply(CART)) as (client, server):
        client.merge_patch(KUSTOMIZATIONS, "flux-system", "cart", {"metadata": {"annotations": {"a": None}}})
    request = server.requests[0]
    assert request.line.startswith("PATCH /apis/")
    assert f"/kustomizations/cart?fieldManager={FIELD_MANAGER} " in request.line
    assert request.headers["content-type"] == "application/merge-patch+json"
    assert json.loads(request.body) == {"metadata": {"annotations": {"a": None}}}


def test_names_cannot_leave_their_place_in_the_path() -> None:
    with api(reply(CART)) as (client, server), pytest.raises(EngineUnavailable):
        client.get(KUSTOMIZATIONS, "a/../b", "x?y")
    assert "/namespaces/a%2F..%2Fb/kustomizations/x%3Fy " in server.requests[0].line


def events(client: Kubernetes, call: Call) -> list[WatchEvent]:
    with client.watch(KUSTOMIZATIONS, "", "9", 300, call) as found:
        return list(found)


def test_a_watch_gives_each_event_and_says_what_it_wants() -> None:
    sent = event("ADDED", entry("a", 10)) + bookmark(12) + event("DELETED", entry("a", 13))
    with api(streaming(sent[:25], sent[25:90], sent[90:], b'{"type":"ADDED","obj')) as (client, server):
        found = events(client, Call(20, 20))
    assert [(one.kind, one.object["metadata"]["resourceVersion"]) for one in found] == [
        ("ADDED", "10"),
        ("BOOKMARK", "12"),
        ("DELETED", "13"),
    ]
    assert (
        server.requests[0]
        .line.partition("?")[2]
        .startswith("watch=true&resourceVersion=9&allowWatchBookmarks=true&timeoutSeconds=300 ")
    )


@pytest.mark.parametrize(
    ("script", "error"),
    [
        pytest.param(streaming(event("ERROR", status(410, "Expired", "too old"))), Expired, id="410-event"),
        pytest.param(streaming(event("ERROR", status(410, "Gone"))), Expired, id="gone-event"),
        pytest.param(reply(status(410, "Expired"), 410), Expired, id="410-status"),
        pytest.param(streaming(event("ERROR", status(500, "InternalError"))), ApiUnavailable, id="500-event"),
        pytest.param(streaming(b'{"type":"ERROR"}\n'), ApiUnavailable, id="E10 ERROR without an object"),
        pytest.param(streaming(event("ADDED", {"metadata": {}})), EngineUnavailable, id="E10 nameless"),
        pytest.param(streaming(event("SURPRISE", CART)), EngineUnavailable, id="E10 unknown type"),
        pytest.param(streaming(b"null\n"), EngineUnavailable, id="null"),
        pytest.param(streaming(b"<html>\n"), EngineUnavailable, id="no-json"),
        pytest.param(streaming(*[b"x" * (1 << 20)] * 9), EngineUnavailable, id="endless-line"),
        pytest.param(canned("200 OK", b"<html>", "Content-Type: text/html"), EngineUnavailable, id="html"),
        pytest.param(reply(status(403, "Forbidden"), 403), CredentialsRejected, id="403"),
    ],
)
def test_a_watch_that_goes_wrong_says_how(script: Script, error: type[RollbackError]) -> None:
    with api(script) as (client, _), pytest.raises(error):
        events(client, Call(20, 20))


def test_a_watch_without_the_right_kind_of_object_keeps_its_uid_optional() -> None:
    """E10: an object without a uid is an event nevertheless."""
    plain = entry("a", 3)
    del plain["metadata"]["uid"]
    with api(streaming(event("MODIFIED", plain))) as (client, _):
        assert [one.kind for one in events(client, Call(20, 20))] == ["MODIFIED"]


def test_a_silent_watch_ends_by_itself() -> None:
    with api(hang) as (client, _), pytest.raises(ApiUnavailable, match=r"within 0\.2 s"):
        events(client, Call(20, silence=0.2))


def test_what_a_real_api_answered_is_understood(shared: Path) -> None:
    lines = (shared / "recordings" / "flux" / "kubernetes-api" / "api.jsonl").read_text().splitlines()
    answers = {one["note"]: one["response"] for one in map(json.loads, lines)}

    def recorded(note: str) -> Any:
        found = answers[note]
        body = found["body"] if isinstance(found["body"], str) else json.dumps(found["body"])
        kind = f"Content-Type: {found['headers']['content-type']}"
        return canned(f"{found['status']} Said", body.encode() + b"\n", kind)

    def ask(note: str, resource: Resource, namespace: str, name: str) -> Any:
        with api(recorded(note)) as (client, _):
            return client.get(resource, namespace, name)

    assert ask("get", KUSTOMIZATIONS, "flux-system", "cart")["status"]["history"]
    assert ask("404", KUSTOMIZATIONS, "flux-system", "absent") is None
    assert ask("deployment complete", DEPLOYMENTS, "fleet", "shop")["kind"] == "Deployment"
    for note, error in {
        "409 conflict": Conflict,
        "422 invalid": Refused,
        "415 unsupported media type": Refused,
    }.items():
        with pytest.raises(error):
            ask(note, KUSTOMIZATIONS, "flux-system", "cart")
    with api(recorded("pods")) as (client, _):
        assert {one["kind"] for one in client.list_objects(PODS, "fleet").items} == {"Pod"}
    with api(recorded("version")) as (client, _):
        assert client.version() == "1.36"
    note = next(note for note in answers if note.startswith("watch from a version that is too old"))
    with api(recorded(note)) as (client, _), pytest.raises(Expired):
        events(client, Call(20, 20))
    with api(recorded("streaming list with bookmark")) as (client, _):
        assert {one.kind for one in events(client, Call(20, 20))} == {"ADDED", "MODIFIED", "BOOKMARK"}
