"""A query of a metric provider that is installed beside us: whose is it, and how far does it look back?

It is like `graphite[2m]: sumSeries(stats.$SERVICE.5xx)`: the provider's name, how far back from its instant it reads at
most, and what the provider is asked. No text is both this and PromQL.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import timedelta

from gitops_rollback.core.errors import QueryInvalid
from gitops_rollback.core.query import LONGEST_QUERY, VARIABLE, VARIABLES, value_of

WHOLE = re.compile(
    r"\s*(?P<provider>[a-z][a-z0-9]{0,39})\[(?P<back>\d{1,6})(?P<unit>[smh])\]:\s+(?P<asked>\S.*?)\s*",
    re.DOTALL | re.ASCII,
)
NAME = re.compile(r"[A-Za-z0-9_-]+", re.ASCII)
SECONDS = {"s": 1, "m": 60, "h": 3600}
SAMPLE = dict.fromkeys(VARIABLES, "sample")
SHAPE = "a query of an installed provider is like graphite[2m]: sumSeries(stats.$SERVICE.5xx)"


def is_other(text: str) -> bool:
    """Whether `text` names its provider."""
    return WHOLE.fullmatch(text) is not None


def errors(template: str) -> tuple[str, ...]:
    """Why `template` can never be asked; () if it can."""
    if len(template) > LONGEST_QUERY:
        return (f"the query has {len(template)} characters, more than {LONGEST_QUERY}",)
    try:
        fill(template, SAMPLE)
    except QueryInvalid as exc:
        return (exc.message,)
    return ()


def provider_of(query: str) -> str:
    """The name in front. Raises: QueryInvalid."""
    return _parts(query)["provider"]


def asked(query: str) -> str:
    """What the provider is asked. Raises: QueryInvalid."""
    return _parts(query)["asked"]


def fill(template: str, variables: Mapping[str, str]) -> str:
    """`template` with each `$NAME` and `${NAME}` filled from `variables`.

    Raises: QueryInvalid for an unknown variable, one without a value, or a value with a character that may mean
    something in the provider's language: only letters, digits, `-` and `_` mean nothing in any.
    """
    return VARIABLE.sub(lambda match: _name(value_of(match.group(), variables), match.group()), template)


def look_back(query: str) -> timedelta:
    """As it says itself. Raises: QueryInvalid."""
    parts = _parts(query)
    return timedelta(seconds=int(parts["back"]) * SECONDS[parts["unit"]])


def _parts(query: str) -> re.Match[str]:
    whole = WHOLE.fullmatch(query)
    if whole is None:
        raise QueryInvalid("query", f"no provider's name in front: {SHAPE}")
    return whole


def _name(value: str, written: str) -> str:
    if not NAME.fullmatch(value):
        raise QueryInvalid("query", f"the value of {written} is more than letters, digits, `-` and `_`")
    return value
