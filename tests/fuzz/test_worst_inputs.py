"""The largest inputs that a reader takes, built to be as dear as can be: each has its answer within a second of CPU.

Most of them once took the square of their length: minutes to hours, with the whole controller standing still.
"""

from __future__ import annotations

import time
import tracemalloc
from collections.abc import Callable

import pytest
from plan_facts import FILE, a_file, facts
from targets import NOW, SHA, refusal

from gitops_rollback.adapters.engines.argocd_stream import EventReader
from gitops_rollback.adapters.git.gates import Parsing, yaml_shape
from gitops_rollback.adapters.git.revisions import parse_commit
from gitops_rollback.adapters.http import HttpAnswer
from gitops_rollback.adapters.json_node import MAX_CONTAINERS, load
from gitops_rollback.adapters.metrics.answers import Asked, read_answer
from gitops_rollback.adapters.policies.promql import template_errors, template_warnings
from gitops_rollback.core.commit import parse_trailers
from gitops_rollback.core.guards.capacity import judge_capacity
from gitops_rollback.core.guards.irreversible import judge_irreversible
from gitops_rollback.core.guards.migrations import judge_migrations
from gitops_rollback.core.images import satisfies
from gitops_rollback.core.journal import decode_record
from gitops_rollback.core.manifest import ObjectChange, changes, objects
from gitops_rollback.core.manifest_text import documents
from gitops_rollback.core.measurement import Outcome
from gitops_rollback.core.message import for_people
from gitops_rollback.core.paths import matches
from gitops_rollback.core.repository_url import same_repository
from gitops_rollback.core.stop import read_pause

MIB = 1 << 20
MOST_BYTES = 64 * MIB
DEAR_IN_MEMORY = ("json", "metrics", "trailers", "commit", "subject", "blank", "documents", "stream")
MOST_SECONDS = (
    3.0  # of this thread's CPU: a second, and as much again twice for a slow machine whose other cores are busy
)


def read_json(body: bytes) -> str:
    return refusal(lambda: load(body), ValueError)


def measure(body: bytes) -> None:
    answer = read_answer(Asked("q", NOW, True), HttpAnswer(200, {}, body))
    assert answer.outcome is Outcome.ERROR


def query(template: str) -> None:
    if not template_errors(template):
        template_warnings(template)


def manifests(name: str, count: int = 9_000) -> bytes:
    return b"".join(
        b"---\n{apiVersion: v1,kind: Pod,metadata: {name: %s%d}}\n" % (name.encode(), n) for n in range(count)
    )


def became(before: bytes, after: bytes) -> tuple[ObjectChange, ...]:
    return changes(objects(before) or (), objects(after) or ())


def guards(before: bytes, after: bytes) -> None:
    changed = facts(files=(a_file(before.decode(), after.decode()),))
    for judge in (judge_irreversible, judge_migrations, judge_capacity):
        assert judge(changed).message


def stream(chunk: bytes, count: int) -> None:
    reader = EventReader()
    refusal(lambda: [list(reader.feed(chunk)) for _ in range(count)], ValueError)


def encoded(codec: bytes) -> None:
    parse_commit(SHA, b"tree x\nencoding " + codec + b"\n\n" + b"a" * MIB)


WORST = {
    "json-with-a-string-that-is-never-closed": lambda: read_json(b'"' + b'\\"' * MIB),
    "json-with-a-string-cut-at-a-backslash": lambda: read_json(b'"' + b'\\"' * MIB + b"\\"),
    "json-of-brackets": lambda: read_json(b"[" * (8 * MIB)),
    "json-of-little-lists": lambda: read_json(b"[" + b"[]," * (2 * MAX_CONTAINERS) + b"[]]"),
    "metrics-of-little-lists": lambda: measure(b"[" + b"[]," * (5 * MIB) + b"[]]"),
    "metrics-of-little-texts": lambda: measure(b"[" + b'"ab",' * (3 * MIB) + b'""]'),
    "metrics-deep": lambda: measure(b"[" * (16 * MIB)),
    "trailers-folded": lambda: parse_trailers("s\n\nK: v\n" + " x\n" * 300_000),
    "trailers-of-one-key": lambda: parse_trailers("s\n\n" + "K: v\n" * 200_000),
    "subject-of-escapes": lambda: for_people("\x1b[0" * MIB),
    "commit-in-punycode": lambda: encoded(b"punycode"),
    "commit-in-idna": lambda: encoded(b"idna"),
    "query-of-variables": lambda: query('x{a=~"' + "$SERVICE" * 1_200 + '"}'),
    "query-of-short-variables": lambda: query('x{a=~"' + "$A" * 4_900 + '"}'),
    "query-of-classes": lambda: query('x{a=~"' + "[" * 9_900 + '"}'),
    "pause-of-a-flow": lambda: read_pause("d", b"[" + b"a," * 32_000 + b"]"),
    "record-deep": lambda: refusal(lambda: decode_record(b"[" * MIB), ValueError),
    "blank-lines": lambda: guards(b"\n" * MIB, b"a: 1\n"),
    "blank-lines-that-are-indented": lambda: guards(b"\n " * (MIB // 2), b"a: 1\n"),
    "glob-of-stars": lambda: matches("*a" * 2_000 + "b", "a" * 4_000),
    "glob-of-double-stars": lambda: matches("/".join(["**", "*"] * 250), "/".join("a" * 1_000)),
    "constraint-of-spaces": lambda: satisfies("1.2.3", " " * 60_000),
    "constraint-of-spaces-and-a-word": lambda: satisfies("1.2.3", ">=" + " " * 60_000 + "1 x"),
    "address-of-separators": lambda: same_repository("://" * 200_000, "b@" * 100_000 + ":"),
    "stream-of-one-endless-line": lambda: stream(b"a" * 4096, 2_100),
    "documents-of-aliases": lambda: documents("".join(f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]\n" for n in range(1, 999))),
}  # fmt: skip


@pytest.mark.parametrize("read", WORST.values(), ids=WORST)
def test_the_dearest_input_of_its_size_has_an_answer_in_time(read: Callable[[], object]) -> None:
    started = time.thread_time()
    read()
    assert time.thread_time() - started < MOST_SECONDS


@pytest.mark.parametrize("name", [name for name in WORST if name.startswith(DEAR_IN_MEMORY)])
def test_the_dearest_input_of_its_size_takes_little_memory(name: str) -> None:
    """With the input itself, which is up to 20 MiB long."""
    tracemalloc.start()
    try:
        WORST[name]()
        assert tracemalloc.get_traced_memory()[1] < MOST_BYTES
    finally:
        tracemalloc.stop()


def test_many_objects_that_all_go_are_told_apart_in_time() -> None:
    started = time.thread_time()
    found = became(manifests("a"), manifests("b"))
    assert len(found) == 9_000
    assert time.thread_time() - started < 3 * MOST_SECONDS  # two thirds of it is the YAML itself


def test_many_objects_are_held_against_what_runs_in_time() -> None:
    text = manifests("a", 4_000)
    started = time.thread_time()
    guards(text, text.replace(b"Pod", b"Job"))
    assert time.thread_time() - started < 4 * MOST_SECONDS  # each of the guards reads the YAML anew


def test_a_key_that_repeats_below_long_keys_takes_no_memory() -> None:
    above = "".join(f"{{{'k' * 1000}{level}: " for level in range(90))
    below = ",".join(f"a{n}: ,a{n}: " for n in range(500))
    shape = yaml_shape(f"{above}{{{below}}}{'}' * 90}".encode())
    assert shape.parsing is Parsing.PLAIN
    assert len(shape.repeated) == 500
    assert sum(len(path) for path in shape.repeated) < 500 * 600


def test_keys_that_repeat_without_end_are_not_counted() -> None:
    text = ",".join(f"a{n}: ,a{n}: " for n in range(50_000))
    assert yaml_shape(f"{{{text}}}".encode()).parsing is Parsing.OVER_LIMIT


def test_a_time_that_no_calendar_holds_stops_and_is_no_crash() -> None:
    for until in ("9999-12-31T23:59:59-23:59", "0001-01-01T00:00:00+23:59"):
        text = f"apiVersion: gitops-rollback.dev/v1alpha1\nkind: RollbackPause\nspec: {{all: true, until: '{until}'}}\n"
        assert "outside of the calendar" in read_pause("branch", text.encode()).unreadable


def test_what_is_long_and_plain_is_read_all_the_same() -> None:
    assert parse_trailers("s\n\nK: v\n x\n y\nL: 1\nK: w") == {"K": ("v x y", "w"), "L": ("1",)}
    assert load(b'{"a":"\\"[[","b":[]}') == {"a": '"[[', "b": []}
    assert FILE in {change.path for change in facts().reversal.changes}
