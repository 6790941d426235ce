"""The benchmark of webhooks runs, and says no for what it must: a moment of it, in which no time is asserted."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

LOAD = Path(__file__).resolve().parents[2] / "benchmarks" / "webhooks.py"


def test_authentic_deliveries_are_all_taken_while_forged_ones_of_another_address_are_not() -> None:
    options = ("--rate", "200", "--seconds", "0.5", "--burst", "200", "--forged", "200")
    done = subprocess.run([sys.executable, str(LOAD), *options], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    steady, burst, forged, memory = done.stdout.splitlines()
    assert "{'127.0.0.1 202': 100}" in steady
    assert "{'127.0.0.1 202': 200}" in burst
    assert "'127.0.0.1 202': 10" in forged
    assert "127.0.0.2 202" not in forged
    assert memory.startswith("memory: ")
