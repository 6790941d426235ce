"""Who may say "look now", and what is a delivery worth? Over real sockets."""

from __future__ import annotations

import json
import resource
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from hook_server import EVENT, NOW, PATH, TOKEN, receiving, signature

from gitops_rollback.web import hooks

BODY = json.dumps(EVENT).encode()


def test_an_event_that_flux_signed_is_taken_and_means_a_look() -> None:
    with receiving() as one:
        assert one.event() == 202
        assert len(one.looks) == 1
        assert one.counted("accepted") == 1


def test_what_a_real_flux_signed_is_taken_and_its_idle_reports_mean_no_look(shared: Path) -> None:
    """Its own signatures over its own bodies, which are written again here as Go's encoder writes them."""
    files = sorted(shared.glob("recordings/flux/*/notifications.jsonl"))
    lines = [line for file in files for line in file.read_text().splitlines()]
    with receiving() as one:
        one.open(hooks.Door("flux", "fleet", ("lab-secret",)))
        for line in lines:
            sent = json.loads(line)
            body = json.dumps(sent["body"], separators=(",", ":"), ensure_ascii=False)
            for sign in "<>&":
                body = body.replace(sign, f"\\u{ord(sign):04x}")
            one.ahead = datetime.fromisoformat(sent["body"]["timestamp"]) - NOW
            assert one.post(body.encode(), f"X-Signature: {sent['headers']['X-Signature']}") == 202
        idle = [line for line in lines if '"commit_status": "update"' in line]
        assert 0 < len(one.looks) == len(lines) - len(idle)


def test_the_generic_provider_proves_itself_by_its_header() -> None:
    with receiving() as one:
        assert one.post(BODY, f"Authorization: Bearer {TOKEN}") == 202
        assert len(one.looks) == 1


def test_the_signature_of_a_test_vector() -> None:
    """RFC 4231, case 2, so that not only our own code agrees with itself."""
    digest = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
    with receiving() as one:
        one.open(hooks.Door("flux", "fleet", ("Jefe",)))
        assert one.post(b"what do ya want for nothing?", f"X-Signature: sha256={digest}") == 202
        assert len(one.looks) == 1


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param([], id="none"),
        pytest.param([signature(BODY, name="sha1")], id="sha1"),
        pytest.param([signature(BODY, token="")], id="empty-key"),
        pytest.param([signature(BODY + b" ")], id="of-another-body"),
        pytest.param([signature(BODY), signature(BODY)], id="two"),
        pytest.param([signature(BODY), signature(BODY).replace("X-Signature", "X-Hub-Signature-256")], id="two-kinds"),
        pytest.param(["X-Signature: sha256="], id="empty"),
        pytest.param(["X-Signature: " + "0" * 64], id="no-digest-named"),
        pytest.param(["Authorization: Bearer"], id="empty-bearer"),
        pytest.param(["Authorization: Bearer wrong"], id="wrong-bearer"),
        pytest.param([f"Authorization: Basic {TOKEN}"], id="basic"),
        pytest.param(["X-Signature: sha256=\xe9"], id="not-ascii"),
    ],
)
def test_a10_who_does_not_prove_the_token_changes_nothing(headers: list[str]) -> None:
    with receiving() as one:
        assert one.post(BODY, *headers) == 401
        assert one.looks == []
        assert one.counted("refused") == 1


def test_a11_a_delivery_that_is_played_back_is_worth_no_second_look() -> None:
    with receiving() as one:
        assert {one.event() for _ in range(300)} == {202}
        one.ahead = timedelta(days=1)
        assert {one.event() for _ in range(50)} == {202}
        assert len(one.looks) == 1


def test_a11_what_happened_long_ago_is_worth_none_either_after_a_restart() -> None:
    with receiving() as one:
        one.ahead = timedelta(days=1)
        assert one.event() == 202
        assert (one.looks, one.counted("old")) == ([], 1)


def test_a12_a_huge_body_is_refused_unread_and_costs_no_memory() -> None:
    with receiving() as one:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        head = f"POST {PATH} HTTP/1.1\nHost: x\nContent-Length: {4 << 30}\n{signature(b'')}"
        assert one.send(head, b"x" * 100_000) in (413, 0)
        body = b"[" + b"1," * (12 << 20) + b"1]"
        assert one.post(body[: 24 << 20], signature(body)) == 401
        many = "\n".join(f"X-{number}: 1" for number in range(10_000))
        assert one.send(f"POST {PATH} HTTP/1.1\nHost: x\n{many}") in (431, 0)
        bodies_of_the_test_itself = 2 * len(body) // 1024
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < bodies_of_the_test_itself + (40 << 10)
        assert one.event() == 202


def test_a12_a_body_that_does_not_come_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hooks, "BODY_SECONDS", 0.3)
    with receiving() as one:
        head = f"POST {PATH} HTTP/1.1\nHost: x\nContent-Length: 50\n{signature(b'')}"
        assert one.send(head, b"never the rest") == 408


def test_while_it_starts_nothing_is_taken() -> None:
    with receiving(opened=False) as one:
        assert one.event() == 503
        one.open()
        assert one.event() == 202
        one.hooks.close()
        assert one.event() == 503


def test_a_flood_of_one_address_is_told_to_wait_and_keeps_nobody_else_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hooks, "PER_SECOND", 0.001)
    monkeypatch.setattr(hooks, "BURST", 5.0)
    with receiving() as one:
        answers = [one.post(BODY, source="127.0.0.2") for _ in range(8)]
        assert answers == [401] * 5 + [429] * 3
        assert one.event() == 202


def test_that_nothing_changed_is_no_reason_to_look() -> None:
    """Flux tells its commit-status providers, and the generic ones with them, at each interval."""
    with receiving() as one:
        assert one.event(metadata={"revision": "main@sha1:bbbb", "commit_status": "update"}) == 202
        assert (one.looks, one.counted("routine")) == ([], 1)
