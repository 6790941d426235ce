"""A Datadog metrics query as text: is it one, what do its variables stand for, how far does it look back?

Only one metric with its scope, and what changes none of the time it is about, is taken: a query that moves, smooths or
fills (`timeshift`, `moving_rollup`, `default_zero`) would show an instant that is not the one asked for, or a zero that
nobody measured. No text is both this and PromQL.
Source: docs.datadoghq.com, Metrics, Querying; Getting started with tags (letters, digits, `_`, `-`, `:`, `.`, `/`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import timedelta

from gitops_rollback.core.errors import QueryInvalid
from gitops_rollback.core.query import LONGEST_QUERY, VARIABLE, VARIABLES, value_of

START = re.compile(r"\s*(?:avg|sum|min|max|count|p\d{2}):[\w.]+\{(?:[^{}=\"]|\$\{\w+\})+\}", re.ASCII)
WHOLE = re.compile(
    r"\s*(?:avg|sum|min|max|count|p\d{2}):[A-Za-z][A-Za-z0-9_.]{0,199}"
    r"(?P<scope>\{[^{}]+\})(?: ?by ?\{[A-Za-z0-9_.,/ -]+\})?(?P<functions>(?:\.[a-z_]+\([^()]*\))*)\s*",
    re.ASCII,
)
FUNCTION = re.compile(r"\.([a-z_]+)\(([^()]*)\)", re.ASCII)
ROLLUP = re.compile(r"(?:avg|sum|min|max|count)(?:, ?(?P<seconds>\d{1,5}))?", re.ASCII)
TAG_VALUE = re.compile(r"[A-Za-z0-9_./-]+", re.ASCII)
SAMPLE = dict.fromkeys(VARIABLES, "sample")
BUCKET = timedelta(minutes=1)
SHORTEST_BUCKET = timedelta(seconds=15)  # how often an agent sends
LONGEST_BUCKET = timedelta(hours=1)
WILDCARD_AT_NAME = re.compile(r"\*\$|\$(?:\w+|\{\w+\})\*", re.ASCII)
ARRIVAL = timedelta(seconds=30)  # an agent sends every 15 s; before this a bucket may still grow
SHAPE = "a Datadog query is like sum:trace.http.request.errors{service:$SERVICE}.as_rate()"


def is_datadog(text: str) -> bool:
    """Whether `text` is a Datadog query and no PromQL, whose braces hold `=` or nothing (`sum:rule{job="a"}`)."""
    return START.match(text) is not None


def errors(template: str) -> tuple[str, ...]:
    """Why `template` can never be asked of Datadog; () if it can."""
    if len(template) > LONGEST_QUERY:
        return (f"the query has {len(template)} characters, more than {LONGEST_QUERY}",)
    if WILDCARD_AT_NAME.search(template):
        return ("a `*` that touches a variable also selects longer names: write the variable alone",)
    try:
        bucket(fill(template, SAMPLE))
    except QueryInvalid as exc:
        return (exc.message,)
    return ()


def fill(template: str, variables: Mapping[str, str]) -> str:
    """`template` with each `$NAME` and `${NAME}` filled from `variables`.

    Raises: QueryInvalid for an unknown variable, one without a value, or a value that is more than one tag's value.
    """
    return VARIABLE.sub(lambda match: _tag(value_of(match.group(), variables), match.group()), template)


def bucket(query: str) -> timedelta:
    """How long each of the query's points stands for. Raises: QueryInvalid if it is none that may be asked."""
    whole = WHOLE.fullmatch(query)
    if whole is None:
        raise QueryInvalid("query", f"not one Datadog metric with its scope: {SHAPE}")
    length = BUCKET
    for name, arguments in FUNCTION.findall(whole["functions"]):
        if name == "rollup":
            length = _rolled_up(arguments)
        elif (name, arguments) not in {("as_count", ""), ("as_rate", ""), ("fill", "null")}:
            allowed = ".as_count(), .as_rate(), .rollup(...) and .fill(null)"
            raise QueryInvalid("query", f"`.{name[:40]}()` changes what an instant shows; allowed are {allowed}")
    return length


def is_rate(query: str) -> bool:
    """Whether its values are per second."""
    return ".as_rate()" in query


def look_back(query: str) -> timedelta:
    """At most how far before its instant it reads: two buckets and what it waits for. Raises: QueryInvalid."""
    return 2 * bucket(query) + ARRIVAL


def _rolled_up(arguments: str) -> timedelta:
    rollup = ROLLUP.fullmatch(arguments.strip())
    if rollup is None:
        raise QueryInvalid("query", "a rollup is like .rollup(sum, 60)")
    length = timedelta(seconds=int(rollup["seconds"])) if rollup["seconds"] else BUCKET
    if not SHORTEST_BUCKET <= length <= LONGEST_BUCKET:
        raise QueryInvalid("query", "a rollup is between 15 s and 3600 s: longer ones cannot tell what a sync did")
    return length


def _tag(value: str, written: str) -> str:
    if not TAG_VALUE.fullmatch(value):
        raise QueryInvalid("query", f"the value of {written} is not one tag's value")
    return value
