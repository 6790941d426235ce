"""The benchmark of webhooks runs, and says no for what it must: a moment of it, in which no time is asserted."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hook_server import receiving

from gitops_rollback.web import server

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


def test_a_burst_of_more_connections_than_there_is_room_for_is_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "MOST_CONNECTIONS", 2)
    monkeypatch.setattr(server, "ROOM_SECONDS", 20.0)  # a busy machine answers late, and that is no fault here
    with receiving() as one, ThreadPoolExecutor(24) as senders:
        found = list(senders.map(lambda number: one.event(severity=f"burst {number}"), range(48)))
    assert found == [202] * 48


def test_whoever_fills_all_the_room_in_silence_delays_the_others_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "MOST_CONNECTIONS", 1)
    with receiving() as one:
        with socket.create_connection(one.server.address) as silent:
            silent.sendall(b"POST ")
            assert [one.event(severity=f"closed {number}") for number in range(20)] == [0] * 20
        end = time.monotonic() + 20
        while one.event(severity=f"late {time.monotonic()}") != 202:
            assert time.monotonic() < end, "there is room again"
