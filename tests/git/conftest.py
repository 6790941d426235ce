"""Real repositories behind a real server, for each test its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from remote_world import Remote

from gitops_rollback.adapters.git.repository import GitConfigRepo
from gitops_rollback.sandbox.git_server import GitServer


@pytest.fixture
def server(tmp_path: Path) -> Iterator[GitServer]:
    server = GitServer(tmp_path / "served").start()
    yield server
    server.stop()


@pytest.fixture
def empty_remote(server: GitServer) -> Iterator[Remote]:
    remote = Remote(server).create()
    yield remote
    for repo in remote.made:
        repo.close()


@pytest.fixture
def remote(empty_remote: Remote) -> Remote:
    """Three commits of the last days on `main`."""
    for number in range(3):
        empty_remote.commit({f"apps/a/{number}.yaml": f"n: {number}\n"}, f"Add {number}", days_ago=3 - number)
    return empty_remote


@pytest.fixture
def repo(remote: Remote, tmp_path: Path) -> GitConfigRepo:
    """Not fetched yet."""
    return remote.open(tmp_path / "state")
