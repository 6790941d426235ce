"""Every reader on inputs that nobody would write: random bytes, and good ones with pieces cut out and odd ones put in.

The short form of `coverage_guided.py`, by the same targets.
"""

from __future__ import annotations

import random
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from seeds import SEEDS, TOKENS
from targets import CHECKS

SLOW = {"policy": 20, "settings": 30, "manifest": 30, "query": 60}
NAMES = sorted(CHECKS)


def test_each_target_has_seeds_and_words() -> None:
    assert set(CHECKS) == set(SEEDS) == set(TOKENS)


@pytest.mark.parametrize("name", NAMES)
def test_what_is_good_is_taken(name: str) -> None:
    for seed in SEEDS[name]:
        CHECKS[name](seed)


def mutated(seed: bytes, words: list[str], chance: random.Random, cuts: int) -> bytes:
    data = bytearray(seed)
    for _ in range(cuts):
        at = chance.randrange(len(data) + 1)
        word = chance.choice(words).encode("utf-8", "surrogatepass")
        kind = chance.random()
        if kind < 0.5:
            data[at : at + chance.choice((0, 0, len(word), chance.randint(0, 20)))] = word
        elif kind < 0.8:
            del data[at : at + chance.randint(1, 40)]
        else:
            data[at:at] = data[chance.randrange(len(data) + 1) :][: chance.randint(1, 80)]
    return bytes(data)


@pytest.mark.parametrize("name", NAMES)
def test_anything_has_an_answer(name: str) -> None:
    @settings(max_examples=SLOW.get(name, 100), deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.integers(0, 1 << 32), st.integers(1, 6), st.binary(max_size=100))
    def anything(number: int, cuts: int, noise: bytes) -> None:
        chance = random.Random(number)
        CHECKS[name](mutated(chance.choice(SEEDS[name]), TOKENS[name], chance, cuts))
        CHECKS[name](noise)

    anything()


def test_the_long_form_knows_the_same_targets() -> None:
    script = Path(__file__).with_name("coverage_guided.py")
    told = subprocess.run([sys.executable, str(script), "--help"], capture_output=True, text=True, check=True)
    assert f"{{all,{','.join(CHECKS)}}}" in "".join(told.stdout.split())
