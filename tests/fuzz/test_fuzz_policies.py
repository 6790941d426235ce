"""Policies put together from what YAML and PromQL stumble over: ended with a policy or with faults, nothing raised."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from seeds import TOKENS
from targets import MINUTE, policy

from gitops_rollback.core.query import cut_ranges
from gitops_rollback.core.written import MAX_BYTES

PIECES = [
    *"[]{}:,-&*!%|>\"'#@`?~\n\t",
    *("null", "\u202e", "\x01", "1e9", "0x1", "$X", "${", "\\x", "yes", "on", "99999999999999999999", "- ", ": ", "a"),
    *("---\n", "...\n", '"\\ud800"', '"\\UFFFFFFFF"', "[5m:1e999]", "-5e999", *TOKENS["policy"]),
]


@settings(deadline=None)
@given(st.lists(st.sampled_from(PIECES), max_size=60))
def test_any_yaml_has_an_answer(pieces: list[str]) -> None:
    policy("".join(pieces).encode("utf-8", "surrogatepass"))


@settings(deadline=None)
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
    policy(text)
