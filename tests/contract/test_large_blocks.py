"""What large answers took is given back to the system, where its C library can be told so."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from gitops_rollback.adapters import large_blocks

READER = """
from pathlib import Path
from gitops_rollback.adapters.large_blocks import give_back_large_blocks

def resident():
    return int(Path("/proc/self/status").read_text().split("VmRSS:")[1].split()[0])

can = give_back_large_blocks()
bytearray(8 << 20)  # the first one that is let go, after which such blocks are kept in reserve
before, kept, answers = resident(), [], []
for n in range(20):
    answers.append(bytearray(b"x") * (1 << 20))
    kept.append(bytearray(2000))  # of what was read
answers.clear()
print(int(can), resident() - before)
"""


def test_what_large_answers_took_is_given_back() -> None:
    said = subprocess.run([sys.executable, "-c", READER], capture_output=True, text=True, check=True).stdout
    can, kept_kib = (int(word) for word in said.split())
    assert kept_kib < 4096 or not can  # of 20 MiB


def test_with_another_library_nothing_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "confstr_names", {})
    assert not large_blocks.give_back_large_blocks()
