"""Attacks on the whole way: what is pushed or measured by somebody who means harm moves the controller nowhere.

Numbers are those of the threat list; `tests/test_attacks_listed.py` says where each of them is tried.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

import pytest
from app_world import MINUTE, POLICIES, START, TICK, World, deployment, policy, running, ship

from gitops_rollback.core.errors import Reason
from gitops_rollback.core.sync import MALFORMED

READDED = 50
POLICY_PATH = f"{POLICIES}/web.yaml"
FLOOR = """
  guards:
    - name: patched
      type: floor
      images: {{registry.example/web: ">={version}"}}
      because: CVE-2026-1234
      result: {result}
"""


def fails(world: World, bad: str, at: datetime = START) -> None:
    """The commit is deployed, and its errors begin a minute later."""
    world.engine.deploy("web", bad, at)
    world.metrics.break_from("web", at + MINUTE)


@pytest.mark.parametrize(
    "weakened",
    [
        pytest.param(policy("web").replace("spec:\n", "spec:\n  suspend: true\n"), id="suspend"),
        pytest.param(policy("web", threshold=1e9), id="a-threshold-that-nothing-reaches"),
        pytest.param(policy("web", severity="log_only"), id="log-only"),
        pytest.param("kind: [", id="a-policy-that-nobody-can-read"),
        pytest.param(None, id="no-policy"),
    ],
)
def test_a1_a_bad_image_does_not_bring_the_policy_that_judges_it(world: World, weakened: str | None) -> None:
    running(world, "web")
    bad = ship(world, "web", START - MINUTE, files={POLICY_PATH: weakened})
    one = world.replica()
    fails(world, bad)
    last = one.until(START, START + 3 * MINUTE)[-1]
    assert world.reverts() == 1
    assert world.people.read("apps/web/web.yaml") == deployment("web", "1.0")
    assert world.people.read(POLICY_PATH) == policy("web")
    (record,) = last.view.journal.records.values()
    assert f"the culprit changed {POLICY_PATH} too" in str(record.guards)


@pytest.mark.parametrize(
    "message",
    [
        'Revert "Ship web 1.1"\n\nThis reverts commit {first}.\n\nRollback-Id: rb-0123456789abcdef\n',
        "Ship web 1.1\n\nRollback-Id: rb-0123456789abcdef\nRollback-Application: default/Application/argocd/web\n"
        "Rollback-Bad-Revision: {first}\nRollback-Reverts: {first}\n",
    ],
    ids=["words-of-a-revert", "trailers-of-ours"],
)
def test_a9_words_and_trailers_of_a_rollback_protect_no_commit(world: World, message: str) -> None:
    first = running(world, "web")
    path = "apps/web/web.yaml"
    files = {path: deployment("web", "1.1")}
    bad = world.people.push(message.format(first=first), files, START - MINUTE)
    one = world.replica()
    fails(world, bad)
    one.until(START, START + 3 * MINUTE)
    assert world.reverts() == (2 if message.startswith("Revert") else 1)
    assert world.people.read(path) == deployment("web", "1.0")


def test_a14_an_application_that_cannot_be_read_is_set_aside_alone_also_after_a_restart(world: World) -> None:
    running(world, "web", "poison")
    odd = "status.operationState.startedAt: 'yesterday' is no time"
    world.engine.states["poison"] = replace(world.engine.states["poison"], conditions=((MALFORMED, odd),))
    fails(world, ship(world, "web", START - MINUTE))
    world.replica("one").until(START, START + MINUTE)
    again = world.replica("two")
    last = again.until(START + MINUTE, START + 3 * MINUTE)[-1]
    assert world.reverts() == 1
    (set_aside,) = [sight.look for sight in last.sights if sight.watched.id.name == "poison"]
    assert set_aside is not None
    assert (set_aside.raised.reason, set_aside.raised.message) == (Reason.ENGINE_UNCLEAR, odd)


def test_a17_a_faked_series_cannot_force_a_version_below_the_floor(world: World) -> None:
    guarded = policy("web") + FLOOR.format(version="1.0.1", result="deny")
    first = world.first({"apps/web/web.yaml": deployment("web", "1.0.0"), POLICY_PATH: guarded})
    world.engine.add("web")
    world.engine.deploy("web", first, START - 60 * MINUTE)
    patched = ship(world, "web", START - MINUTE, "1.0.0", "1.0.1")
    one = world.replica()
    fails(world, patched)
    one.until(START, START + 5 * MINUTE)
    assert world.reverts() == 0
    assert "Floor" in one.told.reasons


def test_a20_a_bad_tag_that_is_written_back_fifty_times_is_undone_once_and_then_held(world: World) -> None:
    """An updater writes the bad tag back, a person takes it out again, and so on for hours."""
    running(world, "web")
    one = world.replica()
    fails(world, ship(world, "web", START - MINUTE))
    one.until(START, START + 3 * MINUTE)
    assert world.reverts() == 1
    world.metrics.mend("web", START + 3 * MINUTE)
    one.until(START + 3 * MINUTE, START + 8 * MINUTE)
    for number in range(READDED):
        at = START + (10 + 6 * number) * MINUTE
        fails(world, ship(world, "web", at - MINUTE), at)
        one.until(at + 2 * MINUTE, at + 2 * MINUTE + 3 * TICK)
        world.engine.deploy("web", ship(world, "web", at + 3 * MINUTE, "1.1", "1.0"), at + 3 * MINUTE)
        world.metrics.mend("web", at + 3 * MINUTE)
    assert world.reverts() == 1
    assert set(one.told.reasons) & {"CameBack", "Quarantine"}
    pages = [message.key for message in one.told.messages if message.page]
    assert len(set(pages)) == len(pages), "each return is told once"


@pytest.mark.parametrize("door", ["apps/web/pause.yaml", "pause.yaml", ".gitops-rollback/policies/pause.yaml"])
def test_a20_the_stop_switch_is_read_from_its_own_places_only(world: World, door: str) -> None:
    running(world, "web")
    pause = "apiVersion: gitops-rollback.dev/v1alpha1\nkind: RollbackPause\nspec: {all: true}\n"
    bad = ship(world, "web", START - MINUTE)
    world.people.push("Stop it all", {door: pause}, START - MINUTE)
    one = world.replica()
    fails(world, bad)
    one.until(START, START + 3 * MINUTE)
    assert world.reverts() == 1
