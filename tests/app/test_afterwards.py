"""After a rollback that did not help: what was tried is told, and three plans wait for a person, one approval away."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from app_world import MINUTE, POLICIES, START, TICK, Replica, World, deployment, policy, running, ship
from fake_forge import FakeForge
from request_story import by_request

from gitops_rollback.app.afterwards import Afterwards
from gitops_rollback.app.executor import Executor
from gitops_rollback.app.requesting import Prepared, Requests, Wish, landed
from gitops_rollback.core.errors import EngineUnavailable
from gitops_rollback.core.next_plans import Way, follows
from gitops_rollback.core.pull_request import MergeMethod, PullRequestState
from gitops_rollback.core.rollback import Phase, RollbackOutcome, RollbackRecord

LATER = START + 3 * MINUTE
ENDED = START + 10 * MINUTE
PATH = "apps/web/web.yaml"
LOUD = deployment("web", "1.0", level="debug")


def _in_vain(world: World, words: str = "", between: Callable[..., str] | None = None) -> Replica:
    """Two harmless commits were synced, then a release; whatever runs since then fails, and so does the rollback.

    `words` is the policy's text, and `between` lands a harmless release with the other two.
    """
    running(world, "web")
    if words:
        world.people.push("Change the policy", {f"{POLICIES}/web.yaml": words}, START - 50 * MINUTE)
    one = world.replica()
    one.tick(START - 20 * MINUTE)
    world.people.push("Add a note", {"apps/web/note.yaml": "kind: ConfigMap\n"}, START - 16 * MINUTE)
    debug = world.people.push("Log in debug", {PATH: LOUD}, START - 15 * MINUTE)
    old = "1.0" if between is None else "1.2"
    debug = debug if between is None else between(world, "web", START - 14 * MINUTE - TICK, "1.0", old)
    world.engine.deploy("web", debug, START - 14 * MINUTE)
    one.until(START - 13 * MINUTE, START - 12 * MINUTE)
    world.engine.deploy("web", ship(world, "web", START - MINUTE, old=old), START)
    world.metrics.break_from("web", START + MINUTE)
    one.until(START, ENDED)
    return one


def _records(one: Replica) -> dict[Way | None, RollbackRecord]:
    """The rollback itself under None, and each plan after it by its way."""
    records = one.reconciler.see_now().journal.records.values()
    return {found[1] if (found := follows(record)) else None: record for record in records}


def _approve(world: World, one: Replica, record: RollbackRecord) -> Prepared:
    executor = one.reconciler.executor
    assert isinstance(executor, Executor)
    requests = Requests(one.repo, one.reconciler, executor, world.clock)
    prepared = requests.prepare(Wish(record.applications[0], "ann", "see INC-42", waiting=record.id))
    if prepared.plan is not None and prepared.plan.reversal.outcome == "clean":
        assert landed(requests.carry_out(prepared))
    return prepared


def test_the_page_has_the_table_and_a_command_for_each_plan(world: World) -> None:
    one = _in_vain(world)
    records = _records(one)
    failed = records.pop(None)
    assert (failed.outcome, failed.reason) == (RollbackOutcome.UNVERIFIED, "StillBad")
    assert {way: record.phase for way, record in records.items()} == dict.fromkeys(Way, Phase.AWAITING_APPROVAL)
    assert len({record.id for record in records.values()} | {failed.id}) == 4
    (page,) = [message for message in one.told.messages if message.event == "unverified"]
    lines = page.text.splitlines()
    assert page.page
    assert re.fullmatch(
        rf"- {str(failed.commit)[:12]} undid {failed.reverts[0][:12]}, pushed \S+Z, unverified; "
        r"before: errors 0.5; after: errors 0.5",
        lines[2],
    )
    debug, note = world.people.git("log", "--format=%H", "--grep=debug", "--grep=note", "main").split()
    assert lines[4:] == [
        f"- next suspect: undoes {debug[:12]} Log in debug: gitops-rollback approve {records[Way.NEXT_SUSPECT].id}",
        f"- whole range: undoes {debug[:12]}, {note[:12]}, all that is left back to {failed.restores[:12]}: "
        f"gitops-rollback approve {records[Way.WHOLE_RANGE].id}",
        f"- reapply: lands again what {str(failed.commit)[:12]} took back in vain: "
        f"gitops-rollback approve {records[Way.REAPPLY].id}",
    ]


def test_nothing_of_it_happens_by_itself(world: World) -> None:
    one = _in_vain(world)
    head = world.head()
    last = one.until(ENDED, ENDED + 30 * MINUTE)[-1]
    assert world.head() == head
    assert sum(record.open for record in last.view.journal.records.values()) == 3


def test_a_process_that_died_before_it_told_leaves_the_same_page_to_the_next(world: World) -> None:
    one = _in_vain(world)
    (page,) = [message for message in one.told.messages if message.event == "unverified"]
    two = world.replica("two")
    two.tick(ENDED + MINUTE)
    (again,) = [message for message in two.told.messages if message.event == "unverified"]
    assert (again.text, again.key) == (page.text, page.key)


def test_an_approval_lands_the_next_suspect_on_top_and_ends_the_other_plans(world: World) -> None:
    one = _in_vain(world)
    plans = _records(one)
    _approve(world, one, plans[Way.NEXT_SUSPECT])
    assert world.people.read(PATH) == deployment("web", "1.0")
    message = world.people.git("log", "-1", "--format=%B", "main")
    assert f"Rollback-Id: {plans[Way.NEXT_SUSPECT].id}" in message
    assert "Rollback-Requested-By: ann" in message
    assert "Rollback-Trigger: errors" in message
    assert f"Rollback-Bad-Revision: {plans[None].bad_revision}" in message
    world.metrics.mend("web", ENDED)
    one.until(ENDED, ENDED + 3 * MINUTE)
    outcomes = {way: record.outcome for way, record in _records(one).items()}
    assert outcomes == {
        None: RollbackOutcome.UNVERIFIED,
        Way.NEXT_SUSPECT: RollbackOutcome.VERIFIED,
        Way.WHOLE_RANGE: RollbackOutcome.SUPERSEDED,
        Way.REAPPLY: RollbackOutcome.SUPERSEDED,
    }


def test_a_second_person_cannot_approve_another_of_the_plans(world: World) -> None:
    one = _in_vain(world)
    plans = _records(one)
    _approve(world, one, plans[Way.NEXT_SUSPECT])
    head = world.head()
    refused = _approve(world, one, plans[Way.REAPPLY])
    assert refused.plan is None
    assert refused.proposal.attribution.message == f"{plans[Way.NEXT_SUSPECT].id} was approved instead"
    assert _approve(world, one, plans[Way.NEXT_SUSPECT]).plan is None, "nor the same one twice"
    assert world.head() == head


def test_the_whole_range_goes_back_to_the_last_good_state(world: World) -> None:
    one = _in_vain(world)
    plans = _records(one)
    _approve(world, one, plans[Way.WHOLE_RANGE])
    changed = world.people.git("diff", "--name-only", plans[None].restores, "main")
    assert changed == ""


def test_a_reapply_is_git_s_own_word_and_is_followed_by_no_more_plans(world: World) -> None:
    one = _in_vain(world)
    plans = _records(one)
    prepared = _approve(world, one, plans[Way.REAPPLY])
    assert prepared.plan is not None
    assert "known-ground" in {answer.guard for answer in prepared.plan.guards if answer.result == "ask"}
    assert world.commits()[0] == 'Reapply "Ship web 1.1"'
    assert world.people.read(PATH) == deployment("web", "1.1", level="debug")
    message = world.people.git("log", "-1", "--format=%B", "main")
    assert f"Rollback-Reverts: {plans[None].commit}" in message
    assert f"Rollback-Restores: {plans[None].bad_revision}" in message
    last = one.until(ENDED, ENDED + 10 * MINUTE)[-1]
    assert _records(one)[Way.REAPPLY].outcome is RollbackOutcome.UNVERIFIED
    assert len(last.view.journal.records) == 4
    assert world.commits()[0] == 'Reapply "Ship web 1.1"', "nothing is taken back again"


def test_a_chain_of_attempts_is_told_as_one_table_and_taken_back_as_one(world: World) -> None:
    one = _in_vain(world)
    first = _records(one)
    _approve(world, one, first[Way.NEXT_SUSPECT])
    one.until(ENDED, ENDED + 10 * MINUTE)
    page = [message for message in one.told.messages if message.event == "unverified"][-1]
    commits = [str(first[None].commit)[:12], str(_one(one, first[Way.NEXT_SUSPECT].id).commit)[:12]]
    rows = [line.split()[1] for line in page.text.splitlines() if " undid " in line]
    assert rows == commits[::-1]
    assert "whole range: not possible: nothing is left of the range but the next suspect" in page.text
    assert f"lands again what {', '.join(commits[::-1])} took back in vain" in page.text


def _one(replica: Replica, identity: str) -> RollbackRecord:
    return replica.reconciler.see_now().journal.records[identity]


def test_where_nothing_is_left_of_the_range_the_page_says_so(world: World) -> None:
    running(world, "web")
    one = world.replica()
    world.engine.deploy("web", ship(world, "web", START - MINUTE), START)
    world.metrics.break_from("web", START + MINUTE)
    one.until(START, ENDED)
    (page,) = [message for message in one.told.messages if message.event == "unverified"]
    assert "- next suspect: not possible: nobody else was under suspicion" in page.text
    assert "- whole range: not possible: all of the range that changes its inputs is undone already" in page.text
    assert set(_records(one)) == {None, Way.REAPPLY}


def test_what_somebody_landed_over_it_since_is_not_landed_again(world: World) -> None:
    one = _in_vain(world)
    plan = _records(one)[Way.REAPPLY]
    newer = world.people.push("Ship web 1.2", {PATH: deployment("web", "1.2", level="debug")}, ENDED)
    refused = _approve(world, one, plan)
    assert refused.plan is not None
    assert refused.plan.reversal.outcome == "conflict"
    assert world.head() == newer


def test_a_reapply_never_takes_back_a_later_release(world: World) -> None:
    """The key could go back to what it was in the last good state: that is no reapply."""
    one = _in_vain(world, between=ship)
    plan = _records(one)[Way.REAPPLY]
    newer = world.people.push("Ship web 1.3", {PATH: deployment("web", "1.3", level="debug")}, ENDED)
    refused = _approve(world, one, plan)
    assert refused.plan is None
    assert refused.proposal.attribution.message == f"{newer[:12]} has set the same since"


def test_each_plan_ends_where_somebody_has_done_it_by_hand(world: World) -> None:
    one = _in_vain(world)
    again = world.people.push("Ship web 1.1 after all", {PATH: deployment("web", "1.1", level="debug")}, ENDED)
    world.engine.deploy("web", again, ENDED)
    one.until(ENDED + TICK, ENDED + 2 * MINUTE)
    outcomes = {way: record.outcome for way, record in _records(one).items() if way}
    assert outcomes == {Way.NEXT_SUSPECT: None, Way.WHOLE_RANGE: None, Way.REAPPLY: RollbackOutcome.SUPERSEDED}


def test_a_guard_that_denies_a_plan_is_named_instead_of_the_plan(world: World) -> None:
    one = _in_vain(
        world, policy("web") + "  guards: [{name: notes, type: paths, paths: ['**/note.yaml'], result: deny}]\n"
    )
    (page,) = [message for message in one.told.messages if message.event == "unverified"]
    assert "- whole range: not possible: guard notes denies it: " in page.text
    assert set(_records(one)) == {None, Way.NEXT_SUSPECT, Way.REAPPLY}


FIRST = {"restore": ["whole range", "next suspect", "reapply"], "none": []}


@pytest.mark.parametrize("suggest", FIRST)
def test_the_policy_says_which_plan_comes_first_or_that_there_is_none(world: World, suggest: str) -> None:
    one = _in_vain(world, policy("web").replace("timeout: 5m}", f"timeout: 5m, onFailure: {{suggest: {suggest}}}}}"))
    (page,) = [message for message in one.told.messages if message.event == "unverified"]
    assert [line[2:].partition(":")[0] for line in page.text.splitlines()[3:] if line[:2] == "- "] == FIRST[suggest]
    assert len(_records(one)) == 1 + len(FIRST[suggest])


def test_an_engine_that_does_not_answer_keeps_nobody_from_being_paged(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def silent(*_: object) -> None:
        raise EngineUnavailable("default", "connection refused")

    monkeypatch.setattr(Afterwards, "_look", silent)
    one = _in_vain(world)
    (page,) = [message for message in one.told.messages if message.event == "unverified"]
    assert page.text.count("not possible: no plan could be made: connection refused") == 3


def test_where_the_rollback_was_a_pull_request_the_first_plan_is_one_and_nothing_is_pushed(world: World) -> None:
    forge = FakeForge(world)
    world.forge = forge
    one = _in_vain(world, by_request(policy("web")))
    records = _records(one)
    assert records[None].outcome is RollbackOutcome.UNVERIFIED
    one.until(ENDED + TICK, ENDED + 4 * TICK)
    head, records = world.head(), _records(one)
    offer = records[Way.NEXT_SUSPECT].offer
    assert offer is not None
    assert offer.number is not None
    assert forge.requests[offer.number].state is PullRequestState.OPEN
    assert [records[way].offer for way in (Way.WHOLE_RANGE, Way.REAPPLY)] == [None, None]
    assert len(forge.requests) == 2, "one for the rollback, and one for what comes next"
    forge.land(offer.number, MergeMethod.SQUASH, "grace")
    one.until(ENDED + 5 * TICK, ENDED + 5 * MINUTE)
    assert world.head() != head
    assert _records(one)[Way.NEXT_SUSPECT].commit == forge.requests[offer.number].merge_sha
    assert _records(one)[Way.WHOLE_RANGE].outcome is RollbackOutcome.SUPERSEDED
