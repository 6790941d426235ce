"""The fuzz targets stand on the facts that the tests of `core` are made of."""

from __future__ import annotations

import sys
from pathlib import Path

CORE = str(Path(__file__).resolve().parents[1] / "core")
sys.path[:0] = [CORE] if CORE not in sys.path else []
