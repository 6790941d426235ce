"""The suite that all forges are held to, put to a real Gitea: what it shows goes before what was read about it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from itertools import count
from pathlib import Path

import programs
import pytest
import test_forge_suite as suite
from gitea import GiteaDoor, RealGitea, gitea_door
from systems import Machine

from gitops_rollback.core.pull_request import Permission

# Those whose answers are lost or made up on the way, which only the sandbox can do, and one with a door of its own.
NOT_HERE = (
    "lost",
    "refused",
    "is_down",
    "administrator",
)
_NUMBERS = count(1)
TESTS = {name: one for name, one in vars(suite).items() if name.startswith("test_")}
globals().update({name: one for name, one in TESTS.items() if not any(word in name for word in NOT_HERE)})


@pytest.fixture(scope="session")
def gitea(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealGitea]:
    if not programs.path_of("gitea").exists():
        pytest.fail("not built: gitea; `python3 make.py lab` builds it")
    with ExitStack() as ending:
        yield RealGitea(Machine(tmp_path_factory.mktemp("forge"), ending))


@pytest.fixture
def at(gitea: RealGitea, tmp_path: Path) -> Iterator[GiteaDoor]:
    yield from gitea_door(gitea, f"config-{next(_NUMBERS)}", tmp_path)


def test_an_administrator_of_the_real_one_is_told_what_others_may_do(at: GiteaDoor) -> None:
    forge = at.client(token=at.stage.forge.server.tokens["owner"])
    said = {who: forge.permission(who) for who in ("owner", "writer", "reader", "nobody-such")}
    assert list(said.values()) == [Permission.ADMIN, Permission.WRITE, Permission.READ, Permission.NONE]
    assert forge.facts().trouble == ()
