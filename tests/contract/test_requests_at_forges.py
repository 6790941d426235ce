"""A request and the words on it, through the real clients: GitHub, GitLab, Gitea over the sandbox's wire."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from forge_doors import FORGES
from sandbox_forge_world import PEOPLE, REPOSITORY

from gitops_rollback.adapters.forges.exchange import UNMETERED, Exchange
from gitops_rollback.adapters.forges.settings import ForgeSettings, default_api
from gitops_rollback.adapters.origins import OriginRules
from gitops_rollback.app.taking import take_requests
from gitops_rollback.app.wiring_forges import CLIENTS
from gitops_rollback.sandbox.clock import ScaledClock
from gitops_rollback.sandbox.forge import BOT, ForgeSandbox, token_of
from gitops_rollback.sandbox.git_server import GitServer

APP = str(Path(__file__).resolve().parents[1] / "app")
PATH = ".gitops-rollback/requests/web.yaml"
FILE = "apps/web/web.yaml"
REQUEST = """\
# +argocd:skip-file-rendering
apiVersion: gitops-rollback.dev/v1alpha1
kind: RollbackRequest
spec:
  target: {policy: web, name: web}
  to: {lastHealthy: true}
  reason: cards fail
"""


@dataclass
class AtForge:
    """An application that runs a newer version, its repository at a forge, and a controller."""

    world: Any
    app: Any
    forge: ForgeSandbox
    one: Any

    def tick(self, times: int = 3) -> None:
        """A forge shows some things a moment later."""
        for _ in range(times):
            self.one.until(self.world.clock.at + self.app.TICK, self.world.clock.at + self.app.TICK)

    def later(self, minutes: float) -> None:
        self.one.until(self.world.clock.at + self.app.TICK, self.world.clock.at + timedelta(minutes=minutes))

    def said(self, number: int) -> str:
        """What the bot wrote there."""
        found = self.forge.state.pulls[number].comments
        return "\n".join(one.body for one in found if one.author == BOT)


@pytest.fixture(params=FORGES)
def at_forge(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[AtForge]:
    if APP not in sys.path:
        sys.path.append(APP)
    app = importlib.import_module("app_world")
    world = app.World(tmp_path)
    app.running(world, "web", since=app.START - timedelta(hours=2))
    bad = app.ship(world, "web", app.START - timedelta(minutes=61))
    world.engine.deploy("web", bad, app.START - timedelta(hours=1))
    root = tmp_path / "served"
    (root / REPOSITORY).parent.mkdir(parents=True)
    (root / f"{REPOSITORY}.git").symlink_to(world.bare)
    server = GitServer(root).start()
    forge = ForgeSandbox(request.param, server, REPOSITORY, ScaledClock(), PEOPLE)
    forge.start()
    settings = ForgeSettings(
        kind=request.param, api=default_api(request.param, forge.url), repository=REPOSITORY,
        web_url=f"{forge.url}/{REPOSITORY}", token=token_of(BOT), settling=timedelta(milliseconds=200),
        approvers=("writer",),
    )  # fmt: skip
    exchange = Exchange(settings, OriginRules.parse([forge.url]), UNMETERED)
    world.forge = CLIENTS[request.param](exchange)
    one = world.replica()
    take_requests(one.reconciler, world.forge)
    world.clock.at = app.START
    yield AtForge(world, app, forge, one)
    world.close()
    exchange.close()
    forge.stop()
    server.stop()


def test_a_request_is_planned_approved_by_a_comment_and_proved(at_forge: AtForge) -> None:
    forge, world = at_forge.forge, at_forge.world
    forge.people.push("writer", "ask", "Ask", {PATH: REQUEST})
    number = forge.people.open("writer", "ask", "Ask").number
    at_forge.tick()
    assert world.people.read(FILE, "ask") == at_forge.app.deployment("web", "1.0")
    head = world.head("ask")
    assert f"/rollback approve {head}" in at_forge.said(number)
    forge.people.comment("reader", number, f"/rollback approve {head}")
    at_forge.tick()
    assert world.reverts() == 0
    forge.people.comment("writer", number, f"> quoted\n\n/rollback approve {head}")
    at_forge.tick(8)
    at_forge.later(6)
    (record,) = at_forge.one.reconciler.see_now().journal.records.values()
    assert record.outcome == "verified"
    assert "every check held" in at_forge.said(number)
    assert "✖ reader" in at_forge.said(number)
    assert "✔ writer" in at_forge.said(number)


def test_a_faulty_request_is_told_its_place(at_forge: AtForge) -> None:
    forge = at_forge.forge
    forge.people.push("writer", "ask", "Ask", {PATH: REQUEST.replace("reason", "raeson")})
    number = forge.people.open("writer", "ask", "Ask").number
    at_forge.tick()
    assert f"`{PATH}:7:3`" in at_forge.said(number)


def test_a_request_from_a_fork_is_shown_and_carried_out_once_a_writer_has_merged_it(at_forge: AtForge) -> None:
    forge, world = at_forge.forge, at_forge.world
    text = REQUEST + "  execute: after-merge\n"
    number = forge.people.open_from_fork("reader", "reader/config", "Ask", {PATH: text}).number
    head, asked = forge.state.pulls[number].head_sha, len(forge.requests)
    at_forge.tick()
    assert "Once this is merged" in at_forge.said(number)
    assert "registry.example/web:1.0" in at_forge.said(number)
    assert [(one.context, one.state) for one in forge.state.statuses_of(head).values()] == [
        ("gitops-rollback/plan", "success")
    ]
    assert forge.state.pulls[number].head_sha == head
    assert not [one for one in list(forge.requests)[asked:] if one.startswith("DELETE")]
    assert world.reverts() == 0
    forge.people.merge("writer", number)
    at_forge.tick()
    (record,) = at_forge.one.reconciler.see_now().journal.records.values()
    assert (record.requested_by, world.reverts()) == ("reader", 1)
    assert record.id in at_forge.said(number)
