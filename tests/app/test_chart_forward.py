"""A rollback in a repository that publishes its charts: the old contents come back under a new version."""

from __future__ import annotations

from app_world import MINUTE, POLICIES, START, World, deployment, policy, running

CHART = "apps/web/Chart.yaml"
FORWARD = policy("web").replace("  timing:", "  git: {chartVersions: forward}\n  timing:")


def chart(version: str) -> str:
    return f"apiVersion: v2\nname: web\nversion: {version}\n"


def test_the_version_of_a_chart_goes_on_and_the_rollback_is_ours_to_its_end(world: World) -> None:
    running(world, "web", extra={CHART: chart("1.0.0")})
    world.people.push("Publish our charts", {f"{POLICIES}/web.yaml": FORWARD}, START - 59 * MINUTE)
    world.engine.deploy("web", world.head(), START - 58 * MINUTE)
    files = {CHART: chart("1.0.1"), "apps/web/web.yaml": deployment("web", "1.1")}
    bad = world.people.push("Ship web 1.1", files, START - MINUTE)
    one = world.replica()
    world.engine.deploy("web", bad, START)
    world.metrics.break_from("web", START + MINUTE)
    one.until(START, START + 3 * MINUTE)
    assert world.people.read("apps/web/web.yaml") == deployment("web", "1.0")
    assert world.people.read(CHART) == chart("1.0.2")
    message = world.people.git("log", "-1", "--format=%B", "main")
    assert " ".join(message.split()).count(f"{CHART}: version goes on from 1.0.1 to 1.0.2, and not back.") == 1
    world.metrics.mend("web", START + 3 * MINUTE)
    last = one.until(START + 3 * MINUTE, START + 12 * MINUTE)[-1]
    assert [record.outcome for record in last.view.journal.records.values()] == ["verified"]
    assert world.reverts() == 1
