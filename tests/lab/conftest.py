"""The lab stands on the real Prometheus of the end-to-end tests."""

from __future__ import annotations

import sys
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(TESTS / name) for name in ("lab", "e2e", "contract") if str(TESTS / name) not in sys.path]
