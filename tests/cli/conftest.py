"""A config repository behind a real git server, and the command line as a user types it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from config_world import Answer, World, run_cli

from gitops_rollback.sandbox.git_server import GitServer

# Receivers at the wire; repositories in the shapes that people have.
BESIDE = [str(Path(__file__).resolve().parents[1] / name) for name in ("contract", "core")]
sys.path[:0] = [folder for folder in BESIDE if folder not in sys.path]


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """One application with a policy; no journal and no control branch yet."""
    server = GitServer(tmp_path / "served").start()
    world = World(server, tmp_path / "state")
    world.create()
    monkeypatch.chdir(tmp_path)
    for name, value in world.environment.items():
        monkeypatch.setenv(name, value)
    yield world
    server.stop()


@pytest.fixture
def cli(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Answer]:
    """Run one command line in this process, as A Developer; see `config_world.Answer`."""
    monkeypatch.setenv("GIT_AUTHOR_NAME", "A Developer")
    monkeypatch.setenv("GIT_AUTHOR_EMAIL", "developer@example.com")
    return run_cli
