"""Webhook deliveries that make no sense: each is answered below 500, and the doors stay open. Numbers W of the list."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hook_server import PATH, TOKEN, receiving, signature

from gitops_rollback.app.controller import Controller, RepositoryLoop
from gitops_rollback.app.health import Health
from gitops_rollback.web.hints import Hint
from gitops_rollback.web.hooks import Door

BEARER = f"Authorization: Bearer {TOKEN}"

AUTHENTIC = [
    pytest.param(b"", id="w1-no-body"),
    pytest.param(b"revision=main&reason=x", id="w2-form-encoded"),
    pytest.param(b"\x1f\x8b\x08\x00", id="w3-wrong-content"),
    pytest.param(b"[1, 2]", id="w4-array"),
    pytest.param(b"7", id="w4-number"),
    pytest.param(b"[" * 60_000, id="w4-deep"),
    pytest.param(b"1" * 10_000, id="w4-long-number"),
    pytest.param(rb'{"message": "\ud800", "timestamp": "\ud800"}', id="w5-lone-surrogate"),
    pytest.param(b'{"metadata": [], "timestamp": 7}', id="w4-other-types"),
    pytest.param(b'{"timestamp": "2026-13-45T99:00:00Z"}', id="w4-no-time"),
]


@pytest.mark.parametrize("body", AUTHENTIC)
def test_what_cannot_be_read_is_still_a_hint_of_who_knows_the_token(body: bytes) -> None:
    with receiving() as one:
        assert one.event(body) == 202
        assert len(one.looks) == 1


@pytest.mark.parametrize("path", ["/hooks/gitea/fleet", "/hooks/flux/other", "/hooks/flux", "/hooks/", "/hooks/%2e%2e"])
def test_w9_what_there_is_no_door_for_is_not_found(path: str) -> None:
    with receiving() as one:
        assert one.post(b"{}", signature(b"{}"), path=path) == 404
        assert one.looks == []


def test_w11_repeated_and_out_of_order_is_one_look_for_each() -> None:
    with receiving() as one:
        first, second = (f'{{"message": "{number}"}}'.encode() for number in (1, 2))
        assert [one.event(body) for body in (second, first, second, first, first)] == [202] * 5
        assert len(one.looks) == 2


@pytest.mark.parametrize(
    ("lines", "status"),
    [
        pytest.param(["Content-Length: 30000000"], 413, id="w12-over-the-limit"),
        pytest.param(["Content-Length: " + "9" * 400], 413, id="w12-endless-number"),
        pytest.param(["Content-Length: -1"], 400, id="w12-negative"),
        pytest.param(["Content-Length: 1e3"], 400, id="w12-no-number"),
        pytest.param(["Transfer-Encoding: chunked"], 411, id="w12-endless-chunks"),
        pytest.param(["Content-Length: 2", "Transfer-Encoding: chunked"], 411, id="w12-both"),
        pytest.param(["Content-Length: 2", "Content-Length: 3"], 411, id="w12-two-lengths"),
        pytest.param(["Content-Length: 1"], 401, id="w12-lying-short"),
    ],
)
def test_a_length_that_is_not_true(lines: list[str], status: int) -> None:
    with receiving() as one:
        head = "\n".join([f"POST {PATH} HTTP/1.1", "Host: x", *lines, signature(b"{}")])
        assert one.send(head, b"{}") == status
        assert one.looks == []
        assert one.event() == 202


def test_w3_the_content_type_does_not_matter() -> None:
    with receiving() as one:
        assert one.post(b"{}", BEARER, "Content-Type: image/png") == 202


OURS = "https://git.example.com:8443/Shop/Config.git"


def delivered(event: str = "push", **body: object) -> tuple[int, list[Hint]]:
    """The answer to what GitHub tells, and the looks that it means."""
    text = json.dumps(body).encode()
    head = [signature(text).replace("X-Signature", "X-Hub-Signature-256"), f"X-GitHub-Event: {event}"]
    with receiving() as one:
        one.open(Door("github", "fleet", (TOKEN,)))
        return one.post(text, *head, path="/hooks/github/fleet"), one.looks


@pytest.mark.parametrize(
    "body",
    [
        pytest.param({}, id="w6-nothing-of-it"),
        pytest.param({"ref": None, "after": 7, "repository": None}, id="w6-other-types"),
        pytest.param({"repository": {"clone_url": ["x"], "html_url": ""}}, id="w6-no-address"),
        pytest.param({"repository": {"clone_url": "x" * 10_000}}, id="w6-endless-address"),
        pytest.param({"ref": "refs/heads/main", "after": "0" * 40, "deleted": True}, id="w7-branch-deleted"),
        pytest.param({"ref": "refs/heads/another", "after": "a" * 40}, id="w8-another-branch"),
    ],
)
def test_what_is_missing_is_not_guessed_and_the_look_finds_the_truth(body: dict[str, object]) -> None:
    assert delivered(**body) == (202, [Hint()])


@pytest.mark.parametrize(
    ("event", "body"),
    [
        pytest.param("push", {"ref": "refs/tags/v1", "after": "a" * 40}, id="w8-tag"),
        pytest.param("create", {"ref": "v1", "ref_type": "tag"}, id="w8-tag-created"),
        pytest.param("no_such_event", {}, id="w9-unknown-event"),
        pytest.param("", {}, id="w9-no-event"),
    ],
)
def test_what_changes_nothing_for_us_is_answered_and_means_no_look(event: str, body: dict[str, object]) -> None:
    assert delivered(event, **body) == (202, [])


@pytest.mark.parametrize(
    ("address", "known"),
    [
        pytest.param("https://git.example.com/shop/config", True, id="w10-no-port-no-git"),
        pytest.param("HTTPS://GIT.EXAMPLE.COM:8443/SHOP/CONFIG.GIT", True, id="w10-upper-case"),
        pytest.param("git@git.example.com:shop/config.git", True, id="w10-ssh"),
        pytest.param("ssh://git@git.example.com:22/shop/config/", True, id="w10-slash"),
        pytest.param("https://u:p@git.example.com/shop/config.git", True, id="w10-user"),
        pytest.param("https://alias.example.com/shop/config", True, id="w10-alias"),
        pytest.param("https://git.example.com/shop/config2", False, id="another-repository"),
        pytest.param("https://elsewhere.example.com/shop/config.git", False, id="another-host"),
    ],
)
def test_a_repository_is_known_however_its_address_is_written(address: str, known: bool) -> None:
    """And a delivery about another one makes none of ours look."""
    nobody: Any = None  # neither of them turns
    addresses = (OURS, "https://alias.example.com/shop/config")
    loop = RepositoryLoop("shop", nobody, nobody, Health(), print, addresses=addresses)
    other = RepositoryLoop("other", nobody, nobody, Health(), print, addresses=("https://git.example.com/other",))
    controller = Controller((loop, other), (), Health())
    assert controller.look([address]) is known
    assert (loop._alarm.is_set(), other._alarm.is_set()) == (known, False)
    assert controller.look(())
    assert other._alarm.is_set()
