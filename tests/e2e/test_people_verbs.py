"""What people do by hand while a controller runs, beside a dead one, and instead of one."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from live_world import PERSON, POLICY_PATH, SERVICE, Live, living, quick_policy

from gitops_rollback.sandbox.people import People
from gitops_rollback.sandbox.stories import DEPLOYMENT, release_with_claim
from gitops_rollback.sandbox.telling import JOURNAL


def waiting_plan(live: Live) -> str:
    """A bad release that added a claim: the finished plan waits for a person; its id."""
    live.telling.acted_at = live.now()
    release_with_claim(live.telling)
    live.until(lambda: [one["phase"] for one in live.telling.records()] == ["AwaitingApproval"], "a plan waits")
    return str(live.telling.records()[0]["id"])


def notes(live: Live) -> list[str]:
    """What the journal says of pauses, in order."""
    found = [one for one in live.telling.decisions() if one["application"] == "controller/pauses"]
    return [one["action"] for one in sorted(found, key=lambda one: str(one["at"]))]


def bad_and_deployed(live: Live) -> None:
    live.fail()
    live.until(lambda: live.telling.live_revision() == live.telling.bad, "the bad release is deployed")


def test_a_person_approves_the_plan_that_waits_and_the_controller_carries_it_out(tmp_path: Path) -> None:
    with living(tmp_path) as live:
        identity = waiting_plan(live)
        assert live.verb("status", identity, "--wait").code == 7
        assert live.verb("approve", identity).code == 2
        assert live.people.head() == live.telling.bad
        answer = live.verb("approve", identity, "--yes", "--reason", "the cache is empty")
        assert answer.code == 0, answer.err
        assert live.verb("status", identity, "--wait").code == 0
        assert live.trailer("Rollback-Id") == [identity]
        assert live.trailer("Rollback-Requested-By") == [PERSON]
        assert live.telling.records()[0]["requestedBy"] == PERSON
        live.stop_controller()
        assert_told_from_git_alone(live, identity)


def assert_told_from_git_alone(live: Live, identity: str) -> None:
    """The controller is dead; git remembers."""
    assert [one["id"] for one in live.verb("history", "-o", "json").document] == [identity]
    explained = live.verb("explain", identity, "-o", "json")
    assert explained.code == 0
    assert explained.document["record"]["outcome"] == "verified"
    assert {one["reason"] for one in explained.document["decisions"]} >= {"Irreversible"}
    got = live.verb("get", "rollbacks")
    assert got.code == 0
    assert identity in got.out
    assert SERVICE in live.verb("get").out
    assert live.verb("approve", identity, "--yes").code == 4


def test_a_rejected_plan_stays_rejected(tmp_path: Path) -> None:
    with living(tmp_path) as live:
        identity = waiting_plan(live)
        assert live.verb("reject", identity, "--reason", "fixed forward").code == 0
        assert live.verb("status", identity).code == 4
        pages = len(live.pages())
        live.let_pass(timedelta(minutes=3), lambda: len(live.telling.records()) != 1, "another plan")
        live.stop_controller()
        live.start_controller()
        live.let_pass(timedelta(minutes=2), lambda: live.people.head() != live.telling.bad, "a push")
        record = live.telling.records()[0]
        assert (record["phase"], record["outcome"], record["reason"]) == ("Done", "refused", "Rejected")
        assert PERSON in record["message"]
        assert len(live.pages()) == pages


def test_a_person_rolls_back_with_no_controller_running(tmp_path: Path) -> None:
    with living(tmp_path, controller=False) as live:
        bad_and_deployed(live)
        planned = live.verb("plan", SERVICE, "-o", "json")
        assert (planned.code, planned.document["outcome"]) == (0, "clean")
        assert [one["commit"] for one in planned.document["suspects"]] == [live.telling.bad]
        suspects = live.verb("suspects", SERVICE, "-o", "json")
        assert (suspects.code, suspects.document["scope"]) == (0, "closure")
        assert [one["commit"] for one in suspects.document["suspects"]] == [live.telling.bad]
        assert {one["path"] for one in suspects.document["inputs"]} >= {f"apps/{SERVICE}/deployment.yaml"}
        table = live.verb("plan", SERVICE)
        assert table.code == 0
        assert f"This reverts commit {live.telling.bad}." in table.out
        refused = live.verb("rollback", SERVICE, "--reason", "cards fail")
        assert (refused.code, live.people.head()) == (2, live.telling.bad)
        answer = live.verb("rollback", SERVICE, "--reason", "cards fail", "--yes", "--wait")
        assert answer.code == 0, answer.err
        assert live.trailer("Rollback-Requested-By") == [PERSON]
        assert live.telling.live_revision() == live.people.head()
        checked = live.verb("verify", live.trailer("Rollback-Id")[0], "-o", "json")
        assert (checked.code, {one["ok"] for one in checked.document}) == (0, {True}), checked.err
        assert live.verb("verify", "rb-nothing").code == 2
        assert live.verb("rollback", SERVICE, "--reason", "again", "--yes", "--revert", live.telling.bad).code == 0
        assert len(live.people.git("rev-list", f"{live.telling.bad}..main").split()) == 1


def test_a_person_rolls_back_to_a_revision_and_a_running_controller_verifies_it(tmp_path: Path) -> None:
    patient = quick_policy().replace("for: 45s", "for: 15m")  # the person is faster than the controller
    with living(tmp_path, policies={POLICY_PATH: patient}) as live:
        good = live.telling.live_revision()
        bad_and_deployed(live)
        answer = live.verb("rollback", SERVICE, "--to", good, "--reason", "see INC-42", "--yes")
        assert answer.code == 0, answer.err
        identity = live.telling.records()[0]["id"]
        assert live.verb("status", identity, "--wait").code == 0
        assert live.people.git("diff", "--name-only", good, "main", "--", f"apps/{SERVICE}") == ""
        live.let_pass(timedelta(minutes=1), lambda: len(live.telling.reverts()) > 1, "a second commit")


@pytest.mark.parametrize("to", ["last-healthy", "TIME"])
def test_a_person_names_where_to_go_back_to(tmp_path: Path, to: str) -> None:
    with living(tmp_path, controller=False) as live:
        before = f"{live.now() - timedelta(minutes=1):%Y-%m-%dT%H:%M:%SZ}"
        bad_and_deployed(live)
        word = before if to == "TIME" else to
        answer = live.verb("rollback", SERVICE, "--to", word, "--reason", "see INC-42", "--yes")
        assert answer.code == 0, answer.err
        assert live.people.git("diff", "--name-only", live.telling.before, "main") == ""


def test_a_pause_holds_back_what_is_pending_and_a_resume_lets_it_go_on(tmp_path: Path) -> None:
    patient = quick_policy().replace("for: 45s", "for: 4m").replace("holdFor: 1m", "holdFor: 9m")
    with living(tmp_path, policies={POLICY_PATH: patient}) as live:
        live.fail()
        live.until(live.pending, "a trigger is pending")
        paused = live.verb("pause", "--all", "--for", "2h", "--reason", "load test")
        assert paused.code == 0, paused.err
        live.until(lambda: live.telling.has_decided("Paused"), "it says that it is paused")
        seen = live.verb("watch", SERVICE, "--timeout", "30s")
        assert (seen.code, SERVICE in seen.out, "load test" in seen.out) == (0, True, True), seen
        live.let_pass(timedelta(minutes=2), lambda: live.people.head() != live.telling.bad, "a push while paused")
        assert live.verb("rollback", SERVICE, "--reason", "now", "--yes").code == 4
        assert live.verb("resume", "--all").code == 0
        live.until(lambda: notes(live) == ["paused", "resumed"], "the journal notes pause and resume")
        live.until(lambda: bool(live.telling.reverts()), "it goes on")
        identity = live.telling.records()[0]["id"]
        aborted = live.verb("abort", identity, "--reason", "wrong application")
        assert aborted.code == 0, aborted.err
        assert live.verb("status", identity, "--wait").code == 1
        live.let_pass(timedelta(minutes=3), lambda: len(live.telling.reverts()) != 1, "more commits")
        assert [one["reason"] for one in live.telling.records()] == ["Aborted"]


def test_a_wish_that_names_nothing_is_refused_with_a_reason(tmp_path: Path) -> None:
    with living(tmp_path, controller=False) as live:
        for arguments, word in (
            (["rollback", "payments", "--reason", "x", "--yes"], "no watched application"),
            (["rollback", SERVICE, "--to", "yesterday", "--reason", "x", "--yes"], "no full SHA"),
            (["approve", "rb-0000", "--yes"], "not in the journal"),
        ):
            answer = live.verb(*arguments)
            assert answer.code in (2, 4), (arguments, answer)
            assert word in answer.out + answer.err
        assert DEPLOYMENT in live.people.git("ls-tree", "-r", "--name-only", "main")
        assert live.world.git.updates("shop/config.git") == ()


def test_a_torn_journal_pages_once_and_the_rest_of_it_still_counts(tmp_path: Path) -> None:
    with living(tmp_path) as live:
        live.fail()
        live.until_verified()
        identity = live.telling.records()[0]["id"]
        People(live.world.bare, JOURNAL).push("Tear", {"records/rb-0123456789abcdef.json": "{"}, live.now())
        live.until(lambda: bool(live.pages("JournalLost")), "it pages")
        live.stop_controller()
        live.start_controller()
        live.let_pass(timedelta(minutes=2))
        assert len(live.pages("JournalLost")) == 1
        assert live.verb("status", identity).code == 0


def test_a_pause_without_an_end_and_one_of_nobody_are_told(tmp_path: Path) -> None:
    with living(tmp_path) as live:
        odd = "apiVersion: gitops-rollback.dev/v1alpha1\nkind: RollbackPause\nspec: {applications: [{name: chekout}]}\n"
        live.people.push("Pause", {".gitops-rollback/pause.yaml": odd}, live.now())
        live.until(lambda: said(live, "controller/open-ended-pauses"), "a pause without an end is reported")
        live.until(lambda: said(live, "controller/pause-names"), "a name that nobody has is told")
        live.until(lambda: any("chekout" in page["text"] for page in live.pages("Paused")), "a person is told of it")


def said(live: Live, subject: str) -> bool:
    return any(one["application"] == subject for one in live.telling.decisions())


def test_the_doctor_finds_all_well_and_then_each_thing_that_is_not(tmp_path: Path) -> None:
    with living(tmp_path, controller=False) as live:
        well = live.verb("doctor", "--push")
        assert well.code == 0, well.out
        assert "✖" not in well.out
        for part in ("repository shop/config", "policies of", "journal of", "metrics", "push to", "engine default"):
            assert f"✔ {part}" in well.out
        assert "✔ argocd/checkout-api-prod: is watched by" in well.out
        assert "✔ events of default: arrive" in well.out
        assert "- images: not checked: the settings name no registry" in well.out
        live.people.push("Break the policy", {POLICY_PATH: "kind: RollbackPolicy\n"}, live.now())
        live.verb("pause", "--all", "--for", "1h", "--reason", "a freeze")
        live.world.prometheus.stop()
        live.world.git.refuse_push("protected branch hook declined", "refs/heads/gitops-rollback-journal")
        ill = live.verb("doctor", "--push", ARGOCD_AUTH_TOKEN="wrong")
        assert ill.code == 1
        found = [line for line in ill.out.splitlines() if line.startswith("✖")]
        for part in ("policies of", "metrics", "push to", "engine default"):
            assert any(line.startswith(f"✖ {part}") and " -> " in line for line in found), ill.out
