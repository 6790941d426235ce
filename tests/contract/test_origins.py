"""Where the controller may connect to: by name before, by resolved address at the connection."""

from __future__ import annotations

import socket
from collections.abc import Callable
from datetime import timedelta

import pytest
from canned_http import canned, serving

from gitops_rollback.adapters.http import Http, HttpFailed
from gitops_rollback.adapters.origins import Origin, OriginRules, OutboundBlocked, origin_of
from gitops_rollback.core.errors import Reason, SettingsInvalid

PATIENCE = timedelta(seconds=5)
OTHERS = ["https://api.example.com", "https://hooks.example.net:8443"]

# Each is a spelling of an inside address that getaddrinfo understands, or a host that only looks like a public one.
DISGUISED = [
    pytest.param("http://169.254.169.254/latest/meta-data/", id="metadata"),
    pytest.param("http://2852039166/", id="metadata-as-a-number"),
    pytest.param("http://0x7f000001/", id="loopback-in-hex"),
    pytest.param("http://127.1/", id="loopback-short"),
    pytest.param("http://0177.0.0.1/", id="loopback-octal"),
    pytest.param("http://[::ffff:127.0.0.1]/", id="mapped-loopback"),
    pytest.param("http://[::ffff:a9fe:a9fe]/", id="mapped-metadata"),
    pytest.param("http://[::1]/", id="loopback-6"),
    pytest.param("http://[::]/", id="unspecified-6"),
    pytest.param("http://0.0.0.0/", id="unspecified"),
    pytest.param("http://①②⑦.0.0.1/", id="circled-digits"),
    pytest.param("http://localhost/", id="localhost"),
    pytest.param("http://10.0.0.1/", id="private"),
    pytest.param("https://api.example.com:444/", id="another-port"),
    pytest.param("http://api.example.com/", id="another-scheme"),
    pytest.param("https://api.example.com.evil.example/", id="longer-name"),
    pytest.param("https://api.example.com@169.254.169.254/", id="name-as-credentials"),
    pytest.param("https://user:token@api.example.com/", id="credentials"),
    pytest.param("https://api.example.com\\@127.0.0.1/", id="backslash"),
    pytest.param("https://api.example.com:99999/", id="port-out-of-range"),
    pytest.param("file:///etc/passwd", id="file"),
    pytest.param("ftp://api.example.com/", id="ftp"),
    pytest.param("//api.example.com/", id="no-scheme"),
    pytest.param("", id="empty"),
    pytest.param("http://[fe80::1%25eth0]/", id="zone"),
]


@pytest.mark.parametrize("url", DISGUISED)
def test_no_spelling_of_an_inside_address_is_reached(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "create_connection", forbidden)
    http = Http(OriginRules.parse(OTHERS))
    with pytest.raises(OutboundBlocked):
        http.get(url, PATIENCE)
    http.close()


def forbidden(*_args: object, **_more: object) -> socket.socket:
    raise AssertionError("a connection was made")


def resolving_to(*addresses: str) -> Callable[..., list[object]]:
    def look_up(_host: str, port: int, **_more: object) -> list[object]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in addresses]

    return look_up


INSIDE = [
    "127.0.0.1",
    "10.1.2.3",
    "192.168.1.1",
    "169.254.169.254",
    "0.0.0.0",
    "100.64.0.1",
    "::1",
    "fd00::1",
    "fe80::1",
]
WRAPPED = [
    "fe80::1",
    "::ffff:127.0.0.1",
    "::ffff:169.254.169.254",
    "64:ff9b::7f00:1",
    "2002:7f00:1::",
    "::7f00:1",
    "224.0.0.1",
]


@pytest.mark.parametrize("address", INSIDE + WRAPPED)
def test_a_listed_name_that_resolves_inside_is_blocked_at_connect(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", resolving_to(address))
    monkeypatch.setattr(socket, "create_connection", forbidden)
    http = Http(OriginRules.parse(OTHERS))
    with pytest.raises(OutboundBlocked) as caught:
        http.get("https://api.example.com/x?token=1", PATIENCE)
    http.close()
    assert caught.value.reason is Reason.ORIGIN_NOT_ALLOWED
    assert "token" not in str(caught.value)


def test_a_name_that_resolves_elsewhere_a_moment_later_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """The address that was checked is the one that is connected to: there is no second look-up to lie to."""
    answers = [["127.0.0.1"], ["169.254.169.254"]]
    asked: list[str] = []

    def rebinding(host: str, port: int, **more: object) -> list[object]:
        asked.append(host)
        return resolving_to(*answers[min(len(asked), 2) - 1])(host, port, **more)

    with serving(canned("200 OK", b"ok")) as server:
        monkeypatch.setattr("gitops_rollback.adapters.connecting.socket.getaddrinfo", by_name(rebinding))
        http = Http(OriginRules.parse([f"http://app.internal:{server.port}"]))
        assert http.get(f"http://app.internal:{server.port}/", PATIENCE).body == b"ok"
        http.close()
        monkeypatch.undo()
    assert asked == ["app.internal"]
    assert server.requests[0].headers["host"] == f"app.internal:{server.port}"


def by_name(fake: Callable[..., list[object]]) -> Callable[..., list[object]]:
    """The fake for names; an address is looked up by the system, which then asks nobody."""
    system = socket.getaddrinfo
    return lambda host, port, *args, **more: (
        system(host, port, *args, **more) if host[:1].isdigit() else fake(host, port)
    )


def test_the_allowed_address_among_several_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(canned("200 OK", b"ok")) as server:
        fake = resolving_to("169.254.169.254", "127.0.0.1")
        monkeypatch.setattr("gitops_rollback.adapters.connecting.socket.getaddrinfo", by_name(fake))
        http = Http(OriginRules.parse([f"http://app.internal:{server.port}"]))
        assert http.get(f"http://app.internal:{server.port}/", PATIENCE).body == b"ok"
        http.close()
        monkeypatch.undo()


@pytest.mark.parametrize(
    ("entries", "own", "host", "address", "allowed"),
    [
        pytest.param(["https://a.example.com"], [], "a.example.com", "93.184.216.34", True, id="public"),
        pytest.param(["https://a.example.com"], [], "a.example.com", "64:ff9b::5db8:d822", True, id="public-by-nat64"),
        pytest.param(["https://a.example.com"], [], "a.example.com", "10.1.2.3", False, id="public-name-inside"),
        pytest.param(["https://a.example.com", "10.0.0.0/8"], [], "a.example.com", "10.1.2.3", True, id="network"),
        pytest.param(["https://a.example.com", "10.1.2.3"], [], "a.example.com", "10.1.2.3", True, id="address-named"),
        pytest.param(["https://a.example.com", "10.1.2.4"], [], "a.example.com", "10.1.2.3", False, id="another-one"),
        pytest.param(["https://grafana.x.svc"], [], "grafana.x.svc", "10.1.2.3", True, id="inside-name"),
        pytest.param(["https://prometheus"], [], "prometheus", "10.1.2.3", True, id="single-label"),
        pytest.param(["https://prometheus"], [], "prometheus", "169.254.169.254", False, id="never-link-local-by-name"),
        pytest.param([], ["https://prom.example.com/x"], "prom.example.com", "10.1.2.3", True, id="own-setting"),
        pytest.param([], ["https://prom.example.com"], "prom.example.com", "169.254.1.1", False, id="own-link-local"),
        pytest.param(["https://10.1.2.3"], [], "10.1.2.3", "10.1.2.3", True, id="literal-named"),
        pytest.param(["https://169.254.1.1"], [], "169.254.1.1", "169.254.1.1", True, id="link-local-literal-named"),
        pytest.param(["https://[fd00::1]"], [], "fd00::1", "fd00::1", True, id="literal-6-named"),
        pytest.param(["https://127.0.0.1"], [], "a.example.com", "127.0.0.1", False, id="not-on-the-list"),
        pytest.param(["https://2852039166"], [], "2852039166", "169.254.169.254", False, id="number-is-no-inside-name"),
        pytest.param(["https://0x7f000001"], [], "0x7f000001", "127.0.0.1", False, id="hex-is-no-inside-name"),
    ],
)
def test_an_inside_address_needs_an_entry_that_names_it(
    entries: list[str], own: list[str], host: str, address: str, allowed: bool
) -> None:
    assert permits(OriginRules.parse(entries, own), Origin("https", host, 443), address) is allowed


def permits(rules: OriginRules, origin: Origin, address: str) -> bool:
    try:
        rules.check(origin)
        rules.check_address(origin, address)
    except OutboundBlocked:
        return False
    return True


@pytest.mark.parametrize(
    ("allow_http", "address", "allowed"),
    [(False, "127.0.0.1", True), (False, "::1", True), (False, "10.0.0.1", False), (True, "10.0.0.1", True)],
)
def test_plain_http_beyond_loopback_needs_a_setting(allow_http: bool, address: str, allowed: bool) -> None:
    rules = OriginRules.parse([], ["http://prometheus.monitoring:9090"], allow_http)
    assert permits(rules, Origin("http", "prometheus.monitoring", 9090), address) is allowed


@pytest.mark.parametrize(
    ("entry", "origin", "named"),
    [
        ("https://a.example.com", Origin("https", "a.example.com", 443), True),
        ("https://A.Example.com/path", Origin("https", "a.example.com", 443), True),
        ("https://a.example.com", Origin("http", "a.example.com", 80), False),
        ("a.example.com", Origin("https", "a.example.com", 8443), True),
        ("a.example.com:8443", Origin("https", "a.example.com", 8443), True),
        ("a.example.com:8443", Origin("https", "a.example.com", 443), False),
        ("::1", Origin("http", "::1", 9090), True),
        ("10.0.0.0/8", Origin("https", "10.1.2.3", 443), False),
    ],
)
def test_an_entry_names_an_origin_or_a_host(entry: str, origin: Origin, named: bool) -> None:
    rules = OriginRules.parse([entry])
    if named:
        rules.check(origin)
    else:
        with pytest.raises(OutboundBlocked):
            rules.check(origin)


@pytest.mark.parametrize("entry", ["ftp://x", "https://u:p@x", "https://", "a b", "a/b", "x:99999", "https://x:y", "*"])
def test_an_entry_that_is_none_is_refused(entry: str) -> None:
    with pytest.raises(SettingsInvalid) as caught:
        OriginRules.parse([entry])
    assert "u:p" not in str(caught.value)


def test_an_empty_list_allows_nothing() -> None:
    with pytest.raises(OutboundBlocked):
        OriginRules().check(origin_of("https://a.example.com"))


def test_a_name_that_nobody_knows_is_an_error_and_no_crash(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_args: object, **_more: object) -> list[object]:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    http = Http(OriginRules.parse(["https://nobody.example"]))
    with pytest.raises(HttpFailed):
        http.get("https://nobody.example/", PATIENCE)
    http.close()
