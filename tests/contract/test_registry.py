"""Is an image there? Asked of a registry over real sockets, with its token dance, and of what only looks like one."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest
from canned_http import Request, Script, canned, serving

from gitops_rollback.adapters import registry as module
from gitops_rollback.adapters.origins import OriginRules
from gitops_rollback.adapters.registry import OciRegistries, RegistrySettings, addresses
from gitops_rollback.core.images import Found, Image, Presence, parse_image
from gitops_rollback.sandbox.registry import RegistrySandbox

NAME = "registry.example"
SECRET = "canary-9d1c"
OLD = parse_image(f"{NAME}/shop/web:1.41.2")
KINDS = [one.strip() for one in module.ACCEPT.split(",")]


@pytest.fixture
def sandbox() -> Iterator[RegistrySandbox]:
    made = RegistrySandbox(accounts={"bot": SECRET})
    made.start()
    made.put("shop/web", "1.41.2")
    yield made
    made.stop()
    assert made.failures == []


@contextmanager
def asking(url: str, allowed: str = "", **fields: str) -> Iterator[OciRegistries]:
    settings = replace(RegistrySettings(NAME, url, url), **fields)
    made = OciRegistries([settings], OriginRules.parse([], [allowed or url]))
    try:
        yield made
    finally:
        made.close()


def found_by(url: str, image: Image = OLD, **fields: str) -> Presence:
    with asking(url, **fields) as registries:
        found = registries.look_up(image)
    assert SECRET not in found.message
    return found


def test_an_image_is_found_with_a_token_that_anybody_gets(sandbox: RegistrySandbox) -> None:
    assert found_by(sandbox.url) == Presence(OLD, Found.PRESENT)
    assert [asked.method for asked in sandbox.asked] == ["HEAD", "GET", "HEAD"]
    assert "scope=repository%3Ashop%2Fweb%3Apull" in sandbox.asked[1].path


def test_an_image_is_found_by_its_digest(sandbox: RegistrySandbox) -> None:
    digest = sandbox.put("shop/web", "1.42.0")
    assert found_by(sandbox.url, parse_image(f"{NAME}/shop/web:any@{digest}")).found is Found.PRESENT
    assert found_by(sandbox.url, parse_image(f"{NAME}/shop/web@sha256:{'0' * 64}")).found is Found.MISSING


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_manifest_is_accepted(sandbox: RegistrySandbox, kind: str) -> None:
    sandbox.put("shop/web", "other", kind)
    assert found_by(sandbox.url, Image(OLD.name, "other")).found is Found.PRESENT


def test_what_the_registry_calls_unknown_is_missing(sandbox: RegistrySandbox) -> None:
    sandbox.remove("shop/web", "1.41.2")
    assert found_by(sandbox.url) == Presence(OLD, Found.MISSING, "registry.example has no such image")


def test_what_is_gone_is_looked_for_in_mirrors_and_earlier_versions_are_told(sandbox: RegistrySandbox) -> None:
    mirror = RegistrySandbox()
    mirror.start()
    digest = mirror.put("copies/shop/web", "1.41.2")
    for tag in ("1.9.0", "1.41.1", "1.41.3", "latest"):
        sandbox.put("shop/web", tag)
    sandbox.remove("shop/web", "1.41.2")
    settings = [
        RegistrySettings(NAME, sandbox.url, sandbox.url, mirrors=("mirror.example", "mirror.example/copies")),
        RegistrySettings("mirror.example", mirror.url, mirror.url),
    ]
    registries = OciRegistries(settings, OriginRules.parse([], [sandbox.url, mirror.url]))
    try:
        found = registries.look_up(OLD)
    finally:
        registries.close()
        mirror.stop()
    assert found.found is Found.MISSING
    assert found.copies == (f"mirror.example/copies/shop/web@{digest}",)
    assert found.older == ("1.41.1", "1.9.0")


def test_what_is_private_is_seen_by_the_settings_account_alone(sandbox: RegistrySandbox) -> None:
    sandbox.private.add("shop/web")
    refused = found_by(sandbox.url)
    assert refused.found is Found.UNKNOWN
    assert "set username and passwordFile" in refused.message
    assert found_by(sandbox.url, username="bot", password=SECRET).found is Found.PRESENT
    assert found_by(sandbox.url, username="bot", password="wrong").found is Found.UNKNOWN


def test_a_404_that_is_not_the_registrys_own_says_nothing(sandbox: RegistrySandbox) -> None:
    sandbox.status = 404
    found = found_by(sandbox.url)
    assert found.found is Found.UNKNOWN
    assert "does not answer as a registry does" in found.message


def bearer(realm: str) -> Script:
    return canned("401 Unauthorized", b"", f'WWW-Authenticate: Bearer realm="{realm}",service="x"')


@pytest.mark.parametrize(
    "realm",
    ["http://127.0.0.1:1/token", "https://elsewhere.example/token", "http://u:p@127.0.0.1/", "", "::", "ht tp://x/"],
)
def test_the_account_goes_to_no_token_server_that_the_settings_do_not_name(realm: str) -> None:
    with serving(bearer(realm)) as server:
        found = found_by(server.url, username="bot", password=SECRET)
        assert [request.line.split()[0] for request in server.requests] == ["HEAD"]
    assert found.found is Found.UNKNOWN
    assert "neither its url nor its tokenUrl" in found.message


def test_a_token_server_of_its_own_is_named_by_the_settings(sandbox: RegistrySandbox) -> None:
    with serving(bearer(f"{sandbox.url}/token")) as server:
        rules = OriginRules.parse([], [server.url, sandbox.url])
        settings = RegistrySettings(NAME, server.url, sandbox.url, "bot", SECRET)
        registries = OciRegistries([settings], rules)
        registries.look_up(OLD)
        registries.close()
        assert [request.line.split()[0] for request in server.requests] == ["HEAD", "HEAD"]
        assert server.requests[1].headers["authorization"].startswith("Bearer ")
    assert [asked.authorization.split()[0] for asked in sandbox.asked] == ["Basic"]


def basic(connection: socket.socket, request: Request) -> None:
    known = "authorization" in request.headers
    answer = canned("200 OK", b"") if known else canned("401 Unauthorized", b"", 'WWW-Authenticate: Basic realm="x"')
    answer(connection, request)


def test_a_registry_that_wants_the_account_itself_gets_it() -> None:
    with serving(basic) as server:
        assert found_by(server.url, username="bot", password=SECRET).found is Found.PRESENT
        assert found_by(server.url).found is Found.UNKNOWN


def hangs_up(connection: socket.socket, _request: Request) -> None:
    connection.close()


@pytest.mark.parametrize(
    ("script", "found", "words"),
    [
        pytest.param(canned("429 Too Many Requests", b""), Found.NO_ANSWER, "left alone", id="rate-limit"),
        pytest.param(canned("503 Service Unavailable", b""), Found.NO_ANSWER, "503", id="down"),
        pytest.param(hangs_up, Found.NO_ANSWER, "broke", id="hangs-up"),
        pytest.param(canned("403 Forbidden", b""), Found.UNKNOWN, "refuses", id="forbidden"),
        pytest.param(
            *(canned("307 Temporary Redirect", b"", "Location: http://10.0.0.1/x"), Found.UNKNOWN, "redirect"),
            id="redirect",
        ),
        pytest.param(canned("401 Unauthorized", b""), Found.UNKNOWN, "refuses", id="no-challenge"),
        pytest.param(
            *(canned("401 Unauthorized", b"", "WWW-Authenticate: Negotiate"), Found.UNKNOWN, "refuses"),
            id="other-scheme",
        ),
        pytest.param(canned("404 Not Found", b'{"errors": 1}'), Found.UNKNOWN, "as a registry does", id="no-errors"),
        pytest.param(canned("404 Not Found", b"[" * 60_000), Found.UNKNOWN, "as a registry does", id="nested"),
    ],
)
def test_what_is_no_clear_answer_is_neither_yes_nor_no(script: Script, found: Found, words: str) -> None:
    with serving(script) as server:
        answer = found_by(server.url)
    assert answer.found is found
    assert words in answer.message


def gives(token: object) -> Script:
    def write(connection: socket.socket, request: Request) -> None:
        realm = f"http://{request.headers['host']}/token"
        body = json.dumps(token).encode()
        answer = canned("200 OK", body) if "/token" in request.line else bearer(realm)
        answer(connection, request)

    return write


@pytest.mark.parametrize(
    "token", [{}, [], {"token": 1}, {"token": "a\r\nX: y"}, {"token": ""}, {"token": "x" * 40_000}]
)
def test_a_token_that_is_none_is_not_sent(token: object) -> None:
    with serving(gives(token)) as server:
        found = found_by(server.url)
        assert len(server.requests) == 2
    assert (found.found, "gave no token" in found.message) == (Found.UNKNOWN, True)


def test_nothing_is_asked_at_an_address_that_is_not_allowed() -> None:
    with serving(canned("200 OK", b"")) as server:
        found = found_by(server.url, allowed="https://registry.example")
        assert server.requests == []
    assert found.found is Found.UNKNOWN


@pytest.mark.parametrize(
    ("image", "found", "words"),
    [
        pytest.param(parse_image("ghcr.io/shop/web:1"), Found.NOT_ASKED, "no registry ghcr.io", id="other-registry"),
        pytest.param(parse_image("nginx:1"), Found.NOT_ASKED, "no registry docker.io", id="docker-hub"),
        pytest.param(parse_image(f"{NAME}/shop/web"), Found.NOT_ASKED, "without tag", id="no-tag"),
        pytest.param(Image("", "1.41.2"), Found.UNKNOWN, "which image", id="no-name"),
        pytest.param(parse_image(f"{NAME}/../../x:1"), Found.UNKNOWN, "no name", id="path"),
        pytest.param(parse_image(f"{NAME}/shop/web:$(TAG)"), Found.UNKNOWN, "no name", id="template"),
    ],
)
def test_what_no_registry_of_the_settings_has_is_not_asked_for(image: Image, found: Found, words: str) -> None:
    with serving(canned("200 OK", b"")) as server:
        answer = found_by(server.url, image)
        assert server.requests == []
    assert (answer.found, words in answer.message) == (found, True)


def test_an_answer_is_kept_for_a_while(sandbox: RegistrySandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    other = Image(OLD.name, "other")
    with asking(sandbox.url) as registries:
        assert registries.look_up(OLD) == registries.look_up(OLD)
        assert len(sandbox.asked) == 3
        monkeypatch.setitem(module.KEPT_SECONDS, Found.MISSING, 0.0)
        assert registries.look_up(other).found is Found.MISSING
        sandbox.put("shop/web", "other")
        assert registries.look_up(other).found is Found.PRESENT


def test_a_registry_that_is_waited_for_too_long_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PATIENCE_SECONDS", 0.0)
    with serving(canned("503 Service Unavailable", b"")) as server, asking(server.url) as registries:
        registries.look_up(OLD)
        found = registries.look_up(Image(OLD.name, "other"))
        assert len(server.requests) == 1
    assert "too slowly" in found.message


def test_the_hub_is_asked_where_it_really_is() -> None:
    assert addresses("docker.io") == ("https://registry-1.docker.io", "https://auth.docker.io")
    assert addresses("localhost:5000") == ("https://localhost:5000", "https://localhost:5000")
