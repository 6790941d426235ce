"""An engine that cannot be listed is told, and the controller is not ready, whatever keeps it from answering."""

from __future__ import annotations

import pytest
from app_world import MINUTE, START, World, running

from gitops_rollback.app.controller import RepositoryLoop
from gitops_rollback.app.health import Health
from gitops_rollback.core.errors import EngineUnavailable, Reason, RollbackError, StalledError

TROUBLES = [
    pytest.param(EngineUnavailable("default", "connection refused"), id="down"),
    pytest.param(
        StalledError("default", "the API serves no kustomizations", Reason.ENGINE_UNCLEAR), id="not installed"
    ),
    pytest.param(StalledError("default", "400 Bad Request", Reason.REQUEST_INVALID), id="refuses the question"),
]


@pytest.mark.parametrize("trouble", TROUBLES)
def test_a_person_is_told_and_the_probe_says_it(
    world: World, monkeypatch: pytest.MonkeyPatch, trouble: RollbackError
) -> None:
    running(world, "web")
    one = world.replica()
    health = Health()
    loop = RepositoryLoop("shop", one.reconciler, one.clock, health, lambda _name, _error: None)
    one.clock.at = START
    loop.turn()
    assert health.ready()

    def fail() -> None:
        raise trouble

    monkeypatch.setattr(world.engine, "applications", fail)
    one.until(START + MINUTE, START + 7 * MINUTE)
    loop.turn()
    pages = [message for message in one.told.messages if message.page]
    assert [page.reason for page in pages] == [trouble.reason.value]
    assert trouble.message in pages[0].text
    assert [(part.name, part.message) for part in health.parts() if not part.ready] == [
        ("engine default listing", trouble.message)
    ]
