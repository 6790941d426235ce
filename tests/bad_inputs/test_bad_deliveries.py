"""Webhook deliveries that make no sense: each is answered below 500, and the doors stay open. Numbers W of the list."""

from __future__ import annotations

import pytest
from hook_server import PATH, TOKEN, receiving, signature

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
