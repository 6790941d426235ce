"""The fault rig stands on the worlds of the end-to-end tests and on the remotes of the git tests."""

from __future__ import annotations

import sys
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(TESTS / name) for name in ("e2e", "git") if str(TESTS / name) not in sys.path]
