"""A request file becomes a request, or all of its faults, each at its place."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from gitops_rollback.adapters.policies.loading import PolicyFile
from gitops_rollback.adapters.requests.reader import load_request, read_request
from gitops_rollback.adapters.requests.schema import json_schema
from gitops_rollback.core.request import (
    Before,
    Execute,
    LastHealthy,
    RequestTarget,
    RollbackRequest,
    To,
    ToCommit,
    Without,
    encode_request,
    is_request_path,
    request_name,
)

PATH = ".gitops-rollback/requests/2026-11-23-checkout-api.yaml"
SHA = "5ab3c90d1c7e6f2b8a9d0e4c3f2b1a0998877665"
WHOLE = f"""\
# +argocd:skip-file-rendering
# yaml-language-server: $schema=../schema/rollbackrequest-v1alpha1.schema.json
apiVersion: gitops-rollback.dev/v1alpha1
kind: RollbackRequest
metadata: {{name: 2026-11-23-checkout-api}}
spec:
  target: {{policy: payments-prod, name: checkout-api}}
  to: {{commit: "{SHA}"}}
  reason: Checkout fails for cards issued in the EU; v1.42.0 is the only change tonight.
  incident: https://example.pagerduty.com/incidents/Q1W2E3
  execute: in-this-pull-request
  acknowledge: [migrations]
  expires: 2h
"""
SHORT = """\
# +argocd:skip-file-rendering
apiVersion: gitops-rollback.dev/v1alpha1
kind: RollbackRequest
spec:
  target: {name: checkout-api}
  to: {lastHealthy: true}
  reason: cards fail
"""


def request(**changes: Any) -> RollbackRequest:
    known: dict[str, Any] = {
        "path": PATH,
        "name": "r",
        "target": RequestTarget("checkout-api"),
        "to": LastHealthy(),
        "reason": "why",
    }
    return RollbackRequest(**{**known, **changes})


def test_every_key_is_read() -> None:
    read = read_request(WHOLE.encode(), PATH)
    assert read.faults == ()
    assert read.request == RollbackRequest(
        path=PATH,
        name="2026-11-23-checkout-api",
        target=RequestTarget("checkout-api", "payments-prod"),
        to=ToCommit(SHA),
        reason="Checkout fails for cards issued in the EU; v1.42.0 is the only change tonight.",
        incident="https://example.pagerduty.com/incidents/Q1W2E3",
        execute=Execute.IN_THIS_PULL_REQUEST,
        acknowledge=("migrations",),
        expires=timedelta(hours=2),
    )


def test_seven_lines_suffice_and_the_rest_has_defaults() -> None:
    read = read_request(SHORT.encode(), PATH)
    assert read.faults == ()
    assert read.request == request(name="2026-11-23-checkout-api", reason="cards fail", expires=timedelta(hours=24))


def test_the_cause_of_its_rollback_is_its_path_and_its_end_counts_from_the_pull_request() -> None:
    at = datetime(2026, 11, 23, 3, tzinfo=UTC)
    assert request().cause == PATH
    assert request(expires=timedelta(hours=2)).ends(at) == datetime(2026, 11, 23, 5, tzinfo=UTC)


@pytest.mark.parametrize(
    "to",
    [LastHealthy(), ToCommit(SHA), Without((SHA, "7" * 40)), Before(datetime(2026, 11, 23, 3, tzinfo=UTC))],
    ids=lambda to: type(to).__name__,
)
def test_what_is_written_is_read_back(to: To) -> None:
    whole = request(
        to=to,
        reason='it "fails": # no comment\u2028{}',
        incident="https://incidents.example/7",
        execute=Execute.AFTER_MERGE,
        acknowledge=("migrations", "friday-night"),
        expires=timedelta(hours=25, minutes=30),
        target=RequestTarget("checkout-api", "payments-prod"),
    )
    read = read_request(encode_request(whole), PATH)
    assert read.faults == ()
    assert read.request == request(**{**vars(whole), "reason": 'it "fails": # no comment {}'})


def test_the_example_of_the_product_page_is_a_request(shared: Path) -> None:
    page = (shared / "product.md").read_text()
    start = page.index("```yaml", page.index("### Manual request")) + len("```yaml\n")
    read = read_request(page[start : page.index("```", start)].replace("5ab3c90...", SHA).encode(), PATH)
    assert read.faults == ()
    assert read.request is not None
    assert read.request.to == LastHealthy()


FAULTS = [
    pytest.param("{name: checkout-api}", "{name: Checkout_API}", 5, 18, "not a Kubernetes name", id="name"),
    pytest.param("{lastHealthy: true}", "{}", 6, 7, "`to` says nothing", id="nowhere"),
    pytest.param("{lastHealthy: true}", "{lastHealthy: false}", 6, 21, "goes nowhere", id="not-last-healthy"),
    pytest.param("{lastHealthy: true}", f"{{lastHealthy: true, commit: '{SHA}'}}", 6, 27, "exclude each other",
                 id="two-ways"),
    pytest.param("{lastHealthy: true}", "{revert: []}", 6, 16, "must not be empty", id="no-commit"),
    pytest.param("{lastHealthy: true}", f"{{revert: ['{SHA}', '{SHA}']}}", 6, 61, "stands twice", id="commit-twice"),
    pytest.param("{lastHealthy: true}", "{lasthealthy: true}", 6, 8, "did you mean `lastHealthy`?", id="unknown-key"),
    pytest.param("{lastHealthy: true}", "{before: 2026-11-23}", 6, 16, "not a time with a zone", id="no-zone"),
    pytest.param("{lastHealthy: true}", "{before: 3am}", 6, 16, "not a time with a zone", id="no-time"),
    pytest.param("reason: cards fail", "reason: ''", 7, 11, "is empty", id="no-reason"),
    pytest.param("reason: cards fail", "reason: " + "x" * 1001, 7, 11, "more than 1000", id="long-reason"),
    pytest.param("  reason: cards fail\n", "", 5, 3, "`reason` is missing", id="reason-missing"),
    pytest.param("cards fail", "cards fail\n  expires: 0", 8, 12, "has expired already", id="expires-0"),
    pytest.param("cards fail", "cards fail\n  expires: 2", 8, 12, "add a unit", id="expires-without-unit"),
    pytest.param("cards fail", "cards fail\n  execute: now", 8, 12, "known: after-merge", id="execute"),
    pytest.param("cards fail", "cards fail\n  acknowledge: [a, a]", 8, 20, "stands twice", id="acknowledged-twice"),
    pytest.param("cards fail", "cards fail\n  incident: https://u:p@x", 8, 13, "holds credentials", id="credentials"),
    pytest.param("cards fail", "cards fail\n  incident: javascript:alert(1)", 8, 13, "not a URL", id="script"),
    pytest.param("kind: RollbackRequest", "kind: RollbackPolicy", 3, 7, "known: RollbackRequest", id="kind"),
    pytest.param("/v1alpha1", "/v2", 2, 13, "update gitops-rollback", id="newer"),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "line", "col", "word"), FAULTS)
def test_a_wrong_key_or_value_is_refused_at_its_place(old: str, new: str, line: int, col: int, word: str) -> None:
    assert SHORT.count(old) == 1
    read = read_request(SHORT.replace(old, new).encode(), PATH)
    assert read.request is None
    found = [(fault.line, fault.col, str(fault)) for fault in read.errors]
    assert [place for place in found if place[:2] == (line, col) and word in place[2]], found


def test_all_faults_are_told_at_once() -> None:
    spoilt = SHORT.replace("checkout-api", "A").replace("lastHealthy", "healthy").replace("reason", "raeson")
    assert len(read_request(spoilt.encode(), PATH).errors) == 3


@pytest.mark.parametrize(
    ("text", "word"),
    [
        (b"", "holds no request"),
        (b"- a", "a list"),
        (b"a: &x 1", "anchors"),
        (b"[" * 60_000, "nested deeper"),
        (b"a: 1\n---\nb: 1", "second document"),
        (b"x" * 70_000, "more than 65536"),
    ],
)
def test_what_is_no_request_at_all_is_refused(text: bytes, word: str) -> None:
    read = read_request(text, PATH)
    assert read.request is None
    assert any(word in fault.message for fault in read.errors)


@pytest.mark.parametrize("mode", ["120000", "100755", "160000"])
def test_only_a_plain_file_is_read(mode: str) -> None:
    read = load_request(PolicyFile(PATH, mode, SHORT.encode()))
    assert read.request is None
    assert read.errors[0].message.startswith("the request is ")


def test_a_file_that_a_recursing_application_would_apply_is_warned_of_and_taken() -> None:
    read = read_request(SHORT.partition("\n")[2].encode(), PATH)
    assert read.request is not None
    assert [fault.severity for fault in read.faults] == ["warning"]


def test_what_only_the_repository_can_tell_has_its_place() -> None:
    read = read_request(WHOLE.encode(), PATH)
    lines = {place: read.fault(place, "x").line for place in ("target.name", "to", "acknowledge", "expires")}
    assert lines == {"target.name": 7, "to": 8, "acknowledge": 12, "expires": 13}
    assert (read.fault("to", "x").col, read.fault("target.name", "x").col) == (16, 41)


def test_the_schema_holds_every_key_with_its_meaning() -> None:
    schema = json.dumps(json_schema())
    assert all(f'"{key}"' in schema for key in ("lastHealthy", "revert", "before", "acknowledge", "incident"))
    assert json_schema()["additionalProperties"] is False


def test_requests_stand_in_one_place() -> None:
    assert is_request_path(PATH)
    assert not is_request_path("requests/a.yaml")
    assert not is_request_path(".gitops-rollback/requests/README.md")
    assert not is_request_path(".gitops-rollback/requests-old/a.yaml")


def test_a_new_name_is_a_kubernetes_name_whatever_was_typed() -> None:
    at = datetime(2026, 11, 23, 3, 4, 5, tzinfo=UTC)
    assert request_name("argocd/Checkout API", at) == "2026-11-23-030405-argocd-checkout-api"
    assert request_name("../../" + "x" * 300, at) == "2026-11-23-030405-" + "x" * 45
