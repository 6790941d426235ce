"""Fault F29: a forge's deliveries are lost, doubled, an hour late, out of order, or untrue. Polling finds the truth."""

from __future__ import annotations

import hashlib
import hmac
import importlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hook_server import NOW, receiving

from gitops_rollback.app.controller import Controller, RepositoryLoop
from gitops_rollback.app.health import Health
from gitops_rollback.app.taking import take_requests
from gitops_rollback.web.hooks import Door

APP = str(Path(__file__).resolve().parents[1] / "app")
SECRET = "a-secret-of-the-forge"
PATH = ".gitops-rollback/requests/web.yaml"
REQUEST = """\
# +argocd:skip-file-rendering
apiVersion: gitops-rollback.dev/v1alpha1
kind: RollbackRequest
spec:
  target: {name: web}
  to: {lastHealthy: true}
  reason: cards fail
"""
OPENED = {"action": "opened", "number": 1}
CLOSED = {"action": "closed", "number": 1, "pull_request": {"merged": True, "merge_commit_sha": "e" * 40}}
OTHER = {"action": "opened", "number": 99, "repository": {"clone_url": "https://elsewhere.example/x"}}

Delivery = dict[str, Any]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[Any]:
    if APP not in sys.path:
        sys.path.append(APP)
    app = importlib.import_module("app_world")
    world = app.World(tmp_path)
    world.forge = importlib.import_module("fake_forge").FakeForge(world)
    app.running(world, "web", since=app.START - 120 * app.MINUTE)
    bad = app.ship(world, "web", app.START - 61 * app.MINUTE)
    world.engine.deploy("web", bad, app.START - 60 * app.MINUTE)
    world.clock.at = app.START
    yield world
    world.close()


@pytest.mark.parametrize(
    "deliveries",
    [
        pytest.param([], id="F29-lost"),
        pytest.param([OPENED, OPENED, OPENED], id="F29-doubled"),
        pytest.param([CLOSED, OPENED], id="F29-out-of-order"),
        pytest.param([{**OPENED, "created_at": "2001-01-01T00:00:00Z"}], id="F29-late"),
        pytest.param([CLOSED], id="F29-untrue"),
        pytest.param([OTHER], id="F29-of-another-repository"),
    ],
)
def test_whatever_was_delivered_the_end_is_the_same(world: Any, deliveries: list[Delivery]) -> None:
    one = world.replica()
    take_requests(one.reconciler, world.forge)
    loop = RepositoryLoop("shop", one.reconciler, world.clock, Health(), lambda _name, _error: None)
    controller = Controller((loop,), (), Health())
    world.forge.ask({PATH: REQUEST}, world.clock.at)
    with receiving() as hooks:
        hooks.hooks.open([Door("github", "config", (SECRET,))], lambda hint: controller.look(hint.repositories))
        for sent in deliveries:
            body = json.dumps(sent).encode()
            digest = hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
            head = ("X-GitHub-Event: pull_request", f"X-Hub-Signature-256: sha256={digest}")
            assert hooks.post(body, *head, path="/hooks/github/config") == 202
        assert hooks.now() == NOW
    loop.turn()
    assert "image: registry.example/web:1.0" in world.people.read("apps/web/web.yaml", "ask-1")
    assert "Undoes" in world.forge.comments_of[1][f"gitops-rollback:{PATH}"]
    assert world.reverts() == 0, "nothing lands that nobody merged, whatever a delivery says"
