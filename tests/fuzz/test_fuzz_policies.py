"""Whatever the bytes, reading ends with a policy or with faults at places inside the file, and nothing is raised."""

from __future__ import annotations

import random
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gitops_rollback.adapters.policies.promql import parse_errors, template_errors, template_warnings
from gitops_rollback.adapters.policies.reader import read_policy
from gitops_rollback.core.query import cut_ranges
from gitops_rollback.core.written import MAX_BYTES

MOST_FAULTS = 201
MINUTE = timedelta(minutes=1)
EXAMPLE = (Path(__file__).resolve().parents[2] / "policies" / "payments-prod.yaml").read_text()
PIECES = [
    *"[]{}:,-&*!%|>\"'#@`?~",
    *("<<", "null", "\u202e", "\x85", "\ufeff", "\x01", "1e9", ".nan", "0x1", "$X", "${", "\\x", "yes", "on", "!!int"),
    *("99999999999999999999", "[5m:1e999]", "offset", "@", "-5e999"),
]
SPACED = [
    "\n",
    "\t",
    ": ",
    "- ",
    "? ",
    "---\n",
    "...\n",
    "%YAML 1.2\n---\n",
    '"\\ud800"',
    '"\\UFFFFFFFF"',
    "&a ",
    "*a ",
]
QUERY = (
    'histogram_quantile(0.99, sum(rate(x{service=~"$SERVICE-[a-z]+"}[2m] offset -5m)) by (le)) > bool 1 or y @ end()'
)


def check(text: bytes) -> None:
    read = read_policy(text, "p.yaml", "c" * 40)
    assert (read.policy is None) == bool(read.errors)
    assert len(read.faults) <= MOST_FAULTS
    lines = text.count(b"\n") + text.count(b"\r") + text.count(b"\xc2\x85") + text.count(b"\xe2\x80") + 2
    for fault in read.faults:
        assert 1 <= fault.line <= lines
        assert fault.col >= 1
        assert str(fault).isprintable()


@given(st.binary(max_size=300))
def test_any_bytes_have_an_answer(text: bytes) -> None:
    check(text)


@given(st.lists(st.sampled_from(PIECES + SPACED + ["a", "b"]), max_size=60))
def test_any_yaml_has_an_answer(pieces: list[str]) -> None:
    check("".join(pieces).encode())


@settings(max_examples=150, deadline=None)
@given(seed=st.integers(0, 1 << 32), cuts=st.integers(1, 6))
def test_a_mutated_policy_has_an_answer(seed: int, cuts: int) -> None:
    check(mutated(EXAMPLE, random.Random(seed), cuts).encode("utf-8", "surrogatepass"))


@settings(max_examples=500, deadline=None)
@given(seed=st.integers(0, 1 << 32), cuts=st.integers(1, 5))
def test_a_mutated_query_has_an_answer(seed: int, cuts: int) -> None:
    query = mutated(QUERY, random.Random(seed), cuts)
    if not template_errors(query):
        template_warnings(query)
    parse_errors(query)


@given(st.text(alphabet="x[]()5mhs:@ +-{}=~\"'`offset", max_size=60))
def test_a_query_is_cut_or_it_is_not_but_nothing_is_raised(query: str) -> None:
    from_now = cut_ranges(query, MINUTE)
    assert from_now is None or isinstance(from_now, str)


@pytest.mark.parametrize(
    "text",
    [
        b"[" * 60_000,
        b"{a: " * 16_000,
        b"- " * 30_000,
        b"\n".join(b"k%d: v" % n for n in range(6_000)),
        b"[" + b"a," * 30_000 + b"]",
        b"a: 1\n" * 13_000,
        b"\n".join(b"a%d: &a%d x" % (n, n) for n in range(4_000)),
        b"spec:\n  triggers:\n" + b"\n".join(b"    - query: 'x{a=~\"(.{30}){30}\"}'" for _ in range(1_700)),
    ],
    ids=lambda text: text[:12].decode(),
)
def test_the_worst_files_of_64_kib_have_an_answer_with_few_faults(text: bytes) -> None:
    assert len(text) <= MAX_BYTES
    check(text)


def mutated(text: str, chance: random.Random, cuts: int) -> str:
    letters = list(text)
    for _ in range(cuts):
        at = chance.randrange(len(letters))
        if chance.random() < 0.6:
            letters[at : at + chance.randint(0, 20)] = chance.choice(PIECES + SPACED)
        else:
            del letters[at : at + chance.randint(1, 100)]
        letters = letters or ["a"]
    return "".join(letters)
