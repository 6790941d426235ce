"""An engine may deploy each commit of the repository anew, also those that change nothing of the application."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

import pytest
from app_world import MINUTE, POLICIES, START, TICK, World, deployment, policy, running, ship

from gitops_rollback.app.executor import Executor
from gitops_rollback.app.requesting import Requests, Wish
from gitops_rollback.core.refs import PushOutcome
from gitops_rollback.core.rollback import Phase, RollbackOutcome
from gitops_rollback.core.sync import ApplicationId, Source

KUSTOMIZATION = "kind: Kustomization\nresources: [{}]\n"
LIMITS = "kind: ConfigMap\nmetadata: {{name: limits}}\ndata: {{most: '{}'}}\n"


def _note(world: World, minute: float, name: str = "web") -> str:
    """A commit to the README, deployed to the application as well; minutes from START."""
    at = START + minute * MINUTE
    sha = world.people.push("Note", {"README.md": f"{minute}\n"}, at)
    world.engine.deploy(name, sha, at)
    return sha


def _bad(world: World) -> str:
    """The release that is bad from the first tick after its deployment on."""
    bad = ship(world, "web", START - MINUTE)
    world.engine.deploy("web", bad, START)
    world.metrics.break_from("web", START + TICK)
    return bad


def test_a_commit_that_changes_nothing_of_it_hides_no_fault(world: World) -> None:
    running(world, "web")
    one = world.replica()
    bad = _bad(world)
    one.until(START, START + TICK)
    _note(world, 0.5)
    tick = one.until(START + 2 * TICK, START + 3 * MINUTE)[-1]
    assert world.reverts() == 1
    record = next(iter(tick.view.journal.records.values()))
    assert (record.bad_revision, record.reverts) == (bad, (bad,))
    assert record.times["deployed"] == START


def test_a_controller_that_starts_after_such_a_commit_finds_the_fault_as_well(world: World) -> None:
    running(world, "web")
    _bad(world)
    _note(world, 0.5)
    world.replica().until(START + MINUTE, START + 3 * MINUTE)
    assert world.reverts() == 1


def test_in_a_repository_where_each_commit_is_deployed_the_fault_is_found(world: World) -> None:
    running(world, "web")
    one = world.replica()
    for minute in range(-50, -1, 2):
        _note(world, minute)
    one.tick(START - TICK)
    bad = ship(world, "web", START - MINUTE)
    world.engine.deploy("web", bad, START)
    world.metrics.break_from("web", START + 3 * MINUTE)
    for minute in range(0, 8, 2):
        one.until(START + minute * MINUTE, START + (minute + 2) * MINUTE - TICK)
        _note(world, minute + 2)
    assert world.reverts() == 1


def test_a_fault_that_begins_after_the_watch_with_one_more_such_commit_is_told_as_before(world: World) -> None:
    running(world, "web")
    bad = ship(world, "web", START - 41 * MINUTE)
    world.engine.deploy("web", bad, START - 40 * MINUTE)
    one = world.replica()
    one.until(START - 12 * MINUTE, START - 11 * MINUTE)
    _note(world, 0)
    world.metrics.break_from("web", START + MINUTE)
    one.until(START, START + 3 * MINUTE)
    assert one.told.messages


def test_a_shared_base_that_does_change_it_stands_for_itself(world: World) -> None:
    tree = {"apps/web/kustomization.yaml": KUSTOMIZATION.format("../../base, web.yaml")}
    base = {"base/kustomization.yaml": KUSTOMIZATION.format("limits.yaml"), "base/limits.yaml": LIMITS.format(1)}
    running(world, "web", extra=tree | base)
    harmless = ship(world, "web", START - MINUTE)
    one = world.replica()
    world.engine.deploy("web", harmless, START)
    one.until(START, START + MINUTE)
    culprit = world.people.push("Lower the limits", {"base/limits.yaml": LIMITS.format(0)}, START + MINUTE)
    world.engine.deploy("web", culprit, START + 1.5 * MINUTE)
    world.metrics.break_from("web", START + 2 * MINUTE)
    tick = one.until(START + 1.5 * MINUTE, START + 4 * MINUTE)[-1]
    assert [record.bad_revision for record in tick.view.journal.records.values()] == [culprit]
    assert all(harmless not in record.reverts for record in tick.view.journal.records.values())


@pytest.mark.parametrize(("name", "reverts"), [("web", 0), ("cart", 1)])
def test_a_commit_with_another_policy_for_it_is_judged_by_itself(world: World, name: str, reverts: int) -> None:
    running(world, "web", "cart")
    one = world.replica()
    _bad(world)
    one.until(START, START + TICK)
    sha = world.people.push("Mind less", {f"{POLICIES}/{name}.yaml": policy(name, threshold=0.06)}, START + TICK)
    world.engine.deploy("web", sha, START + 2 * TICK)
    one.until(START + 2 * TICK, START + 3 * MINUTE)
    assert world.reverts() == reverts


def test_a_file_that_the_policy_calls_its_own_is_no_other_file(world: World) -> None:
    running(world, "web")
    said = {f"{POLICIES}/web.yaml": policy("web", paths=["apps/web/**", "images/web.txt"])}
    world.people.push("Name its files", said, START - 50 * MINUTE)
    one = world.replica()
    _bad(world)
    one.until(START, START + TICK)
    sha = world.people.push("Note its image", {"images/web.txt": "web:1.1\n"}, START + TICK)
    world.engine.deploy("web", sha, START + 2 * TICK)
    look = one.tick(START + 2 * TICK).sights[0].look
    assert look is not None
    assert (look.bad_revision, look.event_started) == (sha, START + 2 * TICK)


def test_a_person_who_approves_after_such_a_commit_approves_the_plan_that_waits(world: World) -> None:
    running(world, "web")
    world.people.push("Ask", {f"{POLICIES}/web.yaml": policy("web", severity="page_and_suggest")}, START - 9 * MINUTE)
    one = world.replica()
    bad = _bad(world)
    one.until(START, START + 2 * MINUTE)
    _note(world, 2.5)
    one.tick(START + 3 * MINUTE)
    executor = one.reconciler.executor
    assert isinstance(executor, Executor)
    requests = Requests(one.repo, one.reconciler, executor, world.clock)
    prepared = requests.prepare(Wish("web", "ann", "approve"))
    assert requests.carry_out(prepared).outcome is PushOutcome.LANDED
    records = one.tick(START + 3 * MINUTE + TICK).view.journal.records.values()
    assert [(record.bad_revision, record.requested_by) for record in records] == [(bad, "ann")]


def test_what_a_person_approves_is_verified_by_what_had_fired(world: World) -> None:
    """The policy names no checks: then the triggers of the plan that waited say whether it helped."""
    running(world, "web")
    world.people.push("Ask", {f"{POLICIES}/web.yaml": policy("web", severity="page_and_suggest")}, START - 9 * MINUTE)
    one = world.replica()
    _bad(world)
    one.until(START, START + 3 * MINUTE)
    executor = one.reconciler.executor
    assert isinstance(executor, Executor)
    requests = Requests(one.repo, one.reconciler, executor, world.clock)
    prepared = requests.prepare(Wish("web", "ann", "approve"))
    assert prepared.plan is not None
    assert "Rollback-Trigger: errors" in prepared.plan.message
    assert requests.carry_out(prepared).outcome is PushOutcome.LANDED
    (record,) = one.tick(START + 3 * MINUTE + TICK).view.journal.records.values()
    assert record.triggers == ("errors",)


def test_other_settings_of_the_application_itself_stand_for_themselves(world: World) -> None:
    running(world, "web")
    one = world.replica()
    _bad(world)
    one.until(START, START + TICK)
    state = world.engine.states["web"]
    other = tuple(replace(source, parameters='{"kustomize":{"namePrefix":"b-"}}') for source in state.sources)
    world.engine.states["web"] = replace(state, sources=other)
    _note(world, 0.5)
    one.until(START + 2 * TICK, START + 3 * MINUTE)
    assert world.reverts() == 0


def test_what_a_plugin_renders_may_come_from_any_file(world: World) -> None:
    running(world, "web")
    world.engine.states["web"] = replace(world.engine.states["web"], plugin=True)
    one = world.replica()
    _bad(world)
    one.until(START, START + TICK)
    _note(world, 0.5)
    one.until(START + 2 * TICK, START + 3 * MINUTE)
    assert world.reverts() == 0


def test_a_sync_back_to_an_older_commit_is_not_joined_to_the_newer_one(world: World) -> None:
    running(world, "web")
    one = world.replica()
    bad = ship(world, "web", START - MINUTE)
    newer = world.people.push("Note", {"README.md": "more\n"}, START - MINUTE / 2)
    world.engine.deploy("web", newer, START)
    world.engine.deploy("web", bad, START + MINUTE)
    look = one.tick(START + 2 * MINUTE).sights[0].look
    assert look is not None
    assert (look.bad_revision, look.event_started) == (bad, START + MINUTE)


def test_a_helm_release_that_takes_each_commit_for_a_new_version(world: World) -> None:
    template = "kind: Deployment\nspec: {replicas: {{ .Values.replicas }}}\n"
    chart = {"charts/web/Chart.yaml": "name: web\nversion: 1.0.0\n", "charts/web/templates/web.yaml": template}
    path, kind = "clusters/shop/web.yaml", "{kind: HelmRelease, namespace: shop, name: web}"
    said = policy("web", paths=["clusters/shop/**"]).replace("{namespace: argocd, name: web}", kind)
    first = world.first({f"{POLICIES}/web.yaml": said, path: deployment("web", "1.0"), **chart})
    _helm_release(world, (Source(world.url, "charts/web", "main"), Source(world.url, "clusters/shop", "main")))
    _release(world, first, START - 60 * MINUTE)
    one = world.replica()
    bad = world.people.push("Ship web 1.1", {path: deployment("web", "1.1")}, START - MINUTE)
    _release(world, bad, START)
    world.metrics.break_from("web", START + TICK)
    one.until(START, START + TICK)
    _release(world, world.people.push("Note", {"README.md": "more\n"}, START + TICK), START + 2 * TICK)
    records = one.until(START + 2 * TICK, START + 3 * MINUTE)[-1].view.journal.records.values()
    assert [(record.bad_revision, record.reverts) for record in records] == [(bad, (bad,))]


def _helm_release(world: World, sources: tuple[Source, ...]) -> None:
    world.engine.add("web")
    id = ApplicationId("default", "HelmRelease", "shop", "web")
    world.engine.states["web"] = replace(world.engine.states["web"], id=id, sources=sources)


def _release(world: World, revision: str, at: datetime) -> None:
    """From the chart and its values, which lie in one repository."""
    world.engine.deploy("web", revision, at)
    state = world.engine.states["web"]
    both = tuple(replace(one, revisions=(one.revisions[0],) * 2) for one in state.history)
    assert state.operation is not None
    operation = replace(state.operation, revisions=(revision,) * 2)
    world.engine.states["web"] = replace(state, history=both, operation=operation, sync_revisions=(revision,) * 2)


def test_such_commits_while_a_rollback_is_verified_leave_it_verified_and_alone(world: World) -> None:
    running(world, "web")
    one = world.replica()
    _bad(world)
    now = START
    while not world.reverts():
        one.tick(now := now + TICK)
        assert now < START + 5 * MINUTE
    world.metrics.mend("web", now)
    for minute in range(1, 12, 2):
        at = now + minute * MINUTE
        one.until(at - MINUTE, at - TICK)
        _note(world, (at - START) / MINUTE)
        tick = one.until(at, at + MINUTE - TICK)[-1]
    record = next(iter(tick.view.journal.records.values()))
    assert (record.phase, record.outcome) == (Phase.DONE, RollbackOutcome.VERIFIED)
    assert world.reverts() == 1
    assert not [message for message in one.told.messages if message.page]


def test_a_fault_after_our_rollback_is_a_persons_however_many_such_commits_follow(world: World) -> None:
    running(world, "web")
    one = world.replica()
    _bad(world)
    one.until(START, START + 3 * MINUTE)
    world.metrics.mend("web", START + 3 * MINUTE)
    one.until(START + 3 * MINUTE, START + 6 * MINUTE)
    world.metrics.break_from("web", START + 6 * MINUTE)
    for minute in range(6, 14, 2):
        _note(world, minute + 0.5)
        one.until(START + minute * MINUTE + 2 * TICK, START + (minute + 2) * MINUTE + TICK)
    assert world.reverts() == 1
    assert one.told.reasons[2:] == ["NotOurs"]


def test_nobody_is_asked_again_for_each_such_commit(world: World) -> None:
    running(world, "web")
    world.people.push("Ask", {f"{POLICIES}/web.yaml": policy("web", severity="page_and_suggest")}, START - 9 * MINUTE)
    one = world.replica()
    _bad(world)
    for minute in range(0, 10, 2):
        one.until(START + minute * MINUTE, START + (minute + 2) * MINUTE - TICK)
        _note(world, minute + 2)
    assert one.told.reasons == ["SuggestOnly"]
