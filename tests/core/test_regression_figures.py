"""The detector's figures on a small part of its benchmark: who is blamed, and how soon."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

BENCHMARK = Path(__file__).resolve().parents[2] / "benchmarks" / "detection.py"


def test_faults_are_found_soon_and_quiet_deployments_are_left_alone() -> None:
    asked = [sys.executable, str(BENCHMARK), "--smoke", "--scale", "0.5"]
    done = subprocess.run(asked, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "**no**" not in done.stdout
