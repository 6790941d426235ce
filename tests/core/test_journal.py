"""Does the journal's text say exactly what was meant, and is everything else refused?"""

from __future__ import annotations

import dataclasses
import json
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitops_rollback.core.errors import JournalBroken, Reason
from gitops_rollback.core.journal import (
    MAX_LINE_BYTES,
    MAX_RECORD_BYTES,
    DecisionEntry,
    decision_path,
    decode_entries,
    decode_record,
    due,
    encode_entry,
    encode_record,
    newest_entries,
    parse_time,
    record_document,
    record_path,
    started,
)
from gitops_rollback.core.rollback import Phase, RollbackOutcome, RollbackRecord, StepRecord

NOW = datetime(2026, 11, 25, 12, 0, 0, 5000, tzinfo=UTC)
RECORD = RollbackRecord(
    id="rb-0123456789abcdef",
    applications=("default/Application/argocd/shop",),
    engine="argocd",
    repository="acme/config",
    bad_revision="b" * 40,
    restores="a" * 40,
    policy="policies/shop.yaml@aaaaaaaaaaaa",
    triggers=("high-error-rate",),
    reverts=("b" * 40,),
    phase=Phase.DONE,
    superseded=("c" * 40,),
    rung=1,
    steps=(StepRecord(1, 1, "d" * 40, {"apps/shop/x.yaml": "e" * 40, "gone": None, "odd\udcff": None}, NOW),),
    outcome=RollbackOutcome.VERIFIED,
    reason="Verified",
    message="held for 2m",
    guards=({"guard": "budget", "result": "allow"},),
    times={"fired": NOW, "pushed": NOW + timedelta(minutes=1)},
    evidence={"value": 0.079, "list": [1, "two", None]},
)
ENTRY = DecisionEntry(
    NOW, "default/Application/argocd/shop", "wait", "Pending", "b" * 40, "for 1m of 2m", {"value": 1.5}
)


def test_a_record_survives_the_way_through_the_journal() -> None:
    assert decode_record(encode_record(RECORD)) == RECORD


def test_equal_records_have_equal_bytes_whatever_order_their_maps_were_filled_in() -> None:
    turned = dataclasses.replace(RECORD, times=dict(reversed(RECORD.times.items())))
    assert encode_record(turned) == encode_record(RECORD)


def test_the_record_has_exactly_the_keys_that_others_read() -> None:
    expected = (
        "apiVersion kind schema id applications engine repository badRevision restores policy triggers reverts"
        " superseded rung steps phase outcome reason message requestedBy guards times evidence"
    )
    assert list(record_document(RECORD)) == expected.split(" ")
    assert record_document(RECORD)["apiVersion"] == "gitops-rollback.dev/v1alpha1"
    steps = json.loads(encode_record(RECORD))["steps"]
    assert set(steps[0]) == {"n", "of", "commit", "blobs", "pushedAt"}


@given(st.dictionaries(st.text(), st.recursive(st.none() | st.floats() | st.text(), st.lists), max_size=4), st.text())
def test_any_evidence_and_message_can_be_written_and_read(evidence: dict[str, object], message: str) -> None:
    record = dataclasses.replace(RECORD, evidence=evidence, message=message)
    read = decode_record(encode_record(record))
    assert encode_record(read) == encode_record(record)
    assert read.message == message[:2000]


def test_evidence_of_any_size_does_not_keep_a_record_from_the_journal() -> None:
    big = dataclasses.replace(RECORD, evidence={"text": "x" * (2 * MAX_RECORD_BYTES)})
    assert len(encode_record(big)) < MAX_RECORD_BYTES
    assert "too large" in str(decode_record(encode_record(big)).evidence["cut"])


@pytest.mark.parametrize(
    ("change", "why"),
    [
        pytest.param({"phase": "Flying"}, "Flying", id="unknown-phase"),
        pytest.param({"outcome": "fine"}, "fine", id="unknown-outcome"),
        pytest.param({"surprise": 1}, "surprise", id="unknown-key"),
        pytest.param({"kind": "RollbackPause"}, "not a RollbackRecord", id="other-kind"),
        pytest.param({"schema": 0}, "no schema", id="older-than-all"),
        pytest.param({"schema": True}, "no schema", id="a-bool-is-no-schema"),
        pytest.param({"schema": "1"}, "no schema", id="a-text-is-no-schema"),
        pytest.param({"applications": "shop"}, "applications", id="text-for-list"),
        pytest.param({"rung": "1"}, "rung", id="text-for-number"),
        pytest.param({"times": {"fired": "2026-11-25T12:00:00"}}, "time zone", id="time-without-zone"),
        pytest.param({"steps": [{"n": 1}]}, "key", id="half-a-step"),
        pytest.param({"guards": [{"guard": 1}]}, "guards", id="guard-of-numbers"),
    ],
)
def test_an_odd_record_is_refused_with_its_reason(change: dict[str, object], why: str) -> None:
    document = {**record_document(RECORD), **change}
    with pytest.raises(ValueError, match=why):
        decode_record(json.dumps(document).encode())


@pytest.mark.parametrize("text", [b"", b"{", b"[]", b"null", b"\xff", b"[" * 100_000, b'{"schema": NaN}'], ids=repr)
def test_torn_text_is_a_value_error_and_nothing_worse(text: bytes) -> None:
    with pytest.raises(ValueError):
        decode_record(text)


def test_a_record_of_a_newer_schema_is_told_from_a_torn_one() -> None:
    document = {"schema": 2, "anything": "else"}
    with pytest.raises(JournalBroken) as caught:
        decode_record(json.dumps(document).encode())
    assert caught.value.reason is Reason.JOURNAL_NEWER


def test_one_torn_line_loses_only_itself() -> None:
    text = encode_entry(ENTRY) + b'{"at": "2026-\n' + encode_entry(ENTRY)
    entries, damaged = decode_entries(text)
    assert entries == (ENTRY, ENTRY)
    assert [sentence.split(":")[0] for sentence in damaged] == ["line 2"]


def test_a_line_of_a_newer_schema_stops_the_whole_file() -> None:
    with pytest.raises(JournalBroken):
        decode_entries(encode_entry(ENTRY) + b'{"schema": 7}\n')


def test_a_line_is_one_line_and_bounded() -> None:
    entry = dataclasses.replace(ENTRY, message="a\nb" * 5000, details={"x": "y" * MAX_LINE_BYTES})
    line = encode_entry(entry)
    assert line.count(b"\n") == 1
    assert len(line) <= MAX_LINE_BYTES


@pytest.mark.parametrize(
    ("change", "is_due"),
    [
        pytest.param({"at": NOW + timedelta(hours=1), "message": "other words"}, False, id="only-words-and-time"),
        pytest.param({"details": {}}, False, id="only-details"),
        pytest.param({"action": "ask"}, True, id="another-action"),
        pytest.param({"reason": "Quiet"}, True, id="another-reason"),
        pytest.param({"revision": "f" * 40}, True, id="another-revision"),
    ],
)
def test_a_decision_is_written_when_action_reason_or_revision_change(change: dict[str, object], is_due: bool) -> None:
    assert due(ENTRY, dataclasses.replace(ENTRY, **change)) is is_due


def test_the_first_decision_about_an_application_is_written() -> None:
    assert due(None, ENTRY)


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("default/Application/argocd/shop", "default/Application/argocd/shop"),
        ("../../records/rb-1", "%2E./%2E./records/rb-1"),
        ("/etc/passwd", "%/etc/passwd"),
        ("a//b", "a/%/b"),
        (".git/config", "%2Egit/config"),
        ("a b\nc", "a%20b%0Ac"),
        ("", "%"),
    ],
)
def test_no_name_of_an_application_leads_out_of_its_directory(name: str, path: str) -> None:
    assert decision_path(name, NOW) == f"decisions/2026-11/25/{path}.jsonl"


def test_two_names_never_share_a_file() -> None:
    names = ["..", "%2E.", ".", "", "%2E", "a", ".a", "%2Ea", "A"]
    assert len({decision_path(name, NOW) for name in names}) == len(names)


def test_the_day_of_an_entry_is_that_of_utc() -> None:
    late = datetime(2026, 11, 30, 23, 30, tzinfo=timezone(timedelta(hours=-2)))
    assert decision_path("a", late).startswith("decisions/2026-12/01/")


def test_a_record_stands_under_its_id() -> None:
    assert record_path("rb-1") == "records/rb-1.json"
    assert record_path("../x") == "records/%2E.%2Fx.json"


def test_the_newest_entry_counts_for_each_application() -> None:
    later = dataclasses.replace(ENTRY, reason="Quiet")
    other = dataclasses.replace(ENTRY, application="b")
    assert newest_entries([ENTRY, later, other]) == {ENTRY.application: later, "b": other}


def test_the_first_entry_names_the_version() -> None:
    entry = started(NOW, "1.2.3")
    assert (entry.application, entry.action) == ("controller", "started")
    assert "1.2.3" in entry.message


@pytest.mark.parametrize("text", ["2026-11-25T12:00:00", "yesterday", ""])
def test_a_time_needs_its_zone(text: str) -> None:
    with pytest.raises(ValueError):
        parse_time(text)
