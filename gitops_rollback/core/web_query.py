"""A question to any service that answers JSON, as text: which path is asked, and where in the answer is the number?

It is like `/stats?service=$SERVICE $.errors.rate`: a path with its query, then a place as JSONPath writes it, names and
positions only. No text is both this and PromQL, in which nothing begins with `/`.
Source: RFC 9535 (JSONPath), 2.3.1 and 2.3.3: name and index selectors; RFC 3986, 2.3, for what is escaped.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import timedelta
from urllib.parse import quote

from gitops_rollback.core.errors import QueryInvalid
from gitops_rollback.core.query import LONGEST_QUERY, VARIABLE, VARIABLES, value_of

STEP = re.compile(r"\.([A-Za-z_][A-Za-z0-9_-]*)|\[(\d{1,4})\]|\['([^'\\]{1,100})'\]", re.ASCII)
WHOLE = re.compile(rf"\s*(?P<path>/[!-~]*)\s+\$(?P<place>(?:{STEP.pattern})*)\s*", re.ASCII)
SAMPLE = dict.fromkeys(VARIABLES, "sample")
SHAPE = "a question to a service is like /stats?service=$SERVICE $.errors.rate"


def is_web(text: str) -> bool:
    """Whether `text` asks a path, and is no query of a metric store."""
    return text.lstrip().startswith("/")


def errors(template: str) -> tuple[str, ...]:
    """Why `template` can never be asked; () if it can."""
    if len(template) > LONGEST_QUERY:
        return (f"the query has {len(template)} characters, more than {LONGEST_QUERY}",)
    try:
        parts(fill(template, SAMPLE))
    except QueryInvalid as exc:
        return (exc.message,)
    return ()


def fill(template: str, variables: Mapping[str, str]) -> str:
    """`template` with each `$NAME` and `${NAME}` filled, percent-encoded. Raises: QueryInvalid."""
    return VARIABLE.sub(lambda match: _escaped(value_of(match.group(), variables), match.group()), template)


def parts(query: str) -> tuple[str, tuple[str | int, ...]]:
    """The path that is asked, and the way to the number in its answer. Raises: QueryInvalid."""
    whole = WHOLE.fullmatch(query)
    if whole is None or whole["path"].startswith("//") or "#" in whole["path"] or _climbs(whole["path"]):
        raise QueryInvalid("query", f"no path and place: {SHAPE}")
    steps = STEP.findall(whole["place"])
    return whole["path"], tuple(int(index) if index else name or quoted for name, index, quoted in steps)


def look_back(query: str) -> timedelta:
    """Nothing: it says what is so now. What the service itself looks back is not known here. Raises: QueryInvalid."""
    parts(query)
    return timedelta(0)


def _climbs(path: str) -> bool:
    return any(part in (".", "..") for part in path.partition("?")[0].split("/"))


def _escaped(value: str, written: str) -> str:
    if not value.strip("."):
        raise QueryInvalid("query", f"the value of {written} is no name")
    return quote(value, safe="")
