"""A sandbox's world with a forge before its repository: the real settings and clients find their way to it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sandbox_forge_world import receiver

from gitops_rollback.adapters.clock import SystemClock
from gitops_rollback.app.settings_input import load_settings
from gitops_rollback.app.wiring_forges import forges_of
from gitops_rollback.core.pull_request import Permission
from gitops_rollback.sandbox.clock import ScaledClock
from gitops_rollback.sandbox.forge import BOT, Rules
from gitops_rollback.sandbox.world import REPOSITORY, World


@pytest.fixture(params=("github", "gitlab", "gitea"))
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    """The whole world, with a forge of each kind."""
    made = World(tmp_path / "world", ScaledClock(), forge=request.param)
    made.start()
    yield made
    made.stop()
    assert made.git.failures == []


def test_the_settings_of_the_world_lead_to_its_forge(world: World, tmp_path: Path) -> None:
    assert world.forge is not None
    config = tmp_path / "config.yaml"
    config.write_text(world.settings())
    settings = load_settings(world.environment(tmp_path / "state"), {"config": str(config)})
    forges = forges_of(settings, SystemClock())
    forge = forges.of(settings.repositories[0].label)
    assert forge is not None
    facts = forge.facts()
    assert (facts.kind, facts.login, facts.permission) == (world.forge.kind, BOT, Permission.WRITE)
    assert forge.repository == REPOSITORY
    world.forge.protect(Rules(approvals=1))
    assert forge.rules("main").protected is True
    forges.close()


def test_what_people_land_is_told_by_webhooks(world: World) -> None:
    assert world.forge is not None
    with receiver() as (url, received):
        world.forge.hook(url)
        sha = world.people.push("notes", {"NOTES.md": "n\n"}, world.clock.now())
        world.forge.webhooks.wait()
    assert received[-1].body["after"] == sha
