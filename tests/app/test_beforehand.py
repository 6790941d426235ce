"""What pull requests and deployed commits bear at the forge before a rollback is needed, and what `preflight` says."""

from __future__ import annotations

from datetime import timedelta

import pytest
from app_world import MINUTE, POLICIES, START, TICK, Replica, World, deployment, policy, running, ship
from fake_forge import FakeForge
from test_holding import FILE, marked, selects, verified

from gitops_rollback.app.beforehand import set_statuses
from gitops_rollback.app.offered_trees import OfferedTrees
from gitops_rollback.app.preflight import Preflight
from gitops_rollback.app.settings_before import Statuses
from gitops_rollback.core.errors import ForgeUnavailable, StalledError
from gitops_rollback.core.pull_request import StatusState
from gitops_rollback.core.rollbackable import Rollbackable

WEB = "apps/web/web.yaml"
CLAIM = "apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {name: data}\nspec: {}\n"
STOP = "apiVersion: gitops-rollback.dev/v1alpha1\nkind: RollbackPause\nspec: {all: true}\n"
YES, HELD = "gitops-rollback/rollbackable", "gitops-rollback/hold"
DEPLOYED = "gitops-rollback/deployed/web"


def quiet(world: World, text: str = "") -> tuple[Replica, FakeForge, str]:
    """One application that runs its second version, quietly, and a controller whose forge shows statuses."""
    forge = FakeForge(world)
    world.forge = forge
    running(world, "web", extra={f"{POLICIES}/web.yaml": text} if text else None)
    second = ship(world, "web", START - MINUTE)
    world.engine.deploy("web", second, START)
    one = world.replica()
    set_statuses(one.reconciler, forge, Statuses())
    return one, forge, second


def asked(one: Replica) -> tuple[Preflight, tuple]:
    reconciler = one.reconciler
    view, now = reconciler.see_now(), one.clock.now()
    return Preflight(one.repo, reconciler, OfferedTrees(one.repo)), (view, reconciler.directory.look(view, now), now)


def said(answers: tuple[Rollbackable, ...]) -> list[tuple[str, str | None]]:
    return [(one.readiness.value, one.reason.value if one.reason else None) for one in answers]


def of_web(one: Replica) -> tuple[str, str | None]:
    preflight, (view, listing, now) = asked(one)
    (watched,) = listing.watched
    (answer,) = said((preflight.deployed(watched, view, listing, now),))
    return answer


def test_what_runs_could_be_rolled_back_by_itself(world: World) -> None:
    one, _, _ = quiet(world)
    one.until(START, START + 2 * MINUTE)
    assert of_web(one) == ("automatic", None)


def test_a_stop_and_a_policy_that_never_acts_are_said(world: World) -> None:
    one, _, _ = quiet(world)
    one.until(START, START + 2 * MINUTE)
    world.people.push("Suggest only", {f"{POLICIES}/web.yaml": policy("web", "page_and_suggest")}, START + 2 * MINUTE)
    assert of_web(one) == ("asks", "NotAutomatic")
    world.people.push("Stop", {".gitops-rollback/pause.yaml": STOP}, START + 2 * MINUTE)
    assert of_web(one) == ("asks", "Paused")


def test_the_first_deployment_has_nothing_to_go_back_to(world: World) -> None:
    running(world, "web")
    one = world.replica()
    one.until(START, START + MINUTE)
    assert of_web(one)[0] == "not-possible"


def test_a_pull_request_is_judged_as_if_it_were_merged(world: World) -> None:
    one, forge, _ = quiet(world)
    good = forge.ask({WEB: deployment("web", "1.2")}, START)
    claim = forge.ask({"apps/web/claim.yaml": CLAIM}, START)
    other = forge.ask({"README.md": "The new shop\n"}, START)
    one.until(START, START + 2 * MINUTE)
    assert forge.statuses[good.head_sha, YES] == (StatusState.SUCCESS, "web: yes")
    state, words = forge.statuses[claim.head_sha, YES]
    assert state is StatusState.SUCCESS, "it is advice"
    assert words.startswith("web: would ask because ")
    assert len(words) <= 140
    assert (other.head_sha, YES) not in forge.statuses
    assert world.commits()[0] == "Ship web 1.1", "nothing was written to the branch"


def test_one_whose_base_has_moved_is_judged_on_the_new_base(world: World) -> None:
    one, forge, _ = quiet(world)
    pull = forge.ask({"apps/web/map.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n"}, START)
    world.people.push("Elsewhere", {"README.md": "The other shop\n"}, START)
    preflight, (view, listing, now) = asked(one)
    one.repo.head_of(pull.head)
    (answer,) = preflight.merged(pull.head_sha, view, listing, now)
    assert answer.application.endswith("/web")
    world.people.push("The same line", {WEB: deployment("web", "3.0")}, START)
    clash = forge.ask({WEB: deployment("web", "2.0")}, START, branch="clash")
    world.people.push("The same line again", {WEB: deployment("web", "4.0")}, START)
    preflight, (view, listing, now) = asked(one)
    one.repo.head_of(clash.head)
    with pytest.raises(StalledError, match="cannot be merged"):
        preflight.merged(clash.head_sha, view, listing, now)


def test_a_commit_of_the_branch_is_judged_where_it_stands(world: World) -> None:
    one, _, second = quiet(world)
    one.until(START, START + 2 * MINUTE)
    preflight, (view, listing, now) = asked(one)
    assert said(preflight.commit(second, view, listing, now)) == [("automatic", None)]
    with pytest.raises(StalledError):
        preflight.commit("f" * 40, view, listing, now)


def test_each_head_is_judged_once_and_few_at_a_look(world: World) -> None:
    one, forge, _ = quiet(world)
    for number in range(5):
        forge.ask({WEB: deployment("web", f"2.{number}")}, START, branch=f"change-{number}")
    one.tick(START)
    assert sum(context == YES for _, context in forge.statuses) == 3
    one.until(START + TICK, START + 3 * MINUTE)
    assert sum(context == YES for _, context in forge.statuses) == 5
    written = forge.calls.count("set_status")
    one.until(START + 3 * MINUTE + TICK, START + 6 * MINUTE)
    assert forge.calls.count("set_status") == written
    head = forge.push("change-0", {WEB: deployment("web", "3.0")}, START + 6 * MINUTE)
    one.until(START + 6 * MINUTE + TICK, START + 8 * MINUTE)
    assert (head, YES) in forge.statuses


def test_a_forge_that_is_down_is_in_nobodys_way(world: World) -> None:
    one, forge, bad = quiet(world)
    forge.fails["set_status"] = ForgeUnavailable("forge", "connection refused")
    forge.fails["changed_paths"] = ForgeUnavailable("forge", "connection refused")
    forge.ask({WEB: deployment("web", "1.2")}, START)
    world.metrics.break_from("web", START + MINUTE)
    one.until(START, START + 3 * MINUTE)
    assert world.commits()[0] == 'Revert "Ship web 1.1"'
    assert bad in world.people.git("log", "-1", "--format=%B")


def test_a_deployed_commit_is_watched_and_then_healthy(world: World) -> None:
    one, forge, second = quiet(world)
    one.until(START, START + 2 * MINUTE)
    assert forge.statuses[second, DEPLOYED] == (StatusState.PENDING, "watching 30m")
    written = forge.calls.count("set_status")
    one.tick(START + 29 * MINUTE)
    assert forge.calls.count("set_status") == written, "on transitions only"
    one.tick(START + 31 * MINUTE)
    assert forge.statuses[second, DEPLOYED][0] is StatusState.SUCCESS


def test_one_that_ended_without_data_is_not_called_healthy(world: World) -> None:
    one, forge, second = quiet(world)
    one.until(START, START + 2 * MINUTE)
    world.metrics.down = True
    one.tick(START + 29 * MINUTE)
    one.tick(START + 31 * MINUTE)
    assert forge.statuses[second, DEPLOYED][0] is not StatusState.SUCCESS


def test_a_bad_one_says_that_it_was_rolled_back(world: World) -> None:
    one, forge, bad = quiet(world)
    world.metrics.break_from("web", START + MINUTE, START + 3 * MINUTE)
    one.until(START, START + 8 * MINUTE)
    state, words = forge.statuses[bad, DEPLOYED]
    assert (state, words.startswith("rolled back: rb-")) == (StatusState.FAILURE, True)


def test_a_hold_fails_those_that_touch_it_until_it_is_over(world: World) -> None:
    forge = FakeForge(world)
    one = verified(world)
    set_statuses(one.reconciler, forge, Statuses(rollbackable=False, deployed=False))
    pull = forge.ask({FILE: marked("1.2.0", mark="")}, START)
    other = forge.ask({"README.md": "The shop\n"}, START)
    one.until(START + 10 * MINUTE + TICK, START + 11 * MINUTE)
    state, words = forge.statuses[pull.head_sha, HELD]
    assert (state, words.endswith("gitops-rollback release web")) == (StatusState.FAILURE, True)
    assert (other.head_sha, HELD) not in forge.statuses
    selects(world, "1.1.1")
    one.until(START + 11 * MINUTE + TICK, START + 11 * MINUTE + timedelta(minutes=3))
    assert forge.statuses[pull.head_sha, HELD][0] is StatusState.SUCCESS
