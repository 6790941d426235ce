"""What a tick tells those who only watch: once, and again only after it was different in between."""

from __future__ import annotations

from app_world import MINUTE, POLICIES, START, Replica, World, policy, running, ship
from prometheus_client import generate_latest
from structlog.testing import capture_logs

from gitops_rollback.app.executor import Executor
from gitops_rollback.app.health import STEPS, Metrics
from gitops_rollback.app.reporting import TickReport
from gitops_rollback.core.guards.facts import Budgets
from gitops_rollback.core.stop import settings_pause

UNBUILT = policy("web").replace("  timing:", "  dataFixup: {job: tidy}\n  timing:")


def said(one: Replica, report: TickReport, minute: int) -> list[str]:
    one.reconciler.report = report
    with capture_logs() as lines:
        one.tick(START + minute * MINUTE)
    return [str(line.get("warning") or line.get("error")) for line in lines if line["log_level"] == "warning"]


def test_a_key_that_is_not_built_is_told_once_and_again_after_a_change(world: World) -> None:
    running(world, "web")
    one, report = world.replica(), TickReport("shop/config", Metrics())
    assert said(one, report, 0) == []
    world.people.push("Wish for more", {f"{POLICIES}/web.yaml": UNBUILT}, START)
    (warning,) = said(one, report, 1)
    assert warning.startswith(f"{POLICIES}/web.yaml:17:3: warning: `dataFixup` is not carried out")
    assert said(one, report, 2) == []
    world.people.push("Wish no more", {f"{POLICIES}/web.yaml": policy("web")}, START + 2 * MINUTE)
    assert said(one, report, 3) == []
    world.people.push("Wish again", {f"{POLICIES}/web.yaml": UNBUILT}, START + 3 * MINUTE)
    assert len(said(one, report, 4)) == 1


def test_p20_a_target_without_an_application_is_told_by_its_name_and_hinders_nobody(world: World) -> None:
    running(world, "web")
    world.people.push("Watch a ghost", {f"{POLICIES}/ghost.yaml": policy("ghost")}, START)
    one, report = world.replica(), TickReport("shop/config", Metrics())
    assert said(one, report, 0) == ["no engine shows an application argocd/ghost"]
    assert said(one, report, 1) == []
    assert [sight.watched.id.name for sight in one.tick(START + 2 * MINUTE).sights] == ["web"]


def test_p27_a_budget_above_the_controllers_is_cut_and_told(world: World) -> None:
    running(world, "web")
    generous = policy("web") + "  guards: [{name: often, type: budget, maxRollbacks: 9, per: 24h, result: deny}]\n"
    world.people.push("Allow more", {f"{POLICIES}/web.yaml": generous}, START)
    one = world.replica()
    one.reconciler.viewer._policies._bounds = Budgets().application
    (warning,) = said(one, TickReport("shop/config", Metrics()), 1)
    assert warning.startswith(f"{POLICIES}/web.yaml: guard often: 9 rollbacks are above the controller's own limit; 2")


def test_a_rollback_is_counted_once_it_has_ended_with_the_time_that_it_took(world: World) -> None:
    running(world, "web")
    bad = ship(world, "web", START - MINUTE)
    one, metrics = world.replica(), Metrics()
    assert isinstance(one.reconciler.executor, Executor)
    one.reconciler.executor._ended = metrics.ended
    world.engine.deploy("web", bad, START)
    world.metrics.break_from("web", START + MINUTE, START + 3 * MINUTE)
    one.until(START, START + 20 * MINUTE)
    assert "Verified" in one.told.reasons
    shown = {line.partition(" ")[0]: line.rpartition(" ")[2] for line in _shown(metrics)}
    labels = 'application="default/Application/argocd/web",initiator="controller",outcome="verified",strategy="revert"'
    assert shown[f"gitops_rollback_total{{{labels}}}"] == "1.0"
    assert shown["gitops_rollback_time_to_restore_seconds_count"] == "1.0"
    assert 60 < float(shown["gitops_rollback_time_to_restore_seconds_sum"]) < 1200
    phases = {step: shown[f'gitops_rollback_phase_duration_seconds_count{{phase="{step}"}}'] for step in STEPS[1:]}
    assert phases == dict.fromkeys(STEPS[1:], "1.0")


def _shown(metrics: Metrics) -> list[str]:
    return generate_latest(metrics.registry).decode().splitlines()


def test_each_guard_s_answer_is_counted_when_a_decision_is_made(world: World) -> None:
    running(world, "web")
    bad = ship(world, "web", START - MINUTE)
    one, metrics = world.replica(), Metrics()
    one.reconciler.report = TickReport("shop/config", metrics)
    world.engine.deploy("web", bad, START)
    world.metrics.break_from("web", START + MINUTE, START + 3 * MINUTE)
    one.until(START, START + 20 * MINUTE)
    allowed = {"guard": "budgets", "result": "allow"}
    assert metrics.registry.get_sample_value("gitops_rollback_guard_decisions_total", allowed) == 1


def test_a_trigger_that_is_not_asked_any_more_shows_no_state(world: World) -> None:
    running(world, "web")
    bad = ship(world, "web", START - MINUTE)
    one, metrics = world.replica(), Metrics()
    one.reconciler.report = TickReport("shop/config", metrics)
    world.engine.deploy("web", bad, START)
    one.tick(START + 3 * MINUTE)
    assert _series(metrics, "gitops_rollback_trigger_state") == {"default/Application/argocd/web": 0.0}
    assert _series(metrics, "gitops_rollback_trigger_value")
    one.tick(START + 300 * MINUTE)  # nothing is under watch any more
    assert _series(metrics, "gitops_rollback_trigger_state") == {}
    assert _series(metrics, "gitops_rollback_trigger_value") == {}


def test_what_is_paused_by_any_door_is_counted(world: World) -> None:
    running(world, "web")
    one, metrics, doors = world.replica(), Metrics(), [False]
    one.reconciler.report = TickReport("shop/config", metrics, lambda: settings_pause(doors[0], None))
    for door in (False, True):
        doors[0] = door
        one.tick(START + MINUTE)
        assert _series(metrics, "gitops_rollback_paused_applications") == {"": float(door)}


def _series(metrics: Metrics, name: str) -> dict[str, float]:
    found = [sample for family in metrics.registry.collect() for sample in family.samples if sample.name == name]
    return {sample.labels.get("application", ""): sample.value for sample in found}
