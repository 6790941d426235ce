"""Do the reading verbs tell what git holds, with the controller dead, and show no secret and no stranger's code?"""

from __future__ import annotations

import csv
import dataclasses
import io
import json
import re
import threading
from collections.abc import Callable
from datetime import timedelta

import pytest
import yaml
from config_world import APP, BAD, CONTROL, ID, OURS, TOKEN, Answer, World, a_record, an_entry, git, now

from gitops_rollback.core.costs import Inputs, Weighed
from gitops_rollback.core.journal import decode_record, record_document
from gitops_rollback.core.rollback import Phase, RollbackOutcome

Cli = Callable[..., Answer]


def test_applications_are_known_from_policies_before_anything_was_decided(world: World, cli: Cli) -> None:
    answer = cli("get", "-o", "json")
    assert answer.code == 0, answer.err
    (row,) = answer.document
    assert (row["name"], row["application"], row["policy"]) == (
        "checkout-api",
        "Application/argocd/payments-prod",
        "payments-prod",
    )
    assert (row["decision"], row["rollback"], row["paused"]) == (None, None, None)


def test_an_application_is_shown_with_its_newest_decision_and_rollback(world: World, cli: Cli) -> None:
    older = an_entry("wait", "Pending", at=now() - timedelta(hours=2))
    world.journal(a_record(), older, an_entry())
    (row,) = cli("get", "applications", "-o", "json").document
    assert (row["application"], row["decision"], row["reason"]) == (APP, "roll-back", "TriggerFired")
    assert (row["rollback"], row["outcome"]) == (ID, "verified")
    table = cli("get").out
    assert "1h ago" in table
    assert cli("get", "-o", "name").out == "checkout-api\n"


def test_a_pause_by_any_door_is_shown(world: World, cli: Cli) -> None:
    head = "apiVersion: gitops-rollback.dev/v1alpha1\nkind: RollbackPause\n"
    head += "spec: {applications: [{name: checkout-api, by: kim}]}\n"
    world.commit({".gitops-rollback/pause.yaml": head.encode()})
    (row,) = cli("get", "-o", "json").document
    assert row["paused"] == "paused without an end by kim (.gitops-rollback/pause.yaml)"


def test_policies_are_listed_with_their_faults(world: World, cli: Cli) -> None:
    world.commit({".gitops-rollback/policies/broken.yaml": b"apiVersion: nonsense\n"})
    answer = cli("get", "policies", "-o", "json")
    rows = {row["path"].rpartition("/")[2]: row for row in answer.document}
    assert rows["payments-prod.yaml"]["targets"] == ["checkout-api"]
    assert rows["payments-prod.yaml"]["automatic"] is True
    assert rows["broken.yaml"]["faults"] > 0
    assert "broken.yaml:1:" in answer.err


def test_rollbacks_are_listed_newest_first(world: World, cli: Cli) -> None:
    world.journal(a_record("rb-old", ago=timedelta(hours=5)), a_record("rb-new", ago=timedelta(hours=1)))
    assert cli("get", "rollbacks", "-o", "name").out == "rb-new\nrb-old\n"
    documents = cli("get", "rollbacks", "-o", "json").document
    assert documents[1] == record_document(a_record("rb-old", ago=timedelta(hours=5)))


def test_yaml_says_the_same_as_json(world: World, cli: Cli) -> None:
    world.journal(a_record(), an_entry())
    for arguments in (("get",), ("get", "policies"), ("get", "rollbacks"), ("explain", ID), ("status", ID)):
        assert yaml.safe_load(cli(*arguments, "-o", "yaml").out) == cli(*arguments, "-o", "json").document


def test_results_are_on_stdout_and_nothing_else_is(world: World, cli: Cli) -> None:
    answer = cli("get", "rollbacks")
    assert (answer.code, answer.out, answer.err) == (0, "", "No rollback is in the journal.\n")


@pytest.mark.parametrize(
    ("phase", "outcome", "code"),
    [
        (Phase.DONE, RollbackOutcome.VERIFIED, 0),
        (Phase.DONE, RollbackOutcome.UNVERIFIED, 1),
        (Phase.DONE, RollbackOutcome.FAILED, 1),
        (Phase.DONE, RollbackOutcome.SUPERSEDED, 1),
        (Phase.DONE, RollbackOutcome.REFUSED, 4),
        (Phase.DONE, RollbackOutcome.HELD, 4),
        (Phase.AWAITING_APPROVAL, None, 7),
        (Phase.SYNCING, None, 0),
    ],
)
def test_the_exit_code_of_status_says_the_outcome(
    world: World, cli: Cli, phase: Phase, outcome: RollbackOutcome | None, code: int
) -> None:
    world.journal(a_record(phase=phase, outcome=outcome))
    answer = cli("status", ID)
    assert answer.code == code
    assert ID in answer.out


def test_status_prints_the_record_itself(world: World, cli: Cli) -> None:
    world.journal(a_record())
    assert decode_record(cli("status", ID, "-o", "json").out.encode()) == a_record()


@pytest.mark.parametrize(("prefix", "code"), [("rb-42", 0), ("rb-4", 2), (ID, 0), ("rb-9", 2)])
def test_the_start_of_an_id_is_enough_where_it_is_unique(world: World, cli: Cli, prefix: str, code: int) -> None:
    world.journal(a_record(), a_record("rb-4"), a_record("rb-41"))
    answer = cli("status", prefix, "-o", "name")
    assert answer.code == (0 if prefix == "rb-4" else code)
    assert answer.out == {"rb-42": f"{ID}\n", ID: f"{ID}\n", "rb-4": "rb-4\n"}.get(prefix, "")


def test_waiting_gives_up_with_its_own_code(world: World, cli: Cli) -> None:
    world.journal(a_record(phase=Phase.SYNCING))
    assert cli("status", ID, "--wait", "--timeout", "0s").code == 6


def test_waiting_does_not_wait_for_a_person(world: World, cli: Cli) -> None:
    world.journal(a_record(phase=Phase.AWAITING_APPROVAL))
    assert cli("status", ID, "--wait", "--timeout", "10m").code == 7


def test_waiting_sees_the_end(world: World, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITOPS_ROLLBACK_CLOCK", f"{now().timestamp()},25")  # a look each 0.2 s of real time
    world.journal(a_record(phase=Phase.SYNCING))
    answers: list[Answer] = []
    waiting = threading.Thread(target=lambda: answers.append(cli("status", ID, "--wait", "--timeout", "12h")))
    waiting.start()
    world.journal(a_record(phase=Phase.DONE, outcome=RollbackOutcome.UNVERIFIED))
    waiting.join(60)
    assert [answer.code for answer in answers] == [1]


def test_history_can_be_cut_by_time(world: World, cli: Cli) -> None:
    hours = (1, 30, 100)
    world.journal(*(a_record(f"rb-{n}", ago=timedelta(hours=n)) for n in hours))
    assert cli("history", "-o", "name").out.split() == ["rb-1", "rb-30", "rb-100"]
    assert cli("history", "--since", "48h", "-o", "name").out.split() == ["rb-1", "rb-30"]
    until = (now() - timedelta(hours=20)).isoformat()
    assert cli("history", "--since", "4d", "--until", until, "-o", "name").out.split() == ["rb-30"]
    assert cli("history", "--since", "soon").code == 2


def test_history_lines_are_the_records(world: World, cli: Cli) -> None:
    world.journal(a_record())
    (line,) = cli("history", "-o", "jsonl").out.splitlines()
    assert json.loads(line) == cli("history", "-o", "json").document[0] == record_document(a_record())


def test_a_spreadsheet_gets_no_formula(world: World, cli: Cli) -> None:
    world.journal(a_record(message='=HYPERLINK("http://evil")'))
    header, row = csv.reader(io.StringIO(cli("history", "-o", "csv").out))
    cells = dict(zip(header, row, strict=True))
    assert cells["message"] == '\'=HYPERLINK("http://evil")'
    assert (cells["id"], cells["commit"], cells["applications"]) == (ID, OURS, APP)


def test_stats_count_and_nothing_known_is_not_zero(world: World, cli: Cli) -> None:
    world.journal(a_record(), a_record("rb-2", outcome=RollbackOutcome.HELD, times={}, requested_by="kim"))
    stats = cli("history", "--stats", "-o", "json").document
    assert (stats["rollbacks"], stats["automatic"], stats["outcomes"]) == (2, 1, {"held": 1, "verified": 1})
    assert stats["medianSecondsToRestore"] == 420.0
    (rolling,) = stats["strategies"].values()
    assert rolling["rollbacks"] == 2
    assert rolling["medianSeconds"]["trafficRestored"] is None
    assert cli("history", "--stats", "--since", "1s", "-o", "json").document["medianSecondsToRestore"] is None


def test_stats_tell_each_strategy_apart_and_count_no_drill(world: World, cli: Cli) -> None:
    known = a_record().times
    seconds = {"pushed": 10, "restored": 40, "verified": 300}
    times = {"fired": known["fired"], **{name: known["fired"] + timedelta(seconds=n) for name, n in seconds.items()}}
    world.journal(
        a_record(times=times, evidence={"strategy": "canary"}),
        a_record("rb-3", times=times, evidence={"drill": "dr-1"}),
        a_record("rb-2"),
    )
    stats = cli("history", "--stats", "-o", "json").document
    assert (stats["rollbacks"], stats["drills"], list(stats["strategies"])) == (2, 1, ["canary", "rolling"])
    canary = stats["strategies"]["canary"]["medianSeconds"]
    assert canary == {"initiation": 10.0, "trafficRestored": 40.0, "complete": 300.0}
    lines = cli("history", "--stats").out
    assert re.search(r"canary to traffic restored, median +40s", lines)
    assert re.search(r"rolling to traffic restored, median +none known", lines)


def test_explain_gives_the_record_and_every_decision_about_it(world: World, cli: Cli) -> None:
    about_another = an_entry(revision="d" * 40, details={})
    world.journal(a_record(), an_entry(), an_entry("wait", "Pending", details={}), about_another)
    document = cli("explain", ID, "-o", "json").document
    assert set(document) == {"record", "decisions"}
    assert document["record"]["id"] == ID
    assert [entry["reason"] for entry in document["decisions"]] == ["TriggerFired", "Pending"]


def words_of(line: str) -> str:
    """A line of a step without its time."""
    name, _, gap = line.strip().partition("  ")
    return f"{name} {gap.strip().partition('Z  ')[2]}"


@pytest.mark.parametrize(
    ("synced", "told"),
    [
        pytest.param(8, ["pushed 0s later", "held until at the latest", "synced 8m later"], id="waited-to-the-end"),
        pytest.param(4, ["pushed 0s later", "synced 4m later"], id="over-sooner"),
        pytest.param(None, ["pushed 0s later", "held until at the latest"], id="still-waits"),
    ],
)
def test_status_tells_the_times_as_they_came(world: World, cli: Cli, synced: int | None, told: list[str]) -> None:
    record = a_record(phase=Phase.VERIFYING if synced else Phase.SYNCING)
    at = record.times["decided"]
    times = {**record.times, "pushed": at, "heldUntil": at + timedelta(minutes=5)}
    times |= {"synced": at + timedelta(minutes=synced)} if synced else {}
    del times["verified"]
    world.journal(dataclasses.replace(record, times=times))
    lines = cli("status", ID).out.splitlines()
    assert [words_of(line) for line in lines if "Z  " in line][3:] == told


def test_explain_tells_every_fact_guard_and_time_in_words(world: World, cli: Cli) -> None:
    world.journal(a_record(), an_entry())
    text = cli("explain", ID[:8]).out
    for part in (
        BAD,
        "0.079",
        "sum(...)",
        "budget",
        "allow",
        "ask",
        "do: ask Kim",
        "4m later",
        "TriggerFired",
        "onset: 03:11",
    ):
        assert part in text, part


def test_explain_shows_each_way_out_with_its_cost_and_each_input_with_where_it_comes_from(
    world: World, cli: Cli
) -> None:
    costs = Weighed.of(Inputs(harm=0.049), {"harm": "measured: the rise of the rate"}, decides=True).document
    world.journal(an_entry("ask", "CheaperOtherwise", details={"costs": costs}))
    lines = [line.strip() for line in cli("explain", "checkout-api").out.splitlines()]
    for line in ("rollback: 0.34", "page: 1.11", "fixForward: 2.74", "rollbackPaysFrom: 0.501"):
        assert line in lines, line
    assert "harm: 0.049  (measured: the rise of the rate)" in lines
    assert "fixMinutes: 45.0  (default)" in lines


def test_explain_says_why_nothing_was_done(world: World, cli: Cli) -> None:
    world.journal(an_entry("hold", "NoLastGood", details={}))
    document = cli("explain", "checkout-api", "-o", "json").document
    assert document["record"] is None
    assert [entry["reason"] for entry in document["decisions"]] == ["NoLastGood"]


def test_an_unknown_application_is_told_the_known_ones(world: World, cli: Cli) -> None:
    answer = cli("explain", "checkout-app")
    assert answer.code == 2
    assert "Application/argocd/payments-prod" in answer.err


def test_a_torn_entry_is_told_and_hides_nothing_else(world: World, cli: Cli) -> None:
    world.journal(a_record())
    world.commit({"records/rb-torn.json": b"{"}, branch="gitops-rollback-journal")
    answer = cli("get", "rollbacks", "-o", "name")
    assert (answer.code, answer.out) == (0, f"{ID}\n")
    assert "records/rb-torn.json" in answer.err


def test_a_newer_journal_is_refused_in_one_sentence(world: World, cli: Cli) -> None:
    world.journal(a_record())
    world.commit({"records/rb-9.json": b'{"schema": 9}'}, branch="gitops-rollback-journal")
    answer = cli("status", ID)
    assert answer.code == 4
    assert answer.err == "journal: has schema 9, this version knows 1\n"


def test_a_remote_that_does_not_answer_is_six(world: World, cli: Cli) -> None:
    cli("get")
    world.server.status(503, times=50)
    assert cli("get").code == 6


def test_reading_writes_nothing(world: World, cli: Cli) -> None:
    world.journal(a_record(), an_entry())
    before = git("for-each-ref", cwd=world.path)
    for arguments in (
        ("get",),
        ("get", "policies"),
        ("get", "rollbacks"),
        ("status", ID),
        ("history",),
        ("explain", ID),
    ):
        assert cli(*arguments).code == 0
    assert git("for-each-ref", cwd=world.path) == before
    assert CONTROL not in before


def test_no_secret_and_no_escape_sequence_is_ever_printed(world: World, cli: Cli) -> None:
    evil = "\x1b[31m\u202e\x07 <b>"
    world.journal(a_record(message=evil), an_entry(message=evil, details={evil: evil}))
    world.server.user, world.server.password = "x-access-token", TOKEN
    shown = ""
    for arguments in (
        ("get", "-o", "wide"),
        ("get", "rollbacks", "-o", "wide"),
        ("history",),
        ("status", ID),
        ("explain", ID),
    ):
        answer = cli(*arguments)
        assert answer.code == 0, answer.err
        shown += answer.out + answer.err
    world.server.password = "other"
    refused = cli("get")
    assert refused.code not in (0, 3)
    shown += refused.out + refused.err
    assert TOKEN not in shown
    assert not {"\x1b", "\u202e", "\x07"} & set(shown)
