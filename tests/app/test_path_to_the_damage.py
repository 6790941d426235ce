"""Can the suspect have done the damage, and would its undoing end it? What restarts nothing or is not applied asks."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from app_world import MINUTE, POLICIES, START, World, deployment, policy

SETTINGS = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: web}\ndata: {LEVEL: info}\n"
READS = "          envFrom: [{configMapRef: {name: web}}]\n"
WEB = "apps/web/web.yaml"


def annotated(text: str, annotation: str) -> str:
    return text.replace("  name: web\nspec:\n", f'  name: web\n  annotations: {{{annotation}: "true"}}\nspec:\n', 1)


def reverts_after(world: World, files: Mapping[str, str], path: str, old: str, new: str) -> int:
    first = world.first({**files, f"{POLICIES}/web.yaml": policy("web")})
    world.engine.add("web")
    world.engine.deploy("web", first, START - 60 * MINUTE)
    bad = world.people.edit("Change it", path, old, new, START - MINUTE)
    one = world.replica()
    one.until(START - 2 * MINUTE, START - MINUTE)
    world.engine.deploy("web", bad, START)
    world.metrics.break_from("web", START + MINUTE)
    one.until(START, START + 3 * MINUTE)
    return world.reverts()


@pytest.mark.parametrize("reloads", [True, False])
def test_a_plan_that_would_restart_nothing_asks(world: World, reloads: bool) -> None:
    """Settings in the environment are read at the start of a Pod: a revert of them alone changes nothing that runs."""
    web = deployment("web", "1.0") + READS
    files = {WEB: annotated(web, "reloader.stakater.com/auto") if reloads else web, "apps/web/settings.yaml": SETTINGS}
    assert reverts_after(world, files, "apps/web/settings.yaml", "info", "debug") == int(reloads)


def test_what_flux_is_told_to_leave_alone_is_not_undone_by_a_commit(world: World) -> None:
    text = deployment("web", "1.0").replace(
        "  name: web\nspec:\n",
        "  name: web\n  annotations: {kustomize.toolkit.fluxcd.io/reconcile: disabled}\nspec:\n",
        1,
    )
    assert reverts_after(world, {WEB: text}, WEB, ":1.0", ":1.1") == 0
