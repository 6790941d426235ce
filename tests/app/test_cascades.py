"""What needs the culprit's change goes back first: one plan, each commit applied before the next."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest
from app_world import MINUTE, POLICIES, START, TICK, Replica, World, deployment, policy, running, ship

from gitops_rollback.app.executor import Executor
from gitops_rollback.app.requesting import Requests, Wish
from gitops_rollback.core.infrastructure import RunObject
from gitops_rollback.core.rollback import RollbackRecord
from gitops_rollback.core.sync import ApplicationState, Health
from gitops_rollback.core.waves import TRACKED, WAVE
from gitops_rollback.ports import PushOutcome, PushResult, RefUpdate

CASCADE = "  cascade: {maxDepth: %d}\n"


def needing(name: str, *needed: str) -> str:
    """A policy whose target depends on others."""
    return policy(name).replace(
        f"    - name: {name}\n", f"    - name: {name}\n      dependsOn: [{', '.join(needed)}]\n"
    )


def chained(
    world: World,
    depth: int = 2,
    more: str = "",
    moved: tuple[str, ...] = ("till", "kiosk"),
    files: Mapping[str, str] | None = None,
    before: str = "",
) -> str:
    """web <- till <- kiosk: web ships a bad version, `before` something before, `moved` since. The bad commit."""
    policies = {f"{POLICIES}/till.yaml": needing("till", "web"), f"{POLICIES}/kiosk.yaml": needing("kiosk", "till")}
    running(world, "web", "till", "kiosk")
    policies[f"{POLICIES}/web.yaml"] = policy("web") + CASCADE % depth + more
    world.people.push("Say who needs whom", {**policies, **(files or {})}, START - 50 * MINUTE)
    if before:
        world.engine.deploy(before, ship(world, before, START - 6 * MINUTE), START - 5 * MINUTE)
    bad = ship(world, "web", START - 4 * MINUTE)
    world.engine.deploy("web", bad, START)
    for number, name in enumerate(moved):
        world.engine.deploy(name, ship(world, name, START - (3 - number) * MINUTE), START + (number + 1) * TICK)
    world.metrics.break_from("web", START + MINUTE)
    return bad


def since(world: World) -> list[str]:
    """What we pushed, oldest first."""
    return [one for one in reversed(world.commits()) if one.startswith("Revert")]


def until_pushed(world: World, one: Replica, number: int, now: datetime = START) -> None:
    for _ in range(60):
        one.tick(now)
        if len(since(world)) >= number:
            return
        now += TICK
    raise AssertionError(f"{since(world)}: {one.told.reasons}")


def record_of(one: Replica, at: datetime) -> RollbackRecord:
    (record,) = [one for one in one.tick(at).view.journal.records.values() if one.steps]
    return record


def test_what_needs_it_goes_back_first_one_after_the_other(world: World) -> None:
    bad = chained(world)
    one = world.replica()
    until_pushed(world, one, 3)
    now = world.clock.at
    world.metrics.mend("web", now)
    one.until(now, now + 2 * MINUTE)

    assert since(world) == ['Revert "Ship kiosk 1.1"', 'Revert "Ship till 1.1"', 'Revert "Ship web 1.1"']
    assert world.engine.synced == ["kiosk", "till", "web"]
    for name in ("web", "till", "kiosk"):
        assert world.people.read(f"apps/{name}/{name}.yaml") == deployment(name, "1.0")
    record = record_of(one, now + 3 * MINUTE)
    assert (record.outcome, [step.n for step in record.steps]) == ("verified", [1, 2, 3])
    said = world.people.git("log", "-3", "--format=%(trailers:key=Rollback-Id,valueonly)", "main").split()
    assert said == [record.id] * 3
    assert record.reverts[-1] == bad


@pytest.mark.parametrize(
    ("moved", "reverted"),
    [(("kiosk",), ["web"]), (("till",), ["till", "web"])],
    ids=["only what needs somebody unchanged", "one of two"],
)
def test_what_is_as_it_was_stays(world: World, moved: tuple[str, ...], reverted: list[str]) -> None:
    chained(world, moved=moved)
    until_pushed(world, world.replica(), len(reverted))

    assert since(world) == [f'Revert "Ship {name} 1.1"' for name in reverted]


def test_whoever_comes_next_goes_on_from_what_the_branch_says(world: World) -> None:
    """Each step is pushed by another process on a clone of its own; the journal is elsewhere, the branch says all."""
    chained(world)
    now = START
    for number in (1, 2, 3):
        until_pushed(world, world.replica(f"heir-{number}", "memory"), number, now)
        now = world.clock.at
    world.metrics.mend("web", now)
    last = world.replica("last", "memory")
    last.until(now, now + 2 * MINUTE)

    assert since(world) == ['Revert "Ship kiosk 1.1"', 'Revert "Ship till 1.1"', 'Revert "Ship web 1.1"']
    assert record_of(last, now + 3 * MINUTE).outcome == "verified"


def test_a_step_that_the_journal_never_heard_of_is_known_by_what_it_holds(world: World) -> None:
    """The journal's ref may be refused: the step is pushed alone, and its process may die then."""
    chained(world)
    one = world.replica()
    until_pushed(world, one, 1)
    journal = world.head("gitops-rollback-journal")
    until_pushed(world, one, 2, world.clock.at)
    world.people.git("update-ref", "refs/heads/gitops-rollback-journal", journal)
    until_pushed(world, world.replica("heir"), 3, world.clock.at)

    assert since(world) == ['Revert "Ship kiosk 1.1"', 'Revert "Ship till 1.1"', 'Revert "Ship web 1.1"']


def asked(world: World, one: Replica) -> str:
    """What a person is asked, after a while in which nothing was pushed."""
    one.until(START, START + 3 * MINUTE)
    assert since(world) == []
    (told,) = [message for message in one.told.messages if message.event == "suggested"]
    return f"{told.reason}: {told.text}"


def test_who_was_left_without_what_it_needs_is_not_left_so_once_more(world: World) -> None:
    """It has changed before today's culprit, which only brought again what an earlier rollback had taken from it."""
    chained(world, moved=("till",), files={f"{POLICIES}/web.yaml": policy("web")})
    one = world.replica()
    one.until(START, START + 3 * MINUTE)
    (waiting,) = one.tick(world.clock.at).view.journal.records.values()
    approve(world, one, waiting.id)
    world.metrics.mend("web", world.clock.at)
    one.until(world.clock.at + TICK, START + 6 * MINUTE)
    again = ship(world, "web", START + 20 * MINUTE, "1.0", "1.2")
    world.engine.deploy("web", again, START + 20 * MINUTE)
    world.metrics.break_from("web", START + 21 * MINUTE)
    one.until(START + 19 * MINUTE, START + 24 * MINUTE)

    assert since(world) == ['Revert "Ship web 1.1"']
    records = one.tick(world.clock.at).view.journal.records.values()
    (asking,) = (record for record in records if record.id != waiting.id)
    said = {told["guard"]: told for told in asking.guards}
    assert (said["dependants"]["result"], said["left-without"]["result"]) == ("allow", "ask")
    assert f"and needs what {waiting.id} had taken back before" in said["left-without"]["message"]


def test_a_deeper_cascade_is_a_plan_that_waits_and_goes_in_order_once_approved(world: World) -> None:
    chained(world, depth=1)
    one = world.replica()
    told = asked(world, one)

    assert "CascadeTooDeep: kiosk changed since, and needs till; till changed since, and needs web" in told
    (waiting,) = one.tick(world.clock.at).view.journal.records.values()
    approve(world, one, waiting.id)
    until_pushed(world, one, 3, world.clock.at)
    assert since(world) == ['Revert "Ship kiosk 1.1"', 'Revert "Ship till 1.1"', 'Revert "Ship web 1.1"']


def approve(world: World, one: Replica, identity: str) -> None:
    """A person gives the plan that waits their word."""
    assert isinstance(one.reconciler.executor, Executor)
    requests = Requests(one.repo, one.reconciler, one.reconciler.executor, world.clock)
    wish = Wish("web", "ann", "read it", waiting=identity)
    assert requests.carry_out(requests.prepare(wish)).outcome is PushOutcome.LANDED


def frozen_policy(world: World) -> None:
    window = '{cron: "0 0 * * *", duration: 24h, timezone: UTC}'
    guards = f"  guards: [{{name: freeze, type: schedule, during: [{window}], result: ask}}]\n"
    world.people.push("Freeze", {f"{POLICIES}/till.yaml": needing("till", "web") + guards}, START - 49 * MINUTE)


def quiet_policy(world: World) -> None:
    text = needing("till", "web").replace("auto_rollback", "page_and_suggest")
    world.people.push("Only suggest", {f"{POLICIES}/till.yaml": text}, START - 49 * MINUTE)


def one_commit_for_two(world: World) -> None:
    files = {f"apps/{name}/{name}.yaml": deployment(name, "1.2") for name in ("till", "kiosk")}
    both = world.people.push("Ship till and kiosk", files, START)
    world.engine.deploy("till", both, START + TICK)


@pytest.mark.parametrize(
    ("more", "act", "why"),
    [
        ("  delivery: {mode: pull-request}\n", None, "a cascade is several commits, each applied before the next"),
        ("", frozen_policy, "till, which goes back first: now lies in the window"),
        ("", quiet_policy, "NotAutomatic: till changed since, and needs web; no trigger of its policy acts"),
        ("", one_commit_for_two, "changed kiosk and till, so neither goes back alone"),
    ],
    ids=["by pull request", "a guard of a dependant", "a dependant that only suggests", "one commit for two"],
)
def test_where_it_may_not_go_by_itself_a_person_is_asked(
    world: World, more: str, act: Callable[[World], None] | None, why: str
) -> None:
    chained(world, more=more)
    if act is not None:
        act(world)

    assert why in asked(world, world.replica())


def test_a_dependant_that_goes_bad_by_going_back_holds_the_rest_and_pages_with_both_ways(world: World) -> None:
    chained(world)
    one = world.replica()
    until_pushed(world, one, 1)
    kiosk = world.engine.states["kiosk"]
    world.engine.states["kiosk"] = replace(kiosk, health=Health.DEGRADED)
    now = world.clock.at
    one.until(now, now + 2 * MINUTE)

    assert since(world) == ['Revert "Ship kiosk 1.1"']
    (page,) = [message for message in one.told.messages if message.reason == "StepFailed"]
    assert "go on until web is back, or land" in page.text
    world.engine.states["kiosk"] = replace(world.engine.states["kiosk"], health=Health.HEALTHY)
    until_pushed(world, one, 3, world.clock.at)


def test_whoever_ships_it_anew_between_two_steps_has_the_last_word(world: World) -> None:
    chained(world)
    one = world.replica()
    until_pushed(world, one, 1)
    text = deployment("kiosk", "1.3")
    fixed = world.people.push("Ship kiosk 1.3", {"apps/kiosk/kiosk.yaml": text}, world.clock.at)
    one.until(world.clock.at, world.clock.at + MINUTE)

    assert world.head() == fixed
    record = record_of(one, world.clock.at)
    assert (record.outcome, record.reason) == ("held", "FieldEdited")


def test_whoever_ships_another_dependant_between_two_steps_is_not_left_without_what_it_needs(world: World) -> None:
    """kiosk was as it was when the plan was made; now it calls what the last step would take away."""
    chained(world, moved=("till",), files={f"{POLICIES}/kiosk.yaml": needing("kiosk", "web")})
    one = world.replica()
    until_pushed(world, one, 1)
    shipped = ship(world, "kiosk", world.clock.at)
    one.until(world.clock.at, world.clock.at + MINUTE)

    assert world.head() == shipped
    record = record_of(one, world.clock.at)
    assert (record.outcome, record.reason) == ("held", "FieldEdited")
    assert "kiosk has changed with" in record.message
    assert "safe end: finish" in record.message


def test_a_cascade_that_can_go_no_further_says_how_it_ends_safely(world: World) -> None:
    """Somebody has shipped on meanwhile, so that the culprit's revert, the last step, would take that back, too."""
    chained(world, moved=("till",))
    one = world.replica()
    until_pushed(world, one, 1)
    world.people.push("Ship web 1.2", {"apps/web/web.yaml": deployment("web", "1.2")}, world.clock.at)
    one.until(world.clock.at, world.clock.at + MINUTE)

    assert since(world) == ['Revert "Ship till 1.1"'], "nobody has agreed to take 1.2 back"
    record = record_of(one, world.clock.at)
    assert (record.outcome, record.reason) == ("unverified", "Supersedes")
    (page,) = [message for message in one.told.messages if message.event == "unverified"]
    assert "safe end: finish: go on until web is back, or land" in page.text


DATABASE = """\
apiVersion: infra.contrib.fluxcd.io/v1alpha2
kind: Terraform
metadata: {name: db, namespace: shop}
spec: {approvePlan: auto, path: ./infra/db, vars: [{name: connections, value: SIZE}]}
"""
PROVIDED = "  strategies:\n    - {name: database, type: infrastructure, infrastructure: {syncTimeout: 40m}}\n"


class OneDatabase:
    """A cluster with one `Terraform` object, whose run is over or not."""

    over = False

    def find(self, application: ApplicationState, named: Sequence[RunObject]) -> Mapping[RunObject, Any]:
        ready = {
            "type": "Ready",
            "status": "True" if self.over else "Unknown",
            "reason": "Ran" if self.over else "Runs",
        }
        status = {"observedGeneration": 2, "conditions": [ready]}
        found = {"metadata": {"generation": 2}, "spec": {"approvePlan": "auto"}, "status": status}
        return {one: found for one in named if one.kind == "Terraform"}

    def serves(self, application: ApplicationState, api_version: str, kind: str) -> bool | None:
        return True


def test_the_next_step_waits_for_the_run_of_infrastructure_that_the_one_before_it_caused(world: World) -> None:
    """By the rule of the application that goes back: the culprit's policy knows nothing of its database."""
    cluster = OneDatabase()
    world.objects, world.kinds = cluster, frozenset({("infra.contrib.fluxcd.io", "Terraform")})
    running(world, "web", "till", extra={"apps/till/db.yaml": DATABASE})
    policies = {f"{POLICIES}/till.yaml": needing("till", "web") + PROVIDED}
    policies[f"{POLICIES}/web.yaml"] = policy("web") + CASCADE % 1
    world.people.push("Say who needs whom", policies, START - 50 * MINUTE)
    world.engine.deploy("web", ship(world, "web", START - 4 * MINUTE), START)
    files = {"apps/till/till.yaml": deployment("till", "1.1"), "apps/till/db.yaml": DATABASE.replace("SIZE", "5")}
    world.engine.deploy("till", world.people.push("Ship till 1.1", files, START - 3 * MINUTE), START + TICK)
    world.metrics.break_from("web", START + MINUTE)
    one = world.replica()
    until_pushed(world, one, 1)
    one.until(world.clock.at, world.clock.at + 10 * MINUTE)
    assert len(since(world)) == 1, "the engine has been content for long"

    cluster.over = True
    until_pushed(world, one, 2, world.clock.at)
    assert since(world)[1] == 'Revert "Ship web 1.1"'


def factor(text: str) -> str:
    """The same policy, whose trigger asks that it be worse than before."""
    return text.replace("      severity:", "      baseline: {lookback: 30m, mustExceedFactor: 2}\n      severity:")


def test_what_is_no_worse_than_before_may_go_back_too(world: World) -> None:
    """Nothing is wrong with it now; that it was quiet before its change is what counts."""
    files = {f"{POLICIES}/till.yaml": factor(needing("till", "web"))}
    chained(world, moved=("till",), files=files)
    until_pushed(world, world.replica(), 2)

    assert since(world) == ['Revert "Ship till 1.1"', 'Revert "Ship web 1.1"']


def test_the_engines_word_counts_beside_the_policies(world: World) -> None:
    """Flux' `dependsOn`, and the waves of an Argo CD app-of-apps."""
    chained(
        world, moved=("till", "kiosk"), files={f"{POLICIES}/{name}.yaml": policy(name) for name in ("till", "kiosk")}
    )
    states = world.engine.states
    states["till"] = replace(states["till"], needs=(states["web"].id,))
    for name, wave in (("till", "1"), ("kiosk", "2")):
        tracked = f"shop:argoproj.io/Application:argocd/{name}"
        states[name] = replace(states[name], annotations={TRACKED: tracked, WAVE: wave})
    until_pushed(world, world.replica(), 3)

    assert since(world) == ['Revert "Ship kiosk 1.1"', 'Revert "Ship till 1.1"', 'Revert "Ship web 1.1"']


def test_what_breaks_by_a_rollback_is_not_rolled_back_by_itself(world: World) -> None:
    """till changed before web did, and is as it was; then it cannot do without what was taken back."""
    chained(world, moved=(), before="till")
    one = world.replica()
    until_pushed(world, one, 1)
    now = world.clock.at
    world.metrics.mend("web", now)
    world.metrics.break_from("till", now + TICK)
    one.until(now, now + 8 * MINUTE)

    assert since(world) == ['Revert "Ship web 1.1"']
    told = [message for message in one.told.messages if message.reason == "DependencyRolledBack"]
    assert len(told) == 1
    assert "took web back, which it needs; approve this plan, or land again what was taken back" in told[0].text
    record = record_of(one, world.clock.at)
    assert (record.outcome, record.reason) == ("unverified", "StillBad")
    (page,) = [message for message in one.told.messages if message.event == "unverified"]
    assert "reapply" in page.text


def test_a_pause_of_a_dependant_stops_the_whole(world: World) -> None:
    chained(world)
    paused = "apiVersion: gitops-rollback.dev/v1alpha1\nkind: RollbackPause\nspec:\n  applications:\n"
    paused += "    - {name: till, until: 2099-01-01T00:00:00Z, by: ann, reason: looking}\n"
    world.people.push("Leave till alone", {".gitops-rollback/pause.yaml": paused}, START - MINUTE)
    one = world.replica()
    one.until(START, START + 3 * MINUTE)

    assert since(world) == []
    assert "Paused" in one.told.reasons


def test_what_breaks_by_a_rollback_long_after_it_was_verified_is_told_once(world: World) -> None:
    """Nothing was deployed to it lately, so that nobody watches it for that."""
    chained(world, moved=())
    one = world.replica()
    until_pushed(world, one, 1)
    now = world.clock.at
    world.metrics.mend("web", now)
    one.until(now, now + 3 * MINUTE)
    assert record_of(one, now + 3 * MINUTE).outcome == "verified"

    broke = now + 6 * MINUTE
    world.metrics.break_from("till", broke)
    one.until(broke, broke + 5 * MINUTE)
    (told,) = [message for message in one.told.messages if "till went bad" in message.title]
    assert (told.page, told.reason) == (True, "DependencyRolledBack")
    assert "gitops-rollback rollback web --revert" in told.text
    assert "gitops-rollback plan argocd/till" in told.text

    world.metrics.mend("till", broke + 5 * MINUTE)
    one.until(broke + 5 * MINUTE, broke + 9 * MINUTE)
    assert "till is well again" in one.told.messages[-1].title
    assert since(world) == ['Revert "Ship web 1.1"']


def test_a_plan_of_several_commits_does_not_begin_without_its_record(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its commits do not say what is still to go back; a single one may land while a rule refuses the journal."""
    chained(world)
    one = world.replica()
    one.tick(START)
    real = one.repo.push

    def push(updates: Sequence[RefUpdate]) -> PushResult:
        if any("journal" in update.ref for update in updates):
            refs = {one.ref: PushOutcome.PROTECTED if "journal" in one.ref else PushOutcome.REJECTED for one in updates}
            return PushResult(PushOutcome.REJECTED if len(refs) > 1 else PushOutcome.PROTECTED, refs, "protected")
        return real(updates)

    monkeypatch.setattr(one.repo, "push", push)
    one.until(START + TICK, START + 5 * MINUTE)
    assert since(world) == []
    assert one.told.reasons[-1] == "JournalUnwritable"

    monkeypatch.setattr(one.repo, "push", real)
    last = one.until(START + 5 * MINUTE, START + 6 * MINUTE)[-1]
    waiting = [record for record in last.view.journal.records.values() if record.open]
    assert [record.reason for record in waiting] == ["JournalUnwritable"]
