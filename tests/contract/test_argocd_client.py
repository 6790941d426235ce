"""What the Argo CD client sends, and what it reads from good answers; over real HTTP on loopback."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
import trustme
from argocd_server import Reply, Server, engine_for, json_reply, serve

from gitops_rollback.adapters.engines.argocd import ArgoCd
from gitops_rollback.adapters.engines.argocd_settings import ArgoCdSettings, base_url
from gitops_rollback.core.errors import (
    CredentialsRejected,
    EngineUnavailable,
    Reason,
    SettingsInvalid,
)
from gitops_rollback.core.sync import ApplicationId
from gitops_rollback.ports import Engine

SHOP = ApplicationId("default", "Application", "argocd", "shop")
APPLICATION = {"metadata": {"name": "shop", "namespace": "argocd"}, "spec": {"project": "web"}}
GET_SHOP = ("GET", "/api/v1/applications/shop")
LIST = ("GET", "/api/v1/applications")
SYNC = ("POST", "/api/v1/applications/shop/sync")
TERMINATE = ("DELETE", "/api/v1/applications/shop/operation")
HTML = {"Content-Type": "text/html; charset=utf-8"}
JSON = {"Content-Type": "application/json"}


@pytest.fixture
def server() -> Iterator[Server]:
    with serve() as running:
        yield running


def test_the_client_is_an_engine() -> None:
    engine: Engine = ArgoCd(ArgoCdSettings("127.0.0.1", lambda: "a.b.c", instance="blue"))
    assert engine.instance == "blue"


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("argocd.example", "https://argocd.example"),
        ("argocd.example:8443/root/", "https://argocd.example:8443/root"),
        ("https://argocd.example/x/y", "https://argocd.example/x/y"),
        ("http://localhost:8080", "http://localhost:8080"),
        ("http://[::1]:80/", "http://[::1]:80"),
    ],
)
def test_an_address_without_a_scheme_means_https(written: str, meant: str) -> None:
    assert base_url(written) == meant


@pytest.mark.parametrize(
    "written",
    [
        "http://argocd.example",
        "http://127.0.0.1.example",
        "ftp://argocd.example",
        "https://user:hunter2@argocd.example",
        "https://argocd.example/?token=hunter2",
        "https://argocd.example/#x",
        "https://argocd.example/a b",
        "https://argocd.example:99999",
        "https://",
        "https://[::1",
        "https://argo cd.example",
    ],
)
def test_an_address_that_cannot_be_used_is_refused_without_repeating_its_secrets(written: str) -> None:
    with pytest.raises(SettingsInvalid) as caught:
        base_url(written)
    assert "hunter2" not in str(caught.value)


def test_plain_http_beyond_loopback_needs_to_be_allowed() -> None:
    assert base_url("http://argocd.example", http_allowed=True) == "http://argocd.example"


def test_the_root_path_stands_before_the_api(server: Server) -> None:
    server.put("GET", "/root/api/v1/applications/shop", json_reply(APPLICATION))
    engine = engine_for(server, server=f"{server.url}/root")
    state = engine.application(SHOP, "web")
    assert state is not None
    assert state.project == "web"


def test_the_list_asks_for_known_fields_only_and_each_of_them_with_its_prefix(server: Server) -> None:
    server.put(*LIST, json_reply({"items": [APPLICATION], "metadata": {"resourceVersion": "1"}}))
    assert [state.id for state in engine_for(server).applications()] == [SHOP]
    fields = server.requests[0].query["fields"][0].split(",")
    assert all(field.startswith("items.") for field in fields)
    needed = {"items.metadata.annotations", "items.spec", "items.status.sync.revision", "items.status.health"}
    needed |= {f"items.status.operationState.{name}" for name in ("phase", "startedAt", "finishedAt")}
    assert needed | {"items.operation.sync", "items.metadata.namespace", "items.metadata.labels"} <= set(fields)


def test_one_application_is_asked_for_with_its_project_and_namespace(server: Server) -> None:
    server.put(*GET_SHOP, json_reply(APPLICATION))
    engine_for(server).application(SHOP, "web")
    assert server.requests[0].query == {"appNamespace": ["argocd"], "project": ["web"]}
    assert server.requests[0].headers["Accept"] == "application/json"


def test_a_sync_names_no_revision_and_carries_prune_and_our_mark(server: Server) -> None:
    server.put(*SYNC, json_reply(APPLICATION))
    assert engine_for(server).sync(SHOP, "web", prune=True, info={"rollback-id": "rb-1"})
    assert server.requests[-1].json == {
        "appNamespace": "argocd",
        "project": "web",
        "prune": True,
        "infos": [{"name": "rollback-id", "value": "rb-1"}],
    }


def test_every_write_has_exactly_the_content_type_that_the_server_checks(server: Server) -> None:
    server.put(*SYNC, json_reply(APPLICATION))
    server.put(*TERMINATE, json_reply({}))
    engine = engine_for(server)
    engine.sync(SHOP, "web", prune=False, info={})
    engine.terminate(SHOP, "web")
    writes = [request for request in server.requests if request.method != "GET"]
    assert [request.headers["Content-Type"] for request in writes] == ["application/json"] * 2
    assert writes[1].body == b""


def test_the_branch_is_compared_before_a_sync_or_the_next_event_would_deploy_the_bad_one_again(server: Server) -> None:
    """Seen on Argo CD 3.6.1: a sync alone leaves `sync.revision` where it was, and auto-sync goes back to that."""
    server.put(*GET_SHOP, json_reply(APPLICATION))
    server.put(*SYNC, json_reply(APPLICATION))
    engine_for(server).sync(SHOP, "web", prune=True, info={})
    assert [request.method for request in server.requests] == ["GET", "POST"]
    assert server.requests[0].query["refresh"] == ["normal"]


def test_what_auto_sync_has_begun_after_the_comparison_is_not_asked_for_again(server: Server) -> None:
    operation = {"sync": {"revision": "b" * 40}, "initiatedBy": {"automated": True}, "retry": {"limit": 5}}
    server.put(*GET_SHOP, json_reply({**APPLICATION, "operation": operation}))
    assert not engine_for(server).sync(SHOP, "web", prune=True, info={})
    assert [request.method for request in server.requests] == ["GET"]


def test_a_comparison_that_nobody_makes_keeps_nobody_from_asking(server: Server) -> None:
    """The application controller is away: the server waits for it without an end."""
    server.put(*GET_SHOP, Reply(chunks=server.hang))
    server.put(*SYNC, json_reply(APPLICATION))
    engine = engine_for(server, refresh_timeout=timedelta(seconds=0.2))
    assert engine.sync(SHOP, "web", prune=True, info={})


def test_a_refresh_is_a_normal_one_and_says_nothing_about_success(server: Server) -> None:
    server.put(*GET_SHOP, json_reply(APPLICATION))
    engine_for(server).refresh(SHOP, "web")
    assert server.requests[0].query == {"appNamespace": ["argocd"], "project": ["web"], "refresh": ["normal"]}


def test_a_name_cannot_break_out_of_its_place_in_the_path(server: Server) -> None:
    odd = ApplicationId("default", "Application", "argocd", "../../session?x=1")
    with pytest.raises(EngineUnavailable):
        engine_for(server).application(odd, "web")
    assert server.requests[0].path == "/api/v1/applications/..%2F..%2Fsession%3Fx%3D1"


def test_the_token_is_read_anew_for_each_request(server: Server) -> None:
    server.put(*GET_SHOP, json_reply(APPLICATION))
    tokens = iter(["old.old.old", "new.new.new"])
    engine = engine_for(server, token=lambda: next(tokens))
    engine.application(SHOP, "web")
    engine.application(SHOP, "web")
    assert [one.headers["Authorization"] for one in server.requests] == ["Bearer old.old.old", "Bearer new.new.new"]


@pytest.mark.parametrize("token", ["", "  \n", "two\nlines", "schlüssel"])
def test_a_token_that_is_none_is_not_sent(server: Server, token: str) -> None:
    with pytest.raises(CredentialsRejected):
        engine_for(server, token=lambda: token).applications()
    assert server.requests == []


def test_netrc_does_not_replace_the_token(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login somebody password else\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    server.put(*GET_SHOP, json_reply(APPLICATION))
    engine = engine_for(server)
    engine._http._session.trust_env = True  # as it is for a server that is not on loopback
    engine.application(SHOP, "web")
    assert server.requests[0].headers["Authorization"].startswith("Bearer ")


def test_a_server_on_loopback_is_not_asked_through_a_proxy(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.delenv("NO_PROXY", raising=False)
    server.put(*GET_SHOP, json_reply(APPLICATION))
    assert engine_for(server).application(SHOP, "web") is not None


def test_a_server_elsewhere_is_asked_through_the_proxy_of_the_environment(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", server.url)
    monkeypatch.delenv("NO_PROXY", raising=False)
    server.put(*GET_SHOP, json_reply(APPLICATION), Reply(chunks=server.trickle))
    elsewhere = {"server": "http://argocd.example", "insecure_http_allowed": True}
    assert engine_for(server, **elsewhere).application(SHOP, "web") is not None
    with pytest.raises(EngineUnavailable, match="no answer within"):
        engine_for(server, **elsewhere, timeout=timedelta(seconds=0.3)).application(SHOP, "web")
    assert [request.headers["Host"] for request in server.requests] == ["argocd.example"] * 2


def test_cookies_are_not_kept_since_one_may_hold_a_session(server: Server) -> None:
    server.put(
        *GET_SHOP, Reply(headers={**JSON, "Set-Cookie": "argocd.token=x.y.z"}, body=json.dumps(APPLICATION).encode())
    )
    engine = engine_for(server)
    engine.application(SHOP, "web")
    engine.application(SHOP, "web")
    assert "Cookie" not in server.requests[1].headers


def test_a_certificate_is_trusted_by_the_ca_file_and_not_without(tmp_path: Path) -> None:
    authority, pem = trustme.CA(), tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(pem))
    with serve(tls=authority) as server:
        server.put(*GET_SHOP, json_reply(APPLICATION))
        assert engine_for(server, ca_file=pem).application(SHOP, "web") is not None
        with pytest.raises(EngineUnavailable, match="no trusted TLS connection"):
            engine_for(server).application(SHOP, "web")


def test_a_missing_ca_file_is_told_at_the_start(tmp_path: Path) -> None:
    with pytest.raises(SettingsInvalid, match="does not exist"):
        ArgoCd(ArgoCdSettings("argocd.example", lambda: "a.b.c", ca_file=tmp_path / "absent"))


def test_a_ca_file_that_vanishes_or_breaks_is_no_traceback(server: Server, tmp_path: Path) -> None:
    broken = tmp_path / "ca.pem"
    broken.write_text("no certificate\n")
    with serve(tls=trustme.CA()) as secure:
        with pytest.raises(EngineUnavailable):
            engine_for(secure, ca_file=broken).applications()
        engine = engine_for(secure, ca_file=broken)
        broken.unlink()
        with pytest.raises(EngineUnavailable):
            engine.applications()


def test_a_window_that_forbids_a_manual_sync_is_in_the_way(server: Server) -> None:
    path = "/api/v1/applications/shop/syncwindows"
    deny, allow = {"kind": "deny", "schedule": "* * * * *"}, {"kind": "allow"}
    server.put(
        "GET",
        path,
        json_reply({"canSync": True}),
        json_reply({"activeWindows": [deny], "assignedWindows": [deny], "canSync": True}),
        json_reply({"assignedWindows": [allow], "canSync": False}),
        json_reply({"activeWindows": [allow], "assignedWindows": [allow, deny], "canSync": True}),
        json_reply({}),
    )
    engine = engine_for(server)
    found = [engine.obstacles(SHOP, "web") for _ in range(5)]
    assert [[one.reason for one in obstacles] for obstacles in found] == [
        [],
        [],
        [Reason.WINDOW_CLOSED],
        [],
        [Reason.WINDOW_CLOSED],
    ]


def test_live_objects_are_parsed_out_of_their_strings(server: Server) -> None:
    path = "/api/v1/applications/shop/managed-resources"
    server.put("GET", path, json_reply({"items": [{"targetState": '{"kind":"Service"}', "liveState": "null"}, {}]}))
    found = engine_for(server).live_objects(SHOP, "web")
    assert [(one.desired, one.live) for one in found] == [({"kind": "Service"}, {}), ({}, {})]


def test_a_live_object_that_is_no_json_is_unavailable(server: Server) -> None:
    path = "/api/v1/applications/shop/managed-resources"
    server.put("GET", path, json_reply({"items": [{"targetState": "[" * 100_000}]}))
    with pytest.raises(EngineUnavailable):
        engine_for(server).live_objects(SHOP, "web")


def healthy_probe(server: Server) -> None:
    server.put("GET", "/api/version", json_reply({"Version": "v3.5.1"}))
    server.put("GET", "/api/v1/session/userinfo", json_reply({"loggedIn": True, "username": "rollback"}))
    server.put(*LIST, json_reply({"items": [APPLICATION], "metadata": {}}))
    for action in ("get", "sync"):
        server.put("GET", f"/api/v1/account/can-i/applications/{action}/web/shop", json_reply({"value": "yes"}))


def test_the_probe_finds_nothing_wrong_where_nothing_is(server: Server) -> None:
    healthy_probe(server)
    assert engine_for(server).probe() == ()


def test_the_probe_names_a_missing_right_of_each_project(server: Server) -> None:
    healthy_probe(server)
    for path in ("web/shop", "web/argocd/shop"):
        server.put("GET", f"/api/v1/account/can-i/applications/sync/{path}", json_reply({"value": "no"}))
    (sentence,) = engine_for(server).probe()
    assert "does not allow `applications, sync` in project web" in sentence


def test_the_probe_knows_applications_outside_the_control_plane(server: Server) -> None:
    healthy_probe(server)
    server.put("GET", "/api/v1/account/can-i/applications/sync/web/shop", json_reply({"value": "no"}))
    server.put("GET", "/api/v1/account/can-i/applications/sync/web/argocd/shop", json_reply({"value": "yes"}))
    assert engine_for(server).probe() == ()


@pytest.mark.parametrize(
    ("path", "reply", "words"),
    [
        ("/api/version", json_reply({}), "does not say its version"),
        ("/api/version", Reply(headers=HTML, body=b"<html>"), "no Argo CD API"),
        ("/api/v1/session/userinfo", json_reply({"loggedIn": False}), "anonymous"),
        ("/api/v1/applications", json_reply({"items": [], "metadata": {}}), "shows no application"),
        ("/api/v1/applications", json_reply({}, 401), "answers 401"),
    ],
)
def test_the_probe_says_what_is_wrong_in_a_sentence(server: Server, path: str, reply: Reply, words: str) -> None:
    healthy_probe(server)
    server.put("GET", path, reply)
    (sentence,) = engine_for(server).probe()
    assert words in sentence
