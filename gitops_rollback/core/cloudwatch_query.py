"""A CloudWatch query as text: is it one, what do its variables stand for, how far does it look back?

Taken are the two of CloudWatch's own languages that select by names: Metrics Insights (`SELECT SUM(Errors) FROM
SCHEMA("AWS/Lambda", FunctionName) WHERE FunctionName = '$SERVICE'`), and a search of metric math
(`SUM(SEARCH('{AWS/Lambda,FunctionName} MetricName="Errors" FunctionName="$SERVICE"', 'Sum', 60)) / 60`).
What fills gaps is not taken: a zero that nobody measured is no zero. No text is both this and PromQL.
Source: docs.aws.amazon.com, CloudWatch User Guide: Metrics Insights query components; Search expression syntax (a
value in double quotes matches exactly, all others match by words).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import timedelta

from gitops_rollback.core.errors import QueryInvalid
from gitops_rollback.core.query import LONGEST_QUERY, VARIABLE, VARIABLES, value_of

START = re.compile(r"\s*(?:SELECT\s|(?:(?:SUM|AVG|MAX|MIN)\(\s*)?SEARCH\(\s*')", re.IGNORECASE)
SELECT = re.compile(
    r"\s*SELECT\s+(?:AVG|COUNT|MAX|MIN|SUM)\(\s*[\w.\"/ -]+\)\s+FROM\s+(?:SCHEMA\([^()]+\)|\"[^\"]+\"|[\w/]+)"
    r"(?:\s+WHERE\s+[^;()]+?)?(?:\s+GROUP\s+BY\s+[^;()]+?)?\s*",
    re.IGNORECASE | re.ASCII,
)
SEARCH = re.compile(
    r"\s*(?:(?:SUM|AVG|MAX|MIN)\(\s*)?SEARCH\(\s*'(?P<search>[^'\\]+)'\s*,\s*"
    r"'(?:Sum|Average|Minimum|Maximum|SampleCount|p\d{1,2}(?:\.\d{1,2})?)'\s*,\s*(?P<period>\d{1,4})\s*\)(?P<closed>\s*\))?"
    r"(?P<per_second>\s*/\s*\d{1,4})?\s*",
    re.ASCII,
)
DIMENSION_VALUE = re.compile(r"[A-Za-z0-9_./:-]+", re.ASCII)
SAMPLE = dict.fromkeys(VARIABLES, "sample")
BUCKET = timedelta(minutes=1)
LONGEST_BUCKET = timedelta(hours=1)
ARRIVAL = timedelta(minutes=2)  # services send their metrics once a minute, and up to two minutes late
EXAMPLE = """SELECT SUM(Errors) FROM SCHEMA("AWS/Lambda", FunctionName) WHERE FunctionName = '$SERVICE'"""
SHAPE = f"a CloudWatch query is like {EXAMPLE}"


def is_cloudwatch(text: str) -> bool:
    """Whether `text` is a CloudWatch query."""
    return START.match(text) is not None


def errors(template: str) -> tuple[str, ...]:
    """Why `template` can never be asked of CloudWatch; () if it can."""
    if len(template) > LONGEST_QUERY:
        return (f"the query has {len(template)} characters, more than {LONGEST_QUERY}",)
    try:
        bucket(fill(template, SAMPLE))
    except QueryInvalid as exc:
        return (exc.message,)
    return ()


def fill(template: str, variables: Mapping[str, str]) -> str:
    """`template` with each `$NAME` and `${NAME}` filled from `variables`.

    Raises: QueryInvalid for an unknown variable, one without a value, a value that is more than a name, or a place
    where it would not have to match exactly.
    """
    quote = '"' if "SEARCH(" in template.upper() else "'"
    for match in VARIABLE.finditer(template):
        if template.count(quote, 0, match.start()) % 2 == 0:
            raise QueryInvalid("query", f"{match.group()} must stand between {quote}, where it matches that name alone")
    return VARIABLE.sub(lambda match: _name(value_of(match.group(), variables), match.group()), template)


def bucket(query: str) -> timedelta:
    """How long each of the query's points stands for. Raises: QueryInvalid if it is none that may be asked."""
    if SELECT.fullmatch(query):
        return BUCKET
    search = SEARCH.fullmatch(query)
    if search is None or (search["closed"] is not None) != (not query.lstrip().startswith("SEARCH")):
        raise QueryInvalid("query", f"not one CloudWatch metric by its names: {SHAPE}")
    length = timedelta(seconds=int(search["period"]))
    if not BUCKET <= length <= LONGEST_BUCKET or length % BUCKET:
        raise QueryInvalid("query", "a period is a whole number of minutes, at most an hour")
    return length


def is_rate(query: str) -> bool:
    """Whether its values are divided, so as to be per second."""
    search = SEARCH.fullmatch(query)
    return search is not None and search["per_second"] is not None


def look_back(query: str) -> timedelta:
    """At most how far before its instant it reads: two buckets and what it waits for. Raises: QueryInvalid."""
    return 2 * bucket(query) + ARRIVAL


def _name(value: str, written: str) -> str:
    if not DIMENSION_VALUE.fullmatch(value):
        raise QueryInvalid("query", f"the value of {written} is not one dimension's value")
    return value
