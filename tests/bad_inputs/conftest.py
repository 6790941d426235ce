"""The bad inputs are put to real repositories, real HTTP servers and the application layer's world."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

TESTS = Path(__file__).resolve().parents[1]
for name in ("app", "contract", "git", "policies"):
    if str(TESTS / name) not in sys.path:
        sys.path.insert(0, str(TESTS / name))

# Only now can they be found.
_plain = importlib.import_module("plain_policy")
plain, read, read_with = _plain.plain, _plain.read, _plain.read_with


@pytest.fixture
def world(tmp_path: Path) -> Iterator[Any]:
    """A repository, an engine, metrics and a clock; see `app_world`."""
    world = importlib.import_module("app_world").World(tmp_path)
    yield world
    world.close()
