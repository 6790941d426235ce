"""What every test stands on: no configuration of the machine's owner, no prompts, loopback only."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

# Tests start hundreds of processes: none of them should compile the whole product anew, whatever the machine says.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

SHARED = Path(__file__).resolve().parents[2] / "shared"


@pytest.fixture(autouse=True, scope="session")
def _isolated_environment(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Neither the developer's git configuration nor any of our own variables may decide a test."""
    ours = ("GIT_", "GITOPS_ROLLBACK_", "ARGOCD_", "PROMETHEUS_")
    for name in [name for name in os.environ if name.startswith(ours)]:
        del os.environ[name]
    home = tmp_path_factory.mktemp("home")
    # A file, not variables of the identity: the product unsets those for its git, by one more process for each command.
    identity = home / "gitconfig"
    identity.write_text("[user]\n\tname = A Developer\n\temail = developer@example.com\n", "utf-8")
    os.environ.update(
        HOME=str(home),
        GIT_CONFIG_GLOBAL=str(identity),
        GIT_CONFIG_NOSYSTEM="1",
        GIT_TERMINAL_PROMPT="0",
        NO_PROXY="*",
        NO_COLOR="1",
    )


@pytest.fixture(scope="session")
def shared() -> Path:
    """The recordings and the corpus beside the project; tests on them are skipped where it is not there."""
    if not SHARED.is_dir():
        pytest.skip("../shared is not beside this checkout")
    return SHARED
